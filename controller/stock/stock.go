package stock

import (
	"context"
	"sync"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/controller/store"
)

// Available is the table name under which listeners hear of servers that became
// available.
const Available = "available"

// Resynced is the table name under which listeners hear that changes may have been
// missed: everything is to be looked at.
const Resynced = "resynced"

// Stock follows the store.
type Stock struct {
	Index     *fleet.Index
	Catalogue *match.Catalogue

	store *store.Store
	now   func() time.Time

	taking    sync.Mutex
	mu        sync.Mutex
	listeners map[int]func(table, id string)
	nextID    int
}

// New makes an empty stock; Run fills it.
func New(s *store.Store, now func() time.Time) *Stock {
	return &Stock{Index: fleet.NewIndex(), Catalogue: match.NewCatalogue(), store: s, now: now, listeners: map[int]func(string, string){}}
}

// Listen calls f for every changed record, after the stock has taken it in. f must not
// block. stop ends it.
func (k *Stock) Listen(f func(table, id string)) (stop func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := k.nextID
	k.nextID++
	k.listeners[n] = f
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.listeners, n)
	}
}

// Connected reports whether a session of the server's agent is known to any replica.
func (k *Stock) Connected(server string) bool { return k.Index.Connected(server) }

// Run follows the store until ctx ends.
func (k *Stock) Run(ctx context.Context) error {
	sub := k.store.Subscribe()
	defer sub.Close()
	for {
		changes, resync, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		if resync {
			k.Rebuild()
			k.tell(Resynced, "")
			continue
		}
		for _, c := range changes {
			k.take(c.Table, c.ID)
		}
	}
}

// Rebuild takes everything from the present snapshot again; what is gone is
// forgotten. Doing it twice changes nothing (rule B12).
func (k *Stock) Rebuild() {
	snap := k.store.Snapshot()
	tables := []interface {
		Name() string
		IDs(*store.Snapshot) []string
	}{store.Presences, store.Loads, store.Facts, store.Servers}
	var known []string
	k.Index.Each(func(s *fleet.Server, _, _ bool, _ []fleet.Reason) { known = append(known, s.ID) })
	for _, t := range tables {
		there := map[string]bool{}
		for _, id := range t.IDs(snap) {
			there[id] = true
			k.take(t.Name(), id)
		}
		for _, id := range known {
			if !there[id] {
				k.take(t.Name(), id)
			}
		}
	}
}

// take brings one record up to date and tells the listeners.
func (k *Stock) take(table, id string) {
	k.taking.Lock() // a record is read and applied at once, or an older state could win
	defer k.taking.Unlock()
	var touched []string
	switch table {
	case store.Servers.Name():
		s, _ := store.Servers.View(k.store, id)
		touched = k.Index.PutServer(id, s)
	case store.Facts.Name():
		f, _ := store.Facts.View(k.store, id)
		touched = k.Index.PutFacts(id, f)
	case store.Loads.Name():
		touched = k.Index.PutLoad(id, placements(k.store, id))
	case store.Presences.Name():
		_, ok := store.Presences.View(k.store, id)
		touched = k.Index.SetConnected(id, ok, k.now())
	}
	for _, t := range touched {
		k.offer(t)
	}
	k.tell(table, id)
}

func placements(s *store.Store, server string) uint64 {
	if l, ok := store.Loads.View(s, server); ok {
		return l.Placements
	}
	return 0
}

// offer puts a server into the catalogue while it is available.
func (k *Stock) offer(id string) {
	s, ok := store.Servers.View(k.store, id)
	f, known := store.Facts.View(k.store, id)
	if !ok || !known || !k.Index.Available(id) {
		k.Catalogue.Remove(id)
		return
	}
	k.Catalogue.Put(match.Server{
		ID: id, Location: s.Location, ServerType: s.ServerType,
		FreeSince: s.FreeSince.UnixNano(), Configuration: f.Configuration,
	})
	k.tell(Available, id)
}

func (k *Stock) tell(table, id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, f := range k.listeners {
		f(table, id)
	}
}
