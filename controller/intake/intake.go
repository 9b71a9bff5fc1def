package intake

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
)

// Intake records facts and wishes in a store.
type Intake struct {
	store *store.Store
	log   *slog.Logger
	now   func() time.Time
	paced pace
	ring  *seal.Ring // nil: no secret can be kept

	backends Backends // nil: remote modules cannot be made
}

// New makes an intake. It starts nothing.
func New(s *store.Store, log *slog.Logger, now func() time.Time) *Intake {
	return &Intake{store: s, log: log, now: now, paced: pace{last: map[string]time.Time{}}}
}

// SetRing gives what secrets are sealed with, before first use.
func (in *Intake) SetRing(r *seal.Ring) { in.ring = r }

// change runs f in one commit and returns when readers of this replica see it.
func (in *Intake) change(ctx context.Context, f func(tx *store.Tx) error) error {
	_, err := in.store.Change(ctx, f)
	return err
}

// pace lets a thing happen once in a while.
type pace struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// due reports whether key was not done for the time given, and notes that it is now.
func (p *pace) due(key string, every time.Duration, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.last[key]) < every {
		return false
	}
	p.last[key] = now
	return true
}

func (p *pace) forget(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.last, key)
}
