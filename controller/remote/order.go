package remote

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
)

// About is what a backend says of itself.
type About struct {
	Generation string `json:"generation"`
	Fleet      string `json:"fleet"`
}

// Wish is what is to be found or ordered there.
type Wish struct {
	Module        string                 `json:"module"`
	ServerType    string                 `json:"server_type,omitempty"`
	Configuration hardware.Configuration `json:"configuration"`
}

// Offer is what would be given for a wish now.
type Offer struct {
	Found, Exact bool
	Distance     int
}

// Placing is an order as it is sent. Reference names it on both sides.
type Placing struct {
	Wish
	Reference      string   `json:"reference"`
	Customer       string   `json:"customer,omitempty"`
	Image          string   `json:"image"`
	Hostname       string   `json:"hostname"`
	SSHKeys        []string `json:"ssh_keys,omitempty"`
	UserData       string   `json:"user_data,omitempty"`
	ExactOnly      bool     `json:"exact_only,omitempty"`
	EmailConfirmed bool     `json:"email_confirmed,omitempty"`
	InstallTimeout int      `json:"install_timeout,omitempty"` // minutes
	DiagTimeout    int      `json:"diag_timeout,omitempty"`    // minutes
}

// Order and Service are as the backend has them.
type (
	Order   = order.SeenOrder
	Service = order.SeenService
)

// Image is an image that the backend can install.
type Image struct {
	ID, Name string
	OSFamily string `json:"os_family"`
	SHA256   string `json:"raw_sha256"`
	Retired  bool
}

type list[T any] struct {
	Items []T `json:"items"`
}

// About asks who is there. No token is needed.
func (c *Client) About(ctx context.Context) (a About, err error) {
	err = c.with("").ask(ctx, http.MethodGet, "/v1/about", "", nil, &a)
	if fault.Is(err, fault.KindNotFound) || err == nil && (a.Generation == "" || a.Fleet == "") {
		err = cause{fault.Unavailable("%s is no Steelyard controller of this generation or a later one", c.base.Host), errStranger}
	}
	return a, err
}

// Match asks what would be given for a wish. Nothing is claimed.
func (c *Client) Match(ctx context.Context, w Wish) (Offer, error) {
	var a struct {
		Found  bool
		Result *struct {
			Distance int
			Exact    bool
		}
	}
	if err := c.ask(ctx, http.MethodPost, "/v1/match", "", w, &a); err != nil || !a.Found || a.Result == nil {
		return Offer{}, err
	}
	return Offer{Found: true, Exact: a.Result.Exact, Distance: a.Result.Distance}, nil
}

// Images are those that can be ordered and have a name, without regard to case.
func (c *Client) Images(ctx context.Context, name string) ([]Image, error) {
	var a list[Image]
	if err := c.ask(ctx, http.MethodGet, "/v1/images?"+url.Values{"q": {name}, "retired": {"false"}, "limit": {"1000"}}.Encode(), "", nil, &a); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(a.Items, func(i Image) bool { return !strings.EqualFold(i.Name, name) }), nil
}

// Find is the order with a reference; false when there is none.
func (c *Client) Find(ctx context.Context, reference string) (o Order, found bool, err error) {
	var a list[Order]
	if err := c.ask(ctx, http.MethodGet, "/v1/orders?"+url.Values{"reference": {reference}}.Encode(), "", nil, &a); err != nil {
		return o, false, err
	}
	for _, o := range a.Items {
		if o.Reference == reference { // a backend that does not know the filter would answer anything
			return clipOrder(o), true, nil
		}
	}
	return o, false, nil
}

// Place orders; the same reference is ordered once, however often it is asked for.
func (c *Client) Place(ctx context.Context, p Placing) (o Order, err error) {
	err = c.ask(ctx, http.MethodPost, "/v1/orders", "order "+p.Reference, p, &o)
	return clipOrder(o), err
}

// Order reads an order.
func (c *Client) Order(ctx context.Context, id string) (o Order, err error) {
	err = c.ask(ctx, http.MethodGet, "/v1/orders/"+url.PathEscape(id), "", nil, &o)
	return clipOrder(o), err
}

// Cancel withdraws an order. One that is withdrawn already stays so.
func (c *Client) Cancel(ctx context.Context, id, reason string) (o Order, err error) {
	err = c.ask(ctx, http.MethodPost, "/v1/orders/"+url.PathEscape(id)+"/cancel", "", because(reason), &o)
	return clipOrder(o), err
}

// Service reads a service.
func (c *Client) Service(ctx context.Context, id string) (s Service, err error) {
	err = c.ask(ctx, http.MethodGet, "/v1/services/"+url.PathEscape(id), "", nil, &s)
	return clipService(s), err
}

// Move asks a service to stop, resume or delete. What is so already stays so.
func (c *Client) Move(ctx context.Context, id, wish, reason string) (s Service, err error) {
	err = c.ask(ctx, http.MethodPost, "/v1/services/"+url.PathEscape(id)+"/"+url.PathEscape(wish), "", because(reason), &s)
	return clipService(s), err
}

// Power switches the server of a service.
func (c *Client) Power(ctx context.Context, id, action, reason string) (s Service, err error) {
	body := map[string]string{"action": action, "reason": reason}
	err = c.ask(ctx, http.MethodPost, "/v1/services/"+url.PathEscape(id)+"/power", "", body, &s)
	return clipService(s), err
}

func because(reason string) any {
	if reason == "" {
		return nil
	}
	return map[string]string{"reason": reason}
}

func clipOrder(o Order) Order       { o.Message = clip(o.Message); return o }
func clipService(s Service) Service { s.Message = clip(s.Message); return s }
