package report

import (
	"context"
	"sync"
	"time"

	"github.com/steelyard/steelyard/agent/meter/book"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// The pace. See the package comment.
const (
	Every = time.Minute     // between two reports of what changed
	Least = 2 * time.Second // between any two messages
	Idle  = 5 * time.Minute // between two reports of nothing but their time, and between two of the ports
	Renew = time.Hour
	piece = 48 << 10 // bytes of accounts in one message: heartbeats go between
)

// Counts are what is told of accounts: a *book.Book, or what stands for one.
type Counts interface {
	ID() string
	Months() []book.Month
	SetMonths([]book.Month) error
	Changed(since uint64) ([]book.Report, uint64)
	Quarters(account string, from, to book.Quarter) ([]book.Count, error)
}

// Ports are what is told of the machine.
type Ports interface {
	// Usage are the totals of months, and a number that is another one when they changed.
	Usage(months []protocol.UsageMonth) (u protocol.ServerUsage, version uint64)
}

// Options of a reporter; each source may be nil.
type Options struct {
	Counts Counts
	Ports  Ports
}

// Reporter is a link.Meter. Make one with New.
type Reporter struct {
	opt     Options
	changed chan struct{}
	wanted  chan struct{}

	mu       sync.Mutex
	wish     *protocol.UsageMonths // nil: this session has not named months
	has      *protocol.UsageMonths // that totals are made for
	accounts map[string]*account
	since    uint64 // version of the counts that were taken over
	seq      uint64
	flights  []flight
	sources  []protocol.UsageSource
	deleted  uint64
	counted  int64
	tell     struct {
		sources, urgent, final, first bool
		last, regular, ports          time.Time // when something, what changed, and the ports were told last
		counted                       int64     // as it was told last
		version                       uint64    // of the ports, as told last
	}
}

// account is what is known of one, and what the controller was told.
type account struct {
	months []book.Totals
	stored protocol.Stored
	told   uint64 // Stored.At, as it was told last
	dirty  bool
	goes   bool   // it is told before others
	seq    uint64 // of the message that told it last; 0: it is stored
}

// flight is a message that was not acknowledged.
type flight struct {
	seq   uint64
	sent  time.Time
	ports bool
}

// New makes a reporter.
func New(o Options) *Reporter {
	return &Reporter{opt: o, changed: make(chan struct{}, 1), wanted: make(chan struct{}, 1), accounts: map[string]*account{}}
}

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is nudged already
	}
}

// Changed is signalled when there may be something to tell.
func (r *Reporter) Changed() <-chan struct{} { return r.changed }

// Wanted is signalled when Apply has something to do.
func (r *Reporter) Wanted() <-chan struct{} { return r.wanted }

// Attach begins a session: nothing is told before SetMonths, and then everything.
func (r *Reporter) Attach() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wish, r.flights, r.seq = nil, nil, 0
	r.anew()
}

// anew tells everything from the beginning.
func (r *Reporter) anew() {
	for _, a := range r.accounts {
		a.dirty, a.seq = true, 0
	}
	r.tell.sources, r.tell.first, r.tell.version, r.tell.ports, r.tell.last = true, true, 0, time.Time{}, time.Time{}
}

// SetMonths takes the controller's months; totals are made for them by Apply.
func (r *Reporter) SetMonths(m protocol.UsageMonths) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wish = &m
	nudge(r.wanted)
}

// Apply makes the totals for the months that the controller named. It may read all that is kept, and is called again where it fails.
func (r *Reporter) Apply() error {
	r.mu.Lock()
	wish := r.wish
	r.mu.Unlock()
	if wish == nil {
		return nil
	}
	if r.opt.Counts != nil {
		list := make([]book.Month, len(wish.Months))
		for i, m := range wish.Months {
			list[i] = book.Month{Name: m.Name, From: book.Quarter(m.From), To: book.Quarter(m.To)}
		}
		if err := r.opt.Counts.SetMonths(list); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.has == nil || !same(r.has, wish) {
		r.since, r.has = 0, wish
		r.anew()
	}
	nudge(r.changed)
	return nil
}

func same(a, b *protocol.UsageMonths) bool {
	if a.Zone != b.Zone || len(a.Months) != len(b.Months) {
		return false
	}
	for i := range a.Months {
		if a.Months[i].Name != b.Months[i].Name || a.Months[i].From != b.Months[i].From || a.Months[i].To != b.Months[i].To {
			return false
		}
	}
	return true
}

// ready tells whether totals are those that this session named. r.mu is held.
func (r *Reporter) ready() bool { return r.wish != nil && r.has != nil && same(r.has, r.wish) }

// Told hears that a message is stored.
func (r *Reporter) Told(seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, f := range r.flights {
		if f.seq == seq {
			r.flights = append(r.flights[:i], r.flights[i+1:]...)
			for _, a := range r.accounts {
				if a.seq == seq {
					a.seq = 0
				}
			}
			return
		}
	}
}

// Answer reads quarter-hours of an account.
func (r *Reporter) Answer(_ context.Context, ask protocol.UsageAsk) (a protocol.UsageAnswer) {
	if r.opt.Counts == nil {
		a.Fault = fault.NotFound("this server carries no accounts")
		return a
	}
	list, err := r.opt.Counts.Quarters(ask.Account, book.Quarter(ask.From), book.Quarter(ask.To))
	if err != nil {
		a.Fault = fault.Unavailable("read what was counted: %v", err)
		return a
	}
	before := int64(0)
	for i := 0; i < len(list); {
		q := protocol.QuarterUsage{Quarter: int64(list[i].Quarter)}
		for ; i < len(list) && int64(list[i].Quarter) == q.Quarter; i++ {
			if c := list[i]; c.Class < book.Classes {
				q.Traffic[c.Class] = protocol.Traffic(c.Traffic)
			}
		}
		if q.Quarter > before {
			a.Quarters = protocol.AppendQuarter(a.Quarters, before, &q)
			before = q.Quarter
		}
	}
	return a
}
