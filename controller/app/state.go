package app

import (
	"context"
	"log/slog"

	"github.com/steelyard/steelyard/controller/store/kv"
)

// State reads records as they are stored, without a controller.
type State struct{ backend *backend }

// OpenState opens the state of a stopped controller, or an external cluster.
func OpenState(ctx context.Context, o Options) (*State, error) {
	o.Logger = slog.New(slog.DiscardHandler)
	b, err := openBackend(ctx, o)
	if err != nil {
		return nil, err
	}
	return &State{b}, nil
}

// Get is the record under a key ("servers/<id>"), at its revision.
func (s *State) Get(ctx context.Context, key string) (value []byte, rev int64, found bool, err error) {
	e, err := s.backend.kv.Get(ctx, key)
	return e.Value, e.ModRev, e.Exists(), err
}

// Keys lists at most limit keys below a prefix.
func (s *State) Keys(ctx context.Context, prefix string, limit int) ([]string, error) {
	page, err := s.backend.kv.List(ctx, prefix, kv.ListOptions{Limit: limit, KeysOnly: true})
	if err != nil {
		return nil, err
	}
	keys := make([]string, len(page.Entries))
	for i, e := range page.Entries {
		keys[i] = e.Key
	}
	return keys, nil
}

// Close ends the reading.
func (s *State) Close() error {
	s.backend.close()
	return nil
}
