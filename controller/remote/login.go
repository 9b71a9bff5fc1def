package remote

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
)

// permissions are all that a module's token may do at the backend.
var permissions = []access.Permission{
	access.SetupRead, access.ImageRead, access.MatchAsk, access.EventRead,
	access.OrderRead, access.OrderPlace, access.OrderConfigure, access.OrderCancel,
	access.ServiceRead, access.ServiceMove, access.ServicePower,
}

// Login and Session are the two ends of a login.
type (
	Login   = order.RemoteLogin
	Session = order.RemoteSession
)

// newToken is what /v1/tokens/own answers.
type newToken struct {
	Secret    string    `json:"secret"`
	ExpiresAt time.Time `json:"expires_at"`
}

// connect logs in and exchanges the password for a token. The error is invalid, and names
// the fields of the module that a person can mend (rule X13).
func connect(ctx context.Context, c *Client, l Login) (s Session, err error) {
	a, err := c.About(ctx)
	if err != nil {
		return s, blame(err, "url")
	}
	s.Fleet, s.Generation = a.Fleet, a.Generation
	if err := suits(l, a); err != nil {
		return s, err
	}
	login, err := c.login(ctx, l)
	if err != nil {
		return s, err
	}
	defer login.logout(ctx)
	t, err := login.ownToken(ctx, l.Name)
	if err != nil {
		return s, blame(err, "username")
	}
	s.Token, s.Expires = logging.Secret(t.Secret), t.ExpiresAt
	own := c.with(s.Token)
	if s.Module, err = own.module(ctx, l); err != nil {
		own.logout(ctx)
		return s, err
	}
	return s, nil
}

// suits refuses a backend of another generation than the location was made for (rule B3).
func suits(l Login, a About) error {
	var check fault.Check
	check.Require(a.Generation == l.Generation, "location", "was made for a backend of generation %q; the one at %s is of generation %q (B3)", l.Generation, l.URL, clip(a.Generation))
	return check.Err("the module does not suit its location")
}

func (c *Client) login(ctx context.Context, l Login) (*Client, error) {
	var a struct {
		Token string `json:"token"`
	}
	err := c.ask(ctx, http.MethodPost, "/v1/login", "", map[string]string{"name": l.Username, "password": string(l.Password)}, &a)
	if fault.Is(err, fault.KindDenied) || fault.Is(err, fault.KindInvalid) {
		return nil, blame(fault.Denied("the other controller says: %w", err), "password")
	}
	if err != nil {
		return nil, blame(err, "url")
	}
	return c.with(logging.Secret(a.Token)), nil
}

// logout ends a token. That it fails does no harm: the token ends by itself.
func (c *Client) logout(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	_ = c.ask(ctx, http.MethodPost, "/v1/logout", "", nil, nil)
}

// ownToken makes a token that does no more than orders need.
func (c *Client) ownToken(ctx context.Context, name string) (t newToken, err error) {
	body := map[string]any{"name": "orders of " + name, "permissions": permissions}
	err = c.ask(ctx, http.MethodPost, "/v1/tokens/own", "", body, &t)
	if err == nil && t.Secret == "" {
		err = fault.Unavailable("%s gave no token", c.base.Host)
	}
	return t, err
}

// module finds the module there that takes our orders.
func (c *Client) module(ctx context.Context, l Login) (string, error) {
	type module struct {
		ID, Name     string
		ByServerType bool `json:"by_server_type"`
	}
	var a list[module]
	if err := c.ask(ctx, http.MethodGet, "/v1/modules?kind="+order.ModuleLocal+"&limit=1000", "", nil, &a); err != nil {
		return "", blame(err, "username")
	}
	fits := slices.DeleteFunc(slices.Clone(a.Items), func(m module) bool {
		return l.Module != "" && m.ID != l.Module && !strings.EqualFold(m.Name, l.Module)
	})
	var check fault.Check
	switch {
	case len(a.Items) == 0:
		check.Add("remote_module", "cannot be found: there is no local module at %s", l.URL)
	case len(fits) != 1:
		var names []string
		for _, m := range a.Items {
			names = append(names, m.Name)
		}
		check.Add("remote_module", "does not name one of the modules there; give one of: %s", clip(order.Some(names)))
	default:
		check.Require(l.ByServerType || !fits[0].ByServerType, "by_server_type", "must be on: module %s there goes by server type (B9)", clip(fits[0].Name))
	}
	if err := check.Err("the backend has no such module"); err != nil {
		return "", err
	}
	return fits[0].ID, nil
}

// blame names the field of a module that an error is about.
func blame(err error, field string) error {
	switch {
	case errors.Is(err, errCertificate):
		field = "ca"
	case errors.Is(err, errName), errors.Is(err, errStranger), fault.Is(err, fault.KindUnavailable):
		field = "url"
	}
	var check fault.Check
	check.Add(field, "%s", "cannot be used: "+err.Error())
	return check.Err("the other controller cannot be connected")
}
