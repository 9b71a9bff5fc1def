package api

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/steelyard/steelyard/controller/core/access"
)

// maxFilters is how many columns of one sheet can be filtered.
const maxFilters = 24

// symbols are the interned values of a row's filtered columns. They lie side by
// side in one slice, so that counting 100,000 rows touches no row.
type symbols [maxFilters]uint32

// key is a value that rows are sorted by: a number or a text.
type key struct {
	N int64  `json:"n,omitempty"`
	S string `json:"s,omitempty"`
}

func (k key) compare(o key) int { return cmp.Or(cmp.Compare(k.N, o.N), strings.Compare(k.S, o.S)) }

// column is one field by which a collection is filtered or sorted.
type column struct {
	name   string
	values []string         // that a filter may ask for; nil: any text
	text   func(any) string // value for filters; nil: cannot be filtered
	sort   func(any) key    // value for sorting; nil: cannot be sorted by
	symbol int              // index into symbols
	path   bool             // the value is a path, of which a filter may name the last part alone
	many   bool             // the text is several values with commas; a filter finds each of them
	hidden string           // rows with this value are listed only when a filter names it; "" none
	inside bool             // whoever sees only what is his is not shown it, and so can neither filter nor sort by it
}

// row is one record as the API shows it. Rows never change: a changed record is
// a new row. The JSON is made when it is first asked for, and kept.
type row struct {
	id      string
	rev     int64 // of the record; its ETag
	state   int64 // of whatever else the row shows; at least rev
	created int64 // revision at which the record came into being
	value   any
	search  string // lower case, for q=
	render  func(*row) []byte
	narrow  func(*row) []byte // for those who see it because it is theirs; nil: the same
	json    atomic.Pointer[[]byte]
}

// bytes is the row's JSON. Never change it.
func (r *row) bytes() []byte {
	if b := r.json.Load(); b != nil {
		return *b
	}
	b := r.render(r)
	r.json.Store(&b)
	return b
}

// sheet holds all rows of one collection, sorted by id. Safe for concurrent use.
type sheet struct {
	name    string
	columns []column

	mu   sync.RWMutex
	rows []*row
	syms []symbols // of rows, in the same order
	dict map[string]uint32
	rev  int64 // of the last change
}

func newSheet(name string, columns ...column) *sheet {
	s := &sheet{name: name, columns: columns, dict: map[string]uint32{}}
	n := 0
	for i := range s.columns {
		if s.columns[i].text != nil {
			s.columns[i].symbol = n
			n++
		}
	}
	if n > maxFilters {
		panic("api: sheet " + name + " has more filters than there is room for")
	}
	return s
}

func (s *sheet) column(name string) *column {
	for i := range s.columns {
		if s.columns[i].name == name {
			return &s.columns[i]
		}
	}
	return nil
}

// put enters a new or changed row.
func (s *sheet) put(r *row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rev = max(s.rev, r.rev, r.state)
	sym := s.intern(r.value)
	i, found := s.find(r.id)
	if found {
		s.rows[i], s.syms[i] = r, sym
		return
	}
	s.rows = slices.Insert(s.rows, i, r)
	s.syms = slices.Insert(s.syms, i, sym)
}

// drop forgets a row and returns it; nil when there is none.
func (s *sheet) drop(id string, rev int64) *row {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rev = max(s.rev, rev)
	i, found := s.find(id)
	if !found {
		return nil
	}
	gone := s.rows[i]
	s.rows = slices.Delete(s.rows, i, i+1)
	s.syms = slices.Delete(s.syms, i, i+1)
	return gone
}

// clear forgets everything.
func (s *sheet) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows, s.syms, s.dict = nil, nil, map[string]uint32{}
}

// get finds a row; nil when there is none.
func (s *sheet) get(id string) *row {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if i, found := s.find(id); found {
		return s.rows[i]
	}
	return nil
}

// revision is that of the last change of the sheet.
func (s *sheet) revision() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.rev
}

func (s *sheet) find(id string) (int, bool) {
	return slices.BinarySearchFunc(s.rows, id, func(r *row, id string) int { return strings.Compare(r.id, id) })
}

func (s *sheet) intern(value any) (sym symbols) {
	for i := range s.columns {
		c := &s.columns[i]
		if c.text == nil {
			continue
		}
		v := c.text(value)
		n, known := s.dict[v]
		if !known {
			n = uint32(len(s.dict) + 1)
			s.dict[strings.Clone(v)] = n
		}
		sym[c.symbol] = n
	}
	return sym
}

// sees reports whether the scope shows the row.
func (s *sheet) sees(scope access.Scope, r *row) bool {
	if scope.Field == "" {
		return true
	}
	c := s.column(scope.Field)
	return c != nil && c.text != nil && scope.Sees(c.text(r.value))
}
