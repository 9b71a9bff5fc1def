package store

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/store/kv"
)

// PresenceTTL is how long the presences of a replica that fell silent stay.
const PresenceTTL = 15 * time.Second

// PresenceWriter tells everybody which servers' agents are connected to this
// replica: one record per server in [Presences], all on one lease, so that they go when
// the replica goes. Heartbeats never come here; only connects and disconnects do,
// up to 128 in one commit.
type PresenceWriter struct {
	kv      kv.KV
	log     *slog.Logger
	replica string
	ttl     time.Duration
	self    *fleet.Replica // what this replica says of itself; nil: nothing

	mu    sync.Mutex
	want  map[string]fleet.Presence
	dirty map[string]cause
	wake  chan struct{}
}

// cause tells why a record is to be written.
type cause uint8

const (
	// news: the agent has just connected or left. The later connection is right,
	// whoever wrote before.
	news cause = iota
	// again: the lease was lost. Where another replica has written meanwhile, the
	// agent has moved there and our session is about to find out.
	again
)

// NewPresenceWriter makes a writer for the replica of this name; Run writes. ttl 0
// is PresenceTTL.
func NewPresenceWriter(backend kv.KV, replica string, ttl time.Duration, log *slog.Logger) *PresenceWriter {
	if ttl == 0 {
		ttl = PresenceTTL
	}
	return &PresenceWriter{
		kv: backend, log: log, replica: replica, ttl: ttl,
		want: map[string]fleet.Presence{}, dirty: map[string]cause{}, wake: make(chan struct{}, 1),
	}
}

// Announce says where this replica is reached, for as long as Run runs; before it. It is in [Replicas].
func (w *PresenceWriter) Announce(r fleet.Replica) {
	r.ID = w.replica
	w.self = &r
}

// Add says that a server's agent has connected. It does not wait.
func (w *PresenceWriter) Add(p fleet.Presence) {
	p.Replica = w.replica
	w.mu.Lock()
	defer w.mu.Unlock()
	w.want[p.Server] = p
	w.mark(p.Server)
}

// Remove says that the connection that began at since has ended. One that came
// after it stays. It does not wait.
func (w *PresenceWriter) Remove(server string, since time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p, ok := w.want[server]; ok && p.Since.Equal(since) {
		delete(w.want, server)
		w.mark(server)
	}
}

func (w *PresenceWriter) mark(server string) {
	w.dirty[server] = news
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Pending is how many records wait to be written.
func (w *PresenceWriter) Pending() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.dirty)
}

// Run writes until ctx ends, and then takes all records back. A lost lease is
// replaced and everything is written again.
func (w *PresenceWriter) Run(ctx context.Context) error {
	wait := minWait
	for ctx.Err() == nil {
		lease, err := w.kv.Grant(ctx, w.ttl)
		if err == nil {
			wait = minWait
			w.markAll()
			err = w.hold(ctx, lease)
		}
		if ctx.Err() != nil {
			return nil
		}
		w.log.Warn("presence lost its lease and is written again", "err", err)
		if sleep(ctx, wait) == nil {
			wait = min(2*wait, maxWait)
		}
	}
	return nil
}

func (w *PresenceWriter) markAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for server := range w.want {
		if _, ok := w.dirty[server]; !ok {
			w.dirty[server] = again
		}
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// hold writes on lease as long as it lasts.
func (w *PresenceWriter) hold(ctx context.Context, lease kv.Lease) error {
	defer giveBack(ctx, lease)
	if err := w.announce(ctx, lease.ID()); err != nil {
		return err
	}
	for {
		select {
		case <-w.wake:
		case <-lease.Done():
			return nil
		case <-ctx.Done():
			return nil
		}
		if err := w.flush(ctx, lease); err != nil {
			return err
		}
	}
}

// announce writes the record of this replica on the lease, over one of a lease that was lost.
func (w *PresenceWriter) announce(ctx context.Context, lease int64) error {
	if w.self == nil {
		return nil
	}
	raw, err := encode(*w.self)
	if err != nil {
		return err
	}
	_, _, err = w.kv.Commit(ctx, kv.Txn{Ops: []kv.Op{{Key: Replicas.key(w.replica), Value: raw, Lease: lease}}})
	return err
}

// giveBack ends a lease even when ctx is over, so that its keys go at once.
func giveBack(ctx context.Context, lease kv.Lease) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_ = lease.Revoke(ctx) // else it runs out by itself
}

// flush writes until nothing is dirty. What comes while a commit is under way
// goes together with the next one.
func (w *PresenceWriter) flush(ctx context.Context, lease kv.Lease) error {
	for {
		batch := w.take()
		if len(batch) == 0 {
			return nil
		}
		ok, err := w.write(ctx, lease.ID(), batch)
		if err != nil || !ok {
			w.untake(batch)
		}
		if err != nil {
			return err
		}
	}
}

func (w *PresenceWriter) take() map[string]cause {
	w.mu.Lock()
	defer w.mu.Unlock()
	batch := map[string]cause{}
	for server, c := range w.dirty {
		if len(batch) == kv.DefaultLimits.MaxOps {
			break
		}
		batch[server] = c
		delete(w.dirty, server)
	}
	return batch
}

// untake marks again what was not written, unless something newer is marked.
func (w *PresenceWriter) untake(batch map[string]cause) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for server, c := range batch {
		if _, newer := w.dirty[server]; !newer {
			w.dirty[server] = c
		}
	}
}

// write commits a batch, comparing what is there so that no newer record of
// another replica is lost; false is a lost race.
func (w *PresenceWriter) write(ctx context.Context, lease int64, batch map[string]cause) (bool, error) {
	servers := slices.Sorted(maps.Keys(batch))
	keys := make([]string, len(servers))
	for i, s := range servers {
		keys[i] = Presences.key(s)
	}
	entries, _, err := w.kv.Read(ctx, keys)
	if err != nil {
		return false, err
	}
	var t kv.Txn
	for i, e := range entries {
		if op, ok := w.op(servers[i], batch[servers[i]], e, lease); ok {
			t.Compares = append(t.Compares, kv.Compare{Key: e.Key, Rev: e.ModRev})
			t.Ops = append(t.Ops, op)
		}
	}
	if len(t.Ops) == 0 {
		return true, nil
	}
	_, ok, err := w.kv.Commit(ctx, t)
	return ok, err
}

// op is what to do about one server whose record is e now.
func (w *PresenceWriter) op(server string, c cause, e kv.Entry, lease int64) (kv.Op, bool) {
	w.mu.Lock()
	p, present := w.want[server]
	w.mu.Unlock()
	var there fleet.Presence
	foreign := e.Exists() && json.Unmarshal(e.Value, &there) == nil && there.Replica != w.replica
	switch {
	case present && c == again && foreign:
		return kv.Op{}, false
	case present:
		raw, err := encode(p)
		return kv.Op{Key: e.Key, Value: raw, Lease: lease}, err == nil
	default:
		return kv.Delete(e.Key), e.Exists() && !foreign
	}
}
