package fleet

import (
	"slices"
	"sync"
	"time"
)

// Index keeps the reasons of every server up to date, one change at a time; it
// equals asking [Unavailable] about everything (a test says so). What one server
// needs to know of the others is only who shares its MACs. Safe for concurrent use.
type Index struct {
	mu      sync.RWMutex
	servers map[string]*entry
	macs    map[string][]string // MAC → ids, sorted
	free    int
}

type entry struct {
	server    *Server
	facts     *Facts
	connected bool
	lost      time.Time
	macs      []string
	placed    uint64 // what customers have on it
	reasons   []Reason
	available bool
}

// NewIndex makes an empty index.
func NewIndex() *Index {
	return &Index{servers: map[string]*entry{}, macs: map[string][]string{}}
}

// PutServer takes a new or changed server; nil means that it is gone. It returns the
// ids whose reasons may have changed.
func (x *Index) PutServer(id string, s *Server) []string {
	return x.change(id, func(e *entry) { e.server = s })
}

// PutFacts takes new facts of a server; nil means that they are gone.
func (x *Index) PutFacts(id string, f *Facts) []string {
	return x.change(id, func(e *entry) { e.facts = f })
}

// SetConnected takes the news that a server's agent came or went.
func (x *Index) SetConnected(id string, connected bool, now time.Time) []string {
	return x.change(id, func(e *entry) {
		if e.connected && !connected {
			e.lost = now
		}
		e.connected = connected
	})
}

// PutLoad takes how many things customers have on a server.
func (x *Index) PutLoad(id string, placements uint64) []string {
	return x.change(id, func(e *entry) { e.placed = placements })
}

// Surroundings is what [Unavailable] is told about a server.
func (x *Index) Surroundings(id string) Surroundings {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if e := x.servers[id]; e != nil {
		return x.surroundings(id, e)
	}
	return Surroundings{}
}

// Reasons tells why a server is not available. Never change the result.
func (x *Index) Reasons(id string) []Reason {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if e := x.servers[id]; e != nil {
		return e.reasons
	}
	return nil
}

// Available reports whether a server is known and can be given away.
func (x *Index) Available(id string) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	e := x.servers[id]
	return e != nil && e.available
}

// Connected reports whether a session of the server's agent is known.
func (x *Index) Connected(id string) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	e := x.servers[id]
	return e != nil && e.connected
}

// Lost is when the last session of a server's agent was seen to end; zero: it was not.
func (x *Index) Lost(id string) time.Time {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if e := x.servers[id]; e != nil {
		return e.lost
	}
	return time.Time{}
}

// Count is the number of available servers.
func (x *Index) Count() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.free
}

// Each calls f for every server with its unwaived reasons' rules, for metrics.
func (x *Index) Each(f func(s *Server, available, connected bool, reasons []Reason)) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, e := range x.servers {
		if e.server != nil {
			f(e.server, e.available, e.connected, e.reasons)
		}
	}
}

func (x *Index) change(id string, apply func(*entry)) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.servers[id]
	if e == nil {
		e = &entry{}
		x.servers[id] = e
	}
	apply(e)
	touched := x.moveMACs(id, e)
	for _, t := range touched {
		x.judge(t)
	}
	if e.server == nil && e.facts == nil && !e.connected && e.placed == 0 {
		delete(x.servers, id)
	}
	return touched
}

// moveMACs brings the MAC table up to date and lists this server and all that
// gained or lost a sharer.
func (x *Index) moveMACs(id string, e *entry) []string {
	var now []string
	if e.server != nil && e.facts != nil {
		now = slices.Clone(MACs(&e.facts.Inventory))
		slices.Sort(now)
		now = slices.Compact(now)
	}
	touched := []string{id}
	for _, m := range e.macs {
		if !slices.Contains(now, m) {
			x.macs[m] = slices.DeleteFunc(x.macs[m], func(s string) bool { return s == id })
			touched = append(touched, x.macs[m]...)
			if len(x.macs[m]) == 0 {
				delete(x.macs, m)
			}
		}
	}
	for _, m := range now {
		if !slices.Contains(e.macs, m) {
			touched = append(touched, x.macs[m]...)
			x.macs[m] = append(x.macs[m], id)
		}
	}
	e.macs = now
	slices.Sort(touched)
	return slices.Compact(touched)
}

func (x *Index) surroundings(id string, e *entry) Surroundings {
	in := Surroundings{Facts: e.facts, Connected: e.connected, Lost: e.lost, Placements: e.placed}
	for _, m := range e.macs {
		if len(x.macs[m]) > 1 {
			in.SharedMACs = append(in.SharedMACs, m)
		}
	}
	return in
}

func (x *Index) judge(id string) {
	e := x.servers[id]
	if e == nil {
		return
	}
	was := e.available
	e.reasons, e.available = nil, false
	if e.server != nil {
		e.reasons = Unavailable(e.server, x.surroundings(id, e))
		e.available = Available(e.reasons)
	}
	if was && !e.available {
		x.free--
	}
	if !was && e.available {
		x.free++
	}
}
