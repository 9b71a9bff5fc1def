package usage

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	core "github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/protocol"
)

// Options of a ledger.
type Options struct {
	Store  *store.Store
	Logger *slog.Logger
	Now    func() time.Time
	Every  time.Duration // between two writes for one server; 5 minutes
	Soon   time.Duration // between two writes for one server when a limit is crossed; 10 s
}

// writers is how many servers are written at a time.
const writers = 8

// Ledger is on every replica. Make one with New; Run writes.
type Ledger struct {
	opt   Options
	store *store.Store
	log   *slog.Logger

	calendar atomic.Pointer[calendar]
	turned   func() // the months are others now

	mu    sync.RWMutex
	nodes map[string]*node

	queue queue
	count counters
}

// New makes a ledger that knows nothing; Run fills it. turned is called, without waiting for it to do much, when nodes are to be told of other months.
func New(opt Options, turned func()) *Ledger {
	if opt.Every == 0 {
		opt.Every = 5 * time.Minute
	}
	if opt.Soon == 0 {
		opt.Soon = 10 * time.Second
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Ledger{opt: opt, store: opt.Store, log: opt.Logger, turned: turned, nodes: map[string]*node{}}
	l.queue.wake = make(chan struct{}, 1)
	l.calendar.Store(newCalendar(store.FleetSetting{}, opt.Now()))
	return l
}

// Calendar are the months that nodes make totals of.
func (l *Ledger) Calendar() protocol.UsageMonths { return l.calendar.Load().told }

// Run follows the store and writes until ctx ends; then it writes what is left, as far as that takes a few seconds.
func (l *Ledger) Run(ctx context.Context) error {
	var work sync.WaitGroup
	work.Go(func() { l.turn(ctx) })
	for range writers {
		work.Go(func() { l.write(ctx) })
	}
	err := l.follow(ctx)
	work.Wait()
	l.last(context.WithoutCancel(ctx))
	return err
}

// follow takes in what any replica stored.
func (l *Ledger) follow(ctx context.Context) error {
	sub := l.store.Subscribe()
	defer sub.Close()
	for {
		changes, resync, err := sub.Next(ctx)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case resync:
			l.rebuild()
		}
		for i := range changes {
			l.take(&changes[i])
		}
	}
}

// rebuild takes everything from the snapshot. What is in memory stays: it merges.
func (l *Ledger) rebuild() {
	snap := l.store.Snapshot()
	l.recalendar()
	for item := range store.Usage.Items(snap) {
		l.stored(item.ID, item.Value)
	}
	for item := range store.UsageSpace.Items(snap) {
		l.measured(item.ID, item.Value)
	}
	l.each(func(n *node) { n.recheck() })
}

// take takes one change of the store in.
func (l *Ledger) take(c *store.Change) {
	switch c.Table {
	case store.Usage.Name():
		if r, ok := c.New.(*core.Record); ok {
			l.stored(c.ID, r)
		}
	case store.UsageSpace.Name():
		if r, ok := c.New.(*core.SpaceRecord); ok {
			l.measured(c.ID, r)
		}
	case store.Subscriptions.Name(), store.SubscriptionUses.Name():
		for item := range store.Accounts.Lookup(l.store.Snapshot(), store.AccountsOf, c.ID) {
			l.judge(item.Value.Server, item.ID)
		}
	case store.Accounts.Name():
		if a, ok := store.Accounts.View(l.store, c.ID); ok {
			l.judge(a.Server, c.ID)
		}
	case store.Settings.Name():
		l.recalendar()
	}
}

func (l *Ledger) stored(id string, r *core.Record) {
	month, server, book, _ := store.UsageOfKey(id)
	if !l.calendar.Load().live(month) {
		return
	}
	n := l.node(server)
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.sheet(month, book)
	if _, err := core.Read(r.Rows, &s.Sheet); err != nil {
		l.log.Error("a record of usage cannot be read", "record", id, "error", err)
	}
	s.until, s.gap = max(s.until, r.Until), s.gap || r.Gap
}

func (l *Ledger) measured(server string, r *core.SpaceRecord) {
	n := l.node(server)
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, err := core.ReadSpace(r.Rows, &n.space); err != nil {
		l.log.Error("a record of disk space cannot be read", "server", server, "error", err)
	}
}

// node is what is known of a server, made where it is missing.
func (l *Ledger) node(server string) *node {
	if n := l.find(server); n != nil {
		return n
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.nodes[server]
	if n == nil {
		n = &node{l: l, server: server, sheets: map[page]*sheet{}}
		l.nodes[server] = n
	}
	return n
}

// find is node for whom nil will do.
func (l *Ledger) find(server string) *node {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.nodes[server]
}

func (l *Ledger) each(f func(*node)) {
	l.mu.RLock()
	list := make([]*node, 0, len(l.nodes))
	for _, n := range l.nodes {
		list = append(list, n)
	}
	l.mu.RUnlock()
	for _, n := range list {
		f(n)
	}
}
