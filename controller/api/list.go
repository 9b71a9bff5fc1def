package api

import (
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/pkg/fault"
)

// chunk is how many bytes of a list are written at once.
const chunk = 64 << 10

var chunks = sync.Pool{New: func() any { b := make([]byte, 0, chunk+16<<10); return &b }}

// lister registers GET of a collection.
func (a *API) lister(table, summary string, view any) {
	s := a.board.sheets[table]
	without(a, "GET /v1/"+table, about{
		summary: summary, tag: table, answer: a.listType(table, view), params: s.documentParams(),
		detail: "Answered from memory; no server is asked (X11).",
	}, func(c *call) (reply, error) { return a.list(c, s) })
}

// getter registers GET of one record.
func (a *API) getter(table, summary string, view any) {
	without(a, "GET /v1/"+table+"/{id}", about{summary: summary, tag: table, answer: view}, func(c *call) (reply, error) {
		r, err := a.find(c, table)
		if err != nil {
			return reply{}, err
		}
		return c.replyOf(table, r), nil
	})
}

// find is the record that the path names, if the caller may see it. One that he
// may not see is answered like one that does not exist (rule X7).
func (a *API) find(c *call, table string) (*row, error) {
	s := a.board.sheets[table]
	r, scope := s.get(idOf(table, c)), access.ScopeOf(c.actor(), table)
	if r == nil && table == "servers" {
		var known []*row // of the servers of that name those that he sees: others are neither found nor counted
		for _, id := range a.board.named(table, c.id()) {
			if one := s.get(id); one != nil && s.sees(scope, one) {
				known = append(known, one)
			}
		}
		if len(known) > 1 {
			return nil, fault.Refused("%d servers are named %q; use an id", len(known), clip(c.id()))
		}
		if len(known) == 1 {
			r = known[0]
		}
	}
	if r == nil || !s.sees(scope, r) {
		return nil, fault.NotFound("%s %q does not exist", singular(table), clip(c.id()))
	}
	return r, nil
}

// singular is the word for one record of a table.
func singular(table string) string {
	for _, ending := range []string{"ch", "ss"} {
		if one, ok := strings.CutSuffix(table, ending+"es"); ok {
			return one + ending
		}
	}
	if one, ok := strings.CutSuffix(table, "ies"); ok {
		return one + "y"
	}
	return strings.TrimSuffix(table, "s")
}

// list answers a page, or everything with all=true.
func (a *API) list(c *call, s *sheet) (reply, error) {
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		var check fault.Check
		check.Add("query", "cannot be read: %v", err)
		return reply{}, check.Err("the list cannot be made as asked")
	}
	return a.listed(c, s, values)
}

// listed is list with a query that was read.
func (a *API) listed(c *call, s *sheet, values url.Values) (reply, error) {
	q, err := s.queryOf(values, access.ScopeOf(c.actor(), s.name))
	if err != nil {
		return reply{}, err
	}
	etag := `W/"` + strconv.FormatInt(s.revision(), 10) + `"`
	if matchesNone(c.r.Header.Get("If-None-Match"), etag) {
		return reply{etag: etag}, nil
	}
	p := s.pick(q)
	return reply{stream: func() { c.stream(&q, &p, etag) }}, nil
}

// stream writes a list: bytes that are there already, put together in one buffer.
func (c *call) stream(q *query, p *page, etag string) {
	h := c.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("ETag", etag)
	next := ""
	if p.more {
		next = q.cursorOf(p.rows[len(p.rows)-1])
		h.Set("Link", "<"+nextURL(c.r.URL, next)+`>; rel="next"`)
	}
	buf := chunks.Get().(*[]byte)
	b := append((*buf)[:0], `{"items":[`...)
	control := http.NewResponseController(c.w)
	for i, r := range p.rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, r.seenBy(q.scope)...)
		if len(b) >= chunk {
			_ = control.SetWriteDeadline(time.Now().Add(answerTime)) // refused by writers that have no connection
			if _, err := c.w.Write(b); err != nil {
				break // the client is gone
			}
			b = b[:0]
		}
	}
	b = append(b, `],"next":`...)
	b = strconv.AppendQuote(b, next) // base64: no character that JSON writes in another way
	b = append(b, `,"total":`...)
	b = strconv.AppendInt(b, int64(p.total), 10)
	b = append(b, '}')
	_, _ = c.w.Write(b) // the client is gone when this fails
	if cap(b) <= 4*chunk {
		*buf = b
		chunks.Put(buf)
	}
}

func nextURL(u *url.URL, next string) string {
	values := u.Query()
	values.Set("cursor", next)
	return u.Path + "?" + values.Encode()
}

// documentParams are the query parameters of the sheet's list.
func (s *sheet) documentParams() []*huma.Param {
	param := func(name, doc string, schema *huma.Schema) *huma.Param {
		return &huma.Param{Name: name, In: "query", Description: doc, Schema: schema}
	}
	one, most := 1.0, float64(maxLimit)
	list := []*huma.Param{
		param("limit", "Records of a page; 100 unless given.", &huma.Schema{Type: huma.TypeInteger, Minimum: &one, Maximum: &most}),
		param("all", "Everything at once, as a stream.", &huma.Schema{Type: huma.TypeBoolean}),
		param("cursor", "The field next of the page before.", text0),
		param("sort", "Fields to sort by, with - in front for descending: "+join(s.sortable(access.Scope{}))+".", text0),
		param("q", "Part of a name, id or serial number, without regard to case.", text0),
	}
	for i := range s.columns {
		c := &s.columns[i]
		if c.text == nil {
			continue
		}
		schema := &huma.Schema{Type: huma.TypeString}
		if c.values != nil {
			for _, v := range c.values {
				schema.Enum = append(schema.Enum, v)
			}
		}
		list = append(list, param(c.name, "Only records with this value; several with commas.", schema))
		if c.values != nil {
			list[len(list)-1].Schema = &huma.Schema{Type: huma.TypeString, Description: "One or several of: " + join(c.values) + "."}
		}
	}
	return list
}

// listType is the type of a page of views, for the OpenAPI document.
func (a *API) listType(table string, view any) any {
	item := reflect.TypeOf(view)
	t := reflect.StructOf([]reflect.StructField{
		{Name: "Items", Type: reflect.SliceOf(item), Tag: `json:"items"`},
		{Name: "Next", Type: reflect.TypeFor[string](), Tag: `json:"next" doc:"Pass it as cursor for the next page; empty on the last one."`},
		{Name: "Total", Type: reflect.TypeFor[int](), Tag: `json:"total" doc:"Of all records that fit, before paging."`},
	})
	return namedType{t, item.Name() + "List"}
}

// namedType gives a type made at run time a name in the OpenAPI document.
type namedType struct {
	reflect.Type
	name string
}

func join(list []string) string {
	out := ""
	for i, s := range list {
		if i > 0 {
			out += ", "
		}
		out += s
	}
	return out
}
