package store

import (
	"iter"
	"strings"

	"github.com/steelyard/steelyard/controller/store/kv"
)

// Item is a record in a snapshot. It is shared by all readers: never change
// it, nor what Value or JSON point to.
type Item[T any] struct {
	ID        string
	Value     *T
	JSON      []byte // as stored
	ModRev    int64  // revision of the last write: the ETag
	CreateRev int64
}

// Snapshot is the state of all tables as of one revision. It never
// changes.
type Snapshot struct {
	Rev    int64
	tables map[string]rows // shared with other snapshots where nothing changed
}

// entry finds what the backend held under key; the bool tells whether the
// table is known at all.
func (s *Snapshot) entry(key string) (kv.Entry, bool) {
	name, id, _ := strings.Cut(key, "/")
	r, ok := s.tables[name]
	if !ok {
		return kv.Entry{}, false
	}
	e := r.entry(id)
	e.Key = key
	return e, true
}

func (t Table[T]) rows(s *Snapshot) *tableRows[T] {
	r, ok := s.tables[t.Name()].(*tableRows[T])
	if !ok {
		panic("store: table " + t.Name() + " was declared after the store was made")
	}
	return r
}

// Item finds a record with its revisions.
func (t Table[T]) Item(s *Snapshot, id string) (Item[T], bool) {
	if it, ok := t.rows(s).items.Get(id); ok {
		return *it, true
	}
	return Item[T]{}, false
}

// In finds a record. It is shared: never change it.
func (t Table[T]) In(s *Snapshot, id string) (*T, bool) {
	it, ok := t.Item(s, id)
	return it.Value, ok
}

// View finds a record in the present snapshot of st.
func (t Table[T]) View(st *Store, id string) (*T, bool) { return t.In(st.Snapshot(), id) }

// Len is the number of records.
func (t Table[T]) Len(s *Snapshot) int { return t.rows(s).items.Len() }

// IDs lists the ids in order.
func (t Table[T]) IDs(s *Snapshot) []string { return t.rows(s).items.Keys() }

// Keys goes through the ids in order.
func (t Table[T]) Keys(s *Snapshot) iter.Seq[string] {
	return func(yield func(string) bool) {
		t.rows(s).items.Scan(func(id string, _ *Item[T]) bool { return yield(id) })
	}
}

// Items goes through the records by id.
func (t Table[T]) Items(s *Snapshot) iter.Seq[Item[T]] { return t.From(s, "") }

// From goes through the records whose id is from or comes after it.
func (t Table[T]) From(s *Snapshot, from string) iter.Seq[Item[T]] {
	return func(yield func(Item[T]) bool) {
		t.rows(s).items.Ascend(from, func(_ string, it *Item[T]) bool { return yield(*it) })
	}
}

// WithPrefix goes through the records whose id starts with prefix.
func (t Table[T]) WithPrefix(s *Snapshot, prefix string) iter.Seq[Item[T]] {
	return func(yield func(Item[T]) bool) {
		t.rows(s).items.Ascend(prefix, func(id string, it *Item[T]) bool {
			return strings.HasPrefix(id, prefix) && yield(*it)
		})
	}
}

// Where goes through the records that ok accepts, by id. It looks at all of them; what
// is asked often deserves an index.
func (t Table[T]) Where(s *Snapshot, ok func(*T) bool) iter.Seq[Item[T]] {
	return func(yield func(Item[T]) bool) {
		t.rows(s).items.Scan(func(_ string, it *Item[T]) bool { return !ok(it.Value) || yield(*it) })
	}
}

// Lookup goes through the records that the index has under value, by id.
func (t Table[T]) Lookup(s *Snapshot, index, value string) iter.Seq[Item[T]] {
	return func(yield func(Item[T]) bool) {
		from := indexKey(value, "")
		t.rows(s).index(index).Ascend(from, func(key string, it *Item[T]) bool {
			return strings.HasPrefix(key, from) && yield(*it)
		})
	}
}

// Ordered goes through an index in the order of its values, then of ids, from
// the value on; it yields value and record.
func (t Table[T]) Ordered(s *Snapshot, index, from string) iter.Seq2[string, Item[T]] {
	return func(yield func(string, Item[T]) bool) {
		t.rows(s).index(index).Ascend(from, func(key string, it *Item[T]) bool {
			return yield(key[:len(key)-len(it.ID)-1], *it)
		})
	}
}

// Unreadable lists the ids of records that could not be decoded. They are in no
// list and no index; reading one in a Change is a fault of kind internal.
func (t Table[T]) Unreadable(s *Snapshot) []string { return t.rows(s).broken.Keys() }
