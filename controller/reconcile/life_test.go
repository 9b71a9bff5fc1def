package reconcile

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// build puts machines with management controllers and switch ports around the saga. Like the
// agents they outlive the controller.
func (s *saga) build() {
	s.hall = newHall()
	s.hall.come = s.comeOrGo
	s.hall.check = s.inItsTime
	s.mu.Lock()
	l := s.now
	s.mu.Unlock()
	if l != nil { // born before there was a hall
		l.kv.kill()
	}
	s.until("the controller has hands", func(*ledger) bool { now := s.current(); return now != nil && now != l })
}

// comeOrGo follows a machine's power.
func (s *saga) comeOrGo(server string, m chassis) {
	s.mu.Lock()
	l := s.now
	if l != nil && m.there() {
		p := m.presence(server)
		p.Since = time.Now()
		s.arrived[server] = p.Since
		l.presence.Add(p)
	} else if l != nil {
		l.presence.Remove(server, s.arrived[server])
	}
	p := s.agents[server]
	s.mu.Unlock()
	if !m.there() || p == nil {
		return
	}
	waiting := read(s.ledger, func(l *ledger) (list []operation.Command) {
		for _, c := range l.commands {
			if c.Server == server && c.Hand == operation.HandAgent {
				list = append(list, c)
			}
		}
		return list
	})
	s.running.Go(func() {
		for _, c := range waiting {
			s.perform(p, c)
		}
	})
}

// inItsTime is rule X5 for the hands: when something is done to a device, the command for it is
// there, and is of the server's epoch.
func (s *saga) inItsTime(server, verb string) {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	l := s.ledger
	for _, c := range l.commands {
		if c.Server == server && strings.HasPrefix(c.Kind, verb) && c.Epoch == l.servers[server].Epoch {
			return
		}
	}
	l.fault("X5: %s was done to server %s without a command of epoch %d", verb, server, l.servers[server].Epoch)
}

// plant enrols a server that stands in the hall.
func (s *saga) plant(n int) string {
	s.t.Helper()
	id := s.enrol(n, machine(n, 1, 1))
	s.hall.stand(id)
	s.ask2(wired(id))
	s.comeOrGo(id, s.hall.chassis(id))
	s.untilAvailable(id)
	return id
}

// ask2 changes records as an operator's set-up does.
func (s *saga) ask2(f func(tx *store.Tx) error) {
	s.t.Helper()
	for s.ctx.Err() == nil {
		if l := s.current(); l != nil && l.store.Ready(s.ctx) == nil {
			if _, err := l.store.Change(s.ctx, f); err == nil {
				return
			}
		}
		sleepFor(s.ctx, time.Second)
	}
}

// wish asks for something about a service until it is heard; a refusal is an answer.
func (s *saga) wish(f func(in *intake.Intake) (order.Service, error)) (svc order.Service, err error) {
	err = s.ask(func(in *intake.Intake) (err error) {
		svc, err = f(in)
		return err
	})
	return svc, err
}

func (s *saga) delete(svc string) {
	s.t.Helper()
	if _, err := s.wish(func(in *intake.Intake) (order.Service, error) { return in.DeleteService(s.ctx, ann, svc, "over") }); err != nil {
		s.t.Fatal(err)
	}
}

func (s *saga) untilService(id, state string) {
	s.t.Helper()
	s.until("service "+id+" "+state, func(l *ledger) bool {
		return l.services[id].State == state && l.running[l.services[id].Server] == nil || l.services[id].State == state && len(l.running[l.services[id].Server]) == 0
	})
}

func init() {
	stories["deleted"] = deleted
	stories["stopped, resumed, deleted"] = stoppedResumedDeleted
	stories["deleted while it is installed"] = deletedInTheMiddle
	stories["deleted with a foreign system"] = deletedForeign
}

// deleted: a customer comes and goes, and the next one gets the server.
func deleted(s *saga) {
	s.build()
	server := s.plant(1)
	id := s.place("cus-1")
	s.untilOrder(id, order.Fulfilled)
	s.owns(id, server)
	svc := read(s.ledger, func(l *ledger) string { return l.orders[id].Service })
	s.hall.forget()
	s.delete(svc)
	s.untilService(svc, order.ServiceDeleted)
	s.until("the server is off and available", func(l *ledger) bool { return l.available(server) })
	s.traceIs("port up 666, off, port down")
	if m := s.hall.chassis(server); m.on {
		s.t.Errorf("it is on")
	}
	again := s.place("cus-2")
	s.untilOrder(again, order.Fulfilled)
	s.owns2(again, server)
}

