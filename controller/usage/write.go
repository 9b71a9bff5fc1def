package usage

import (
	"context"
	"errors"
	"hash/fnv"
	"maps"
	"math/bits"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/steelyard/steelyard/controller/core/subscription"
	core "github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/logging"
)

// pageRows is how many accounts one record has at most, more or less: its value stays well below what etcd takes.
const pageRows = 4096

// queue has the nodes that are to be written now.
type queue struct {
	mu   sync.Mutex
	list []*node
	in   map[*node]bool
	wake chan struct{}
}

func (q *queue) add(n *node) {
	q.mu.Lock()
	if q.in == nil {
		q.in = map[*node]bool{}
	}
	if !q.in[n] {
		q.in[n] = true
		q.list = append(q.list, n)
	}
	q.mu.Unlock()
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) take() *node {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.list) == 0 {
		return nil
	}
	n := q.list[0]
	q.list = q.list[1:]
	delete(q.in, n)
	if len(q.list) > 0 {
		q.signal()
	}
	return n
}

// spread is a random time within d, so that those that begin together do not go on together.
func spread(d time.Duration) time.Duration { return time.Duration(rand.Int64N(int64(d) + 1)) }

// next is how long records wait. The mutex is held.
func (n *node) next() time.Duration {
	if n.wrote.IsZero() {
		return spread(n.l.opt.Every / 5)
	}
	return max(0, n.l.opt.Every-time.Since(n.wrote)) + spread(n.l.opt.Every/10)
}

// schedule has the node written within d, if it is not to be sooner. The mutex is held.
func (n *node) schedule(d time.Duration) {
	if d == 0 {
		n.halt()
		n.due = time.Now()
		n.l.queue.add(n)
		return
	}
	at := time.Now().Add(d)
	if n.timer != nil && !n.due.After(at) {
		return
	}
	n.halt()
	n.due = at
	n.timer = time.AfterFunc(d, func() { n.l.queue.add(n) })
}

func (n *node) halt() {
	if n.timer != nil {
		n.timer.Stop()
		n.timer = nil
	}
}

// write writes what is due until ctx ends.
func (l *Ledger) write(ctx context.Context) {
	for {
		n := l.queue.take()
		if n == nil {
			select {
			case <-l.queue.wake:
				continue
			case <-ctx.Done():
				l.queue.signal() // the next of the writers
				return
			}
		}
		if err := n.write(ctx, false); err != nil && ctx.Err() == nil {
			l.log.Warn("usage not stored; trying again", logging.KeyServer, n.server, logging.KeyError, err)
		}
	}
}

// last writes what is left when the replica stops. What it cannot write, agents tell the next one.
func (l *Ledger) last(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	l.each(func(n *node) {
		n.mu.Lock()
		n.halt()
		waits := n.waits()
		n.mu.Unlock()
		if waits && ctx.Err() == nil {
			_ = n.write(ctx, true)
		}
	})
}

// Settle returns when all that a server said until now is stored.
func (l *Ledger) Settle(ctx context.Context, server string) error {
	n := l.find(server)
	if n == nil {
		return nil
	}
	return n.write(ctx, true)
}

// write stores what is not stored yet: uses at once, records when they are due or force says so. What fails is tried again later.
func (n *node) write(ctx context.Context, force bool) error {
	n.writing.Lock()
	defer n.writing.Unlock()
	if force && n.clean() {
		return nil
	}
	b := n.batch(force)
	judged, stored := n.l.writeUses(ctx, b.uses), b.store(ctx, n.l)
	n.written(b, judged, stored)
	return errors.Join(judged, stored)
}

func (n *node) clean() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.waits() && len(n.acks) == 0 && !n.urgent
}

// batch is what one write stores.
type batch struct {
	n       *node
	uses    map[string]subscription.Use
	records map[string]core.Record // by id
	space   *core.SpaceRecord
	acks    []ack
	sheets  []*sheet
	due     bool // records are among it

	ports    map[page]core.Carried // nil: they wait
	portAcks []ack
}

// batch takes what is to be stored out of the node: what comes while it is stored is for the next one.
func (n *node) batch(force bool) *batch {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.halt()
	b := &batch{n: n, uses: map[string]subscription.Use{}, due: force || !n.urgent || n.crossed && time.Since(n.wrote) >= n.l.opt.Soon}
	for account := range n.uses {
		b.uses[account] = n.use(account)
	}
	n.uses, n.urgent, n.flying = nil, false, true
	if !b.due {
		return b
	}
	if force || n.portsDue() {
		b.ports, b.portAcks, n.ports.acks = maps.Clone(n.ports.months), n.ports.acks, nil
	}
	n.crossed = false
	b.records = map[string]core.Record{}
	for p, s := range n.sheets {
		if s.dirty {
			b.add(p, s)
		}
	}
	if n.spaceDirty {
		snap := n.l.store.Snapshot()
		n.space.Drop(func(account string) bool { return gone(snap, account) })
		b.space, n.spaceDirty = &core.SpaceRecord{Rows: core.WriteSpace(nil, &n.space)}, false
	}
	b.acks, n.acks = n.acks, nil
	return b
}

