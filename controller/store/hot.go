package store

import (
	"context"
	"sync"

	"github.com/steelyard/steelyard/pkg/fault"
)

// hotKeys queue the callers that lost a record to others, so that they take
// turns instead of defeating each other. A caller holds one key at most, so
// they cannot block each other for ever; correctness does not depend on it.
type hotKeys struct {
	mu   sync.Mutex
	keys map[string]*hotKey
}

type hotKey struct {
	key   string
	users int
	turn  chan struct{} // holds one token
}

// lock waits for the turn; waited tells that somebody else had it.
func (h *hotKeys) lock(ctx context.Context, key string) (_ *hotKey, waited bool, err error) {
	h.mu.Lock()
	if h.keys == nil {
		h.keys = map[string]*hotKey{}
	}
	k := h.keys[key]
	if k == nil {
		k = &hotKey{key: key, turn: make(chan struct{}, 1)}
		k.turn <- struct{}{}
		h.keys[key] = k
	}
	waited = k.users > 0
	k.users++
	h.mu.Unlock()
	select {
	case <-k.turn:
		return k, waited, nil
	case <-ctx.Done():
		h.leave(k)
		return nil, waited, fault.Unavailable("the change was given up while others were changing %s: %w", key, context.Cause(ctx))
	}
}

func (h *hotKeys) unlock(k *hotKey) {
	k.turn <- struct{}{}
	h.leave(k)
}

func (h *hotKeys) leave(k *hotKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if k.users--; k.users == 0 {
		delete(h.keys, k.key)
	}
}
