package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"sync"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/address"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/image"
	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/pkg/fault"
)

// maxKey bounds an Idempotency-Key, in bytes.
const maxKey = 255

// creating lists the routes that make something; collected at registration.
var creating = map[string]bool{
	"POST /v1/orders": true, "POST /v1/servers/{id}/operations": true, "POST /v1/locations": true,
	"POST /v1/pools": true, "POST /v1/servers/{id}/addresses": true,
	"POST /v1/server-groups": true, "POST /v1/server-pools": true, "POST /v1/placements": true, "POST /v1/servers/{id}/move-content": true,
	"POST /v1/modules": true, "POST /v1/tariffs": true, "POST /v1/images": true, "POST /v1/tokens": true, "POST /v1/tokens/own": true, "POST /v1/users": true,
	"POST /v1/sales": true, "POST /v1/switches": true, "POST /v1/webhooks": true, "POST /v1/mail-routes": true,
	"POST /v1/resellers": true, "POST /v1/reseller-plans": true, "POST /v1/signups": true,
	"POST /v1/customers": true, "POST /v1/accounts": true, "POST /v1/forwards": true, "POST /v1/accounts/{id}/subdomains": true,
	"POST /v1/accounts/{id}/ftp-logins": true, "POST /v1/accounts/{id}/mailboxes": true, "POST /v1/accounts/{id}/databases": true, "POST /v1/offers": true, "POST /v1/subscriptions": true,
}

// flight knows the keys of requests that are being answered by this replica. Two
// replicas meet in the commit.
type flight struct {
	mu   sync.Mutex
	keys map[string]struct{}
}

func newFlight() *flight { return &flight{keys: map[string]struct{}{}} }

func (f *flight) enter(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, busy := f.keys[key]; busy {
		return false
	}
	f.keys[key] = struct{}{}
	return true
}

func (f *flight) leave(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.keys, key)
}

// once handles the Idempotency-Key (rule X10). It reports whether the request goes
// on; if not, it was answered.
func (a *API) once(c *call) bool {
	key := c.r.Header.Get("Idempotency-Key")
	if key == "" || !creating[c.state.route] {
		return true
	}
	if !sane(key) {
		var check fault.Check
		check.Add("header.Idempotency-Key", "must be 1 to %d printable ASCII characters", maxKey)
		c.fail(check.Err("the request is not valid"), "header")
		return false
	}
	o := intake.NewOnce(holder(c.state.token)+c.state.acting, key, c.state.secret)
	if !a.flight.enter(o.Key) {
		c.fail(fault.Refused("the request with this Idempotency-Key is being answered at this moment; ask again"), "header")
		return false
	}
	defer a.flight.leave(o.Key)
	c.state.once = o
	c.r = c.r.WithContext(intake.WithOnce(c.r.Context(), o))
	if c.state.route == uploadRoute { // compared when its bytes are known
		a.mux.ServeHTTP(c.w, c.r)
		return false
	}
	o.Digest = a.in.RequestDigest(digestOf(c.r.Method, c.r.URL.RequestURI(), string(c.state.body)))
	if !a.replay(c) {
		a.mux.ServeHTTP(c.w, c.r)
	}
	return false
}

func sane(key string) bool {
	for _, b := range []byte(key) {
		if b < ' ' || b > '~' {
			return false
		}
	}
	return len(key) <= maxKey
}

func digestOf(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil))
}

// replay answers a request that was answered before; false when it was not.
func (a *API) replay(c *call) bool {
	answer, rev, found, err := a.in.Recall(c.state.once)
	if err != nil {
		c.fail(err, "header")
		return true
	}
	if !found {
		return false
	}
	secret, err := a.in.Secret(c.state.once, answer)
	if err != nil {
		c.fail(err, "header")
		return true
	}
	value, err := decodeRecord(answer.Table, answer.Value)
	if err != nil {
		c.fail(err, "header")
		return true
	}
	out := a.createdReply(answer.Table, answer.ID, value, secret, rev)
	out.header["Idempotent-Replay"] = "true"
	c.send(out)
	return true
}

// created answers a request that made a record. The answer is built from the
// record as it was created, so that a repetition is answered with the same bytes.
func (c *call) created(table, id string, value any, secret string, err error) (reply, error) {
	if errors.Is(err, intake.ErrAnswered) && c.state.once != nil { // by another replica
		return reply{stream: func() {
			if !c.api.replay(c) {
				c.fail(fault.Unavailable("the request was answered by another replica; ask again"), "header")
			}
		}}, nil
	}
	if err != nil {
		return reply{}, err
	}
	r, err := c.api.settle(c.ctx(), table, id)
	if err != nil {
		return reply{}, err
	}
	var rev int64
	if r != nil {
		rev = r.created
	}
	return c.api.createdReply(table, id, value, secret, rev), nil
}

func (a *API) createdReply(table, id string, value any, secret string, rev int64) reply {
	if several, ok := value.(*intake.SaleAnswer); ok {
		return reply{body: render(several), header: map[string]string{}}
	}
	path := "/v1/" + table + "/" + id
	out := reply{status: http.StatusCreated, etag: tag(rev, rev), header: map[string]string{"Location": path}}
	if t, ok := value.(*access.Token); ok {
		v := a.newToken(t, secret, rev)
		out.body = render(&v)
		return out
	}
	if w, ok := value.(*notify.Webhook); ok {
		out.body = render(&NewWebhook{webhookView(w, rev), secret})
		return out
	}
	if m, ok := value.(*intake.MadeAccount); ok {
		v := newAccount(m, secret, rev)
		out.body = render(&v)
		return out
	}
	out.body = render(viewOf(value, rev))
	return out
}

func decodeRecord(table string, data []byte) (any, error) {
	var v any
	switch table {
	case "orders":
		v = new(order.Order)
	case "operations":
		v = new(operation.Operation)
	case "locations":
		v = new(fleet.Location)
	case "server-groups":
		v = new(reselling.ServerGroup)
	case "server-pools":
		v = new(reselling.Pool)
	case "placements":
		v = new(hosting.Placement)
	case "pools":
		v = new(address.Pool)
	case "addresses":
		v = new(address.Address)
	case "modules":
		v = new(order.Module)
	case "tariffs":
		v = new(order.Tariff)
	case "images":
		v = new(image.Image)
	case "tokens":
		v = new(access.Token)
	case "users":
		v = new(access.User)
	case "sales":
		v = new(intake.SaleAnswer)
	case "switches":
		v = new(outofband.Switch)
	case "resellers":
		v = new(reselling.Reseller)
	case "reseller-plans":
		v = new(reselling.Plan)
	case "signups":
		v = new(reselling.SignUp)
	case "webhooks":
		v = new(notify.Webhook)
	case "mail-routes":
		v = new(notify.Route)
	case "customers":
		v = new(reselling.Customer)
	case "accounts":
		v = new(intake.MadeAccount)
	case "forwards":
		v = new(account.Forward)
	case "offers":
		v = new(plan.Offer)
	case "subscriptions":
		v = new(subscription.Subscription)
	default:
		return nil, fault.Internal("an answer about %s cannot be repeated", table)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return nil, fault.Internal("repeat an answer about %s: %w", table, err)
	}
	return v, nil
}
