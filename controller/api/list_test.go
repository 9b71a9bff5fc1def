package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/store"
)

type listing struct {
	Items []Order
	Next  string
	Total int
}

func someOrders(n int) []order.Order {
	rnd := rand.New(rand.NewPCG(1, 2))
	states := []string{order.New, order.Waiting, order.Held, order.Fulfilled}
	var list []order.Order
	for i := range n {
		list = append(list, order.Order{
			ID: fmt.Sprintf("ord-%04d", i), State: states[rnd.IntN(len(states))], Customer: fmt.Sprintf("c%d", rnd.IntN(7)),
			Tariff: fmt.Sprintf("t%d", rnd.IntN(3)), Hostname: fmt.Sprintf("Host-%d.example", rnd.IntN(n)),
		})
	}
	return list
}

func (h *house) putOrders(list []order.Order) {
	h.t.Helper()
	for part := range slices.Chunk(list, 50) {
		h.change(func(tx *store.Tx) error {
			for _, o := range part {
				if err := store.Orders.Put(tx, o.ID, o); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// TestX11_ListsEqualBruteForce pages through random queries and compares with a
// plain filter and sort.
func TestX11_ListsEqualBruteForce(t *testing.T) {
	h := newHouse(t, func(o *Options) { o.Burst = 100_000 })
	orders := someOrders(300)
	h.putOrders(orders)
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 60 {
		q := url.Values{"limit": {fmt.Sprint(1 + rnd.IntN(120))}}
		want := slices.Clone(orders)
		keep := func(f func(o order.Order) bool) {
			want = slices.DeleteFunc(want, func(o order.Order) bool { return !f(o) })
		}
		if rnd.IntN(2) == 0 {
			q.Set("state", "new,held")
			keep(func(o order.Order) bool { return o.State == order.New || o.State == order.Held })
		}
		if rnd.IntN(2) == 0 {
			q.Set("customer", "c3")
			keep(func(o order.Order) bool { return o.Customer == "c3" })
		}
		if rnd.IntN(3) == 0 {
			q.Set("q", "HOST-1")
			keep(func(o order.Order) bool { return strings.Contains(o.Hostname, "Host-1") })
		}
		switch rnd.IntN(3) {
		case 0:
			q.Set("sort", "-customer,state")
			slices.SortFunc(want, func(a, b order.Order) int {
				return cmp.Or(cmp.Compare(b.Customer, a.Customer), cmp.Compare(a.State, b.State), cmp.Compare(a.ID, b.ID))
			})
		case 1:
			q.Set("sort", "-id")
			slices.Reverse(want)
		}
		got := h.pages(q, len(want))
		if !slices.Equal(got, ids(want)) {
			t.Fatalf("%s:\n got %v\nwant %v", q.Encode(), got, ids(want))
		}
	}
}

func ids(list []order.Order) (out []string) {
	for _, o := range list {
		out = append(out, o.ID)
	}
	return out
}

// pages follows cursors to the end; each page must tell the same total.
func (h *house) pages(q url.Values, total int) (got []string) {
	h.t.Helper()
	for {
		a := h.must(200, "GET", "/v1/orders?"+q.Encode(), "")
		var l listing
		a.json(h.t, &l)
		if l.Total != total {
			h.t.Fatalf("%s: total %d, want %d", q.Encode(), l.Total, total)
		}
		for _, o := range l.Items {
			got = append(got, o.ID)
		}
		if (l.Next != "") != strings.Contains(a.header.Get("Link"), `rel="next"`) {
			h.t.Fatalf("next %q, Link %q", l.Next, a.header.Get("Link"))
		}
		if l.Next == "" {
			return got
		}
		q.Set("cursor", l.Next)
	}
}

func TestX11_APageStaysWhereItWasWhenRowsComeAndGo(t *testing.T) {
	h := newHouse(t)
	h.putOrders(someOrders(10))
	var l listing
	h.must(200, "GET", "/v1/orders?limit=5", "").json(t, &l)
	h.putOrders([]order.Order{{ID: "ord-0000a"}, {ID: "ord-0004a"}})
	h.change(func(tx *store.Tx) error { return store.Orders.Delete(tx, "ord-0004") }) // the last one of the page
	h.must(200, "GET", "/v1/orders?limit=5&cursor="+l.Next, "").json(t, &l)
	if l.Items[0].ID != "ord-0004a" || l.Items[1].ID != "ord-0005" {
		t.Errorf("the next page begins with %s, %s", l.Items[0].ID, l.Items[1].ID)
	}
}

func TestX13_WrongListParametersAreNamedAtOnce(t *testing.T) {
	h := newHouse(t)
	p := h.must(422, "GET", "/v1/orders?limit=1001&sort=color&cursor=xyz&state=sleepy&surprise=1&all=maybe&q="+strings.Repeat("x", 300), "").problem(t)
	for _, f := range []string{"query.limit", "query.sort", "query.cursor", "query.state", "query.surprise", "query.all", "query.q"} {
		if !p.names(f) {
			t.Errorf("%s is not named in %+v", f, p.Errors)
		}
	}
	for _, bad := range []string{"limit=0", "limit=-1", "limit=x", "limit=99999999999999999999", "sort=id,id", "customer=" + strings.Repeat(",", 60), "%zz=1", "sort=", "cursor=" + strings.Repeat("A", 4000)} {
		h.must(422, "GET", "/v1/orders?"+bad, "").problem(t)
	}
	h.putOrders(someOrders(5))
	var l listing
	h.must(200, "GET", "/v1/orders?limit=2", "").json(t, &l)
	if p := h.must(422, "GET", "/v1/orders?sort=customer&cursor="+l.Next, "").problem(t); !p.names("query.cursor") {
		t.Errorf("a cursor of another order: %+v", p)
	}
}

func TestX11_AnUnchangedListIs304(t *testing.T) {
	h := newHouse(t)
	h.putOrders(someOrders(3))
	etag := h.must(200, "GET", "/v1/orders", "").header.Get("ETag")
	h.must(304, "GET", "/v1/orders", "", "If-None-Match", etag)
	h.putOrders([]order.Order{{ID: "ord-x"}})
	h.must(200, "GET", "/v1/orders", "", "If-None-Match", etag)
}

func TestX11_AllIsOneAnswer(t *testing.T) {
	h := newHouse(t)
	h.putOrders(someOrders(250))
	var l listing
	h.must(200, "GET", "/v1/orders?all=true", "").json(t, &l)
	if len(l.Items) != 250 || l.Next != "" || l.Total != 250 {
		t.Errorf("%d of %d, next %q", len(l.Items), l.Total, l.Next)
	}
}

func TestX11_ServersAreFilteredByWhatFollowsFromOthers(t *testing.T) {
	h := newHouse(t)
	a := h.addServer("a", diagnosed("ok", h.now()))
	b := h.addServer("b", diagnosed("ok", h.now()))
	count := func(q string) int {
		t.Helper()
		var l struct{ Total int }
		h.must(200, "GET", "/v1/servers?"+q, "").json(t, &l)
		return l.Total
	}
	if n := count("available=true"); n != 0 {
		t.Errorf("%d available without agents", n)
	}
	h.connect(a)
	h.connect(b)
	if count("available=true") != 2 || count("connected=true&q=SRV-") != 2 || count("connected=false") != 0 {
		t.Error("the agents' arrival is not seen")
	}
	h.change(func(tx *store.Tx) error { // b reports a's MAC: B22 holds for neither
		f, err := store.Facts.Get(tx, a)
		if err != nil {
			return err
		}
		f.Server = b
		return store.Facts.Put(tx, b, f)
	})
	if n := count("available=true"); n != 0 {
		t.Errorf("%d are available although they share a MAC", n)
	}
	h.change(func(tx *store.Tx) error { return store.Servers.Delete(tx, b) })
	if n := count("available=true"); n != 1 {
		t.Errorf("%d are available after the other one went", n)
	}
}

// TestX11_TheBoardEqualsItsStore compares every list with a board that was filled
// from scratch, after random changes.
func TestX11_TheBoardEqualsItsStore(t *testing.T) {
	h := newHouse(t)
	rnd := rand.New(rand.NewPCG(5, 6))
	var servers []string
	for range 150 {
		if len(servers) < 5 || rnd.IntN(4) == 0 {
			servers = append(servers, h.addServer(fmt.Sprintf("n%d", rnd.IntN(5)), diagnosed("ok", h.now())))
			continue
		}
		id := servers[rnd.IntN(len(servers))]
		h.change(func(tx *store.Tx) error {
			switch rnd.IntN(4) {
			case 0:
				return store.Presences.Put(tx, id, fleet.Presence{Server: id})
			case 1:
				return store.Presences.Delete(tx, id)
			case 2:
				return store.Servers.Delete(tx, id)
			default:
				s := newServer("again", h.now())
				s.ID = id
				return store.Servers.Put(tx, id, s)
			}
		})
	}
	fresh := newBoard(h.now)
	snap := h.store.Snapshot()
	fresh.fill(everything(snap), snap.Rev)
	for name, s := range h.api.board.sheets {
		want := fresh.sheets[name]
		if len(s.rows) != len(want.rows) {
			t.Fatalf("%s: %d rows, want %d", name, len(s.rows), len(want.rows))
		}
		for i, r := range s.rows {
			if got, want := sinceless(r.bytes()), sinceless(want.rows[i].bytes()); got != want {
				t.Errorf("%s:\n got %s\nwant %s", name, got, want)
			}
		}
	}
	for name, list := range h.api.board.names["servers"] {
		if a, b := slices.Sorted(slices.Values(list)), slices.Sorted(slices.Values(fresh.names["servers"][name])); !slices.Equal(a, b) {
			t.Errorf("servers named %q: %v, want %v", name, a, b)
		}
	}
}

// sinceless drops when a reason began: when an agent was lost is known only to who
// saw it.
func sinceless(b []byte) string {
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		return err.Error()
	}
	if list, ok := v["reasons"].([]any); ok {
		for _, r := range list {
			delete(r.(map[string]any), "since")
		}
	}
	out, _ := json.Marshal(v)
	return string(out)
}

func FuzzListParameters(f *testing.F) {
	for _, s := range []string{"limit=10", "sort=-id,customer", "state=new&q=x", "cursor=eyJvIjoiIiwiaSI6Im9yZC0xIn0", "cursor=e30", "all=1", "a=b&a=c"} {
		f.Add(s)
	}
	s := orderSheet()
	for _, o := range someOrders(20) {
		s.put(&row{id: o.ID, rev: 1, value: &o, search: o.Hostname, render: renderRecord})
	}
	f.Fuzz(func(t *testing.T, raw string) {
		values, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		q, err := s.queryOf(values, access.Scope{})
		if err != nil {
			return
		}
		p := s.pick(q)
		if len(p.rows) > p.total || q.limit > 0 && len(p.rows) > q.limit {
			t.Errorf("%q: %d rows of %d", raw, len(p.rows), p.total)
		}
	})
}
