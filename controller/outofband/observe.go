package outofband

import (
	"fmt"
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/store"
)

// fresh is how old the time of the last good look may become before it is written again although
// nothing changed.
const fresh = 30 * time.Minute

// observe changes what was last seen of a server. Reconcile acts only on looks that are younger than
// decided, its own last decision: the first one after it is written although nothing changed.
func observe(tx *store.Tx, server string, decided time.Time, f func(*outofband.Observation)) error {
	o, _, err := store.Observations.Find(tx, server)
	if err != nil {
		return err
	}
	before := o
	before.Ports = slices.Clone(o.Ports)
	o.Server = server
	f(&o)
	if same(before, o) && !(o.PowerAt.After(decided) && !before.PowerAt.After(decided)) {
		return nil
	}
	return store.Observations.Put(tx, server, o)
}

// decided is when something was last decided about a server's power.
func (h *Hands) decided(server string) (at time.Time) {
	s, ok := store.Servers.View(h.store, server)
	if !ok {
		return at
	}
	if s.Last != nil {
		at = s.Last.At
	}
	if svc, ok := store.Services.View(h.store, s.Claim.Ref); ok && svc.ChangedAt.After(at) {
		at = svc.ChangedAt
	}
	return at
}

// same reports whether b says nothing that a reader of a would miss.
func same(a, b outofband.Observation) bool {
	stale := func(x, y time.Time) bool { return y.Sub(x) >= fresh }
	if a.Server != b.Server || a.Power != b.Power || a.PowerError != b.PowerError || stale(a.PowerAt, b.PowerAt) || a.Inventory != b.Inventory {
		return false
	}
	return slices.EqualFunc(a.Ports, b.Ports, func(x, y outofband.Seen) bool {
		at := stale(x.At, y.At)
		x.At, y.At = time.Time{}, time.Time{}
		return x == y && !at
	})
}

func powerSeen(o *outofband.Observation, state string, now time.Time) {
	if o.Power != state {
		o.Power, o.PowerSince = state, now
	}
	o.PowerAt, o.PowerError = now, ""
}

// unseen notes why there is no news of the power. What was seen last stays, with its time.
func powerUnseen(o *outofband.Observation, err error, now time.Time) {
	if o.Power == "" {
		o.Power, o.PowerSince = outofband.Unknown, now
	}
	o.PowerError = err.Error()
}

func portsSeen(o *outofband.Observation, seen []outofband.Seen, now time.Time) {
	for i := range seen {
		if seen[i].At.IsZero() {
			seen[i].At = now
		}
	}
	o.Ports = seen
}

func portsDetail(kind string, told, changed int) string {
	word := "up"
	if kind == operation.CommandPortsOff {
		word = "shut"
	}
	if changed == 0 {
		return fmt.Sprintf("%d of %d ports were %s already", told, told, word)
	}
	return fmt.Sprintf("%d of %d ports were changed; all are %s", changed, told, word)
}
