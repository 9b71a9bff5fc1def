package address

import (
	"cmp"
	"net/netip"
	"slices"
)

// Atlas is every pool of the fleet in short. It is one record, so that two commits
// which would make overlapping pools meet in one key.
type Atlas struct {
	Pools []Entry `json:"pools"` // by prefix
}

// Entry is a pool in the Atlas.
type Entry struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Location  string `json:"location"`
	Prefix    string `json:"prefix"`
	Assign    int    `json:"assign_bits"`
	SortOrder int    `json:"sort_order"`
}

// With is the atlas with a pool entered or changed.
func (t Atlas) With(p Pool) Atlas {
	t = t.Without(p.ID)
	t.Pools = append(t.Pools, Entry{ID: p.ID, Name: p.Name, Location: p.Location, Prefix: p.Prefix, Assign: p.Assign, SortOrder: p.SortOrder})
	slices.SortFunc(t.Pools, func(a, b Entry) int { return cmp.Compare(a.Prefix, b.Prefix) })
	return t
}

// Without is the atlas without a pool.
func (t Atlas) Without(id string) Atlas {
	return Atlas{Pools: slices.DeleteFunc(slices.Clone(t.Pools), func(e Entry) bool { return e.ID == id })}
}

// Overlapping finds a pool other than self that has addresses of a prefix.
func (t Atlas) Overlapping(prefix, self string) (Entry, bool) {
	p, err := netip.ParsePrefix(prefix)
	if err != nil {
		return Entry{}, false
	}
	for _, e := range t.Pools {
		if other, err := netip.ParsePrefix(e.Prefix); err == nil && e.ID != self && other.Overlaps(p) {
			return e, true
		}
	}
	return Entry{}, false
}

// Find is a pool by id.
func (t Atlas) Find(id string) (Entry, bool) {
	i := slices.IndexFunc(t.Pools, func(e Entry) bool { return e.ID == id })
	if i < 0 {
		return Entry{}, false
	}
	return t.Pools[i], true
}

// At lists the pools of a location, the first to be used first: by sort order, then by name.
func (t Atlas) At(location string) (list []Entry) {
	for _, e := range t.Pools {
		if e.Location == location {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.SortOrder, b.SortOrder), cmp.Compare(a.Name, b.Name))
	})
	return list
}
