package seal

import (
	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/logging"
)

// Secret is one field of a table's records that holds a secret.
type Secret[T any] struct {
	table store.Table[T]
	name  string
	of    func(*T) *access.Sealed
}

// Field declares that a field of a table's records is a secret, so that rotation finds it.
// name is its JSON name. Fields are declared before any Ring is used: as variables
// of a package, in fields.go.
func Field[T any](t store.Table[T], name string, of func(*T) *access.Sealed) Secret[T] {
	f := Secret[T]{t, name, of}
	declared = append(declared, f)
	return f
}

// declared are all fields with secrets.
var declared []holder

// Set seals secret into the record, which has this id and is stored by the caller.
func (f Secret[T]) Set(tx *store.Tx, r *Ring, id string, record *T, secret logging.Secret) error {
	box, err := r.Seal(tx, f.object(id), []byte(secret))
	if err == nil {
		*f.of(record) = box
	}
	return err
}

// Open is the secret in a record, which is only read. Faults: see [Ring.Unseal].
func (f Secret[T]) Open(r *Ring, id string, record *T) (logging.Secret, error) {
	raw, err := r.Unseal(f.object(id), *f.of(record))
	return logging.Secret(raw), err
}

func (f Secret[T]) object(id string) string { return Object(f.table.Name(), id, f.name) }

// holder is a Secret[T] of any T.
type holder interface {
	place() (table, field string)
	// each yields id and data key of every record that has this secret.
	each(snap *store.Snapshot, yield func(id, key string))
	// reseal seals the secret of a record with the current key, unless it is by now.
	reseal(tx *store.Tx, r *Ring, id string) error
}

// unreadable is why one secret cannot be sealed anew; others can.
type unreadable struct{ error }

func (u unreadable) Unwrap() error { return u.error }

func (f Secret[T]) place() (table, field string) { return f.table.Name(), f.name }

func (f Secret[T]) each(snap *store.Snapshot, yield func(id, key string)) {
	for item := range f.table.Items(snap) {
		if box := f.of(item.Value); !box.IsZero() {
			yield(item.ID, box.Key)
		}
	}
}

func (f Secret[T]) reseal(tx *store.Tx, r *Ring, id string) error {
	record, ok, err := f.table.Find(tx, id)
	if err != nil || !ok {
		return err // deleted: nothing is left of it
	}
	box := f.of(&record)
	current, err := r.current(tx)
	if err != nil || box.IsZero() || box.Key == current.ID {
		return err
	}
	secret, err := r.Unseal(f.object(id), *box)
	if err != nil {
		return unreadable{err}
	}
	if *box, err = r.Seal(tx, f.object(id), secret); err != nil {
		return err
	}
	return f.table.Put(tx, id, record)
}
