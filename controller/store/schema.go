package store

import (
	"context"
	"encoding/json"

	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/pkg/fault"
)

// schemaKey holds the version of the data.
const schemaKey = "schema"

type schema struct {
	Version int `json:"version"`
}

// Migrations lead from the version that is their key to the next one. Each may
// run more than once and by several replicas at the same time.
type Migrations map[int]func(context.Context, kv.KV) error

// EnsureSchema makes sure that this binary may work on the data: empty data is
// marked with version, older data is migrated step by step, and newer data is
// refused, because this binary would lose what it does not know.
func EnsureSchema(ctx context.Context, backend kv.KV, version int, steps Migrations) error {
	for {
		e, err := backend.Get(ctx, schemaKey)
		if err != nil {
			return err
		}
		have := schema{Version: version}
		if e.Exists() {
			if err := json.Unmarshal(e.Value, &have); err != nil {
				return fault.Internal("the key %q is damaged: %w", schemaKey, err)
			}
			if have.Version == version {
				return nil
			}
		}
		next, err := migrate(ctx, backend, have.Version, version, steps)
		if err != nil {
			return err
		}
		raw, err := encode(schema{Version: next})
		if err != nil {
			return err
		}
		// Lost to another replica: it did the same step, look again.
		if _, _, err := backend.Commit(ctx, kv.Txn{
			Compares: []kv.Compare{{Key: schemaKey, Rev: e.ModRev}},
			Ops:      []kv.Op{kv.Put(schemaKey, raw)},
		}); err != nil {
			return err
		}
	}
}

// migrate does one step from version from towards to.
func migrate(ctx context.Context, backend kv.KV, from, to int, steps Migrations) (int, error) {
	if from == to {
		return to, nil
	}
	if from > to {
		return 0, fault.Refused("the data has schema version %d and this steelyard knows %d at most; start a newer steelyard, or restore a backup from before the upgrade", from, to)
	}
	for v := from; v < to; v++ { // no step before all are known to be there
		if steps[v] == nil {
			return 0, fault.Refused("the data has schema version %d, from which this steelyard cannot migrate; upgrade by way of an older release first", from)
		}
	}
	if err := steps[from](ctx, backend); err != nil {
		return 0, err
	}
	return from + 1, nil
}
