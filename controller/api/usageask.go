package api

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/pkg/fault"
)

// usageSheet is one of the two overviews.
type usageSheet struct {
	name   string
	months bool                                   // it is of a month
	there  bool                                   // of accounts that are there alone
	over   func(f *usage.Figures, m string) bool  // more than the limit
	by     map[string]func(*usage.Month) uint64   // orders of traffic
	bySize map[string]func(*usage.Storage) uint64 // orders of storage
	render func(*usage.Overview, overviewPage) []byte
	head   []string
	line   func(f *usage.Figures, month string, narrow bool) []string
	sums   func(s *usage.Sum, month string) []string
}

// usageQuery is what somebody wants of an overview.
type usageQuery struct {
	ask    usage.Ask
	order  string
	server string
	csv    bool
	narrow bool // he sees only what is his
}

// filters of an overview: what must be so for an account to fit.
type usageFilters struct {
	reseller, customer string
	over               bool
	search             string
}

// queryOf reads what is asked; all that is wrong is named at once.
func (s *usageSheet) queryOf(c *call, reader usage.Reader) (*usageQuery, error) {
	scope := access.ScopeOf(c.actor(), "accounts")
	q := &usageQuery{ask: usage.Ask{Month: reader.Now(), Limit: defaultLimit}, narrow: scope.Field != ""}
	var check fault.Check
	var want usageFilters
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		check.Add("query", "cannot be read: %v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		s.parameter(q, &want, &check, name, values.Get(name), reader)
	}
	if values.Has("cursor") {
		q.readCursor(&check, values.Get("cursor"))
	}
	if q.csv {
		q.ask.Limit, q.ask.After = 0, nil
	}
	q.ask.Fits = s.fits(scope, want, q.ask.Month)
	return q, check.Err("the overview cannot be made as asked")
}

func (s *usageSheet) parameter(q *usageQuery, want *usageFilters, c *fault.Check, name, value string, reader usage.Reader) {
	field := "query." + clip(name)
	truth := func(into *bool) {
		on, err := strconv.ParseBool(value)
		c.Require(err == nil, field, "is %q; give true or false", clip(value))
		*into = on
	}
	switch {
	case name == "cursor":
	case name == "limit":
		n, err := strconv.Atoi(value)
		c.Require(err == nil && 1 <= n && n <= maxLimit, field, "is %q; give a whole number from 1 to %d", clip(value), maxLimit)
		q.ask.Limit = n
	case name == "all":
		var all bool
		if truth(&all); all {
			q.ask.Limit = 0
		}
	case name == "format":
		c.Require(value == "json" || value == "csv", field, "is %q; give json or csv", clip(value))
		q.csv = value == "csv"
	case name == "sort":
		s.readSort(q, c, value)
	case name == "over_limit":
		truth(&want.over)
	case name == "q":
		c.Require(len(value) <= maxSearch, field, "is longer than %d bytes", maxSearch)
		want.search = strings.ToLower(value)
	case name == "reseller":
		want.reseller = value
	case name == "customer":
		want.customer = value
	case name == "server" && !q.narrow: // which server carries an account is the provider's business
		q.server = value
	case name == "month" && s.months:
		_, err := time.Parse("2006-01", value)
		c.Require(err == nil && value <= reader.Now(), field, "is %q; give one that began, such as %s", clip(value), reader.Now())
		q.ask.Month = value
	default:
		c.Add(field, "is not known; usage of %s takes %s", s.name, strings.Join(s.parameters(q.narrow), ", "))
	}
}

func (s *usageSheet) parameters(narrow bool) []string {
	list := []string{"limit", "all", "cursor", "sort", "q", "over_limit", "reseller", "customer", "format"}
	if !narrow {
		list = append(list, "server")
	}
	if s.months {
		list = append(list, "month")
	}
	return list
}