// traceIs: what was done to the devices, once and in this order.
func (s *saga) traceIs(want string) {
	s.t.Helper()
	if got := s.hall.done(); got != want {
		s.t.Errorf("did %q, want %q", got, want)
	}
}

func stoppedResumedDeleted(s *saga) {
	s.build()
	server := s.plant(1)
	id := s.place("cus-1")
	s.untilOrder(id, order.Fulfilled)
	svc := read(s.ledger, func(l *ledger) string { return l.orders[id].Service })
	s.hall.forget()
	if _, err := s.wish(func(in *intake.Intake) (order.Service, error) { return in.StopService(s.ctx, ann, svc, "unpaid") }); err != nil {
		s.t.Fatal(err)
	}
	s.untilService(svc, order.ServiceStopped)
	s.until("it is off (B29)", func(l *ledger) bool { return !s.hall.chassis(server).on && len(l.running[server]) == 0 })
	if _, err := s.wish(func(in *intake.Intake) (order.Service, error) { return in.ResumeService(s.ctx, ann, svc, "paid") }); err != nil {
		s.t.Fatal(err)
	}
	s.untilService(svc, order.ServiceActive)
	s.delete(svc)
	s.untilService(svc, order.ServiceDeleted)
	s.untilAvailable(server)
	s.traceIs("port down, off, port up 7, on disk, port up 666, cut, on ram, off, port down")
}

func deletedInTheMiddle(s *saga) {
	s.build()
	server := s.plant(1)
	stuck := true
	s.tempered = func(_ *puppet, c protocol.Command) temper { return temper{stuck: stuck && c.Kind == "image"} }
	id := s.place("cus-1")
	s.until("the image is being written", func(l *ledger) bool { return l.written[server] > 0 })
	svc := read(s.ledger, func(l *ledger) string { return l.orders[id].Service })
	s.delete(svc)
	s.untilService(svc, order.ServiceDeleted)
	s.untilAvailable(server)
	stuck = false
	again := s.place("cus-2")
	s.untilOrder(again, order.Fulfilled)
	s.owns2(again, server)
}

// deletedForeign: the customer's own system runs; it is cut off once.
func deletedForeign(s *saga) {
	s.build()
	server := s.plant(1)
	id := s.place("cus-1")
	s.untilOrder(id, order.Fulfilled)
	svc := read(s.ledger, func(l *ledger) string { return l.orders[id].Service })
	s.hall.run(server, true, "other")
	s.hall.forget()
	s.delete(svc)
	s.untilService(svc, order.ServiceDeleted)
	s.untilAvailable(server)
	s.traceIs("port up 666, cut, on ram, off, port down")
}

// owns2 is owns where other orders came before.
func (s *saga) owns2(id, server string) {
	s.t.Helper()
	read(s.ledger, func(l *ledger) bool {
		if o := l.orders[id]; o.Server != server || l.servers[server].Claim.Kind != fleet.ClaimClient || l.openFor(id) != 0 {
			s.t.Errorf("order %s is on %q, claim %+v", id, o.Server, l.servers[server].Claim)
		}
		return true
	})
}

// TestB42_ARandomWalkEndsWell: people, devices and the controller do what they like for a day; then
// everything works again and everything in work comes to its end.
func TestB42_ARandomWalkEndsWell(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			chance := rand.New(rand.NewPCG(seed, 33))
			fates := func(life int) (fate, int) {
				if life > 25 {
					return dies, 0
				}
				return []fate{dies, unknown, rejected}[chance.IntN(3)], 15 + chance.IntN(60)
			}
			inSaga(t, fates, func(s *saga) { s.wander(rand.New(rand.NewPCG(seed, 40))) })
		})
	}
}

func (s *saga) wander(chance *rand.Rand) {
	s.build()
	servers := []string{s.plant(1), s.plant(2)}
	var mu sync.Mutex
	calm := false
	s.tempered = func(*puppet, protocol.Command) temper {
		mu.Lock()
		defer mu.Unlock()
		if calm {
			return temper{}
		}
		how := temper{doubled: chance.IntN(4) == 0, nagging: chance.IntN(6) == 0, late: time.Duration(chance.IntN(90)) * time.Second}
		if chance.IntN(8) == 0 {
			how.fault = fault.Unavailable("something shook")
		}
		how.unproven = chance.IntN(12) == 0
		return how
	}
	roll := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return chance.IntN(n)
	}
	for i := range 60 {
		s.anything(roll, servers, i)
		sleepFor(s.ctx, time.Duration(roll(400))*time.Second)
	}
	mu.Lock()
	calm = true
	mu.Unlock()
	for _, verb := range verbs {
		s.hall.breaks(verb, nil)
	}
	s.cleanUp(servers)
}

