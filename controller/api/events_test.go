package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/store"
)

// listener reads an event stream over a real connection.
type listener struct {
	t    *testing.T
	body io.ReadCloser
	in   *bufio.Reader
	last int64 // id that a browser would resume with
}

func (h *house) listen(t *testing.T, srv *httptest.Server, role access.Role, query string, last int64) *listener {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", srv.URL+"/v1/events"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+h.token[role])
	if last > 0 {
		r.Header.Set("Last-Event-ID", strconv.FormatInt(last, 10))
	}
	resp, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if ct := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || ct != "text/event-stream" {
		t.Fatalf("the stream is %d %s", resp.StatusCode, ct)
	}
	l := &listener{t: t, body: resp.Body, in: bufio.NewReader(resp.Body)}
	if line, err := l.in.ReadString('\n'); err != nil || !strings.HasPrefix(line, ":") {
		t.Fatalf("the stream begins with %q: %v", line, err)
	}
	return l
}

// next is the next event; its id and name must agree with its data.
func (l *listener) next() EventData {
	l.t.Helper()
	var id, name string
	for {
		line, err := l.in.ReadString('\n')
		if err != nil {
			l.t.Fatalf("the stream ended: %v", err)
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			var d EventData
			if err := json.Unmarshal([]byte(value), &d); err != nil {
				l.t.Fatalf("data %q: %v", value, err)
			}
			if id != "" && id != strconv.FormatInt(d.Rev, 10) || name != d.Type {
				l.t.Fatalf("id %s, event %s, data %+v", id, name, d)
			}
			if id != "" {
				l.last = d.Rev
			}
			return d
		}
	}
}

func TestEventsAreToldInOrderAndResumed(t *testing.T) {
	h := newHouse(t)
	srv := httptest.NewServer(h.api)
	t.Cleanup(srv.Close)
	l := h.listen(t, srv, access.RoleAdmin, "?tables=orders,services", 0)
	put := func(n int) { h.putOrders([]order.Order{{ID: fmt.Sprintf("ord-%d", n), State: order.New}}) }
	for n := range 3 {
		put(n)
	}
	h.addServer("not asked for", nil)
	h.change(func(tx *store.Tx) error { return store.Orders.Delete(tx, "ord-1") })
	var revs []int64
	var told []string
	for range 4 {
		e := l.next()
		revs = append(revs, e.Rev)
		told = append(told, e.Type+" "+e.Table+"/"+e.ID)
		if (e.Object == nil) != (e.Type == "deleted") || e.At.IsZero() {
			t.Errorf("event %+v", e)
		}
	}
	if want := []string{"changed orders/ord-0", "changed orders/ord-1", "changed orders/ord-2", "deleted orders/ord-1"}; !slices.Equal(told, want) || !slices.IsSorted(revs) {
		t.Errorf("told %v at %v", told, revs)
	}
	l.body.Close()
	put(3)
	again := h.listen(t, srv, access.RoleAdmin, "?tables=orders", revs[1])
	for _, want := range []string{"ord-2", "ord-1", "ord-3"} {
		if e := again.next(); e.ID != want {
			t.Errorf("resumed with %+v, want %s", e, want)
		}
	}
	h.api.board.events.start(h.api.board.revision()) // as after a restart
	old := h.listen(t, srv, access.RoleAdmin, "", revs[1])
	if e := old.next(); e.Type != "resync" || e.Rev < revs[3] {
		t.Errorf("too late: %+v", e)
	}
	put(4)
	if e := old.next(); e.ID != "ord-4" {
		t.Errorf("after the resync: %+v", e)
	}
}

// A connection that breaks in the middle of a commit loses none of its events: the
// last id that the client knows is that of the commit before.
func TestABreakInTheMiddleOfACommitLosesNothing(t *testing.T) {
	h := newHouse(t)
	srv := httptest.NewServer(h.api)
	t.Cleanup(srv.Close)
	l := h.listen(t, srv, access.RoleAdmin, "?tables=orders", 0)
	h.putOrders([]order.Order{{ID: "ord-before"}})
	h.putOrders([]order.Order{{ID: "ord-1"}, {ID: "ord-2"}})
	before := l.next()
	first := l.next()
	if l.last != before.Rev {
		t.Fatalf("half of commit %d was told under id %d", first.Rev, l.last)
	}
	l.body.Close()
	again := h.listen(t, srv, access.RoleAdmin, "?tables=orders", l.last)
	if told := []string{again.next().ID, again.next().ID}; !slices.Equal(told, []string{"ord-1", "ord-2"}) || again.last != first.Rev {
		t.Errorf("resumed with %v up to %d", told, again.last)
	}
}

// An id that was never given out here is of another fleet, for example of one that
// was restored from a backup: the client must read everything again.
func TestAnIDFromTheFutureIsAResync(t *testing.T) {
	h := newHouse(t)
	srv := httptest.NewServer(h.api)
	t.Cleanup(srv.Close)
	l := h.listen(t, srv, access.RoleAdmin, "", h.api.board.revision()+1000)
	if e := l.next(); e.Type != "resync" || e.Rev != h.api.board.revision() {
		t.Errorf("told %+v", e)
	}
}

