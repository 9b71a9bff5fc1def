package store

import (
	"context"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Change is one record that came, changed or went. Old is nil when it came, New
// when it went; both are pointers to the table's type, are shared, and must not
// be changed.
type Change struct {
	Table, ID string
	Old, New  any
	Rev       int64
	JSON      []byte // New as stored
}

// publication is what led to one snapshot.
type publication struct {
	rev     int64
	changes []Change
}

// feed is a bounded history of publications, shared by all subscribers; each has
// its own place in it. Guarded by view.mu.
type feed struct {
	keep   int   // most changes kept
	kept   int   // changes kept, and one for each publication
	first  int64 // number of list[0] since the start
	before int64 // revision before list[0]; 0 is not known
	list   []publication
}

func (f *feed) append(p publication) {
	f.list = append(f.list, p)
	f.kept += len(p.changes) + 1
	drop := 0
	for f.kept > f.keep && drop < len(f.list)-1 {
		f.kept -= len(f.list[drop].changes) + 1
		f.before = f.list[drop].rev
		drop++
	}
	if drop > 0 {
		clear(f.list[:drop])
		f.list = f.list[drop:]
		f.first += int64(drop)
	}
}

func (f *feed) end() int64 { return f.first + int64(len(f.list)) }

// place is the number of the first publication after rev; false when what came
// after rev is not kept any more.
func (f *feed) place(rev int64) (int64, bool) {
	if len(f.list) == 0 || rev < f.before || f.before == 0 && rev < f.list[0].rev {
		return 0, false
	}
	at := f.first
	for _, p := range f.list {
		if p.rev <= rev {
			at++
		}
	}
	return at, true
}

// Subscription is one reader's place among the changes. It holds no resources and is
// for one goroutine. A slow reader costs nothing: it is told to look at
// everything again when what it has not read yet is not kept any more.
type Subscription struct {
	v    *view
	next int64 // number of a publication; -1: begin with a resync
}

// Subscribe follows all changes. The first thing that Next returns is a resync: the
// subscriber looks at the snapshot, and from then on misses nothing.
func (s *Store) Subscribe() *Subscription { return &Subscription{v: s.view, next: -1} }

// SubscribeFrom follows the changes after revision rev (the Last-Event-ID of a
// reader that was away); if they are not kept any more it begins with a resync.
func (s *Store) SubscribeFrom(rev int64) *Subscription {
	s.view.mu.Lock()
	defer s.view.mu.Unlock()
	sub := &Subscription{v: s.view, next: -1}
	if at, ok := s.view.feed.place(rev); ok {
		sub.next = at
	}
	return sub
}

// Close ends the subscription.
func (u *Subscription) Close() {}

// Next waits for changes: those of several commits at once, in order, a commit
// never split. When resync is true changes were lost, or it is the first call:
// look at everything in a snapshot taken now. The snapshot has reached at least
// the revision of each change; after a resync, changes may be told again that
// it already held. The fault is unavailable when ctx ends.
func (u *Subscription) Next(ctx context.Context) (changes []Change, resync bool, err error) {
	for {
		changes, resync, wait := u.poll()
		if resync || len(changes) > 0 {
			return changes, resync, nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, false, fault.Unavailable("the subscription ended: %w", context.Cause(ctx))
		}
	}
}

func (u *Subscription) poll() (changes []Change, resync bool, wait <-chan struct{}) {
	v := u.v
	v.mu.Lock()
	defer v.mu.Unlock()
	switch f := &v.feed; {
	case v.Snapshot().Rev == 0:
	case u.next < f.first:
		u.next, resync = f.end(), true
	default:
		for _, p := range f.list[u.next-f.first:] {
			changes = append(changes, p.changes...)
		}
		u.next = f.end()
	}
	return changes, resync, v.changed
}
