package store

import (
	"context"
	"runtime"
	"slices"
	"sync"

	"github.com/steelyard/steelyard/controller/store/kv"
)

// reload lists all tables as of one revision and publishes them. The first
// time there are no changes (subscribers begin with a resync); later they are
// what differs from the last snapshot, so nobody misses anything.
func (v *view) reload(ctx context.Context) error {
	work, rev, err := v.list(ctx)
	if err != nil {
		return err
	}
	old := v.Snapshot()
	next := &Snapshot{Rev: rev, tables: map[string]rows{}}
	var changes []Change
	for name, r := range work {
		next.tables[name] = r.freeze()
		if old.Rev != 0 {
			changes = append(changes, old.tables[name].diff(next.tables[name], rev)...)
		}
	}
	v.work = work
	if old.Rev == 0 {
		v.publish(next, nil)
		return nil
	}
	slices.SortStableFunc(changes, func(a, b Change) int { return int(a.Rev - b.Rev) })
	v.publish(next, changes)
	return nil
}

// decoded is a page on its way: its items are valid after wait.
type decoded struct {
	to    rows
	items []any
	wait  *sync.WaitGroup
}

// list reads page after page; while the next page comes, the last ones are
// decoded on all cores and put in order into their tables.
func (v *view) list(ctx context.Context) (map[string]rows, int64, error) {
	work := map[string]rows{}
	for name, t := range v.tables {
		work[name] = t.newRows()
	}
	pages := make(chan decoded, runtime.GOMAXPROCS(0))
	var rev int64
	var err error
	go func() {
		defer close(pages)
		for name, r := range work {
			if rev, err = v.listTable(ctx, name+"/", rev, r, pages); err != nil {
				return
			}
		}
	}()
	for p := range pages {
		p.wait.Wait()
		for _, it := range p.items {
			p.to.load(it)
		}
	}
	return work, rev, err // set before pages was closed
}

func (v *view) listTable(ctx context.Context, prefix string, rev int64, to rows, pages chan<- decoded) (int64, error) {
	for from := ""; ; {
		p, err := v.kv.List(ctx, prefix, kv.ListOptions{From: from, Limit: v.page, Rev: rev})
		if err != nil {
			return rev, err
		}
		rev = p.Rev
		if len(p.Entries) > 0 {
			pages <- decode(to, p.Entries)
		}
		if !p.More {
			return rev, nil
		}
		from = p.Next
	}
}

func decode(to rows, entries []kv.Entry) decoded {
	d := decoded{to: to, items: make([]any, len(entries)), wait: new(sync.WaitGroup)}
	step := max(256, len(entries)/runtime.GOMAXPROCS(0)+1)
	for lo := 0; lo < len(entries); lo += step {
		hi := min(lo+step, len(entries))
		d.wait.Go(func() {
			for i := lo; i < hi; i++ {
				d.items[i] = to.decode(entries[i])
			}
		})
	}
	return d
}
