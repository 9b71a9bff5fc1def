package reconcile

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// leftBehind is a hosting node that was taken back with accounts on it. looks counts how often its agent was told to inspect it since.
func (w *world) leftBehind() (server string, looks *atomic.Int64) {
	w.t.Helper()
	server = w.enrol(machine(1, 1, 1))
	w.node(server)
	sale := w.sold(server)
	w.obey(w.finding("", "bob", "eve"))
	w.says(w.revoke, sale)
	w.says(w.goOn, sale)
	looks = new(atomic.Int64)
	w.counting(looks, w.finding("", "bob"))
	return server, looks
}

// counting makes the agents answer so, and counts their inspections.
func (w *world) counting(looks *atomic.Int64, answer func(protocol.Command) (protocol.Result, bool)) {
	w.obey(func(c protocol.Command) (protocol.Result, bool) {
		if c.Kind == protocol.CommandInspect {
			looks.Add(1)
		}
		return answer(c)
	})
}

// comes is the agent of a server that connects now.
func (w *world) comes(server string) {
	w.t.Helper()
	w.change(func(tx *store.Tx) error {
		return store.Presences.Put(tx, server, fleet.Presence{Server: server, Since: time.Now()})
	})
}

// inspected expects so many inspections since the last time.
func (w *world) inspected(looks *atomic.Int64, want int64, when string) {
	w.t.Helper()
	if n := looks.Swap(0); n != want {
		w.t.Errorf("%s: inspected %d times, want %d", when, n, want)
	}
}

func TestS9_X6_LeftOversAreLookedAtAgainUntilTheyAreGone(t *testing.T) {
	inWorld(t, func(w *world) {
		server, looks := w.leftBehind()
		asked := w.openTasks()[intake.CleanupKey(server)]
		if asked == "" || w.label(server) != fleet.LabelCleanup {
			t.Fatalf("it is %s, tasks %v", w.label(server), w.openTasks())
		}
		pass(recheckEvery - time.Minute)
		w.inspected(looks, 0, "within the hour")
		pass(time.Minute)
		w.inspected(looks, 1, "after an hour")
		if l := w.server(server).LeftOvers; l == nil || l.Count != 1 {
			t.Errorf("one account is gone: %+v", l)
		}
		pass(5*recheckEvery + time.Minute)
		w.inspected(looks, 5, "in five hours")
		if w.openTasks()[intake.CleanupKey(server)] != asked || len(w.openTasks()) != 1 {
			t.Errorf("tasks %v; the first was %s", w.openTasks(), asked)
		}
		w.counting(looks, w.obedient)
		pass(recheckEvery)
		w.inspected(looks, 1, "when they are gone")
		if s := w.server(server); s.LeftOvers != nil || w.label(server) != fleet.LabelFree || len(w.openTasks()) != 0 {
			t.Errorf("it is %s, %+v, tasks %v", w.label(server), s.LeftOvers, w.openTasks())
		}
		pass(24 * time.Hour)
		w.inspected(looks, 0, "when it is clean")
	})
}

func TestS9_LeftOversAreLookedAtWhenTheAgentIsBack(t *testing.T) {
	inWorld(t, func(w *world) {
		server, looks := w.leftBehind()
		w.away(server)
		pass(5 * recheckEvery)
		w.inspected(looks, 0, "while the agent is away")
		w.comes(server)
		w.inspected(looks, 1, "when it is back")
		pass(time.Minute)
		w.away(server)
		w.comes(server)
		pass(recheckAgain - 2*time.Minute)
		w.inspected(looks, 0, "when it comes and goes")
		pass(2 * time.Minute)
		w.inspected(looks, 1, "some minutes after it came anew")
	})
}

// TestS9_AnInspectionThatFailsIsNotRepeatedAtOnce: it is tried every hour, as if it had found something.
func TestS9_AnInspectionThatFailsIsNotRepeatedAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		server, looks := w.leftBehind()
		w.counting(looks, w.refusing(protocol.CommandInspect, fault.Refused("it runs from memory")))
		pass(3*recheckEvery + time.Minute)
		w.inspected(looks, 3, "in three hours")
		if s := w.server(server); s.LeftOvers == nil || w.openTasks()[intake.CleanupKey(server)] == "" {
			t.Errorf("it passes for clean: %+v, tasks %v", s.LeftOvers, w.openTasks())
		}
	})
}

// TestS9_NobodyLooksAgainAtARejectedNode: nothing is begun on a server that does not belong to the fleet.
func TestS9_NobodyLooksAgainAtARejectedNode(t *testing.T) {
	inWorld(t, func(w *world) {
		server, looks := w.leftBehind()
		if _, _, err := w.intake.RejectServer(ctx, ann, server, "it is odd"); err != nil {
			t.Fatal(err)
		}
		pass(5 * recheckEvery)
		w.inspected(looks, 0, "when it is rejected")
	})
}
