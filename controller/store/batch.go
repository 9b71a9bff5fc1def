package store

import (
	"github.com/steelyard/steelyard/controller/store/kv"
)

// batch collects independent changes up to the limits of one transaction.
type batch struct {
	limits   kv.Limits
	most     int
	members  []*member
	compares map[compareKey]int64
	reads    map[string]struct{}
	writes   map[string]struct{}
	size     int
}

type compareKey struct {
	key    string
	target kv.Target
}

func newBatch(l kv.Limits, most int) *batch {
	return &batch{limits: l, most: most, compares: map[compareKey]int64{}, reads: map[string]struct{}{}, writes: map[string]struct{}{}}
}

// add takes m in, unless it depends on a member or there is no room. The first
// is always taken.
func (b *batch) add(m *member) bool {
	if len(b.members) > 0 && (!b.fits(m) || !b.independent(m)) {
		return false
	}
	for _, c := range m.txn.Compares {
		b.compares[compareKey{c.Key, c.Target}] = c.Rev
		b.reads[c.Key] = struct{}{}
	}
	for _, o := range m.txn.Ops {
		b.writes[o.Key] = struct{}{}
	}
	b.size += m.size
	b.members = append(b.members, m)
	return true
}

func (b *batch) fits(m *member) bool {
	return len(b.members) < b.most &&
		b.size+m.size <= batchBytes &&
		len(b.compares)+len(m.txn.Compares) <= b.limits.MaxOps &&
		len(b.writes)+len(m.txn.Ops) <= b.limits.MaxOps
}

// independent: m reads nothing that a member writes, writes nothing that a
// member reads or writes, and remembers what both read as the member does.
func (b *batch) independent(m *member) bool {
	for _, c := range m.txn.Compares {
		if _, written := b.writes[c.Key]; written {
			return false
		}
		if rev, both := b.compares[compareKey{c.Key, c.Target}]; both && rev != c.Rev {
			return false
		}
	}
	for _, o := range m.txn.Ops {
		if _, written := b.writes[o.Key]; written {
			return false
		}
		if _, read := b.reads[o.Key]; read {
			return false
		}
	}
	return true
}

// merge makes one transaction of independent members.
func merge(members []*member) kv.Txn {
	if len(members) == 1 {
		return members[0].txn
	}
	var t kv.Txn
	seen := map[compareKey]struct{}{}
	for _, m := range members {
		for _, c := range m.txn.Compares {
			k := compareKey{c.Key, c.Target}
			if _, twice := seen[k]; !twice {
				seen[k] = struct{}{}
				t.Compares = append(t.Compares, c)
			}
		}
		t.Ops = append(t.Ops, m.txn.Ops...)
	}
	return t
}
