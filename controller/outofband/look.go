package outofband

import (
	"cmp"
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/outofband/switchport"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/pause"
)

// inventoryEvery is how often a management controller is asked for everything.
const inventoryEvery = 24 * time.Hour

// settled is how long a device is left alone after a command.
const settled = 2 * time.Second

// looks knows when each server is to be looked at.
type looks struct {
	mu   sync.Mutex
	next map[string]time.Time
	due  chan string
}

func newLooks() *looks { return &looks{next: map[string]time.Time{}, due: make(chan string)} }

// soon lets a server be looked at, if it is one that is looked at.
func (l *looks) soon(server string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next[server] = now
}

func (l *looks) at(server string, t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next[server] = t
}

// take lists the servers that are due, and plans their next look.
func (l *looks) take(now time.Time, every time.Duration, known func(string) bool) (due []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for server, at := range l.next {
		switch {
		case at.After(now):
		case !known(server):
			delete(l.next, server)
		default:
			l.next[server] = now.Add(every)
			due = append(due, server)
		}
	}
	return due
}

// schedule hands out the looks that are due. At the start they are spread over one period.
func (h *Hands) schedule(ctx context.Context) error {
	h.plan()
	for {
		for _, server := range h.looks.take(h.now(), h.every(), h.looked) {
			select {
			case h.looks.due <- server:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := pause.For(ctx, time.Second); err != nil {
			return err
		}
	}
}

func (h *Hands) plan() {
	now, every := h.now(), h.every()
	snap := h.store.Snapshot()
	for id := range store.BMCs.Keys(snap) {
		h.looks.at(id, now.Add(rand.N(every)))
	}
	for id := range store.Wirings.Keys(snap) {
		h.looks.at(id, now.Add(rand.N(every)))
	}
}

func (h *Hands) every() time.Duration {
	snap := h.store.Snapshot()
	n := store.BMCs.Len(snap) + store.Wirings.Len(snap)
	return max(Every, time.Duration(n)*time.Second/looksPerSecond)
}

// looked reports whether a server has anything to look at from outside.
func (h *Hands) looked(server string) bool {
	bmc, ok := store.BMCs.View(h.store, server)
	w, wired := store.Wirings.View(h.store, server)
	return ok && outofband.Switched(bmc.Driver) || wired && len(w.Ports) > 0
}

func (h *Hands) look(ctx context.Context) error {
	for {
		select {
		case server := <-h.looks.due:
			if h.busy(server) {
				h.looks.at(server, h.now().Add(settled))
				continue
			}
			h.lookAt(ctx, server)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// lookAt asks the devices of one server, and writes what changed.
func (h *Hands) lookAt(ctx context.Context, server string) {
	limit, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	started := h.now()
	news := h.lookPower(limit, server)
	wiring, looks := h.lookPorts(limit, server)
	if len(looks) > 0 {
		seen := make([]outofband.Seen, len(looks))
		for i := range looks {
			seen[i] = looks[i].Seen
		}
		news = append(news, func(o *outofband.Observation) { o.Ports = seen })
	}
	if ctx.Err() != nil || h.busy(server) { // a command changed it under our eyes: its own look counts
		return
	}
	err := h.change(ctx, func(tx *store.Tx) error {
		return observe(tx, server, h.decided(server), func(o *outofband.Observation) {
			if o.PowerAt.After(started) {
				return // a command ended meanwhile and saw more
			}
			for _, f := range news {
				f(o)
			}
		})
	})
	if err == nil && len(looks) > 0 {
		err = h.count(ctx, wiring, looks)
	}
	if err != nil && ctx.Err() == nil {
		h.log.Warn("what was seen of a server cannot be stored", "server", server, "error", err)
	}
}

func (h *Hands) lookPower(ctx context.Context, server string) (news []func(*outofband.Observation)) {
	bmc, ok := store.BMCs.View(h.store, server)
	if !ok || !outofband.Switched(bmc.Driver) {
		return nil
	}
	state, chassis, err := h.askPower(ctx, *bmc, h.inventoryDue(server))
	now := h.now()
	if err != nil {
		return append(news, func(o *outofband.Observation) { powerUnseen(o, err, now) })
	}
	news = append(news, func(o *outofband.Observation) { powerSeen(o, state, now) })
	if chassis != nil {
		chassis.At = now
		news = append(news, func(o *outofband.Observation) { o.Inventory = chassis })
	}
	return news
}

func (h *Hands) inventoryDue(server string) bool {
	o, ok := store.Observations.View(h.store, server)
	return !ok || o.Inventory == nil || h.now().Sub(o.Inventory.At) >= inventoryEvery
}

func (h *Hands) askPower(ctx context.Context, bmc outofband.BMC, everything bool) (state string, c *outofband.Chassis, err error) {
	p, err := h.reach.Power(ctx, bmc)
	if err != nil {
		return "", nil, err
	}
	defer func() { err = cmp.Or(err, p.Close()) }()
	if state, err = p.Status(ctx); err != nil || !everything {
		return state, nil, err
	}
	chassis, err := p.Inventory(ctx)
	if err != nil {
		h.log.Warn("a management controller does not tell its inventory", "server", bmc.Server, "error", err)
		return state, nil, nil
	}
	return state, &chassis, nil
}

func (h *Hands) lookPorts(ctx context.Context, server string) (outofband.Wiring, []outofband.Look) {
	w, ok := store.Wirings.View(h.store, server)
	if !ok || len(w.Ports) == 0 {
		return outofband.Wiring{}, nil
	}
	looks := make([]outofband.Look, len(w.Ports))
	for i, port := range w.Ports {
		looks[i].Seen = h.lastSeen(server, i, port)
		sw, ok := store.Switches.View(h.store, port.Switch)
		if !ok || sw.Driver == outofband.SwitchManual {
			continue
		}
		look, err := h.askPort(ctx, *sw, port)
		if again := h.remembered(server, i, port); again != port && fault.Is(err, fault.KindNotFound) {
			look, err = h.askPort(ctx, *sw, again)
		}
		if err != nil {
			looks[i].Seen.Error = err.Error()
			continue
		}
		look.Seen.Switch, look.Seen.At = port.Switch, h.now()
		looks[i] = look
	}
	return *w, looks
}

// remembered is a port as it was found last: one that is shut hears no address and no neighbour, by
// which it could be found again.
func (h *Hands) remembered(server string, i int, port outofband.Port) outofband.Port {
	return switchport.Remembered(port, h.lastSeen(server, i, port))
}

// lastSeen is what was last seen of a port; with an error it stays until there is news.
func (h *Hands) lastSeen(server string, i int, port outofband.Port) outofband.Seen {
	o, ok := store.Observations.View(h.store, server)
	if !ok || i >= len(o.Ports) || o.Ports[i].Switch != port.Switch {
		return outofband.Seen{Switch: port.Switch, Admin: outofband.Unknown, Oper: outofband.Unknown}
	}
	return o.Ports[i]
}

func (h *Hands) askPort(ctx context.Context, sw outofband.Switch, port outofband.Port) (look outofband.Look, err error) {
	s, err := h.reach.Switch(ctx, sw)
	if err != nil {
		return look, err
	}
	defer func() { err = cmp.Or(err, s.Close()) }()
	look.Seen, look.Counters, err = s.Look(ctx, port)
	return look, err
}
