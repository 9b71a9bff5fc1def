package reconcile

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// queue holds the keys that are to be looked at, each once. A key that is added
// while it is being looked at comes back afterwards. Safe for concurrent use.
type queue struct {
	mu      sync.Mutex
	ready   []string
	waiting map[string]bool // in ready
	working map[string]bool
	again   map[string]bool // added while working
	later   schedule
	at      map[string]*appointment
	wake    chan struct{}
}

type appointment struct {
	key   string
	when  time.Time
	index int
}

func newQueue() *queue {
	return &queue{waiting: map[string]bool{}, working: map[string]bool{}, again: map[string]bool{}, at: map[string]*appointment{}, wake: make(chan struct{}, 1)}
}

// add asks for a look at key as soon as possible.
func (q *queue) add(key string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.push(key)
	q.signal()
}

func (q *queue) push(key string) {
	switch {
	case q.working[key]:
		q.again[key] = true
	case !q.waiting[key]:
		q.waiting[key] = true
		q.ready = append(q.ready, key)
	}
}

// addAt asks for a look at a time; the earliest one asked for counts.
func (q *queue) addAt(key string, when time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if a := q.at[key]; a != nil {
		if when.Before(a.when) {
			a.when = when
			heap.Fix(&q.later, a.index)
			q.signal()
		}
		return
	}
	a := &appointment{key: key, when: when}
	q.at[key] = a
	heap.Push(&q.later, a)
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// get waits for a key; the caller must call done with it. ok is false when ctx ended.
func (q *queue) get(ctx context.Context) (key string, ok bool) {
	for {
		key, wait, ok := q.take(time.Now())
		if ok {
			return key, true
		}
		var timer <-chan time.Time
		if wait > 0 {
			timer = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return "", false
		case <-q.wake:
		case <-timer:
		}
	}
}

// take moves due appointments to the ready list and takes its first key. Without
// one it tells how long to wait for the next appointment; 0 is for ever.
func (q *queue) take(now time.Time) (key string, wait time.Duration, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.later) > 0 && !q.later[0].when.After(now) {
		a := heap.Pop(&q.later).(*appointment)
		delete(q.at, a.key)
		q.push(a.key)
	}
	if len(q.ready) == 0 {
		if len(q.later) > 0 {
			wait = max(q.later[0].when.Sub(now), time.Millisecond)
		}
		return "", wait, false
	}
	key, q.ready = q.ready[0], q.ready[1:]
	delete(q.waiting, key)
	q.working[key] = true
	if len(q.ready) > 0 || len(q.later) > 0 {
		q.signal() // another worker may sleep
	}
	return key, 0, true
}

// done ends the look at key.
func (q *queue) done(key string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.working, key)
	if q.again[key] {
		delete(q.again, key)
		q.push(key)
		q.signal()
	}
}

// depth is the number of keys that wait for a look now.
func (q *queue) depth() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.ready)
}

type schedule []*appointment

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].when.Before(s[j].when) }
func (s schedule) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].index, s[j].index = i, j
}

func (s *schedule) Push(x any) {
	a := x.(*appointment)
	a.index = len(*s)
	*s = append(*s, a)
}

func (s *schedule) Pop() any {
	old := *s
	a := old[len(old)-1]
	*s = old[:len(old)-1]
	return a
}
