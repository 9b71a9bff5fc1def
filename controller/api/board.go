package api

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
)

// delta is one record that changed; a nil value is a deletion.
type delta struct {
	table   string
	id      string
	value   any // pointer to the record
	rev     int64
	created int64 // revision of creation; 0 when the record was there before
}

// board is the fleet as the API shows it: the sheets, kept up to date by one
// feeder, and what is looked up otherwise.
type board struct {
	sheets map[string]*sheet
	index  *fleet.Index
	events *ring
	now    func() time.Time

	mu        sync.RWMutex
	machines  map[string]*machine // shared with nobody: rows hold copies
	pools     map[string]*pooled  // the same
	sales     map[string]*sold    // the same
	salesOn   map[string][]string // server → sales
	sellers   map[string]string   // names of resellers
	offerUses map[string]uint64   // offer → how many have it
	standing  standing            // of the servers' roles
	digests   map[string]string   // token digest → id
	names     map[string]map[string][]string
	rev       int64
	reached   chan struct{} // closed and replaced when rev grows
}

func newBoard(now func() time.Time) *board {
	b := &board{events: newRing(eventsKept), now: now, reached: make(chan struct{})}
	b.forget()
	return b
}

// forget empties the board, before it is filled anew.
func (b *board) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sheets == nil {
		b.sheets = newSheets()
	}
	for _, s := range b.sheets {
		s.clear()
	}
	b.index = fleet.NewIndex()
	b.standing = newStanding()
	b.machines, b.pools, b.digests = map[string]*machine{}, map[string]*pooled{}, map[string]string{}
	b.sales, b.salesOn, b.sellers = map[string]*sold{}, map[string][]string{}, map[string]string{}
	b.offerUses = map[string]uint64{}
	b.names = map[string]map[string][]string{"servers": {}, "users": {}}
}

// apply takes the changes of one commit or more, the last of them at rev. Only
// one goroutine calls it and fill.
func (b *board) apply(changes []delta, rev int64) {
	b.mu.Lock()
	for _, d := range changes {
		b.take(d, true)
	}
	b.mu.Unlock()
	b.events.wake(rev)
	b.advance(rev)
}

// fill takes a whole snapshot in place of all that was there. Who reads events is
// told to read everything again.
func (b *board) fill(all func(yield func(delta)), rev int64) {
	b.forget()
	b.mu.Lock()
	all(func(d delta) { b.take(d, false) })
	for _, id := range slices.Sorted(maps.Keys(b.machines)) {
		b.putMachine(id, rev, false)
	}
	for id, p := range b.pools {
		b.putPool(id, p.rev, false)
	}
	for id, s := range b.sales {
		b.putSale(id, s.rev, false)
	}
	b.mu.Unlock()
	b.events.start(rev)
	b.advance(rev)
}

// advance says that everything up to rev is on the board.
func (b *board) advance(rev int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if rev > b.rev {
		b.rev = rev
		close(b.reached)
		b.reached = make(chan struct{})
	}
}

