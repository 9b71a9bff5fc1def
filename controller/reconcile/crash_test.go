package reconcile

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// stories are lives of servers and orders, each with its end.
var stories = map[string]func(s *saga){
	"a whole life":          wholeLife,
	"hold and rebuild":      holdAndRebuild,
	"cancel in the middle":  cancelInTheMiddle,
	"failing steps":         failingSteps,
	"a step never answered": neverAnswered,
	"new disks":             newDisks,
	"sold and taken back":   soldAndTakenBack,
	"content moved":         contentMoved,
}

// wholeLife: enrol, erase, diagnose, order, install, active.
func wholeLife(s *saga) {
	exact := s.enrol(1, machine(1, 1, 1))
	other := s.enrol(2, machine(2, 2, 1))
	s.untilAvailable(exact)
	s.untilAvailable(other)
	id := s.place("cus-1")
	s.untilOrder(id, order.Fulfilled)
	s.owns(id, exact)
	s.untilAvailable(other)
}

func holdAndRebuild(s *saga) {
	server := s.enrol(1, machine(1, 2, 1))
	s.untilAvailable(server)
	id := s.place("cus-1")
	s.untilOrder(id, order.Held)
	s.report(server, machine(1, 1, 1))
	s.untilOrder(id, order.Fulfilled)
	s.owns(id, server)
}

func cancelInTheMiddle(s *saga) {
	first := true
	s.tempered = func(_ *puppet, c protocol.Command) temper {
		return temper{stuck: c.Kind == protocol.CommandImage && first}
	}
	server := s.enrol(1, machine(1, 1, 1))
	s.untilAvailable(server)
	id := s.place("cus-1")
	s.until("the image is being written", func(l *ledger) bool { return l.written[server] > 0 })
	s.cancel(id)
	s.untilOrder(id, order.Canceled)
	s.untilAvailable(server)
	first = false
	again := s.place("cus-2")
	s.untilOrder(again, order.Fulfilled)
	s.owns(again, server)
}

// failingSteps: an erase that is not proven needs a person; diagnostics are tried again; an
// image that meets a passing fault is written again.
func failingSteps(s *saga) {
	s.tempered = func(p *puppet, c protocol.Command) temper {
		first := strings.HasSuffix(c.ID, "-1")
		switch {
		case c.Kind == protocol.CommandErase && first:
			return temper{unproven: true}
		case c.Kind == protocol.CommandDiagnose && first, c.Kind == protocol.CommandImage && first:
			return temper{fault: fault.Unavailable("the disk did not answer")}
		}
		return temper{}
	}
	server := s.enrol(1, machine(1, 1, 2))
	s.until("the erase is held", func(l *ledger) bool { return l.ops[l.servers[server].Operation].State == operation.Held })
	held := read(s.ledger, func(l *ledger) string { return l.servers[server].Operation })
	if n := read(s.ledger, func(l *ledger) int { return l.openFor(held) }); n != 1 {
		s.t.Fatalf("%d tasks about the held erase", n)
	}
	s.must(func(in *intake.Intake) error {
		_, err := in.RetryOperation(s.ctx, ann, held, "cable plugged in")
		if fault.Is(err, fault.KindRefused) {
			return nil // it was heard the first time
		}
		return err
	})
	s.untilAvailable(server)
	s.report(server, machine(1, 1, 1))
	s.untilAvailable(server)
	id := s.place("cus-1")
	s.untilOrder(id, order.Fulfilled)
	s.owns(id, server)
}

// neverAnswered: the install runs out of time, a person cancels the order, and the server
// goes to the next one only after an erase.
func neverAnswered(s *saga) {
	var heard atomic.Bool
	s.tempered = func(_ *puppet, c protocol.Command) temper {
		return temper{silent: !heard.Load() && c.Kind == protocol.CommandImage}
	}
	server := s.enrol(1, machine(1, 1, 1))
	s.untilAvailable(server)
	id := s.place("cus-1")
	s.untilOrder(id, order.Failed)
	if n := read(s.ledger, func(l *ledger) int { return l.openFor(id) }); n != 1 {
		s.t.Fatalf("%d tasks about the failed order", n)
	}
	s.cancel(id)
	heard.Store(true)
	s.untilAvailable(server)
	again := s.place("cus-2")
	s.untilOrder(again, order.Fulfilled)
	s.owns(again, server)
}

