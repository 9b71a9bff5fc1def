package reconcile

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/authority"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	hands "github.com/steelyard/steelyard/controller/outofband"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/stock"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// saga is a fleet whose controller may die at any commit and is started again on the same
// state, as often as it takes. Its agents and its people do not die with it: they ask again.
type saga struct {
	world  // what every controller needs
	t      *testing.T
	kv     *memkv.Store
	ledger *ledger
	ctx    context.Context
	fates  func(life int) (fate, int)

	mu       sync.Mutex
	now      *life
	lives    int
	commits  int // of lives that are over
	agents   map[string]*puppet
	hall     *hall // nil: servers are on, and have no ports
	tempered func(p *puppet, c protocol.Command) temper
	running  sync.WaitGroup
	arrived  map[string]time.Time // when the agent of a server in the hall came
	fanOut   int                  // how many a change reaches at once; 0 is as ever
}

// life is one process of the controller.
type life struct {
	kv       *mortal
	store    *store.Store
	intake   *intake.Intake
	presence *store.PresenceWriter
	stop     func()
}

// inSaga plays f; fates says how each life of the controller goes.
func inSaga(t *testing.T, fates func(life int) (fate, int), f func(s *saga)) (commits int) {
	t.Helper()
	return begun(t, (*saga).seedFleet, fates, f)
}

// begun is inSaga on a state that begin writes.
func begun(t *testing.T, begin func(s *saga), fates func(life int) (fate, int), f func(s *saga)) (commits int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		s := &saga{t: t, kv: memkv.New(memkv.Options{}), ledger: newLedger(), ctx: ctx, fates: fates, agents: map[string]*puppet{}, arrived: map[string]time.Time{}}
		begin(s)
		var running sync.WaitGroup
		running.Go(func() { _ = s.ledger.follow(ctx, s.kv) })
		running.Go(s.reincarnate)
		running.Go(s.animate)
		defer func() {
			cancel()
			running.Wait()
			s.running.Wait()
			_ = s.kv.Close()
			commits = s.commits
		}()
		synctest.Wait()
		f(s)
		s.verify()
	})
	return commits
}

// seedFleet writes what is there before anything can fail.
func (s *saga) seedFleet() { s.seeds((*world).seed) }

// seeds changes the state while nothing runs.
func (s *saga) seeds(f func(w *world)) {
	w := world{t: s.t, kv: s.kv}
	ctx, cancel := context.WithCancel(s.ctx)
	w.store = store.New(s.kv, slog.New(slog.DiscardHandler))
	done := make(chan struct{})
	go func() { defer close(done); _ = w.store.Run(ctx) }()
	f(&w)
	cancel()
	<-done
}

// reincarnate starts the controller again whenever it died.
func (s *saga) reincarnate() {
	for s.ctx.Err() == nil {
		l := s.live()
		select {
		case <-l.kv.died:
		case <-s.ctx.Done():
		}
		l.kv.kill()
		l.stop()
		s.mu.Lock()
		s.now, s.commits = nil, s.commits+l.kv.commits()
		s.mu.Unlock()
		sleepFor(s.ctx, 3*time.Second)
	}
}

