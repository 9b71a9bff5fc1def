package match

import (
	"cmp"
	"strings"
	"sync"

	"github.com/tidwall/btree"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// Server is an available server (rules B17 to B23 hold; the caller has seen to
// it). Whoever is not available is not put into the catalogue.
type Server struct {
	ID            string                 `json:"id"`
	Location      string                 `json:"location,omitempty"`
	ServerType    string                 `json:"server_type,omitempty"` // see [Classify]; "" none
	FreeSince     int64                  `json:"free_since,omitempty"`  // Unix nanoseconds; longest free goes first
	Configuration hardware.Configuration `json:"configuration"`
}

// Catalogue holds the available servers, grouped in classes of equal location,
// server type and configuration, so that a match looks at classes and not at
// servers. It is safe for concurrent use; nothing in it blocks for longer than a
// search takes.
type Catalogue struct {
	mu        sync.RWMutex
	locations map[string]*location
	classes   map[uint64]*class // by hash, chained
	facets    [kinds]facets
	servers   map[string]*member
	free      int
	scratch   sync.Pool // *search
}

// location lists the classes in it that have a free server, side by side with
// those of the same processors.
type location struct {
	name  string
	racks []*rack
	byCPU map[uint32]*rack
}

// rack is the classes of one location with the same processors: where those cost
// too much, a search passes all of them at once.
type rack struct {
	cpu  uint32
	at   int // in location.racks
	rows []row
}

// row is what a search touches of a class.
type row struct {
	facets [kinds]uint32
	class  *class
}

type class struct {
	location      *location
	facets        [kinds]uint32
	hash          uint64 // of the facets together
	serverType    string
	configuration hardware.Configuration
	texts         [kinds]string          // of the configuration, for explanations
	explained     []Attribute            // for a wish that leaves open only what the class has nothing of
	free          *btree.BTreeG[*member] // by (free since, id)
	first         *member                // the least of free
	members       int                    // free and taken
	rack          *rack                  // nil while none is free
	row           int                    // in rack.rows
	next          *class                 // of the same hash
}

type member struct {
	id        string
	freeSince int64
	class     *class
	taken     bool
}

func longestFree(a, b *member) bool { return compareMembers(a, b) < 0 }

func compareMembers(a, b *member) int {
	return cmp.Or(cmp.Compare(a.freeSince, b.freeSince), strings.Compare(a.id, b.id))
}

// NewCatalogue returns an empty catalogue.
func NewCatalogue() *Catalogue {
	c := &Catalogue{
		locations: map[string]*location{},
		classes:   map[uint64]*class{},
		servers:   map[string]*member{},
	}
	for kind := range c.facets {
		c.facets[kind] = newFacets()
	}
	c.scratch.New = func() any { return new(search) }
	return c
}

// Put enters an available server or brings it up to date. Putting the same again
// changes nothing, and a server that is taken stays taken: only Release and
// Remove end that.
func (c *Catalogue) Put(s Server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, known := c.servers[s.ID]
	if !known {
		m = &member{id: s.ID}
		c.servers[s.ID] = m
	}
	to := c.classOf(&s)
	if m.class == to && m.freeSince == s.FreeSince {
		return
	}
	to.members++ // before leaving, or a class of one would be forgotten meanwhile
	if known {
		c.leave(m)
	}
	m.class, m.freeSince = to, s.FreeSince
	if !m.taken {
		c.offer(m)
	}
}

// Remove forgets a server that is not available any more, taken or not. It says
// whether it was there.
func (c *Catalogue) Remove(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, ok := c.servers[id]
	if ok {
		c.leave(m)
		delete(c.servers, id)
	}
	return ok
}

// Take reserves a server for the caller: of any number of callers one is told
// true. It lasts until Release or Remove.
func (c *Catalogue) Take(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, ok := c.servers[id]
	if !ok || m.taken {
		return false
	}
	c.withdraw(m)
	m.taken = true
	return true
}

// Release gives a taken server back, with its old place in the queue; nothing
// happens when it is not taken.
func (c *Catalogue) Release(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m, ok := c.servers[id]; ok && m.taken {
		m.taken = false
		c.offer(m)
	}
}

// Free counts the servers that can be taken.
func (c *Catalogue) Free() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.free
}

// leave takes m out of its class; a class without members is forgotten.
func (c *Catalogue) leave(m *member) {
	from := m.class
	if !m.taken {
		c.withdraw(m)
	}
	m.class = nil
	if from.members--; from.members == 0 {
		c.forget(from)
	}
}

func (c *Catalogue) offer(m *member) {
	k := m.class
	k.free.Set(m)
	c.free++
	if k.first == nil || longestFree(m, k.first) {
		k.first = m
	}
	if k.rack == nil {
		k.location.list(k)
	}
}

func (c *Catalogue) withdraw(m *member) {
	k := m.class
	k.free.Delete(m)
	c.free--
	if k.first == m {
		k.first, _ = k.free.Min()
	}
	if k.first == nil {
		k.location.unlist(k)
	}
}

func (l *location) list(k *class) {
	cpu := k.facets[kindCPU]
	r, ok := l.byCPU[cpu]
	if !ok {
		r = &rack{cpu: cpu, at: len(l.racks)}
		l.byCPU[cpu] = r
		l.racks = append(l.racks, r)
	}
	k.rack, k.row = r, len(r.rows)
	r.rows = append(r.rows, row{k.facets, k})
}

// unlist fills the gap with the last one, twice; order means nothing here.
func (l *location) unlist(k *class) {
	r := k.rack
	last := len(r.rows) - 1
	r.rows[k.row] = r.rows[last]
	r.rows[k.row].class.row = k.row
	r.rows[last] = row{}
	r.rows = r.rows[:last]
	k.rack = nil
	if last > 0 {
		return
	}
	end := len(l.racks) - 1
	l.racks[r.at] = l.racks[end]
	l.racks[r.at].at = r.at
	l.racks[end] = nil
	l.racks = l.racks[:end]
	delete(l.byCPU, r.cpu)
}
