package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/store"
)

// bigFleet fills a board with n servers, without a store's traffic.
func bigFleet(h *house, n int) {
	now := h.now()
	h.api.board.fill(func(yield func(delta)) {
		whole(h.store.Snapshot(), store.Tokens, yield)
		for i := range n {
			s := newServer(fmt.Sprintf("node-%06d", i), now)
			s.ID = fmt.Sprintf("srv-%06d", i)
			s.Location = fmt.Sprintf("loc-%d", i%20)
			diagnosed("ok", now)(&s)
			f := factsOf(s)
			yield(delta{table: "servers", id: s.ID, value: &s, rev: int64(i + 10)})
			yield(delta{table: "facts", id: s.ID, value: &f, rev: int64(i + 10)})
			if i%10 != 0 {
				yield(delta{table: "presence", id: s.ID, value: &fleet.Presence{Server: s.ID, Since: now}, rev: int64(i + 10)})
			}
		}
	}, h.store.Snapshot().Rev)
}

// sink throws an answer away but counts it.
type sink struct {
	header http.Header
	bytes  int
	first  time.Time
}

func (s *sink) Header() http.Header { return s.header }
func (s *sink) WriteHeader(int)     {}
func (s *sink) Write(b []byte) (int, error) {
	if s.bytes == 0 {
		s.first = time.Now()
	}
	s.bytes += len(b)
	return len(b), nil
}

func get(h *house, path string) *sink {
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("Authorization", "Bearer "+h.token[access.RoleAdmin])
	w := &sink{header: http.Header{}}
	h.api.ServeHTTP(w, r)
	return w
}

// BenchmarkG9 compares lists of 100,000 servers with encoding/json of the same.
func BenchmarkG9(b *testing.B) {
	h := newHouse(b, func(o *Options) { o.PerSecond, o.Burst = 1e9, 1e9 })
	bigFleet(h, 100_000)
	var views []Server
	for _, r := range h.api.board.sheets["servers"].rows[:100] {
		views = append(views, r.value.(*machine).view())
	}
	get(h, "/v1/servers?all=true") // renders all
	b.Run("page100", func(b *testing.B) {
		for b.Loop() {
			get(h, "/v1/servers?limit=100")
		}
	})
	b.Run("page100/encoding_json", func(b *testing.B) {
		for b.Loop() {
			_, _ = json.Marshal(views)
		}
	})
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			get(h, "/v1/servers?all=true")
		}
	})
	b.Run("filtered", func(b *testing.B) {
		for b.Loop() {
			get(h, "/v1/servers?location=loc-1&connected=true&limit=1")
		}
	})
	b.Run("sorted", func(b *testing.B) {
		for b.Loop() {
			get(h, "/v1/servers?sort=-name&limit=100")
		}
	})
	b.Run("search", func(b *testing.B) {
		for b.Loop() {
			get(h, "/v1/servers?q=node-0999&limit=100")
		}
	})
}

// TestX11_AListIsStreamedWithoutAnotherCopy bounds what a full list adds to the heap.
func TestX11_AListIsStreamedWithoutAnotherCopy(t *testing.T) {
	h := newHouse(t, func(o *Options) { o.PerSecond, o.Burst = 1e9, 1e9 })
	bigFleet(h, 20_000)
	size := get(h, "/v1/servers?all=true").bytes // renders all
	if size < 10<<20 {
		t.Fatalf("the list has %d bytes; too few to prove anything", size)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	get(h, "/v1/servers?all=true")
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
		t.Errorf("a list of %d bytes allocated %d bytes, want at most 4 MiB", size, grown)
	}
}

// TestX11_ListsAndChangesMeet runs readers beside a writer; -race watches.
func TestX11_ListsAndChangesMeet(t *testing.T) {
	h := newHouse(t, func(o *Options) { o.PerSecond, o.Burst = 1e9, 1e9 })
	bigFleet(h, 500)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			s := newServer("changed", h.now())
			s.ID = fmt.Sprintf("srv-%06d", i%500)
			h.api.board.apply([]delta{{table: "servers", id: s.ID, value: &s, rev: int64(1000 + i)}}, int64(1000+i))
		}
	})
	for range 15 {
		for _, path := range []string{"/v1/servers?all=true", "/v1/servers?sort=-name&limit=10", "/v1/servers?connected=true"} {
			var l struct {
				Items []Server
				Total int
			}
			h.must(200, "GET", path, "").json(t, &l)
			if path == "/v1/servers?all=true" && (l.Total != 500 || len(l.Items) != 500) {
				t.Fatalf("%d of %d servers", len(l.Items), l.Total)
			}
		}
	}
	close(stop)
	wg.Wait()
}