// wait returns when the board shows everything up to rev, so that who wrote reads
// what was written.
func (b *board) wait(ctx context.Context, rev int64) error {
	for {
		b.mu.RLock()
		have, reached := b.rev, b.reached
		b.mu.RUnlock()
		if have >= rev {
			return nil
		}
		select {
		case <-reached:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (b *board) revision() int64 {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.rev
}

func (b *board) take(d delta, tell bool) {
	switch d.table {
	case "servers", "facts", "presence", "loads", "wirings", "observations", "traffic":
		b.takeMachine(d, tell)
	case "bmcs":
		b.takeMachine(d, tell)
		b.takeRecord(d, tell)
	case "server-groups":
		b.takeGroup(d, tell)
	case "server-pools":
		b.takeServerPool(d, tell)
	case "pools":
		b.takePool(d, tell)
	case "addresses":
		b.takeAddress(d, tell)
	case "sales":
		b.takeSale(d, tell)
	case "resellers":
		b.takeRecord(d, tell)
		b.takeSeller(d, tell)
	case "offers", "offer-uses":
		b.takeOffer(d, tell)
	case "tasks", "users", "modules":
		b.takeMember(d, tell)
	default:
		b.takeRecord(d, tell)
	}
}

// takeMachine updates a server, and those whose availability follows from it.
func (b *board) takeMachine(d delta, tell bool) {
	m := b.machines[d.id]
	if m == nil {
		m = &machine{}
		b.machines[d.id] = m
	}
	var touched []string
	switch d.table {
	case "servers":
		b.rename("servers", d.id, nameOfServer(m.server), nameOfServer(asServer(d.value)))
		m.server, m.serverRev = asServer(d.value), d.rev
		touched = b.index.PutServer(d.id, m.server)
	case "facts":
		m.facts, _ = d.value.(*fleet.Facts)
		touched = b.index.PutFacts(d.id, m.facts)
	case "loads":
		m.load, _ = d.value.(*hosting.Load)
		touched = b.index.PutLoad(d.id, m.placements())
	case "presence":
		m.presence, _ = d.value.(*fleet.Presence)
		touched = b.index.SetConnected(d.id, m.presence != nil, b.now())
	default:
		b.takeHands(m, d, tell)
	}
	if tell {
		for _, id := range touched {
			b.putMachine(id, d.rev, true)
		}
		b.putSalesOf(d.id, d.rev)
	}
	if m.nothing() {
		delete(b.machines, d.id)
	}
}

func asServer(v any) *fleet.Server {
	s, _ := v.(*fleet.Server)
	return s
}

// nameOfServer is what a server is found by; a retired one is found by its id alone.
func nameOfServer(s *fleet.Server) string {
	if s == nil || s.Approval == fleet.Retired {
		return ""
	}
	return s.Name
}

// putMachine enters the row of a server, and tells those who watch.
func (b *board) putMachine(id string, rev int64, tell bool) {
	m := b.machines[id]
	if m == nil {
		return
	}
	s := b.sheets["servers"]
	if m.server == nil {
		if gone := s.drop(id, rev); gone != nil && tell {
			b.events.add(event{Rev: rev, Table: "servers", ID: id, At: b.now(), row: gone, gone: true})
		}
		return
	}
	c := *m
	c.label, c.inPools = b.labelOf(m), b.standing.pools[id]
	c.reasons, c.available = b.index.Reasons(id), b.index.Available(id)
	c.owner = b.ownerOf(m.server.Claim)
	r := &row{id: id, rev: m.serverRev, state: rev, value: &c, search: searchMachine(&c), render: renderMachine, narrow: narrowMachine}
	s.put(r)
	if tell {
		b.events.add(event{Rev: rev, Table: "servers", ID: id, At: b.now(), row: r})
	}
}

func renderMachine(r *row) []byte {
	v := r.value.(*machine).view()
	return render(&v)
}

func searchMachine(m *machine) string {
	i := m.server.Identity
	parts := []string{m.server.ID, m.server.Name, m.server.Rack, i.SystemSerial, i.BoardSerial, i.ChassisSerial, i.UUID}
	parts = append(parts, i.MACs...)
	return strings.ToLower(strings.Join(parts, "\n"))
}

func (b *board) takeRecord(d delta, tell bool) {
	s := b.sheets[d.table]
	if s == nil {
		return
	}
	old := s.get(d.id)
	b.lookups(d, old)
	if d.value == nil {
		if gone := s.drop(d.id, d.rev); gone != nil && tell {
			b.events.add(event{Rev: d.rev, Table: d.table, ID: d.id, At: b.now(), row: gone, gone: true})
		}
		return
	}
	r := &row{id: d.id, rev: d.rev, state: d.rev, created: d.created, value: d.value, search: searchRecord(d.id, d.value), render: renderRecord, narrow: narrowRecord}
	switch {
	case old != nil && reborn(old, d.value):
		r.created = d.rev
	case old != nil && d.created == 0:
		r.created = old.created
	}
	s.put(r)
	if tell {
		b.events.add(event{Rev: d.rev, Table: d.table, ID: d.id, At: b.now(), row: r})
	}
}

// lookups keeps the tables of digests and names.
func (b *board) lookups(d delta, old *row) {
	switch d.table {
	case "tokens":
		if old != nil {
			delete(b.digests, old.value.(*access.Token).Digest)
		}
		if t, ok := d.value.(*access.Token); ok && t != nil {
			b.digests[t.Digest] = d.id
		}
	case "users":
		var before, after string
		if old != nil {
			before = old.value.(*access.User).Name
		}
		if u, ok := d.value.(*access.User); ok && u != nil {
			after = u.Name
		}
		b.rename("users", d.id, before, after)
	}
}

func (b *board) rename(table, id, before, after string) {
	before, after = strings.ToLower(before), strings.ToLower(after)
	if before == after {
		return
	}
	ids := b.names[table]
	if before != "" {
		var rest []string
		for _, other := range ids[before] {
			if other != id {
				rest = append(rest, other)
			}
		}
		if ids[before] = rest; len(rest) == 0 {
			delete(ids, before)
		}
	}
	if after != "" {
		ids[after] = append(ids[after], id)
	}
}

// named lists the ids of a table that have a name, without regard to case.
func (b *board) named(table, name string) []string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.names[table][strings.ToLower(name)]
}

// token finds the token with a digest; nil when there is none.
func (b *board) token(digest string) *access.Token {
	b.mu.RLock()
	id := b.digests[digest]
	b.mu.RUnlock()
	if r := b.sheets["tokens"].get(id); r != nil {
		return r.value.(*access.Token)
	}
	return nil
}

// user finds the user with a name; nil when there is none.
func (b *board) user(name string) *access.User {
	for _, id := range b.named("users", name) {
		if r := b.sheets["users"].get(id); r != nil {
			return r.value.(*access.User)
		}
	}
	return nil
}

// revOf is the revision of a record, 0 when there is none.
func (b *board) revOf(table, id string) int64 {
	if r := b.sheets[table].get(id); r != nil {
		return r.rev
	}
	return 0
}
