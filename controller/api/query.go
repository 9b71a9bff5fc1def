package api

import (
	"slices"
	"strings"

	"github.com/steelyard/steelyard/controller/core/access"
)

// Page sizes.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// query is what a list is asked for.
type query struct {
	filters []filter
	scope   access.Scope
	search  string // lower case
	sort    []sortKey
	limit   int   // 0 is everything
	after   *mark // nil is the start
}

// filter keeps the rows whose column has one of the values.
type filter struct {
	column *column
	values []string
}

// sortKey is one field to sort by; the id is always the last one.
type sortKey struct {
	column     *column
	descending bool
}

// mark is the place of one row in a sorted list.
type mark struct {
	keys []key
	id   string
}

// page is the answer to a query.
type page struct {
	rows  []*row
	total int // of all rows that fit, before paging
	more  bool
	rev   int64
}

// pick answers a query. It holds the sheet only while it looks at symbols and
// keys, never while bytes are written.
func (s *sheet) pick(q query) page {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p := page{rev: s.rev}
	fit, possible := s.matcher(&q)
	switch {
	case !possible:
	case len(q.sort) == 0 && fit == nil:
		p.total = len(s.rows)
		p.rows, p.more = s.slice(&q)
	case len(q.sort) == 0:
		s.scan(&q, fit, &p)
	default:
		s.best(&q, fit, &p)
	}
	return p
}

// slice is the page of an unfiltered list in its own order.
func (s *sheet) slice(q *query) ([]*row, bool) {
	from := 0
	if q.after != nil {
		i, found := s.find(q.after.id)
		if from = i; found {
			from++
		}
	}
	to := len(s.rows)
	if q.limit > 0 {
		to = min(to, from+q.limit)
	}
	return slices.Clone(s.rows[from:to]), to < len(s.rows)
}

// scan is the page of a filtered list in its own order.
func (s *sheet) scan(q *query, fit func(int) bool, p *page) {
	from := 0
	if q.after != nil {
		i, found := s.find(q.after.id)
		if from = i; found {
			from++
		}
	}
	for i := range s.rows {
		if !fit(i) {
			continue
		}
		p.total++
		if i < from {
			continue
		}
		if q.limit > 0 && len(p.rows) == q.limit {
			p.more = true
			continue
		}
		p.rows = append(p.rows, s.rows[i])
	}
}

// ranked is a row with the keys that it is sorted by.
type ranked struct {
	row  *row
	keys []key
}

// best is the page of a sorted list: it keeps the first limit rows after the
// mark, with their keys, while it looks at each row once.
func (s *sheet) best(q *query, fit func(int) bool, p *page) {
	var kept []ranked
	var spare []key // of the row that was pushed out last
	keys := make([]key, len(q.sort))
	for i, r := range s.rows {
		if fit != nil && !fit(i) {
			continue
		}
		p.total++
		q.keysOf(r, keys)
		if q.after != nil && q.compare(keys, r.id, q.after.keys, q.after.id) <= 0 {
			continue
		}
		if q.limit > 0 && len(kept) == q.limit {
			p.more = true
			last := kept[q.limit-1]
			if q.compare(keys, r.id, last.keys, last.row.id) > 0 {
				continue
			}
			kept, spare = kept[:q.limit-1], last.keys
		}
		one := ranked{r, append(spare[:0], keys...)}
		spare = nil
		at := len(kept)
		if q.limit > 0 {
			at, _ = slices.BinarySearchFunc(kept, one, q.compareRanked)
		}
		kept = slices.Insert(kept, at, one)
	}
	if q.limit == 0 {
		slices.SortFunc(kept, q.compareRanked)
	}
	for _, k := range kept {
		p.rows = append(p.rows, k.row)
	}
}

func (q *query) keysOf(r *row, keys []key) {
	for i, o := range q.sort {
		keys[i] = o.column.sort(r.value)
	}
}

func (q *query) compareRanked(a, b ranked) int {
	return q.compare(a.keys, a.row.id, b.keys, b.row.id)
}

// compare orders by the keys, then by id.
func (q *query) compare(a []key, aID string, b []key, bID string) int {
	for i, o := range q.sort {
		if c := o.sign(a[i].compare(b[i])); c != 0 {
			return c
		}
	}
	return strings.Compare(aID, bID)
}

func (o sortKey) sign(c int) int {
	if o.descending {
		return -c
	}
	return c
}

// markOf is the place of r.
func (q *query) markOf(r *row) mark {
	m := mark{id: r.id, keys: make([]key, len(q.sort))}
	q.keysOf(r, m.keys)
	return m
}

// matcher tells which rows fit; nil when all do, possible false when none can.
func (s *sheet) matcher(q *query) (fit func(int) bool, possible bool) {
	type want struct {
		symbol int
		any    []uint32
	}
	var wants []want
	add := func(c *column, values ...string) bool {
		w := want{symbol: c.symbol}
		if c.many {
			values = s.having(values)
		}
		for _, v := range values {
			if n, known := s.dict[v]; known {
				w.any = append(w.any, n)
			}
		}
		wants = append(wants, w)
		return len(w.any) > 0
	}
	for _, f := range q.filters {
		if f.column.path {
			f.values = s.ending(f.values)
		}
		if !add(f.column, f.values...) {
			return nil, false
		}
	}
	var hidden []want
	for i := range s.columns {
		c := &s.columns[i]
		n, used := s.dict[c.hidden]
		asked := slices.ContainsFunc(q.filters, func(f filter) bool { return f.column == c })
		if c.hidden != "" && used && !asked {
			hidden = append(hidden, want{c.symbol, []uint32{n}})
		}
	}
	if q.scope.Field != "" {
		c := s.column(q.scope.Field)
		if c == nil || !add(c, s.seen(q.scope)...) {
			return nil, false
		}
	}
	if len(wants) == 0 && len(hidden) == 0 && q.search == "" {
		return nil, true
	}
	return func(i int) bool {
		sym := &s.syms[i]
		for k := range wants {
			w := &wants[k]
			if sym[w.symbol] != w.any[0] && (len(w.any) == 1 || !slices.Contains(w.any[1:], sym[w.symbol])) {
				return false
			}
		}
		for k := range hidden {
			if sym[hidden[k].symbol] == hidden[k].any[0] {
				return false
			}
		}
		return q.search == "" || strings.Contains(s.rows[i].search, q.search)
	}, true
}

// ending are the values of filtered columns that are one of these paths, or end in one.
func (s *sheet) ending(paths []string) (list []string) {
	for v := range s.dict {
		if slices.ContainsFunc(paths, func(p string) bool { return v == p || p != "" && strings.HasSuffix(v, "/"+p) }) {
			list = append(list, v)
		}
	}
	return list
}

// having are the texts of several values that hold one of those.
func (s *sheet) having(values []string) (list []string) {
	for text := range s.dict {
		for part := range strings.SplitSeq(text, ",") {
			if slices.Contains(values, part) {
				list = append(list, text)
				break
			}
		}
	}
	return list
}

// seen are the values of filtered columns that a scope shows.
func (s *sheet) seen(scope access.Scope) []string {
	if !scope.Below() {
		return []string{scope.Value}
	}
	return slices.Collect(func(yield func(string) bool) {
		for v := range s.dict {
			if scope.Sees(v) && !yield(v) {
				return
			}
		}
	})
}
