package store

import "sync"

// wants remember which records the running changes of this process are about to
// make, so that changes which may choose freely, such as the next free address,
// choose different ones instead of meeting at the commit. Correctness does not
// depend on it.
type wants struct {
	mu   sync.Mutex
	keys map[string]*change
}

// Want says that the change is about to make a record, and reports whether no
// other running change of this process has said so before. It is a hint: who goes
// on after false meets the other at the commit. It lasts until the change has
// ended and this replica's snapshot shows it.
func (t Table[T]) Want(tx *Tx, id string) bool {
	w, key := &tx.s.wants, t.key(id)
	w.mu.Lock()
	defer w.mu.Unlock()
	if other := w.keys[key]; other != nil {
		return other == tx.change
	}
	if w.keys == nil {
		w.keys = map[string]*change{}
	}
	w.keys[key] = tx.change
	tx.change.wants = append(tx.change.wants, key)
	return true
}

func (w *wants) forget(c *change) {
	if len(c.wants) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, key := range c.wants {
		delete(w.keys, key)
	}
}

// Hint is the newest snapshot, to choose where to look. Nothing that is read from it
// is compared at the commit: read again, in tx, what the change rests on.
func (tx *Tx) Hint() *Snapshot { return tx.s.Snapshot() }
