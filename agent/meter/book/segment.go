package book

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/steelyard/steelyard/agent/meter/tail"
)

const (
	ending = ".book"
	byDay  = "2006-01-02"
)

// head begins a file: all that is known but the quarter-hours.
type head struct {
	ID      string
	Months  []Month
	Totals  map[string][]Totals // by account, in the order of Months
	Sources map[string]Source
	Notes   map[string]Notes // by source
}

// commit is what was written at once.
type commit struct {
	Counted []Counted
	Sources map[string]Source // as they are behind it; those that did not change are not in it
	Notes   map[string]Notes  // by source: what changed
}

// Source is what is known of a log.
type Source struct {
	Place   tail.Place
	Unknown uint64     // lines that were no traffic and not known either
	Skipped uint64     // bytes of lines that were too long
	Gaps    []tail.Gap // the newest [KeepGaps]
}

// names are the files of a directory, oldest first.
func names(dir string) ([]string, error) {
	list, err := filepath.Glob(filepath.Join(dir, "????-??-??"+ending))
	slices.Sort(list)
	return list, err
}

// scan reads a file. h and each commit are given to the functions; end is the length of what is whole. errFrame: the head is not.
func scan(path string, first func(*head), each func(*commit)) (end int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	var h head
	if end, err = unframe(r, &h); err != nil {
		return 0, errors.Join(errFrame, err)
	}
	first(&h)
	for {
		var c commit
		n, err := unframe(r, &c)
		switch {
		case err == io.EOF || errors.Is(err, errFrame):
			return end, nil
		case err != nil:
			return end, err
		}
		each(&c)
		end += n
	}
}

// lay writes a file with these frames and puts it in its place.
func lay(path string, frames ...[]byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	for _, b := range frames {
		if _, err := f.Write(b); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// quarters are counts by quarter-hour and class; the keys have no traffic.
type quarters map[Count]Traffic

func (q quarters) add(counts []Count, from, to Quarter) {
	for _, c := range counts {
		if c.Quarter < from || c.Quarter >= to {
			continue
		}
		key := Count{Quarter: c.Quarter, Class: c.Class}
		t := q[key]
		t.add(c.Traffic)
		q[key] = t
	}
}

func (q quarters) flat() []Count {
	list := make([]Count, 0, len(q))
	for c, t := range q {
		c.Traffic = t
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Quarter, b.Quarter), cmp.Compare(a.Class, b.Class))
	})
	return list
}

// shorten writes a finished file anew, with one line for each account. What it says stays the same, so it may be done again.
func shorten(path string) error {
	var h head
	sum := map[string]quarters{}
	one := commit{Sources: map[string]Source{}, Notes: map[string]Notes{}}
	frames := 0
	_, err := scan(path, func(x *head) { h = *x }, func(c *commit) {
		frames++
		maps.Copy(one.Sources, c.Sources)
		for source, changed := range c.Notes {
			one.Notes[source] = one.Notes[source].with(changed)
		}
		for _, a := range c.Counted {
			if sum[a.Account] == nil {
				sum[a.Account] = quarters{}
			}
			sum[a.Account].add(a.Counts, math.MinInt64, math.MaxInt64)
		}
	})
	if err != nil || frames < 2 {
		return err
	}
	for _, account := range slices.Sorted(maps.Keys(sum)) {
		one.Counted = append(one.Counted, Counted{Account: account, Counts: sum[account].flat()})
	}
	first, err := frame(&h)
	if err != nil {
		return err
	}
	second, err := frame(&one)
	if err != nil {
		return err
	}
	return lay(path, first, second)
}
