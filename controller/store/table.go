package store

import (
	"encoding/json"
	"fmt"
	"iter"

	"github.com/tidwall/btree"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Table is a set of records of one type, each under its id.
type Table[T any] struct {
	name, noun string
}

// tables maps names to decoders, for the snapshot.
var tables = map[string]func([]byte) (any, error){}

// NewTable declares a table. name is the key prefix, noun the word for one record in messages.
// Tables are declared before any store is opened.
func NewTable[T any](name, noun string) Table[T] {
	tables[name] = func(data []byte) (any, error) {
		v := new(T)
		return v, json.Unmarshal(data, v)
	}
	return Table[T]{name: name, noun: noun}
}

// Name is the key prefix and the collection's name.
func (t Table[T]) Name() string { return t.name }

// Noun is the word for one record.
func (t Table[T]) Noun() string { return t.noun }

func (t Table[T]) key(id string) string { return t.name + "/" + id }

// Find reads a record that may be absent.
func (t Table[T]) Find(tx *Tx, id string) (v T, ok bool, err error) {
	data, value, ok, err := tx.read(t.key(id))
	if err != nil || !ok {
		return v, false, err
	}
	if value != nil {
		return *value.(*T), true, nil
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return v, false, fault.Internal("read %s %s: %w", t.noun, id, err)
	}
	return v, true, nil
}

// Get reads a record; its absence is a fault of kind not_found.
func (t Table[T]) Get(tx *Tx, id string) (T, error) {
	v, ok, err := t.Find(tx, id)
	if err == nil && !ok {
		err = fault.NotFound("%s %.80s does not exist", t.noun, id)
	}
	return v, err
}

// Put writes a record.
func (t Table[T]) Put(tx *Tx, id string, v T) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write %s %s: %w", t.noun, id, err)
	}
	return tx.write(t.key(id), data)
}

// Create writes a record that must not exist yet; else it is a fault of kind conflict.
func (t Table[T]) Create(tx *Tx, id string, v T) error {
	_, _, ok, err := tx.read(t.key(id))
	if err != nil {
		return err
	}
	if ok {
		return fault.Conflict("%s %s exists already", t.noun, id)
	}
	return t.Put(tx, id, v)
}

// Delete removes a record. What is absent stays absent.
func (t Table[T]) Delete(tx *Tx, id string) error { return tx.remove(t.key(id)) }

// Item is a record in a snapshot. Never change what it points to.
type Item[T any] struct {
	ID        string
	Value     *T
	JSON      []byte // as stored
	ModRev    int64  // revision of the last write
	CreateRev int64
}

// Item reads a record from a snapshot, with its revisions.
func (t Table[T]) Item(s *Snapshot, id string) (Item[T], bool) {
	rows := s.rows(t.name)
	if rows == nil {
		return Item[T]{}, false
	}
	r, ok := rows.Get(id)
	if !ok {
		return Item[T]{}, false
	}
	return itemOf[T](id, r), true
}

func itemOf[T any](id string, r *row) Item[T] {
	return Item[T]{ID: id, Value: r.value.(*T), JSON: r.data, ModRev: r.modRev, CreateRev: r.createRev}
}

// In reads a record from a snapshot.
func (t Table[T]) In(s *Snapshot, id string) (*T, bool) {
	i, ok := t.Item(s, id)
	return i.Value, ok
}

// View reads a record from the present snapshot.
func (t Table[T]) View(s *Store, id string) (*T, bool) { return t.In(s.Snapshot(), id) }

// Items walks a table by id.
func (t Table[T]) Items(s *Snapshot) iter.Seq[Item[T]] { return t.From(s, "") }

// From walks a table by id, from the first id that is not less than from.
func (t Table[T]) From(s *Snapshot, from string) iter.Seq[Item[T]] {
	return func(yield func(Item[T]) bool) {
		if rows := s.rows(t.name); rows != nil {
			rows.Ascend(from, func(id string, r *row) bool { return yield(itemOf[T](id, r)) })
		}
	}
}

// Keys walks the ids of a table.
func (t Table[T]) Keys(s *Snapshot) iter.Seq[string] {
	return func(yield func(string) bool) {
		if rows := s.rows(t.name); rows != nil {
			rows.Scan(func(id string, _ *row) bool { return yield(id) })
		}
	}
}

// IDs lists the ids of a table.
func (t Table[T]) IDs(s *Snapshot) []string {
	if rows := s.rows(t.name); rows != nil {
		return rows.Keys()
	}
	return nil
}

// Len counts the records of a table.
func (t Table[T]) Len(s *Snapshot) int {
	if rows := s.rows(t.name); rows != nil {
		return rows.Len()
	}
	return 0
}

type row struct {
	value             any // *T
	data              []byte
	modRev, createRev int64
}

type rowMap = btree.Map[string, *row]
