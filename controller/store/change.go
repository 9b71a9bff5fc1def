package store

import (
	"context"
	"math/rand/v2"
	"sort"
	"time"

	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/pkg/fault"
)

// maxRuns bounds how often one Change is tried when others are faster.
const maxRuns = 64

// Tx is one run of a change: it remembers what was read and what is to be written.
// It is not for several goroutines.
type Tx struct {
	ctx    context.Context
	store  *Store
	snap   *Snapshot // nil: read from the backend
	reads  map[string]int64
	writes map[string]write
}

type write struct {
	data    []byte
	deleted bool
}

// Context is the one that was given to Change.
func (tx *Tx) Context() context.Context { return tx.ctx }

// read gives the bytes of a key, or its decoded value where the snapshot has it.
func (tx *Tx) read(key string) (data []byte, value any, ok bool, err error) {
	if w, ok := tx.writes[key]; ok {
		return w.data, nil, !w.deleted, nil
	}
	if tx.snap != nil {
		r, ok := tx.snap.row(key)
		if !ok {
			tx.saw(key, 0)
			return nil, nil, false, nil
		}
		tx.saw(key, r.modRev)
		return r.data, r.value, true, nil
	}
	e, err := tx.store.kv.Get(tx.ctx, Prefix+key)
	if err != nil {
		return nil, nil, false, err
	}
	tx.saw(key, e.ModRev)
	return e.Value, nil, e.Exists(), nil
}

// saw keeps the first revision: a second read of the same key in one run must
// not hide that it changed in between.
func (tx *Tx) saw(key string, rev int64) {
	if _, ok := tx.reads[key]; !ok {
		tx.reads[key] = rev
	}
}

func (tx *Tx) write(key string, data []byte) error {
	tx.writes[key] = write{data: data}
	return nil
}

func (tx *Tx) remove(key string) error {
	tx.writes[key] = write{deleted: true}
	return nil
}

// txn is the transaction of what was read and written, sorted so that it is the
// same for the same change.
func (tx *Tx) txn(fence Fence) kv.Txn {
	var t kv.Txn
	if fence.Key != "" {
		t.Compares = append(t.Compares, kv.Compare{Key: fence.Key, Target: kv.CreateRev, Rev: fence.Rev})
	}
	for key, rev := range tx.reads {
		t.Compares = append(t.Compares, kv.Compare{Key: Prefix + key, Target: kv.ModRev, Rev: rev})
	}
	for key, w := range tx.writes {
		t.Ops = append(t.Ops, kv.Op{Key: Prefix + key, Value: w.data, Delete: w.deleted})
	}
	sort.Slice(t.Compares, func(i, j int) bool { return t.Compares[i].Key < t.Compares[j].Key })
	sort.Slice(t.Ops, func(i, j int) bool { return t.Ops[i].Key < t.Ops[j].Key })
	return t
}

// Fence makes commits fail once somebody else leads: the leader's key, and the
// revision at which it came into being.
type Fence struct {
	Key string
	Rev int64
}

type fenceKey struct{}

// WithFence makes every Change with this context compare the fence.
func WithFence(ctx context.Context, f Fence) context.Context {
	return context.WithValue(ctx, fenceKey{}, f)
}

// Change runs f and commits what it wrote, all or nothing. f may run several times
// and must have no effect beyond tx. An error of f is returned as it is, and nothing is written; a
// commit that meets a newer record runs f again. Change is unavailable when the
// backend cannot be reached: the commit may then have happened. It returns the
// revision of the commit, after the snapshot of this replica has reached it.
func (s *Store) Change(ctx context.Context, f func(tx *Tx) error) (rev int64, err error) {
	fence, _ := ctx.Value(fenceKey{}).(Fence)
	for run := range maxRuns {
		tx := &Tx{ctx: ctx, store: s, reads: map[string]int64{}, writes: map[string]write{}}
		if run == 0 {
			tx.snap = s.Snapshot()
		}
		ferr := f(tx)
		if ferr != nil && tx.snap == nil {
			return 0, ferr
		}
		if ferr == nil && len(tx.writes) == 0 {
			return s.Snapshot().Rev, nil
		}
		if ferr != nil { // decided on a snapshot that may be old: make sure
			continue
		}
		rev, ok, err := s.commit(ctx, tx.txn(fence))
		if err != nil {
			return 0, err
		}
		if ok {
			return rev, s.WaitRev(ctx, rev)
		}
		if err := s.deposed(ctx, fence); err != nil {
			return 0, err
		}
		if run > 1 {
			pause(ctx, run)
		}
	}
	return 0, fault.Conflict("the record was changed by others %d times in a row; try again", maxRuns)
}

// deposed tells a lost fence from a lost race.
func (s *Store) deposed(ctx context.Context, f Fence) error {
	if f.Key == "" {
		return nil
	}
	e, err := s.kv.Get(ctx, f.Key)
	if err != nil {
		return err
	}
	if e.CreateRev != f.Rev {
		return fault.Unavailable("this replica is not the leader any more")
	}
	return nil
}

func pause(ctx context.Context, run int) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(rand.Int64N(int64(min(run, 10)) * int64(2*time.Millisecond)))):
	}
}

func (s *Store) commit(ctx context.Context, t kv.Txn) (int64, bool, error) {
	return s.kv.Commit(ctx, t)
}
