package api

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/pkg/fault"
)

// maxCursor and maxSearch bound what a list is asked with, in bytes.
const (
	maxCursor = 2048
	maxSearch = 200
	maxValues = 50
)

// queryOf reads the parameters of a list request of somebody with this scope. All that is wrong is named at
// once, an unknown parameter too; a column that is not shown to him is unknown to him.
func (s *sheet) queryOf(values url.Values, scope access.Scope) (query, error) {
	var c fault.Check
	q := query{limit: defaultLimit, scope: scope}
	for name, list := range values {
		s.parameter(&q, &c, name, list[len(list)-1], list)
	}
	if values.Has("cursor") {
		s.readCursor(&q, &c, values.Get("cursor"))
	}
	return q, c.Err("the list cannot be made as asked")
}

func (s *sheet) parameter(q *query, c *fault.Check, name, value string, all []string) {
	field := "query." + name
	switch name {
	case "cursor":
	case "limit":
		n, err := strconv.Atoi(value)
		c.Require(err == nil && 1 <= n && n <= maxLimit, field, "is %q; give a whole number from 1 to %d", clip(value), maxLimit)
		q.limit = n
	case "all":
		on, err := strconv.ParseBool(value)
		c.Require(err == nil, field, "is %q; give true or false", clip(value))
		if on {
			q.limit = 0
		}
	case "sort":
		s.readSort(q, c, value)
	case "q":
		c.Require(len(value) <= maxSearch, field, "is longer than %d bytes", maxSearch)
		q.search = strings.ToLower(value)
	default:
		s.readFilter(q, c, name, all)
	}
}

func (s *sheet) readSort(q *query, c *fault.Check, value string) {
	for _, name := range strings.Split(value, ",") {
		bare := strings.TrimPrefix(name, "-")
		col := s.column(bare)
		if col == nil || col.sort == nil || !col.shown(q.scope) {
			c.Add("query.sort", "names %q; %s can be sorted by %s", clip(bare), s.name, strings.Join(s.sortable(q.scope), ", "))
			return
		}
		if slices.ContainsFunc(q.sort, func(o sortKey) bool { return o.column == col }) {
			c.Add("query.sort", "names %q twice", bare)
			return
		}
		q.sort = append(q.sort, sortKey{column: col, descending: bare != name})
	}
	if len(q.sort) == 1 && q.sort[0].column.name == "id" && !q.sort[0].descending {
		q.sort = nil // the order that the sheet is in
	}
}

func (s *sheet) readFilter(q *query, c *fault.Check, name string, all []string) {
	col := s.column(name)
	if col == nil || col.text == nil || !col.shown(q.scope) {
		c.Add("query."+clip(name), "is not known; %s can be filtered by %s", s.name, strings.Join(s.filterable(q.scope), ", "))
		return
	}
	f := filter{column: col}
	for _, list := range all {
		f.values = append(f.values, strings.Split(list, ",")...)
	}
	if len(f.values) > maxValues {
		c.Add("query."+name, "has %d values; %d are the most", len(f.values), maxValues)
		return
	}
	for _, v := range f.values {
		if col.values != nil && !slices.Contains(col.values, v) {
			c.Add("query."+name, "is %q; give one of %s", clip(v), strings.Join(col.values, ", "))
			return
		}
	}
	q.filters = append(q.filters, f)
}

// shown reports whether somebody with this scope may order and choose rows by the column.
func (c *column) shown(scope access.Scope) bool { return !c.inside || scope.Field == "" }

func (s *sheet) sortable(scope access.Scope) (names []string) {
	for _, c := range s.columns {
		if c.sort != nil && c.shown(scope) {
			names = append(names, c.name)
		}
	}
	return names
}

func (s *sheet) filterable(scope access.Scope) (names []string) {
	for _, c := range s.columns {
		if c.text != nil && c.shown(scope) {
			names = append(names, c.name)
		}
	}
	return names
}

// cursor is a mark on its way to the client and back. It names the order that it
// belongs to, because a place in one order means nothing in another.
type cursor struct {
	Order string `json:"o"`
	Keys  []key  `json:"k,omitempty"`
	ID    string `json:"i"`
}

func (q *query) orderName() string {
	var b strings.Builder
	for _, o := range q.sort {
		if o.descending {
			b.WriteByte('-')
		}
		b.WriteString(o.column.name + ",")
	}
	return b.String()
}

// cursorOf is the text of the place of r.
func (q *query) cursorOf(r *row) string {
	m := q.markOf(r)
	text, err := json.Marshal(cursor{Order: q.orderName(), Keys: m.keys, ID: m.id})
	if err != nil {
		panic(fmt.Sprintf("api: a cursor cannot be written: %v", err)) // numbers and texts only: cannot happen
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func (s *sheet) readCursor(q *query, c *fault.Check, text string) {
	var k cursor
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if len(text) > maxCursor || err != nil || json.Unmarshal(raw, &k) != nil || k.ID == "" {
		c.Add("query.cursor", "is not one that this list gave out; start again without it")
		return
	}
	if k.Order != q.orderName() || len(k.Keys) != len(q.sort) {
		c.Add("query.cursor", "belongs to another order; keep sort as it was, or start again without cursor")
		return
	}
	q.after = &mark{keys: k.Keys, id: k.ID}
}

// clip keeps what a stranger typed short and printable inside a sentence.
func clip(s string) string {
	const most = 60
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
