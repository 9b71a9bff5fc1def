package mysql

import (
	"testing"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

type partAccount = part.Account

func layoutIn(t testing.TB) part.Layout { return part.Layout{State: t.TempDir() + "/state"} }

// TestP18_ACrashAtAnyPointIsCompletedByTheNextCall: each walk is stopped after its first step, then after its second, and so on; the next call, of a part that
// knows nothing, ends where a walk without stop ends.
func TestP18_ACrashAtAnyPointIsCompletedByTheNextCall(t *testing.T) {
	s := start(t)
	remove := func(a *partAccount) error { _, err := s.part.Remove(t.Context(), a); return err }
	ensure := func(a *partAccount) error { return s.part.Ensure(t.Context(), a) }
	changed := hosted("bob", "bob_a", "bob_c")
	changed.DatabasesGone, changed.DatabasesShrink, changed.DatabasePassword = []string{"bob_b"}, true, digestOf("new")
	suspended := hosted("bob", "bob_a", "bob_b")
	suspended.State = protocol.HostedSuspended
	before := func() {
		if err := ensure(hosted("bob", "bob_a", "bob_b")); err != nil {
			t.Fatal(err)
		}
		s.may(s.login("bob", "secret-bob"), "CREATE TABLE IF NOT EXISTS bob_a.t (a INT)")
	}
	nothing := func() {}
	for name, walk := range map[string]struct {
		first func()
		act   func() error
	}{
		"make":    {nothing, func() error { return ensure(hosted("bob", "bob_a", "bob_b")) }},
		"change":  {before, func() error { return ensure(changed) }},
		"suspend": {before, func() error { return ensure(suspended) }},
		"remove":  {before, func() error { return remove(hosted("bob")) }},
	} {
		t.Run(name, func(t *testing.T) {
			clean := func() {
				s.part = s.anew()
				if err := remove(hosted("bob")); err != nil {
					t.Fatal(err)
				}
			}
			clean()
			walk.first()
			if err := walk.act(); err != nil {
				t.Fatal(err)
			}
			want, stops := s.state(), 0
			for stop := 1; ; stop++ {
				clean()
				walk.first()
				if !hostingtest.Stopped(stop, func() { _ = walk.act() }) {
					break
				}
				stops++
				s.part = s.anew()
				if err := walk.act(); err != nil {
					t.Fatalf("after a stop at step %d: %v", stop, err)
				}
				hostingtest.Same(t, want, s.state())
			}
			if stops < 2 {
				t.Errorf("only %d steps", stops)
			}
			clean()
		})
	}
}
