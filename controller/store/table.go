package store

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"

	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Table is a typed range of keys: "<name>/<id>". The id may hold slashes.
type Table[T any] struct{ def *definition[T] }

type definition[T any] struct {
	name, noun string
	indexes    []index[T]
	clone      func(*T) T // nil: decode
	tell       func(before, after *T) (notify.Event, bool)
}

// declared are all tables of the program; every Store holds them in memory.
var declared = map[string]anyTable{}

// Tables are the types of the records of all declared tables, by name.
func Tables() map[string]reflect.Type {
	types := map[string]reflect.Type{}
	for name, t := range declared {
		types[name] = t.record()
	}
	return types
}

type index[T any] struct {
	name string
	keys func(*T) []string
}

// NewTable declares a table. name is the first segment of its keys and the name of
// the collection in the API ("servers"), noun the word for one record in
// messages ("server"). Tables are declared before any Store is made; a name
// with a slash, or one that is taken, is a mistake in the program and panics.
func NewTable[T any](name, noun string) Table[T] {
	if name == "" || strings.Contains(name, "/") || declared[name] != nil {
		panic("store: table name " + name + " is taken or not one segment")
	}
	t := Table[T]{&definition[T]{name: name, noun: noun, clone: cloner[T]()}}
	declared[name] = t
	return t
}

// Index adds a secondary index to t: keys gives the values under which a record
// is found, none to leave it out. It returns t, to be chained in the declaration,
// and must not be called once a Store was made.
func (t Table[T]) Index(name string, keys func(*T) []string) Table[T] {
	t.def.indexes = append(t.def.indexes, index[T]{name, keys})
	return t
}

// Name is the first segment of the keys.
func (t Table[T]) Name() string { return t.def.name }

// Noun is the word for one record.
func (t Table[T]) Noun() string { return t.def.noun }

func (t Table[T]) key(id string) string { return t.def.name + "/" + id }

// Find reads a record; the bool tells whether it exists.
func (t Table[T]) Find(tx *Tx, id string) (T, bool, error) {
	var v T
	e, err := tx.get(t.key(id))
	if err != nil || !e.Exists() {
		return v, false, err
	}
	if it := t.decoded(tx, id, e); it != nil {
		return t.def.clone(it.Value), true, nil
	}
	v, err = t.decode(id, e.Value)
	return v, err == nil, err
}

// decoded finds e in the snapshot of tx, if it is there as it was read and may be
// cloned.
func (t Table[T]) decoded(tx *Tx, id string, e kv.Entry) *Item[T] {
	if tx.view == nil || t.def.clone == nil {
		return nil
	}
	it, ok := t.rows(tx.view).items.Get(id)
	if !ok || it.ModRev != e.ModRev {
		return nil
	}
	return it
}

// Get reads a record; its absence is a fault of kind not_found.
func (t Table[T]) Get(tx *Tx, id string) (T, error) {
	v, ok, err := t.Find(tx, id)
	if err == nil && !ok {
		err = fault.NotFound("%s %.80s does not exist", t.def.noun, id)
	}
	return v, err
}

// Revision is the ModRev (the ETag) of a record as the transaction sees it; 0
// when it does not exist or was written by this transaction.
func (t Table[T]) Revision(tx *Tx, id string) (int64, error) {
	e, err := tx.get(t.key(id))
	return max(e.ModRev, 0), err
}

// Put writes a record, new or not. It does not read it: two Puts at the same
// time both succeed and the later one stays. Read first what must not be lost.
func (t Table[T]) Put(tx *Tx, id string, v T) error {
	return t.put(tx, id, v, 0)
}

// PutLeased writes a record that goes away with the lease.
func (t Table[T]) PutLeased(tx *Tx, id string, v T, lease int64) error {
	return t.put(tx, id, v, lease)
}

func (t Table[T]) put(tx *Tx, id string, v T, lease int64) error {
	if id == "" {
		return fault.Internal("a %s without an id was to be stored", t.def.noun)
	}
	raw, err := encode(v)
	if err != nil {
		return fault.Internal("store %s %s: %w", t.def.noun, id, err)
	}
	tx.put(kv.Op{Key: t.key(id), Value: raw, Lease: lease})
	t.tell(tx, id, v)
	return nil
}

// Create writes a record that must not exist yet; if it does, the fault is of
// kind conflict.
func (t Table[T]) Create(tx *Tx, id string, v T) error {
	e, err := tx.get(t.key(id))
	if err != nil {
		return err
	}
	if e.Exists() {
		return fault.Conflict("%s %s exists already", t.def.noun, id)
	}
	return t.Put(tx, id, v)
}

// Delete removes a record; its absence is no error.
func (t Table[T]) Delete(tx *Tx, id string) error {
	tx.put(kv.Delete(t.key(id)))
	return nil
}

func (t Table[T]) decode(id string, raw []byte) (T, error) {
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, fault.Internal("the stored %s %s cannot be read; it was written by a newer version or damaged: %w", t.def.noun, id, err)
	}
	return v, nil
}

// encode gives the stored form of a record: JSON without HTML escapes. Text that
// is not valid UTF-8 is stored with replacement characters.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
