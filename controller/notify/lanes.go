package notify

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/store"
)

// workers of one lane: a receiver gets so many events at once, of different objects.
const workers = 4

// lanes are the waiting deliveries of all receivers. Safe for concurrent use.
type lanes struct {
	start func(*lane) // its workers; called once for each lane

	mu    sync.Mutex
	lanes map[string]*lane
	where map[string]*lane // by delivery
}

// lane are the waiting deliveries of one receiver: a queue for each object, whose first
// one may go.
type lane struct {
	mu     sync.Mutex
	items  map[string]*item
	queues map[string][]*item // in the order of their events
	wake   chan struct{}
}

// item is a waiting delivery as of revision rev.
type item struct {
	notify.Delivery
	rev  int64
	busy bool
}

// queue is the key of the queue that the delivery waits in.
func (it *item) queue() string { return it.Event.Object() + "\x00" + it.To }

// compare orders deliveries by the commits of their events.
func (it *item) compare(other *item) int {
	return cmp.Or(cmp.Compare(it.Seq, other.Seq), cmp.Compare(it.ID, other.ID))
}

func newLanes(start func(*lane)) *lanes {
	return &lanes{start: start, lanes: map[string]*lane{}, where: map[string]*lane{}}
}

// see takes in what a delivery is as of a revision; nil is gone. What is older than
// what is known is ignored.
func (q *lanes) see(id string, d *notify.Delivery, rev int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.where[id]
	if d == nil || d.State != notify.Pending {
		if l != nil && l.drop(id, rev) {
			delete(q.where, id)
		}
		return
	}
	if l == nil {
		l = q.lane(d.Lane())
		q.where[id] = l
	}
	l.put(*d, rev)
}

func (q *lanes) lane(key string) *lane {
	l := q.lanes[key]
	if l == nil {
		l = &lane{items: map[string]*item{}, queues: map[string][]*item{}, wake: make(chan struct{}, 1)}
		q.lanes[key] = l
		q.start(l)
	}
	return l
}

// replace takes in a whole snapshot.
func (q *lanes) replace(snap *store.Snapshot) {
	q.mu.Lock()
	known := make([]string, 0, len(q.where))
	for id := range q.where {
		known = append(known, id)
	}
	q.mu.Unlock()
	for _, id := range known {
		if _, ok := store.Deliveries.In(snap, id); !ok {
			q.see(id, nil, snap.Rev)
		}
	}
	for i := range store.Deliveries.Items(snap) {
		q.see(i.ID, i.Value, i.ModRev)
	}
}

// waiting is the length of a lane.
func (q *lanes) waiting(key string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lanes[key]
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.items)
}

func (l *lane) put(d notify.Delivery, rev int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.signal()
	if it := l.items[d.ID]; it != nil {
		if it.rev < rev {
			it.Delivery, it.rev = d, rev
		}
		return
	}
	it := &item{Delivery: d, rev: rev}
	q := l.queues[it.queue()]
	at, _ := slices.BinarySearchFunc(q, it, (*item).compare)
	l.items[d.ID], l.queues[it.queue()] = it, slices.Insert(q, at, it)
}

// drop reports whether the delivery is not in the lane any more.
func (l *lane) drop(id string, rev int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	it := l.items[id]
	if it == nil {
		return true
	}
	if it.rev > rev {
		return false
	}
	delete(l.items, id)
	key := it.queue()
	if rest := slices.DeleteFunc(l.queues[key], func(o *item) bool { return o == it }); len(rest) > 0 {
		l.queues[key] = rest
	} else {
		delete(l.queues, key)
	}
	l.signal() // the one behind it may go
	return true
}

func (l *lane) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// next waits for a delivery that may be tried now; the caller must call done with it.
// ok is false when ctx ended.
func (l *lane) next(ctx context.Context, now func() time.Time) (d notify.Delivery, ok bool) {
	for {
		d, wait, ok := l.take(now())
		if ok {
			return d, true
		}
		var timer <-chan time.Time
		if wait > 0 {
			timer = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return d, false
		case <-l.wake:
		case <-timer:
		}
	}
}

// take finds the earliest delivery whose time has come and that waits for no other one
// about the same object. Without one it tells how long to wait; 0 is for ever.
func (l *lane) take(now time.Time) (d notify.Delivery, wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found *item
	for _, q := range l.queues {
		first := q[0]
		due := first.NextAt.Sub(now)
		switch {
		case first.busy:
		case due > 0:
			if wait == 0 || due < wait {
				wait = due
			}
		case found == nil || first.compare(found) < 0:
			found = first
		}
	}
	if found == nil {
		return d, wait, false
	}
	found.busy = true
	l.signal() // another worker may find one too
	return found.Delivery, 0, true
}

// postpone makes a delivery wait without a record of it.
func (l *lane) postpone(id string, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if it := l.items[id]; it != nil {
		it.NextAt = until
	}
}

// done gives a delivery back.
func (l *lane) done(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if it := l.items[id]; it != nil {
		it.busy = false
	}
	l.signal()
}
