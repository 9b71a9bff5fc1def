package store

import (
	"context"

	"github.com/steelyard/steelyard/controller/store/kv"
)

// Tx is one run of the function of a Change. It is used by one goroutine and is
// dead when the function returns.
type Tx struct {
	ctx    context.Context
	s      *Store
	change *change
	view   *Snapshot           // read first from here; nil reads from the backend
	known  map[string]kv.Entry // fresh entries from the last conflict
	reads  map[string]kv.Entry
	order  []string // keys of reads, as first read
	writes map[string]kv.Op
	wrote  []string                // keys of writes, as first written
	direct int                     // reads that went to the backend
	tells  map[string]func() error // what the commit has to tell, by key; see Table.Tell
}

func newTx(ctx context.Context, c *change, view *Snapshot) *Tx {
	return &Tx{ctx: ctx, s: c.s, change: c, view: view, known: c.known, reads: map[string]kv.Entry{}, writes: map[string]kv.Op{}}
}

// Context of the Change.
func (tx *Tx) Context() context.Context { return tx.ctx }

// get reads a key: own writes first, then what was read before, then the view,
// then the backend. A key written here has ModRev -1.
func (tx *Tx) get(key string) (kv.Entry, error) {
	if w, ok := tx.writes[key]; ok {
		if w.Delete {
			return kv.Entry{Key: key}, nil
		}
		return kv.Entry{Key: key, Value: w.Value, ModRev: -1}, nil
	}
	return tx.stored(key)
}

// stored is get without the writes of this transaction.
func (tx *Tx) stored(key string) (kv.Entry, error) {
	if e, ok := tx.reads[key]; ok {
		return e, nil
	}
	e, err := tx.fetch(key)
	if err != nil {
		return e, err
	}
	tx.reads[key] = e
	tx.order = append(tx.order, key)
	return e, nil
}

func (tx *Tx) fetch(key string) (kv.Entry, error) {
	if e, ok := tx.known[key]; ok {
		return e, nil
	}
	if tx.view != nil {
		if e, ok := tx.view.entry(key); ok {
			return e, nil
		}
	}
	tx.direct++
	return tx.s.kv.Get(tx.ctx, key)
}

func (tx *Tx) put(op kv.Op) {
	if _, again := tx.writes[op.Key]; !again {
		tx.wrote = append(tx.wrote, op.Key)
	}
	tx.writes[op.Key] = op
}

// txn is what must hold and what is written. It is kept to what an unchanged
// etcd takes (128 reads, 128 writes, 1.5 MiB), whatever the limits of this
// backend, because a change must not depend on where it runs.
func (tx *Tx) txn(fence *Fence) (kv.Txn, error) {
	t := kv.Txn{Compares: make([]kv.Compare, 0, len(tx.order)+1), Ops: make([]kv.Op, 0, len(tx.wrote))}
	for _, key := range tx.order {
		t.Compares = append(t.Compares, kv.Compare{Key: key, Rev: tx.reads[key].ModRev})
	}
	if fence != nil {
		t.Compares = append(t.Compares, fence.compare())
	}
	for _, key := range tx.wrote {
		t.Ops = append(t.Ops, tx.writes[key])
	}
	return t, kv.DefaultLimits.Check(t)
}

// proven reports whether what was read is known to have been true together at
// one moment: nothing, or one key straight from the backend.
func (tx *Tx) proven() bool {
	return len(tx.order) == 0 || len(tx.order) == 1 && tx.direct == 1
}

// newest is the highest revision that was read.
func (tx *Tx) newest() (rev int64) {
	for _, e := range tx.reads {
		rev = max(rev, e.ModRev)
	}
	return rev
}