func sleepFor(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// live puts a controller together as the program does: nothing is led without the office.
func (s *saga) live() *life {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lives++
	f, at := s.fates(s.lives)
	l := &life{kv: newMortal(s.kv, f, at)}
	log := slog.New(slog.DiscardHandler)
	l.store = store.New(l.kv, log)
	l.intake = intake.New(l.store, log, time.Now)
	ring, err := seal.Open(l.store, keys{})
	must(err)
	l.intake.SetRing(ring)
	l.presence = store.NewPresenceWriter(l.kv, "rep", 0, log)
	k := stock.New(l.store, time.Now)
	r := New(l.store, k, &s.world, log, time.Now, &s.world)
	r.fanOut = cmp.Or(s.fanOut, r.fanOut)
	ctx, cancel := context.WithCancel(s.ctx)
	var running sync.WaitGroup
	running.Go(func() { _ = l.store.Run(ctx) })
	running.Go(func() { _ = k.Run(ctx) })
	running.Go(func() { _ = l.presence.Run(ctx) })
	running.Go(func() {
		_ = store.Elect(ctx, l.kv, store.Election{Name: "reconcile", Replica: "rep", Logger: log}, func(ctx context.Context, f store.Fence) error {
			var both sync.WaitGroup
			if s.hall != nil {
				both.Go(func() { _ = hands.New(l.store, k, l.intake, s.hall, log, time.Now).Run(ctx, f) })
			}
			err := r.Run(ctx, f)
			both.Wait()
			return err
		})
	})
	l.stop = func() { cancel(); running.Wait() }
	for id := range s.agents {
		if p, up := s.presenceOf(id); up {
			l.presence.Add(p)
		}
	}
	s.now = l
	return l
}

func (s *saga) current() *life {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// ask does something with the controller, again and again while there is none or it
// does not know whether it was done.
func (s *saga) ask(f func(in *intake.Intake) error) error {
	for s.ctx.Err() == nil {
		if l := s.current(); l != nil && l.store.Ready(s.ctx) == nil {
			if err := f(l.intake); !fault.Is(err, fault.KindUnavailable) {
				return err
			}
		}
		sleepFor(s.ctx, time.Second)
	}
	return s.ctx.Err()
}

func (s *saga) must(f func(in *intake.Intake) error) {
	s.t.Helper()
	if err := s.ask(f); err != nil {
		s.t.Fatal(err)
	}
}

// enrol takes a machine in; its agent asks with the same instance until it has an answer.
func (s *saga) enrol(n int, inv hardware.Inventory) string {
	s.t.Helper()
	var reply protocol.EnrolReply
	s.must(func(in *intake.Intake) (err error) {
		reply, err = in.Enrol(s.ctx, "127.0.0.1", protocol.EnrolRequest{
			Token: "tok-0000000000000000." + secret, Environment: protocol.EnvSimulated, InstanceID: "instance-" + inv.Identity.UUID, Inventory: inv,
		}, func(string) (authority.Issued, error) { return authority.Issued{Serial: inv.Identity.UUID}, nil })
		return err
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.agents[reply.ServerID] = &puppet{server: reply.ServerID, inventory: inv, journal: map[string]protocol.Result{}, deeds: map[string]int{}}
	if p, up := s.presenceOf(reply.ServerID); s.now != nil && up {
		s.now.presence.Add(p)
	}
	return reply.ServerID
}

// presenceOf is what a replica says of a server whose agent is there.
func (s *saga) presenceOf(server string) (fleet.Presence, bool) {
	p := fleet.Presence{Server: server, Since: time.Now()}
	if s.hall == nil {
		return p, true
	}
	m := s.hall.chassis(server)
	p = m.presence(server)
	p.Since = time.Now()
	s.arrived[server] = p.Since
	return p, m.there()
}

// report is what an agent says after its machine changed.
func (s *saga) report(server string, inv hardware.Inventory) {
	s.t.Helper()
	s.mu.Lock()
	s.agents[server].inventory = inv
	s.mu.Unlock()
	s.must(func(in *intake.Intake) error { return in.Report(s.ctx, server, "v", protocol.Report{Inventory: inv}) })
}

// place orders once, however often it has to be said.
func (s *saga) place(customer string) string {
	s.t.Helper()
	key := intake.NewOnce("ann", customer, "")
	key.Digest = customer
	ctx := intake.WithOnce(s.ctx, key)
	var placed string
	s.must(func(in *intake.Intake) error {
		if a, _, ok, err := in.Recall(key); ok || err != nil {
			placed = a.ID
			return err
		}
		o, err := in.PlaceOrder(ctx, ann, intake.OrderWish{Tariff: "tar-1", Customer: customer, Image: "img-1", Hostname: customer + ".example.org"},
			func(tx *store.Tx, o order.Order) error { return intake.Remember(tx, "orders", o.ID, o, time.Now()) })
		placed = o.ID
		return err
	})
	return placed
}

func (s *saga) cancel(id string) {
	s.t.Helper()
	s.must(func(in *intake.Intake) error {
		_, err := in.CancelOrder(s.ctx, ann, id, "changed mind")
		return err
	})
}

// until waits, for a day at most.
func (s *saga) until(what string, holds func(l *ledger) bool) {
	s.t.Helper()
	for range 24 * 360 {
		if read(s.ledger, holds) {
			return
		}
		sleepFor(s.ctx, 10*time.Second)
	}
	s.t.Fatalf("never came to pass: %s\n%s", what, s.tell())
}

func (s *saga) untilOrder(id, state string) {
	s.t.Helper()
	s.until("order "+id+" "+state, func(l *ledger) bool { return l.orders[id].State == state })
}

func (s *saga) untilAvailable(id string) {
	s.t.Helper()
	s.until("server "+id+" available", func(l *ledger) bool { return l.available(id) })
}

func (l *ledger) available(id string) bool {
	srv, f := l.servers[id], l.facts[id]
	return fleet.Available(fleet.Unavailable(&srv, fleet.Surroundings{Facts: &f, Connected: true}))
}

func (s *saga) tell() string {
	return read(s.ledger, func(l *ledger) string {
		text, _ := json.MarshalIndent(map[string]any{"orders": l.orders, "servers": l.servers, "operations": l.ops, "commands": l.commands, "tasks": l.tasks}, "", " ")
		return string(text)
	})
}

// verify holds what must be true at every end.
func (s *saga) verify() {
	s.t.Helper()
	s.until("nothing left to do", func(l *ledger) bool { return len(l.commands) == 0 && len(l.results) == 0 })
	for _, b := range read(s.ledger, func(l *ledger) []string { return slices.Clone(l.broken) }) {
		s.t.Error(b)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, p := range s.agents {
		p.mu.Lock()
		for cmd, n := range p.deeds {
			if n > 1 {
				s.t.Errorf("the agent of %s did command %s %d times", id, cmd, n)
			}
		}
		p.mu.Unlock()
	}
	if s.t.Failed() {
		s.t.Fatal(s.tell())
	}
}

// openFor counts the open tasks about an order or operation.
func (l *ledger) openFor(id string) (n int) {
	for _, t := range l.tasks {
		if t.State == task.Open && (t.Order == id || t.Operation == id) {
			n++
		}
	}
	return n
}

var _ kv.KV = (*mortal)(nil)