var verbs = []string{"switch", "enable", "shut", "power", "on", "off"}

// anything is one thing that happens to a fleet.
func (s *saga) anything(roll func(int) int, servers []string, i int) {
	server := servers[roll(len(servers))]
	svc := read(s.ledger, func(l *ledger) string { return l.servers[server].Claim.Ref })
	owned := read(s.ledger, func(l *ledger) bool { return l.servers[server].Claim.Kind == fleet.ClaimClient })
	ask := func(f func(in *intake.Intake) (order.Service, error)) {
		if owned {
			_, _ = s.wish(f)
		}
	}
	switch roll(10) {
	case 0, 1:
		s.place(fmt.Sprint("cus-", i))
	case 2:
		ask(func(in *intake.Intake) (order.Service, error) { return in.StopService(s.ctx, ann, svc, "") })
	case 3:
		ask(func(in *intake.Intake) (order.Service, error) { return in.ResumeService(s.ctx, ann, svc, "") })
	case 4, 5:
		ask(func(in *intake.Intake) (order.Service, error) { return in.DeleteService(s.ctx, ann, svc, "") })
	case 6:
		action := []string{operation.PowerOn, operation.PowerOff, operation.PowerCycle}[roll(3)]
		ask(func(in *intake.Intake) (order.Service, error) { return in.PowerService(s.ctx, ann, svc, action, "") })
	case 7:
		verb := verbs[roll(len(verbs))]
		s.hall.breaks(verb, errAway)
		s.running.Go(func() {
			sleepFor(s.ctx, time.Duration(roll(3600))*time.Second)
			s.hall.breaks(verb, nil)
		})
	case 8:
		if owned { // somebody in the hall, or the customer
			s.hall.run(server, roll(2) == 0, []string{"other", "ram"}[roll(2)])
		}
	case 9:
		s.decide(roll)
	}
}

// decide is a person with the held operations.
func (s *saga) decide(roll func(int) int) {
	for _, id := range read(s.ledger, heldOps) {
		_ = s.ask(func(in *intake.Intake) (err error) {
			switch roll(4) {
			case 0:
				_, err = in.CancelOperation(s.ctx, ann, id, "enough")
			case 1:
				_, err = in.SkipStep(s.ctx, ann, id, "done by hand")
			default:
				_, err = in.RetryOperation(s.ctx, ann, id, "again")
			}
			return err
		})
	}
}

func heldOps(l *ledger) (ids []string) {
	for id, op := range l.ops {
		if op.State == operation.Held {
			ids = append(ids, id)
		}
	}
	return ids
}

// cleanUp is a person who brings everything to its end: orders are withdrawn, services deleted, held
// operations tried again. In the end both servers are available, or a task says why not.
func (s *saga) cleanUp(servers []string) {
	for range 40 {
		for id, o := range read(s.ledger, func(l *ledger) map[string]order.Order { return clone(l.orders) }) {
			switch o.State {
			case order.New, order.Waiting, order.Held:
				_ = s.ask(func(in *intake.Intake) error { _, err := in.CancelOrder(s.ctx, ann, id, "closing"); return err })
			}
		}
		for id, svc := range read(s.ledger, func(l *ledger) map[string]order.Service { return clone(l.services) }) {
			if svc.Server != "" {
				_, _ = s.wish(func(in *intake.Intake) (order.Service, error) { return in.DeleteService(s.ctx, ann, id, "closing") })
			}
		}
		for _, id := range read(s.ledger, heldOps) {
			_ = s.ask(func(in *intake.Intake) error { _, err := in.RetryOperation(s.ctx, ann, id, "closing"); return err })
		}
		for _, id := range servers { // a machine that somebody left with another system, or off
			s.ask2(func(tx *store.Tx) error { return nil })
			idle := read(s.ledger, func(l *ledger) bool {
				return l.servers[id].Operation == "" && l.servers[id].Claim.Kind == fleet.ClaimNone && l.servers[id].ParkedAt.IsZero()
			})
			if idle && !s.hall.chassis(id).there() {
				s.hall.run(id, true, "ram")
			}
		}
		sleepFor(s.ctx, time.Hour)
		if read(s.ledger, func(l *ledger) bool { return l.available(servers[0]) && l.available(servers[1]) }) {
			break
		}
	}
	for _, id := range servers {
		s.untilAvailable(id)
	}
}

func clone[T any](m map[string]T) map[string]T {
	c := map[string]T{}
	for k, v := range m {
		c[k] = v
	}
	return c
}
