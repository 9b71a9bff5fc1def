package intake

import (
	"encoding/json"
	"errors"

	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// AnyRevision as the expected revision of a record means: whatever it is now.
const AnyRevision = 0

// ErrStale says that a record is not at the revision that the caller read.
var ErrStale = errors.New("the record was changed meanwhile; read it again")

// unchanged refuses to go on when the record that a transaction read is not the one
// that the caller saw at revision rev. The commit compares what the transaction
// read, so nothing gets in between.
func unchanged[T any](in *Intake, t store.Table[T], id string, rev int64, read T) error {
	if rev == AnyRevision {
		return nil
	}
	item, ok := t.Item(in.store.Snapshot(), id)
	if !ok || item.ModRev != rev {
		return fault.Conflict("%s %s: %w", t.Noun(), id, ErrStale)
	}
	seen, err := json.Marshal(item.Value)
	if err != nil {
		return fault.Internal("compare %s %s: %w", t.Noun(), id, err)
	}
	have, err := json.Marshal(&read)
	if err != nil {
		return fault.Internal("compare %s %s: %w", t.Noun(), id, err)
	}
	if string(seen) != string(have) {
		return fault.Conflict("%s %s: %w", t.Noun(), id, ErrStale)
	}
	return nil
}
