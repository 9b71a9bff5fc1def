package match

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tidwall/btree"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// Class is a line of the stock list: servers that are exchangeable for an order.
type Class struct {
	Location      string                 `json:"location,omitempty"`
	ServerType    string                 `json:"server_type,omitempty"`
	Configuration hardware.Configuration `json:"configuration"`
	Free          int                    `json:"free"`
	Taken         int                    `json:"taken"` // reserved at this moment
}

// Classes lists what there is, sorted by location, server type and configuration.
// It follows the inventory by itself (rule B12): a class appears with its first
// server and goes with its last.
func (c *Catalogue) Classes() []Class {
	c.mu.RLock()
	list := make([]Class, 0, len(c.classes))
	for _, k := range c.classes {
		for ; k != nil; k = k.next {
			list = append(list, Class{
				Location: k.location.name, ServerType: k.serverType, Configuration: k.configuration,
				Free: k.free.Len(), Taken: k.members - k.free.Len(),
			})
		}
	}
	c.mu.RUnlock()
	return sortedClasses(list)
}

func sortedClasses(list []Class) []Class {
	keys := make(map[*Class]string, len(list))
	order := make([]*Class, len(list))
	for i := range list {
		order[i] = &list[i]
		keys[order[i]] = list[i].Configuration.Key()
	}
	slices.SortFunc(order, func(a, b *Class) int {
		return cmp.Or(strings.Compare(a.Location, b.Location), strings.Compare(a.ServerType, b.ServerType),
			strings.Compare(keys[a], keys[b]))
	})
	out := make([]Class, len(list))
	for i, k := range order {
		out[i] = *k
	}
	return out
}

// classOf finds or makes the class of a server.
func (c *Catalogue) classOf(s *Server) *class {
	var buf [kinds][8]group
	var fs [kinds]facet
	for kind := range kinds {
		fs[kind] = facetOf(buf[kind][:0], kind, &s.Configuration)
	}
	l := c.locationOf(s.Location)
	for k := c.classes[combined(&fs)]; k != nil; k = k.next {
		if k.location == l && k.serverType == s.ServerType && c.consistsOf(k, &fs) {
			return k
		}
	}
	return c.newClass(l, s, &fs)
}

func combined(fs *[kinds]facet) uint64 {
	var h hash
	for kind := range fs {
		h.number(fs[kind].hash)
	}
	return uint64(h)
}

func (c *Catalogue) consistsOf(k *class, fs *[kinds]facet) bool {
	for kind := range fs {
		if !c.facets[kind].list[k.facets[kind]].equal(&fs[kind]) {
			return false
		}
	}
	return true
}

func (c *Catalogue) locationOf(name string) *location {
	l, ok := c.locations[name]
	if !ok {
		l = &location{name: name, byCPU: map[uint32]*rack{}}
		c.locations[name] = l
	}
	return l
}

func (c *Catalogue) newClass(l *location, s *Server, fs *[kinds]facet) *class {
	k := &class{
		location:      l,
		hash:          combined(fs),
		serverType:    s.ServerType,
		configuration: s.Configuration.Normalise(),
		free:          btree.NewBTreeGOptions(longestFree, btree.Options{NoLocks: true, Degree: 32}),
	}
	for kind := range fs {
		k.facets[kind] = c.facets[kind].intern(&fs[kind])
	}
	k.texts = texts(&k.configuration)
	k.explained = k.explainLiteral()
	k.next = c.classes[k.hash]
	c.classes[k.hash] = k
	return k
}

// forget removes a class and gives its facets back.
func (c *Catalogue) forget(k *class) {
	switch first := c.classes[k.hash]; {
	case first != k:
		for first.next != k {
			first = first.next
		}
		first.next = k.next
	case k.next == nil:
		delete(c.classes, k.hash)
	default:
		c.classes[k.hash] = k.next
	}
	for kind, n := range k.facets {
		c.facets[kind].release(n)
	}
}
