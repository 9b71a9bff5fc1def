// Package wheel notices who fell silent among very many. Touching an entry is one
// atomic store; a tick looks only at the entries whose time may be over, so that a fleet of
// 100,000 costs some 2,300 looks a second and nothing is ever written anywhere.
//
// It owns the order of deadlines and knows nothing of what an entry stands for. Time is counted in
// ticks that really happened: a process that was suspended for an hour does not find its whole
// fleet silent when it wakes.
package wheel

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Entry is something that ought to be heard from. It is embedded where it is watched;
// the zero value is not on any wheel.
type Entry struct {
	Owner      any // handed to the callbacks
	prev, next *Entry
	slot       *Entry
	last       atomic.Uint32
}

// Wheel watches entries. Make one with [New].
type Wheel struct {
	tick    time.Duration
	limit   uint32
	now     atomic.Uint32
	silent  func(owner any)
	alive   func(owner any)
	mu      sync.Mutex
	slots   []Entry // heads of rings
	entries int
}

// New makes a wheel. An entry that was not touched is given to silent, and is then off the wheel,
// later than timeout less two ticks and no later than timeout. An entry that was touched is given to
// alive about once a timeout: a place for what must be looked at now and then. Both are called
// from Advance, one at a time, and must not block.
func New(timeout, tick time.Duration, silent, alive func(owner any)) *Wheel {
	limit := max(uint32(timeout/tick), 2) - 1
	w := &Wheel{tick: tick, limit: limit, silent: silent, alive: alive, slots: make([]Entry, limit+1)}
	for i := range w.slots {
		w.slots[i].prev, w.slots[i].next = &w.slots[i], &w.slots[i]
	}
	return w
}

// Add puts e on the wheel, touched now. An entry that is on it is only touched.
func (w *Wheel) Add(e *Entry) {
	w.Touch(e)
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.slot == nil {
		w.entries++
		w.place(e)
	}
}

// Touch says that e was heard from.
func (w *Wheel) Touch(e *Entry) { e.last.Store(w.now.Load()) }

// Remove takes e off. It may be called again.
func (w *Wheel) Remove(e *Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.slot != nil {
		w.entries--
		e.unlink()
	}
}

// Len is the number of entries.
func (w *Wheel) Len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.entries
}

// Run advances once a tick until ctx ends.
func (w *Wheel) Run(ctx context.Context) {
	t := time.NewTicker(w.tick)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			w.Advance()
		}
	}
}

// Advance lets one tick pass.
func (w *Wheel) Advance() {
	silent, alive := w.due()
	for _, owner := range silent {
		w.silent(owner)
	}
	for _, owner := range alive {
		w.alive(owner)
	}
}

// due takes what is due off its slot: for ever, or on to the slot where it is due next.
func (w *Wheel) due() (silent, alive []any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now.Add(1)
	head := &w.slots[now%uint32(len(w.slots))]
	for e := head.next; e != head; e = head.next {
		e.unlink()
		if now-e.last.Load() >= w.limit {
			w.entries--
			silent = append(silent, e.Owner)
			continue
		}
		w.place(e)
		alive = append(alive, e.Owner)
	}
	return silent, alive
}

// place puts e where it is due if it is not touched again.
func (w *Wheel) place(e *Entry) {
	head := &w.slots[(e.last.Load()+w.limit)%uint32(len(w.slots))]
	e.slot, e.prev, e.next = head, head.prev, head
	head.prev.next, head.prev = e, e
}

func (e *Entry) unlink() {
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next, e.slot = nil, nil, nil
}
