package remote

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
)

// Options are what remote modules stand on.
type Options struct {
	Store   *store.Store
	Ring    *seal.Ring // opens tokens
	Fleet   string     // our own, so that no module drives the fleet that it is of
	Logger  *slog.Logger
	Now     func() time.Time
	Observe Observer
	// Transport reaches backends; nil is the network, guarded. Tests have another one.
	Transport func(m order.Module) http.RoundTripper
}

// Remotes has the clients of all remote modules. It is safe for concurrent use.
type Remotes struct {
	opt Options

	mu        sync.Mutex
	clients   map[string]kept // by module
	listeners map[int]func(orderID string)
	next      int
}

type kept struct {
	client *Client
	key    string // of what it was made from
}

// New makes the clients' book. It starts nothing and contacts nobody.
func New(o Options) *Remotes {
	return &Remotes{opt: o, clients: map[string]kept{}, listeners: map[int]func(string){}}
}

// UserData is what the customer of an order wrote for cloud-init, for its counterpart; "" nothing.
func (r *Remotes) UserData(orderID string) (logging.Secret, error) {
	return seal.UserDataOf(r.opt.Store, r.opt.Ring, orderID)
}

// Connect logs in at a backend, and exchanges the password for a token; nothing is stored.
func (r *Remotes) Connect(ctx context.Context, l Login) (Session, error) {
	c, err := r.dial(order.Module{URL: l.URL, CA: l.CA})
	if err != nil {
		return Session{}, err
	}
	defer c.close()
	s, err := connect(ctx, c, l)
	if err == nil && s.Fleet == r.opt.Fleet {
		c.with(s.Token).logout(ctx)
		var check fault.Check
		check.Add("url", "leads to this fleet itself; use a module of kind %q", order.ModuleLocal)
		err = check.Err("the module cannot be made")
	}
	return s, err
}

// Leave ends a token that is not used any more, as far as the backend can be reached; else it ends by itself.
func (r *Remotes) Leave(ctx context.Context, m order.Module, token logging.Secret) {
	c, err := r.dial(m)
	if err != nil {
		return
	}
	defer c.close()
	c.with(token).logout(ctx)
}

// Of is the client of a module whose backend is known to be there and to be the right one. Else the
// fault is unavailable, and says since when and why.
func (r *Remotes) Of(module string) (*Client, error) {
	m, st, err := r.records(module)
	if err != nil {
		return nil, err
	}
	if st.State != order.RemoteConnected {
		return nil, fault.Unavailable("module %s: %s", m.Name, st.Message)
	}
	return r.client(m, st)
}

func (r *Remotes) records(module string) (*order.Module, *order.Remote, error) {
	m, ok := store.Modules.View(r.opt.Store, module)
	if !ok {
		return nil, nil, fault.NotFound("module %s does not exist", module)
	}
	st, ok := store.Remotes.View(r.opt.Store, module)
	if !ok {
		return nil, nil, fault.Unavailable("module %s is not connected", m.Name)
	}
	return m, st, nil
}

// client is kept as long as address, authority and token stay.
func (r *Remotes) client(m *order.Module, st *order.Remote) (*Client, error) {
	sum := sha256.Sum256([]byte(m.URL + "\x00" + m.CA + "\x00" + st.Token.Key + "\x00" + string(st.Token.Box)))
	key := hex.EncodeToString(sum[:])
	r.mu.Lock()
	defer r.mu.Unlock()
	old, ok := r.clients[m.ID]
	if ok && old.key == key {
		return old.client, nil
	}
	token, err := seal.RemoteToken.Open(r.opt.Ring, m.ID, st)
	if err != nil {
		return nil, err
	}
	c, err := r.dial(*m)
	if err != nil {
		return nil, err
	}
	if ok {
		old.client.close()
	}
	c.token = token
	r.clients[m.ID] = kept{c, key}
	return c, nil
}

func (r *Remotes) dial(m order.Module) (*Client, error) {
	if r.opt.Transport != nil {
		return newClient(m.URL, "", r.opt.Transport(m), r.opt.Observe)
	}
	t, err := transport(m.CA, r.private)
	if err != nil {
		return nil, err
	}
	return newClient(m.URL, "", t, r.opt.Observe)
}

// private reports whether the fleet allows private addresses.
func (r *Remotes) private() bool {
	s, ok := store.Settings.View(r.opt.Store, store.FleetSettings)
	return ok && s.RemotePrivateTargets
}

// Listen calls f with each of our orders whose counterpart may have changed. f must not
// block. stop ends it.
func (r *Remotes) Listen(f func(orderID string)) (stop func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.next
	r.next++
	r.listeners[n] = f
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.listeners, n)
	}
}

func (r *Remotes) tell(orderID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.listeners {
		f(orderID)
	}
}

// tellAll tells every order of a module, after anything may have been missed.
func (r *Remotes) tellAll(module string) {
	for i := range store.Orders.Items(r.opt.Store.Snapshot()) {
		if i.Value.Remote.Module == module {
			r.tell(i.ID)
		}
	}
}
