package outofband

import (
	"context"
	"sync"
)

// news is a set of command keys that something happened to; adding never blocks.
type news struct {
	mu   sync.Mutex
	keys map[string]bool
	bell chan struct{}
}

func newNews() *news { return &news{keys: map[string]bool{}, bell: make(chan struct{}, 1)} }

func (n *news) add(key string) {
	n.mu.Lock()
	n.keys[key] = true
	n.mu.Unlock()
	select {
	case n.bell <- struct{}{}:
	default:
	}
}

// next waits for something and takes it all.
func (n *news) next(ctx context.Context) (keys []string, err error) {
	select {
	case <-n.bell:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for key := range n.keys {
		keys = append(keys, key)
	}
	clear(n.keys)
	return keys, nil
}
