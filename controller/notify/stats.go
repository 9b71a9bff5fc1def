package notify

import (
	"maps"
	"sync"
	"time"

	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/store"
)

// Attempted names a kind of attempt and how it ended.
type Attempted struct {
	Channel string // notify.ByWebhook, notify.ByMail
	Outcome string // "delivered", "failed" (will be tried again), "dead"
}

// Stats are the figures of this replica's work, and of all that waits.
type Stats struct {
	Attempts map[Attempted]uint64 // since this replica started
	Pending  map[string]int       // deliveries that wait, by channel
	Dead     map[string]int       // deliveries that were given up and are kept, by channel
	Events   int                  // in the outbox
	Oldest   time.Duration        // age of the oldest delivery that waits; 0 without one
}

type stats struct {
	mu       sync.Mutex
	attempts map[Attempted]uint64
}

// count notes an attempt; after is the delivery as it is then, or nil.
func (s *stats) count(channel string, after *notify.Delivery) {
	outcome := "failed"
	if after != nil && after.State != notify.Pending {
		outcome = after.State
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.attempts == nil {
		s.attempts = map[Attempted]uint64{}
	}
	s.attempts[Attempted{channel, outcome}]++
}

// Stats reads the figures from the snapshot.
func (n *Notifier) Stats() Stats {
	n.stats.mu.Lock()
	out := Stats{Attempts: maps.Clone(n.stats.attempts), Pending: map[string]int{}, Dead: map[string]int{}}
	n.stats.mu.Unlock()
	for _, channel := range []string{notify.ByWebhook, notify.ByMail} {
		out.Pending[channel], out.Dead[channel] = 0, 0
	}
	snap := n.Store.Snapshot()
	out.Events = store.Outbox.Len(snap)
	for i := range store.Deliveries.Items(snap) {
		switch d := i.Value; d.State {
		case notify.Pending:
			out.Pending[d.Channel]++
			out.Oldest = max(out.Oldest, n.Now().Sub(d.CreatedAt))
		case notify.Dead:
			out.Dead[d.Channel]++
		}
	}
	return out
}
