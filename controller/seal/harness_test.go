package seal

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/steelyard/steelyard/controller/authority"
	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// replica is one controller's view of a store.
type replica struct {
	*Ring
	t     testing.TB
	store *store.Store
}

func backend(t testing.TB) kv.KV {
	b := memkv.New(memkv.Options{})
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func newAuthority(t testing.TB) *authority.Authority {
	t.Helper()
	a, err := authority.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// join starts a replica over a backend. It ends with the test, or with stop.
func join(t testing.TB, b kv.KV, a Authority) (r *replica, stop func()) {
	t.Helper()
	s := store.New(b, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	var once sync.Once
	stop = func() { once.Do(func() { cancel(); <-done }) }
	t.Cleanup(stop)
	ready, end := context.WithTimeout(ctx, 10*time.Second)
	defer end()
	if err := s.Ready(ready); err != nil {
		t.Fatal(err)
	}
	ring, err := Open(s, a)
	if err != nil {
		t.Fatal(err)
	}
	return &replica{ring, t, s}, stop
}

func (r *replica) change(f func(tx *store.Tx) error) {
	r.t.Helper()
	if _, err := r.store.Change(r.t.Context(), f); err != nil {
		r.t.Fatal(err)
	}
}

// keep stores a management controller with a password.
func (r *replica) keep(id string, password logging.Secret) error {
	_, err := r.store.Change(r.t.Context(), func(tx *store.Tx) error {
		b, _, err := store.BMCs.Find(tx, id)
		if err != nil {
			return err
		}
		b.Server = id
		if err := BMCPassword.Set(tx, r.Ring, id, &b, password); err != nil {
			return err
		}
		return store.BMCs.Put(tx, id, b)
	})
	return err
}

func (r *replica) mustKeep(id string, password logging.Secret) {
	r.t.Helper()
	if err := r.keep(id, password); err != nil {
		r.t.Fatal(err)
	}
}

// password opens the one that was kept.
func (r *replica) password(id string) (string, error) {
	b, ok := store.BMCs.View(r.store, id)
	if !ok {
		return "", fault.NotFound("no %s", id)
	}
	s, err := BMCPassword.Open(r.Ring, id, b)
	return string(s), err
}

func (r *replica) begin() Key {
	r.t.Helper()
	var k Key
	r.change(func(tx *store.Tx) (err error) {
		k, _, err = r.Begin(tx, access.System, time.Now())
		return err
	})
	return k
}

func (r *replica) finish() error {
	return r.Finish(r.t.Context(), func(*store.Tx, Key) error { return nil })
}

// fleet keeps n passwords and one switch with three secrets.
func (r *replica) fleet(n int) {
	r.t.Helper()
	for i := range n {
		r.mustKeep(serverID(i), secretOf(i))
	}
	r.change(func(tx *store.Tx) error {
		s := outofband.Switch{ID: "swi-1"}
		return errors.Join(SwitchCommunity.Set(tx, r.Ring, s.ID, &s, "community-secret"), SwitchAuthPassword.Set(tx, r.Ring, s.ID, &s, "auth-secret"),
			SwitchPrivPassword.Set(tx, r.Ring, s.ID, &s, "priv-secret"), store.Switches.Put(tx, s.ID, s))
	})
}

func serverID(i int) string         { return fmt.Sprintf("srv-%04d", i) }
func secretOf(i int) logging.Secret { return logging.Secret(fmt.Sprintf("password-of-%04d", i)) }

// whole checks that everything of fleet opens, and that all of it is under the
// current key, the only one.
func (r *replica) whole(n int) {
	r.t.Helper()
	for i := range n {
		if got, err := r.password(serverID(i)); err != nil || got != string(secretOf(i)) {
			r.t.Fatalf("the password of %s is %q, %v", serverID(i), got, err)
		}
	}
	s, _ := store.Switches.View(r.store, "swi-1")
	for want, f := range map[string]Secret[outofband.Switch]{"community-secret": SwitchCommunity, "auth-secret": SwitchAuthPassword, "priv-secret": SwitchPrivPassword} {
		if got, err := f.Open(r.Ring, "swi-1", s); err != nil || string(got) != want {
			r.t.Fatalf("%s is %q, %v", want, string(got), err)
		}
	}
	if list := r.List(); len(list) != 1 || !list[0].Current || list[0].Secrets != n+3 || r.Rotating() {
		r.t.Fatalf("the ring is %+v", list)
	}
}

// dump is every byte that is stored.
func dump(t testing.TB, b kv.KV) string {
	t.Helper()
	p, err := b.List(t.Context(), "", kv.ListOptions{From: "\x00"})
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, e := range p.Entries {
		fmt.Fprintf(&all, "%s=%s\n", e.Key, e.Value)
	}
	return all.String()
}

// fixed is an authority that needs no file.
type fixed string

func (f fixed) Derive(label string, n int) ([]byte, error) {
	sum := sha256.Sum256([]byte(string(f) + label))
	return sum[:n], nil
}
