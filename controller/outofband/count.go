package outofband

import (
	"context"
	"time"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
)

// countEvery is how often the traffic of a server is written. Switches count on meanwhile; a
// 32-bit counter wraps in 34 s at 1 Gbit/s, which only its 64-bit one survives.
const countEvery = 5 * time.Minute

// count adds what the ports of a server counted to its traffic (rules U1, U5).
func (h *Hands) count(ctx context.Context, w outofband.Wiring, looks []outofband.Look) error {
	if t, ok := store.Traffic.View(h.store, w.Server); ok && h.now().Sub(t.At) < countEvery {
		return nil
	}
	return h.change(ctx, func(tx *store.Tx) error {
		t, _, err := store.Traffic.Find(tx, w.Server)
		if err != nil {
			return err
		}
		next := t.Count(w, looks)
		if len(next.Ports) == 0 { // never counted
			return nil
		}
		if err := intake.CountWired(tx, &t, &next, h.now()); err != nil {
			return err
		}
		return store.Traffic.Put(tx, w.Server, next)
	})
}