func (s *usageSheet) readSort(q *usageQuery, c *fault.Check, value string) {
	bare, descending := strings.CutPrefix(value, "-")
	month := func(f *usage.Figures) usage.Month { return f.In(q.ask.Month) }
	if of, ok := s.by[bare]; ok {
		q.ask.By = func(f *usage.Figures) uint64 { m := month(f); return of(&m) }
	} else if of, ok := s.bySize[bare]; ok {
		q.ask.By = func(f *usage.Figures) uint64 { return of(&f.Storage) }
	} else if bare != "domain" {
		c.Add("query.sort", "is %q; usage of %s is sorted by one of %s", clip(bare), s.name, strings.Join(s.orders(), ", "))
		return
	}
	q.ask.Descending, q.order = descending, value
}

func (s *usageSheet) orders() []string {
	return slices.Concat([]string{"domain"}, slices.Sorted(maps.Keys(s.by)), slices.Sorted(maps.Keys(s.bySize)))
}

// fits is what must be so for an account to be in the overview: first that it may be seen.
func (s *usageSheet) fits(scope access.Scope, want usageFilters, month string) func(*usage.Figures) bool {
	return func(f *usage.Figures) bool {
		return seenAccount(scope, f) &&
			(!s.there || f.GoneAt.IsZero()) &&
			(want.reseller == "" || f.Under(want.reseller)) &&
			(want.customer == "" || f.Customer == want.customer || f.Owner == want.customer) &&
			(!want.over || s.over(f, month)) &&
			(want.search == "" || strings.Contains(f.Domain, want.search) || strings.Contains(f.User, want.search) || strings.Contains(f.Account, want.search))
	}
}

// usageCursor is a place on its way to the client and back, and the order that it belongs to.
type usageCursor struct {
	Order string      `json:"o"`
	Month string      `json:"m"`
	Place usage.Place `json:"p"`
}

func (q *usageQuery) cursorAfter(f *usage.Figures) string {
	text, err := json.Marshal(usageCursor{q.order, q.ask.Month, q.ask.PlaceOf(f)})
	if err != nil {
		panic(fmt.Sprintf("api: a cursor cannot be written: %v", err)) // numbers and texts only: cannot happen
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// readCursor goes on in the month of the page before, also where another began meanwhile.
func (q *usageQuery) readCursor(c *fault.Check, text string) {
	var k usageCursor
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if len(text) > maxCursor || err != nil || json.Unmarshal(raw, &k) != nil || k.Place.ID == "" {
		c.Add("query.cursor", "is not one that this overview gave out; start again without it")
		return
	}
	if _, err := time.Parse("2006-01", k.Month); err != nil || k.Order != q.order {
		c.Add("query.cursor", "belongs to another order; keep sort as it was, or start again without cursor")
		return
	}
	q.ask.After, q.ask.Month = &k.Place, k.Month
}

// document are the parameters for the OpenAPI document.
func (s *usageSheet) document() []*huma.Param {
	param := func(name, kind, doc string) *huma.Param {
		return &huma.Param{Name: name, In: "query", Description: doc, Schema: &huma.Schema{Type: kind}}
	}
	list := []*huma.Param{
		param("limit", huma.TypeInteger, "Rows of a page; 100 unless given, at most 1000."),
		param("all", huma.TypeBoolean, "Everything at once."),
		param("cursor", huma.TypeString, "The field next of the page before."),
		param("sort", huma.TypeString, "Column to sort by, with - in front for descending: "+join(s.orders())+"."),
		param("q", huma.TypeString, "Part of a domain, user name or id."),
		param("over_limit", huma.TypeBoolean, "Only accounts with more than their limit."),
		param("reseller", huma.TypeString, "Only accounts of this reseller, and of those below him."),
		param("customer", huma.TypeString, "Only accounts of this customer."),
		param("server", huma.TypeString, "Only accounts on this server; for the provider's people."),
		param("format", huma.TypeString, "json or csv; with csv always all rows."),
	}
	if s.months {
		list = append(list, param("month", huma.TypeString, "Such as 2026-11; the running one unless given."))
	}
	return list
}
