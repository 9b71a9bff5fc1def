package store

import (
	"context"

	"github.com/steelyard/steelyard/controller/store/kv"
)

// pageSize is the number of keys of one page at the start; small pages cost more,
// since etcd counts the rest of the prefix for each.
const pageSize = 5000

// Snapshot is the whole state at one revision.
type Snapshot struct {
	Rev    int64
	tables map[string]*rowMap
}

func emptySnapshot() *Snapshot { return &Snapshot{tables: map[string]*rowMap{}} }

func (s *Snapshot) rows(table string) *rowMap { return s.tables[table] }

func (s *Snapshot) row(key string) (*row, bool) {
	table, id := split(key)
	rows := s.tables[table]
	if rows == nil {
		return nil, false
	}
	return rows.Get(id)
}

// with is s after a batch of events. Tables that did not change are shared, and of
// the others all but the path to the changed rows.
func (s *Snapshot) with(b kv.Batch) (*Snapshot, []Change) {
	next := &Snapshot{Rev: max(b.Rev, s.Rev), tables: make(map[string]*rowMap, len(s.tables))}
	for name, rows := range s.tables {
		next.tables[name] = rows
	}
	own := map[string]bool{}
	var changes []Change
	for _, e := range b.Events {
		table, id := split(e.Key)
		decode := tables[table]
		if decode == nil {
			continue
		}
		if !own[table] {
			own[table] = true
			if rows := next.tables[table]; rows != nil {
				next.tables[table] = rows.Copy()
			} else {
				next.tables[table] = new(rowMap)
			}
		}
		changes = append(changes, apply(next.tables[table], table, id, decode, e))
	}
	return next, changes
}

func apply(rows *rowMap, table, id string, decode func([]byte) (any, error), e kv.Event) Change {
	c := Change{Table: table, ID: id, Rev: e.ModRev}
	if old, ok := rows.Get(id); ok {
		c.Old = old.value
	}
	if e.Deleted {
		rows.Delete(id)
		return c
	}
	v, err := decode(e.Value)
	if err != nil { // written by hand or by a newer version: not ours to judge, not ours to show
		rows.Delete(id)
		return c
	}
	rows.Set(id, &row{value: v, data: e.Value, modRev: e.ModRev, createRev: e.CreateRev})
	c.New = v
	return c
}

// load lists everything at one revision.
func load(ctx context.Context, backend kv.KV) (*Snapshot, error) {
	snap := emptySnapshot()
	opt := kv.ListOptions{Limit: pageSize}
	for {
		p, err := backend.List(ctx, Prefix, opt)
		if err != nil {
			return nil, err
		}
		snap.Rev = p.Rev
		for _, e := range p.Entries {
			table, id := split(e.Key)
			decode := tables[table]
			if decode == nil {
				continue
			}
			if snap.tables[table] == nil {
				snap.tables[table] = new(rowMap)
			}
			apply(snap.tables[table], table, id, decode, kv.Event{Entry: e})
		}
		if !p.More {
			return snap, nil
		}
		opt.From, opt.Rev = p.Next, p.Rev
	}
}
