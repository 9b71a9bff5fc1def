package store

import (
	"context"
	"slices"
	"sync"

	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/pkg/fault"
)

// group puts changes that come at the same time into shared transactions. A
// change that comes alone is committed at once by its own goroutine; those that
// come while transactions are under way wait and go together with the next one.
// Nobody waits for a timer.
//
// Members of one transaction are independent: what one writes, no other reads
// or writes. So any order of them explains the result, and each is as if it had
// been committed alone.
type group struct {
	kv    kv.KV
	opt   Options
	stats *counters

	mu     sync.Mutex
	queue  []*member
	flying int
}

// Room of a shared transaction in bytes: well below etcd's 1.5 MiB.
const batchBytes = 1 << 20

// member is one change in the queue.
type member struct {
	txn  kv.Txn
	size int
	done chan outcome // holds one
}

// outcome of a commit: exactly one of rev, lost and err is set (a proven result
// may have rev and err).
type outcome struct {
	rev  int64
	lost []string            // keys that were not as read any more
	now  map[string]kv.Entry // with lost, if known: what was read is like this now
	err  error
}

func newGroup(backend kv.KV, opt Options, stats *counters) *group {
	return &group{kv: backend, opt: opt, stats: stats}
}

// commit brings t to the backend, alone or with others.
func (g *group) commit(ctx context.Context, t kv.Txn) outcome {
	m := &member{txn: t, size: t.Size(), done: make(chan outcome, 1)}
	g.mu.Lock()
	if g.flying == 0 && len(g.queue) == 0 {
		g.flying++
		g.mu.Unlock()
		g.fly(ctx, []*member{m})
		g.land()
		return <-m.done
	}
	g.queue = append(g.queue, m)
	g.launch()
	g.mu.Unlock()
	select {
	case out := <-m.done:
		return out
	case <-ctx.Done():
		return g.abandon(m, context.Cause(ctx))
	}
}

// launch starts another transaction if one may be under way beside the others.
// The mutex is held.
func (g *group) launch() {
	if len(g.queue) == 0 || g.flying >= g.opt.InFlight {
		return
	}
	g.flying++
	go func() {
		g.mu.Lock()
		batch := g.take()
		g.mu.Unlock()
		if len(batch) > 0 {
			g.fly(context.Background(), batch) // the backend has its own deadline
		}
		g.land()
	}()
}

// land ends a transaction and lets the next one start.
func (g *group) land() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.flying--
	g.launch()
}

func (g *group) abandon(m *member, cause error) outcome {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.queue, m); i >= 0 {
		g.queue = slices.Delete(g.queue, i, i+1)
		return outcome{err: fault.Unavailable("the change was given up before it was committed: %w", cause)}
	}
	return outcome{err: fault.Unavailable("the change was given up while it was being committed; whether it happened is not known: %w", cause)}
}

// take removes from the queue what goes into the next transaction: the oldest
// change and all after it that are independent and fit. The mutex is held.
func (g *group) take() []*member {
	b := newBatch(g.kv.Limits(), g.opt.MaxBatch)
	rest := g.queue[:0]
	for i, m := range g.queue {
		if len(b.members) == g.opt.MaxBatch {
			rest = append(rest, g.queue[i:]...)
			break
		}
		if !b.add(m) {
			rest = append(rest, m)
		}
	}
	clear(g.queue[len(rest):])
	g.queue = rest
	return b.members
}

// fly commits members and answers each.
func (g *group) fly(ctx context.Context, members []*member) {
	for round := 0; len(members) > 0; round++ {
		t := merge(members)
		rev, ok, err := g.kv.Commit(ctx, t)
		switch {
		case ok && err == nil:
			g.stats.transactions.Add(1)
			g.outdate(t.Ops, rev)
			answer(members, outcome{rev: rev})
			return
		case err != nil && len(members) > 1 && !fault.Is(err, fault.KindUnavailable):
			// One of them cannot be committed at all: let it fail alone.
			for _, m := range members {
				g.fly(ctx, []*member{m})
			}
			return
		case err != nil:
			answer(members, outcome{err: err})
			return
		}
		members = g.evict(ctx, members, round)
	}
}

// evict answers the members whose reads are outdated and returns the others. It
// finds them by reading the compared keys, one round trip, where halving the
// transaction would take several.
func (g *group) evict(ctx context.Context, members []*member, round int) []*member {
	now, err := g.current(ctx, merge(members).Compares)
	if err != nil {
		answer(members, outcome{err: err})
		return nil
	}
	var rest []*member
	for _, m := range members {
		lost := lostKeys(m.txn.Compares, now)
		if len(lost) == 0 && round > 3 {
			lost = readKeys(m.txn.Compares) // records that come and go: run it again
		}
		if len(lost) == 0 {
			rest = append(rest, m)
			continue
		}
		m.done <- outcome{lost: lost, now: now}
	}
	return rest
}

// lostKeys are the keys of cs that do not hold now.
func lostKeys(cs []kv.Compare, now map[string]kv.Entry) (lost []string) {
	for _, c := range cs {
		if !c.Holds(now[c.Key]) {
			lost = append(lost, c.Key)
		}
	}
	return lost
}

// readKeys are the keys of cs without those of fences.
func readKeys(cs []kv.Compare) (keys []string) {
	for _, c := range cs {
		if c.Target == kv.ModRev {
			keys = append(keys, c.Key)
		}
	}
	return keys
}

func (g *group) current(ctx context.Context, compares []kv.Compare) (map[string]kv.Entry, error) {
	keys := make([]string, len(compares))
	for i, c := range compares {
		keys[i] = c.Key
	}
	now := make(map[string]kv.Entry, len(keys))
	for part := range slices.Chunk(keys, g.kv.Limits().MaxOps) {
		entries, _, err := g.kv.Read(ctx, part)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			now[e.Key] = e
		}
	}
	return now, nil
}

// outdate answers waiting changes that read what ops have overwritten at rev:
// they would only spoil the next transaction.
func (g *group) outdate(ops []kv.Op, rev int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queue) == 0 {
		return
	}
	written := make(map[string]struct{}, len(ops))
	for _, o := range ops {
		written[o.Key] = struct{}{}
	}
	g.queue = slices.DeleteFunc(g.queue, func(m *member) bool {
		for _, c := range m.txn.Compares {
			if _, ok := written[c.Key]; ok && c.Target == kv.ModRev && c.Rev < rev {
				m.done <- outcome{lost: []string{c.Key}}
				return true
			}
		}
		return false
	})
}

func answer(members []*member, out outcome) {
	for _, m := range members {
		m.done <- out
	}
}