// add takes a sheet, in pages where it has very many accounts. An account that is in two of them, because there were fewer pages once, is merged by maximum as always.
func (b *batch) add(p page, s *sheet) {
	pages := 1 << bits.Len(uint(s.Len()/pageRows))
	parts := []*core.Sheet[core.Row]{&s.Sheet}
	if pages > 1 {
		parts = make([]*core.Sheet[core.Row], pages)
		for i := range parts {
			parts[i] = &core.Sheet[core.Row]{}
		}
		for account, r := range s.Each {
			h := fnv.New32a()
			_, _ = h.Write([]byte(account))
			*parts[h.Sum32()%uint32(pages)].Cell(account) = *r
		}
	}
	for i, part := range parts {
		b.records[store.UsageKey(p.month, b.n.server, p.book, i)] = core.Record{Server: b.n.server, Rows: core.Write(nil, part), Until: s.until, Gap: s.gap}
	}
	s.dirty = false
	b.sheets = append(b.sheets, s)
}

// store commits the records, each merged with what somebody else stored meanwhile.
func (b *batch) store(ctx context.Context, l *Ledger) error {
	for id, r := range b.records {
		if _, err := l.store.Commit(ctx, func(tx *store.Tx) error { return putRecord(tx, id, r) }); err != nil {
			return err
		}
		l.count.written.Add(1)
	}
	if err := b.storePorts(ctx, l); err != nil {
		return err
	}
	if b.space == nil {
		return nil
	}
	_, err := l.store.Commit(ctx, func(tx *store.Tx) error { return putSpace(tx, b.n.server, b.space, l.store.Snapshot()) })
	l.count.written.Add(1)
	return err
}

func putRecord(tx *store.Tx, id string, r core.Record) error {
	before, known, err := store.Usage.Find(tx, id)
	if err != nil {
		return err
	}
	if known {
		var s core.Sheet[core.Row]
		if _, err := core.Read(before.Rows, &s); err != nil {
			return err
		}
		news, err := core.Read(r.Rows, &s)
		if err != nil {
			return err
		}
		if !news && before.Until >= r.Until && (before.Gap || !r.Gap) {
			return nil
		}
		r.Rows, r.Until, r.Gap = core.Write(nil, &s), max(r.Until, before.Until), r.Gap || before.Gap
	}
	return store.Usage.Put(tx, id, r)
}

func putSpace(tx *store.Tx, server string, r *core.SpaceRecord, snap *store.Snapshot) error {
	before, known, err := store.UsageSpace.Find(tx, server)
	if err != nil {
		return err
	}
	next := *r
	if known {
		var s core.Sheet[core.Space]
		if _, err := core.ReadSpace(before.Rows, &s); err != nil {
			return err
		}
		if _, err := core.ReadSpace(r.Rows, &s); err != nil {
			return err
		}
		s.Drop(func(account string) bool { return gone(snap, account) })
		next.Rows = core.WriteSpace(nil, &s)
	}
	return store.UsageSpace.Put(tx, server, next)
}

// written is after a write: what is stored is acknowledged, what is not is tried again.
func (n *node) written(b *batch, judged, stored error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.flying = false
	if judged != nil && n.holder != nil {
		for account := range b.uses {
			if n.uses == nil {
				n.uses = map[string]struct{}{}
			}
			n.uses[account], n.urgent = struct{}{}, true
		}
	}
	if judged == nil && n.holder != nil {
		for account := range b.uses { // what came meanwhile was not held against what is stored now
			n.judge(account)
		}
	}
	if stored != nil {
		for _, s := range b.sheets {
			s.dirty = true
		}
		n.spaceDirty = n.spaceDirty || b.space != nil
		n.acks = append(b.acks, n.acks...)
		n.ports.acks = append(b.portAcks, n.ports.acks...)
	} else {
		if b.due {
			n.wrote = time.Now()
		}
		for _, a := range b.acks {
			a.send(a.seq)
		}
		if b.ports != nil {
			n.portsWritten(b)
		}
	}
	if judged != nil || stored != nil {
		n.fails = min(n.fails+1, 6)
		n.schedule(time.Second<<n.fails + spread(time.Second))
		return
	}
	n.fails = 0
	switch {
	case n.urgent:
		n.schedule(0)
	case n.dirty():
		n.schedule(n.next())
	default:
		n.answer() // came while it was stored, and told nothing else
	}
	if len(n.ports.months) > 0 {
		n.schedule(n.nextPorts())
	}
}

// answer acknowledges what waits: nothing of it is not stored. The mutex is held.
func (n *node) answer() {
	for _, a := range n.acks {
		a.send(a.seq)
	}
	n.acks = nil
}
