package intake

import (
	"cmp"
	"context"
	"time"

	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
)

// Backends logs in at the backends of remote modules; package remote does.
type Backends interface {
	// Connect exchanges a password for a token. The fault names the fields that a person can mend.
	Connect(ctx context.Context, l order.RemoteLogin) (order.RemoteSession, error)
	// Leave ends a token, as far as the backend can be reached.
	Leave(ctx context.Context, m order.Module, token logging.Secret)
}

// SetBackends gives the way to backends of remote modules, before first use.
func (in *Intake) SetBackends(b Backends) { in.backends = b }

// link is a login that was made for a commit, and the token that it replaces.
type link struct {
	made  bool
	login order.RemoteLogin
	order.RemoteSession
	before   order.Module
	oldToken logging.Secret
}

// checkPassword wants a password for a login, and does not let a kept token be used for another.
func (d ModuleDraft) checkPassword(c *fault.Check, look Lookup, self string) {
	before, _ := look.Module(self)
	switch m := d.module(); {
	case m.Kind != order.ModuleRemote:
		c.Require(d.Password == "", "password", "is only for modules of kind %q", order.ModuleRemote)
	case len(d.Password) > maxPassword:
		c.Add("password", "is longer than %d bytes", maxPassword)
	case d.Password != "":
	case self == "":
		c.Add("password", "is empty; give that of the user at the other controller")
	case !m.SameBackend(before):
		c.Add("password", "is needed again: url, username, ca or remote_module changed, and what was kept is not sent elsewhere")
	}
}

// maxPassword bounds a password at a backend, in bytes, as a backend does.
const maxPassword = 256

// connect logs in for a module that is remote. All that can be said without asking the backend is said
// before anything is sent there (rule X13).
func (in *Intake) connect(ctx context.Context, d ModuleDraft, self string) (link, error) {
	var c fault.Check
	look := in.Lookup()
	d.Check(&c, look, self)
	m := d.module()
	if err := c.Err("the module cannot be made"); err != nil || m.Kind != order.ModuleRemote || d.Password == "" {
		return link{}, nil // the commit says what is wrong
	}
	if in.backends == nil || in.ring == nil {
		return link{}, errNoBackends
	}
	location, _ := look.Location(d.Location)
	l := link{login: order.RemoteLogin{
		URL: m.URL, Username: m.Username, CA: m.CA, Password: d.Password, Module: m.RemoteModule, ByServerType: m.ByServerType, Generation: location.Generation, Name: m.Name,
	}}
	var err error
	l.RemoteSession, err = in.backends.Connect(ctx, l.login)
	l.made = err == nil
	return l, err
}

var errNoBackends = fault.Unavailable("this controller cannot connect modules of kind %q", order.ModuleRemote)

// reconnect logs in for an edit that gives the password anew.
func (in *Intake) reconnect(ctx context.Context, modID string, edit func(ModuleDraft) (ModuleDraft, error)) (link, error) {
	before, ok := store.Modules.View(in.store, modID)
	if !ok || before.Kind != order.ModuleRemote {
		return link{}, nil
	}
	d, err := edit(DraftOfModule(*before))
	if err != nil {
		return link{}, err
	}
	l, err := in.connect(ctx, d, modID)
	if err != nil || !l.made {
		return l, err
	}
	old := in.present(modID)
	l.before, l.oldToken = old.before, old.oldToken
	return l, nil
}

// present is the login that a module has.
func (in *Intake) present(modID string) (l link) {
	m, ok := store.Modules.View(in.store, modID)
	st, linked := store.Remotes.View(in.store, modID)
	if !ok || !linked || in.ring == nil {
		return l
	}
	l.before = *m
	l.oldToken, _ = seal.RemoteToken.Open(in.ring, modID, st) // one that cannot be opened ends by itself
	return l
}

// linked puts what a login gave into the commit. A module that is in use stays with its fleet.
func (in *Intake) linked(tx *store.Tx, m *order.Module, l link, now time.Time) error {
	if !l.made {
		return nil
	}
	if l.login.URL != m.URL || l.login.Username != m.Username || l.login.CA != m.CA || l.login.Module != m.RemoteModule {
		return fault.Conflict("the module was changed meanwhile: %w", ErrStale)
	}
	m.RemoteModule = l.Module
	before, known, err := store.Remotes.Find(tx, m.ID)
	if err != nil {
		return err
	}
	if left := in.served(m.ID); known && before.Fleet != l.Fleet && len(left) > 0 {
		var c fault.Check
		c.Add("url", "leads to another fleet than the one that has orders and services of this module (%s); make another module", order.Some(left))
		return c.Err("the module cannot be changed")
	}
	st := order.Remote{
		Module: m.ID, Fleet: l.Fleet, Generation: l.Generation, TokenAt: now, TokenExpires: l.Expires,
		State: order.RemoteConnected, Since: now, SeenAt: now,
	}
	return cmp.Or(seal.RemoteToken.Set(tx, in.ring, m.ID, &st, l.Token), store.Remotes.Put(tx, m.ID, st),
		CloseTask(tx, order.RemoteTaskKey(m.ID), "steelyard", "the module was connected anew", now))
}

// conclude ends the token that is not needed: the new one when the commit failed, else the old one.
func (in *Intake) conclude(ctx context.Context, l link, m order.Module, err error) {
	switch {
	case in.backends == nil:
	case err != nil && l.made:
		in.backends.Leave(ctx, order.Module{URL: l.login.URL, CA: l.login.CA}, l.Token)
	case err == nil && l.oldToken != "":
		in.backends.Leave(ctx, l.before, l.oldToken)
	}
}

// served lists the first few orders that a module's backend has something of.
func (in *Intake) served(modID string) (ids []string) {
	snap := in.store.Snapshot()
	for item := range store.Orders.Items(snap) {
		if item.Value.Remote.Module != modID {
			continue
		}
		svc, _ := store.Services.In(snap, item.Value.Service)
		if item.Value.InUse(svc) {
			if ids = append(ids, item.ID); len(ids) > 5 {
				return ids
			}
		}
	}
	return ids
}