func TestX7_EventsTellOnlyWhatMayBeRead(t *testing.T) {
	h := newHouse(t)
	srv := httptest.NewServer(h.api)
	t.Cleanup(srv.Close)
	customer := h.listen(t, srv, access.RoleCustomer, "", 0)
	department := h.listen(t, srv, access.RoleDepartment, "", 0)
	h.addServer("node", nil) // the department reads servers
	h.change(func(tx *store.Tx) error {
		for _, dep := range []string{"billing", "dc-ops"} {
			tk := task.New("tsk-"+dep, dep, task.Build, dep, "x", "", h.now())
			if err := store.Tasks.Put(tx, tk.ID, tk); err != nil {
				return err
			}
		}
		return nil
	})
	h.putOrders([]order.Order{{ID: "ord-other", Customer: "other"}, {ID: "ord-mine", Customer: "acme"}})
	if e := customer.next(); e.ID != "ord-mine" {
		t.Errorf("the customer is told %+v", e)
	}
	seen := department.next()
	for seen.Table == "servers" || seen.Table == "departments" && seen.ID == "dc-ops" {
		seen = department.next()
	}
	if seen.ID != "tsk-dc-ops" {
		t.Errorf("the department is told %+v", seen)
	}
}

func TestX7_AStreamEndsWithItsToken(t *testing.T) {
	h := newHouse(t)
	srv := httptest.NewServer(h.api)
	t.Cleanup(srv.Close)
	var tok NewToken
	h.must(201, "POST", "/v1/tokens", `{"kind":"api","name":"p","role":"marketing"}`).json(t, &tok)
	h.token["short"] = tok.Secret
	l := h.listen(t, srv, "short", "", 0)
	h.must(204, "DELETE", "/v1/tokens/"+tok.ID, "")
	h.putOrders(someOrders(1))
	rest, err := io.ReadAll(l.in)
	if err != nil || strings.Contains(string(rest), "ord-") {
		t.Errorf("after the token was revoked: %q, %v", rest, err)
	}
}

func TestEventParametersAreChecked(t *testing.T) {
	h := newHouse(t)
	if p := h.must(422, "GET", "/v1/events", "", "Last-Event-ID", "x").problem(t); !p.names("header.Last-Event-ID") {
		t.Errorf("%+v", p)
	}
	if p := h.must(422, "GET", "/v1/events?tables=secrets", "").problem(t); !p.names("query.tables") {
		t.Errorf("%+v", p)
	}
	h.api.streams.Store(maxStreams)
	h.must(503, "GET", "/v1/events", "").problem(t)
	if n := h.api.streams.Load(); n != maxStreams {
		t.Errorf("%d streams are counted", n)
	}
}

func TestRingForgetsTheOldestAndSaysSo(t *testing.T) {
	r := newRing(4)
	r.start(10)
	for rev := int64(11); rev <= 20; rev++ {
		r.add(event{Rev: rev})
	}
	if list, _, ok := r.after(17, 10); !ok || len(list) != 0 {
		t.Errorf("events that are not complete are told: %v, %v", list, ok)
	}
	r.wake(20)
	for rev, want := range map[int64]int{15: -1, 16: 4, 17: 3, 20: 0, 99: 0} {
		list, _, ok := r.after(rev, 10)
		if want == -1 && ok || want >= 0 && (!ok || len(list) != want) {
			t.Errorf("after %d: %d events, %v; want %d", rev, len(list), ok, want)
		}
	}
	r.add(event{Rev: 21})
	r.add(event{Rev: 21})
	r.wake(21)
	if list, _, _ := r.after(18, 3); len(list) != 4 {
		t.Errorf("a revision is split: %d events", len(list))
	}
}

func TestAStreamHasAPulse(t *testing.T) {
	h := newHouse(t)
	h.api.pace.pulse = 20 * time.Millisecond
	srv := httptest.NewServer(h.api)
	t.Cleanup(srv.Close)
	l := h.listen(t, srv, access.RoleAdmin, "", 0)
	for range 4 { // the rest of the first comment, then pulses
		if line, err := l.in.ReadString('\n'); err != nil || line != "\n" && !strings.HasPrefix(line, ":") {
			t.Fatalf("the pulse is %q: %v", line, err)
		}
	}
}

// TestASlowListenerIsDropped lets a client stop reading: its stream ends, and
// nobody waits for it.
func TestASlowListenerIsDropped(t *testing.T) {
	h := newHouse(t)
	h.api.pace.write = 100 * time.Millisecond
	srv := httptest.NewServer(h.api)
	t.Cleanup(srv.Close)
	h.listen(t, srv, access.RoleAdmin, "", 0) // and never reads on
	big := order.Order{ID: "ord-big", Hostname: strings.Repeat("x", 100_000)}
	deadline := time.Now().Add(15 * time.Second)
	for h.api.streams.Load() > 0 {
		if time.Now().After(deadline) {
			t.Fatal("the slow client is still served")
		}
		h.putOrders([]order.Order{big})
	}
	h.must(200, "GET", "/v1/orders?limit=1", "")
}
