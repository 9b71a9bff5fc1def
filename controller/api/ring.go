package api

import (
	"sync"
	"time"
)

// eventsKept is how many events a client may be behind before it must read
// everything again. An event holds a pointer to a row, so they cost little.
const eventsKept = 1 << 15

// event is one change of a record, as /v1/events tells it.
type event struct {
	Rev   int64
	Table string
	ID    string
	At    time.Time
	row   *row // as it is now, or as it was last
	gone  bool
}

// ring keeps the last events in order of revision.
type ring struct {
	mu     sync.Mutex
	events []event
	next   int   // where the next event goes, once the ring is full
	floor  int64 // events up to this revision may be missing
	head   int64 // events up to this revision are complete
	more   chan struct{}
}

func newRing(size int) *ring {
	return &ring{events: make([]event, 0, size), more: make(chan struct{})}
}

// start forgets everything: what was before rev is not kept.
func (r *ring) start(rev int64) {
	r.mu.Lock()
	r.events, r.next, r.floor = r.events[:0], 0, rev
	r.mu.Unlock()
	r.wake(rev)
}

func (r *ring) add(e event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.events) < cap(r.events) {
		r.events = append(r.events, e)
		return
	}
	r.floor = r.events[r.next].Rev
	r.events[r.next] = e
	r.next = (r.next + 1) % len(r.events)
}

// wake tells the readers that everything up to rev is there. Until then they do
// not see it: they would take half of a commit for all of it.
func (r *ring) wake(rev int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.head = rev
	close(r.more)
	r.more = make(chan struct{})
}

// after lists up to most events later than rev, whole revisions only, and a
// channel that closes when there are more. ok is false when some of them are not
// kept any more. An event of the revision that was lost last counts as lost too.
func (r *ring) after(rev int64, most int) (list []event, more <-chan struct{}, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rev < r.floor {
		return nil, r.more, false
	}
	n := len(r.events)
	for i := r.seek(rev); i < n; i++ {
		e := r.events[(r.next+i)%n]
		if e.Rev > r.head || len(list) >= most && e.Rev != list[len(list)-1].Rev {
			break
		}
		list = append(list, e)
	}
	return list, r.more, true
}

// seek finds the first event later than rev, counted from the oldest.
func (r *ring) seek(rev int64) int {
	lo, hi := 0, len(r.events)
	for lo < hi {
		mid := (lo + hi) / 2
		if r.events[(r.next+mid)%len(r.events)].Rev <= rev {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}
