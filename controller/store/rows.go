package store

import (
	"encoding/json"
	"reflect"

	"github.com/tidwall/btree"

	"github.com/steelyard/steelyard/controller/store/kv"
)

// rows is a table of any type in a view. The view's own copy is changed by one
// goroutine; what freeze gives is never changed.
type rows interface {
	decode(e kv.Entry) any               // an item, decoded; for load
	load(item any)                       // append an item; ids must rise
	apply(ev kv.Event) (Change, bool)    // take an event in
	diff(newer rows, rev int64) []Change // what leads from here to newer
	freeze() rows                        // a copy that shares structure
	entry(id string) kv.Entry            // as stored, without its key
	len() int
}

// anyTable is a Table[T] of any T.
type anyTable interface {
	Name() string
	newRows() rows
	record() reflect.Type
}

type tree[V any] = btree.Map[string, V]

type tableRows[T any] struct {
	t       Table[T]
	items   *tree[*Item[T]]
	indexes []*tree[*Item[T]] // key: value, zero byte, id
	broken  *tree[*Item[T]]   // Value is nil
}

func (t Table[T]) record() reflect.Type { return reflect.TypeFor[T]() }

func (t Table[T]) newRows() rows {
	r := &tableRows[T]{t: t, items: &tree[*Item[T]]{}, broken: &tree[*Item[T]]{}}
	for range t.def.indexes {
		r.indexes = append(r.indexes, &tree[*Item[T]]{})
	}
	return r
}

func indexKey(value, id string) string { return value + "\x00" + id }

func (r *tableRows[T]) index(name string) *tree[*Item[T]] {
	for i, ix := range r.t.def.indexes {
		if ix.name == name {
			return r.indexes[i]
		}
	}
	panic("store: table " + r.t.Name() + " has no index " + name)
}

func (r *tableRows[T]) id(e kv.Entry) string { return e.Key[len(r.t.def.name)+1:] }

func (r *tableRows[T]) decode(e kv.Entry) any {
	it := &Item[T]{ID: r.id(e), JSON: e.Value, ModRev: e.ModRev, CreateRev: e.CreateRev}
	v := new(T)
	if err := json.Unmarshal(e.Value, v); err == nil {
		it.Value = v
	}
	return it
}

func (r *tableRows[T]) load(item any) {
	it := item.(*Item[T])
	if it.Value == nil {
		r.broken.Load(it.ID, it)
		return
	}
	r.items.Load(it.ID, it)
	r.reindex(nil, it)
}

func (r *tableRows[T]) apply(ev kv.Event) (Change, bool) {
	id := r.id(ev.Entry)
	old, _ := r.items.Delete(id)
	r.broken.Delete(id)
	var it *Item[T]
	if !ev.Deleted {
		it = r.decode(ev.Entry).(*Item[T])
		if it.Value == nil {
			r.broken.Set(it.ID, it)
			it = nil
		} else {
			r.items.Set(it.ID, it)
		}
	}
	r.reindex(old, it)
	return r.step(id, ev.ModRev, old, it), old != nil || it != nil
}

// step describes the step from old to it, either of which may be nil.
func (r *tableRows[T]) step(id string, rev int64, old, it *Item[T]) Change {
	c := Change{Table: r.t.Name(), ID: id, Rev: rev}
	if old != nil {
		c.Old = old.Value
	}
	if it != nil {
		c.New, c.JSON = it.Value, it.JSON
	}
	return c
}

// reindex moves a record from where old was found to where it is found.
func (r *tableRows[T]) reindex(old, it *Item[T]) {
	for i, ix := range r.t.def.indexes {
		if old != nil {
			for _, k := range ix.keys(old.Value) {
				r.indexes[i].Delete(indexKey(k, old.ID))
			}
		}
		if it != nil {
			for _, k := range ix.keys(it.Value) {
				r.indexes[i].Set(indexKey(k, it.ID), it)
			}
		}
	}
}

func (r *tableRows[T]) diff(newer rows, rev int64) (out []Change) {
	n := newer.(*tableRows[T])
	r.items.Scan(func(id string, old *Item[T]) bool {
		if _, ok := n.items.Get(id); !ok {
			out = append(out, r.step(id, rev, old, nil))
		}
		return true
	})
	n.items.Scan(func(id string, it *Item[T]) bool {
		old, _ := r.items.Get(id)
		if old == nil || old.ModRev != it.ModRev {
			out = append(out, r.step(id, it.ModRev, old, it))
		}
		return true
	})
	return out
}

func (r *tableRows[T]) freeze() rows {
	f := &tableRows[T]{t: r.t, items: r.items.Copy(), broken: r.broken.Copy()}
	for _, ix := range r.indexes {
		f.indexes = append(f.indexes, ix.Copy())
	}
	return f
}

func (r *tableRows[T]) entry(id string) kv.Entry {
	it, ok := r.items.Get(id)
	if !ok {
		it, ok = r.broken.Get(id)
	}
	if !ok {
		return kv.Entry{}
	}
	return kv.Entry{Value: it.JSON, ModRev: it.ModRev, CreateRev: it.CreateRev}
}

func (r *tableRows[T]) len() int { return r.items.Len() }