// newDisks: a disk that came with the rebuild is erased before anybody gets the server.
func newDisks(s *saga) {
	server, free := s.enrol(1, machine(1, 2, 1)), s.enrol(2, machine(2, 2, 2))
	s.untilAvailable(server)
	s.untilAvailable(free)
	id := s.place("cus-1")
	s.untilOrder(id, order.Held)
	rebuilt := machine(1, 1, 1)
	rebuilt.Disks[0].Serial = "swapped in"
	s.report(server, rebuilt)
	s.report(free, machine(2, 2, 3))
	s.untilOrder(id, order.Fulfilled)
	s.owns(id, server)
	s.until("the server of nobody is out of service", func(l *ledger) bool {
		srv := l.servers[free]
		return !srv.InService && srv.Cleanliness == fleet.Dirty
	})
}

// owns: the order has this server and nobody has another.
func (s *saga) owns(id, server string) {
	s.t.Helper()
	read(s.ledger, func(l *ledger) bool {
		claimed := 0
		for _, srv := range l.servers {
			if srv.Claim.Kind != fleet.ClaimNone {
				claimed++
			}
		}
		if o := l.orders[id]; o.Server != server || claimed != 1 || l.openFor(id) != 0 {
			s.t.Errorf("order %s is on %q, %d servers are claimed, %d tasks are open", id, o.Server, claimed, l.openFor(id))
		}
		return true
	})
}

func never(int) (fate, int) { return dies, 0 }

// once meets a fate in the first life only.
func once(f fate, at int) func(int) (fate, int) {
	return func(life int) (fate, int) {
		if life > 1 {
			at = 0
		}
		return f, at
	}
}

// everyStory plays all stories with a fate at every commit of the first life.
func everyStory(t *testing.T, f fate) {
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			commits := inSaga(t, never, story)
			if commits < 20 {
				t.Fatalf("the story has %d commits only", commits)
			}
			for at := 1; at <= commits && !t.Failed(); at++ {
				if inSaga(t, once(f, at), story); t.Failed() {
					t.Logf("after commit %d of %d", at, commits)
				}
			}
		})
	}
}

func TestX4_ACrashAfterEveryCommitConverges(t *testing.T) { everyStory(t, dies) }

// A commit whose outcome is not known is looked at again, not made again.
func TestX2_ACommitOfUnknownOutcomeIsNeitherLostNorDoubled(t *testing.T) { everyStory(t, unknown) }

func TestB42_ACommitThatFailsIsMadeAgain(t *testing.T) { everyStory(t, rejected) }

// Four commits are what it takes to come back and to get one step further.
func TestB42_AControllerThatDiesAgainAndAgainConverges(t *testing.T) {
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			for _, k := range []int{4, 5, 7, 11} {
				if strings.HasPrefix(name, "deleted") || strings.HasPrefix(name, "stopped") {
					k += 2 // the agent that comes and goes with the power is two commits more
				}
				inSaga(t, func(int) (fate, int) { return dies, k }, story)
			}
		})
	}
}

// Results come twice, late, and all again long after their time.
func TestX5_ResultsDoubledLateAndRepeatedConverge(t *testing.T) {
	tempers := map[string]temper{
		"doubled": {doubled: true}, "late": {late: 4 * time.Minute}, "nagging": {nagging: true},
		"all": {doubled: true, nagging: true, late: time.Minute},
	}
	for name, how := range tempers {
		t.Run(name, func(t *testing.T) {
			story := func(s *saga) {
				s.tempered = func(*puppet, protocol.Command) temper { return how }
				wholeLife(s)
			}
			for at := range 40 {
				inSaga(t, once(dies, at), story)
			}
		})
	}
}
