package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/steelyard/steelyard/controller/api"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/embedded"
	"github.com/steelyard/steelyard/controller/store/kv"
)

// G9: lists of a large fleet, through the whole handler with login, permission and rate limit,
// against encoding/json of the same page and against etcd's range of the same keys.

const (
	pageSize     = 100
	listWriters  = 16
	changesASec  = 1000
	listRequests = 3000 // under a writer
)

type listPage struct {
	Items []api.Server `json:"items"`
	Next  string       `json:"next"`
	Total int          `json:"total"`
}

// lists is what is measured.
type lists struct {
	*house
	bench *bench
	kv    kv.KV
	pages []string // paths of pages all over the fleet
	whole listPage // everything, decoded
}

func measureLists(ctx context.Context, b *bench) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	dir, err := b.large(ctx)
	if err != nil {
		return err
	}
	e, err := embedded.Open(ctx, embedded.Options{Dir: dir, Logger: quietLog})
	if err != nil {
		return err
	}
	l := &lists{bench: b, kv: e.KV()}
	defer func() { _ = l.kv.Close(); _ = e.Close() }()
	l.house = newHouse(l.kv)
	if err := l.start(ctx); err != nil {
		return err
	}
	defer l.stop()
	for l.total() != b.servers {
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	for _, f := range []func(context.Context) error{l.warm, l.page, l.everything, l.filtered, l.underWrites} {
		if err := f(ctx); err != nil {
			return err
		}
	}
	return nil
}

// warm reads everything once, which renders every row, and keeps cursors.
func (l *lists) warm(context.Context) error {
	start := time.Now()
	all := l.get("/v1/servers?all=true", true)
	l.bench.note("G9: the first list of everything after a start, which renders all rows: %.2f s, first byte after %.1f ms, %.0f MB", time.Since(start).Seconds(), millis(all.first.Sub(start)), float64(all.bytes)/1e6)
	if err := json.Unmarshal(all.kept, &l.whole); err != nil {
		return err
	}
	if len(l.whole.Items) != l.bench.servers {
		return fmt.Errorf("the list has %d servers, want %d", len(l.whole.Items), l.bench.servers)
	}
	path := fmt.Sprintf("/v1/servers?limit=%d", pageSize)
	for next, more := "", true; more && len(l.pages) < 50; {
		l.pages = append(l.pages, path+next)
		var p listPage
		if err := json.Unmarshal(l.get(path+next, true).kept, &p); err != nil {
			return err
		}
		if len(p.Items) != pageSize {
			return fmt.Errorf("a page has %d servers, want %d", len(p.Items), pageSize)
		}
		more = p.Next != ""
		next = "&cursor=" + url.QueryEscape(p.Next)
	}
	return nil
}

// encoded is the page that path answers, by encoding/json.
func (l *lists) encoded(n int) ([]byte, error) {
	from := n * pageSize % (len(l.whole.Items) - pageSize)
	return json.Marshal(listPage{Items: l.whole.Items[from : from+pageSize], Next: "cursor", Total: l.whole.Total})
}

// cpuMedian is the CPU time of one call of f, in µs, as the median of n.
func cpuMedian(n int, f func(i int) error) (float64, error) {
	list := make([]float64, n)
	for i := range n {
		start := threadCPU()
		if err := f(i); err != nil {
			return 0, err
		}
		list[i] = micros(threadCPU() - start)
	}
	return median(list), nil
}

func (l *lists) ask(path string) error {
	if s := l.get(path, false); s.status != 200 || s.bytes == 0 {
		return fmt.Errorf("%s: status %d", path, s.status)
	}
	return nil
}

func (l *lists) page(ctx context.Context) error {
	var p pairs
	var etcd []float64
	for range 2 * rounds {
		ours, err := cpuMedian(200, func(i int) error { return l.ask(l.pages[i%len(l.pages)]) })
		if err != nil {
			return err
		}
		theirs, err := cpuMedian(50, func(i int) error { _, err := l.encoded(i); return err })
		if err != nil {
			return err
		}
		start := time.Now()
		for range 20 {
			if _, err := l.kv.List(ctx, store.Servers.Name()+"/", kv.ListOptions{Limit: pageSize}); err != nil {
				return err
			}
		}
		etcd = append(etcd, micros(time.Since(start))/20)
		p.add(ours, theirs)
	}
	row := Row{Goal: "G9", Name: fmt.Sprintf("page of %d of %d servers, CPU, against encoding/json", pageSize, l.bench.servers), Ours: median(p.a), Peer: num(median(p.b)), Unit: "µs"}
	l.bench.add(row.ratioAtMost(p.ratio(), 0.15))
	l.bench.note("G9: etcd's range of the keys of one page takes %.0f µs", median(etcd))
	return nil
}

func (l *lists) everything(context.Context) error {
	var p pairs
	var first, heap []float64
	for range rounds {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start, began := time.Now(), threadCPU()
		s := l.get("/v1/servers?all=true", false)
		ours := millis(threadCPU() - began)
		runtime.ReadMemStats(&after)
		if totalOf(s) != l.bench.servers {
			return fmt.Errorf("the list ends with %q", s.kept)
		}
		first = append(first, millis(s.first.Sub(start)))
		heap = append(heap, float64(after.TotalAlloc-before.TotalAlloc)/(1<<20))
		began = threadCPU()
		if _, err := json.Marshal(l.whole); err != nil {
			return err
		}
		p.add(ours, millis(threadCPU()-began))
	}
	row := Row{Goal: "G9", Name: "list of everything, CPU, against encoding/json", Ours: median(p.a), Peer: num(median(p.b)), Unit: "ms"}
	l.bench.add(row.ratioAtMost(p.ratio(), 0.2),
		Row{Goal: "G9", Name: "list of everything, until the first byte", Ours: median(first), Unit: "ms"}.oursAtMost(10),
		Row{Goal: "G9", Name: "list of everything, allocated for it", Ours: median(heap), Unit: "MiB"}.oursAtMost(16))
	return nil
}

func (l *lists) filtered(context.Context) error {
	const path = "/v1/servers?available=true&limit=1"
	if got := totalOf(l.get(path, false)); got != freeOf(l.bench.servers) {
		return fmt.Errorf("%d servers are available, want %d", got, freeOf(l.bench.servers))
	}
	var list []float64
	for range rounds {
		ours, err := cpuMedian(30, func(int) error { return l.ask(path) })
		if err != nil {
			return err
		}
		list = append(list, ours/1e3)
	}
	l.bench.add(Row{Goal: "G9", Name: "count of the available servers, CPU", Ours: median(list), Unit: "ms"}.oursAtMost(1.5))
	return nil
}

// underWrites measures the latency of pages while servers change, and beside it how long copying the
// same bytes takes when the machine is so busy.
func (l *lists) underWrites(ctx context.Context) error {
	writing, stop := context.WithCancel(ctx)
	var changes atomic.Int64
	var g errgroup.Group
	for w := range listWriters {
		g.Go(func() error { return l.change(writing, w, &changes) })
	}
	started := time.Now()
	var ours, copied []time.Duration
	from, to := make([]byte, 256<<10), make([]byte, 256<<10)
	for i := range listRequests {
		start := time.Now()
		if err := l.ask(l.pages[i%len(l.pages)]); err != nil {
			stop()
			return err
		}
		ours = append(ours, time.Since(start))
		start = time.Now()
		copy(to, from)
		copied = append(copied, time.Since(start))
		if err := sleep(ctx, time.Millisecond); err != nil {
			break
		}
	}
	rate := float64(changes.Load()) / time.Since(started).Seconds()
	stop()
	if err := g.Wait(); err != nil {
		return err
	}
	l.bench.add(Row{Goal: "G9", Name: fmt.Sprintf("page of %d, p99 while %.0f servers change each second", pageSize, rate), Ours: millis(quantile(ours, 0.99)), Limit: num(millis(quantile(copied, 0.99))), Unit: "ms"}.oursAtMost(2))
	return nil
}

// change moves servers from rack to rack at its share of the rate.
func (l *lists) change(ctx context.Context, w int, changes *atomic.Int64) error {
	next := time.Now()
	for n := w; ctx.Err() == nil; n += listWriters {
		server := l.whole.Items[n%len(l.whole.Items)].ID
		_, err := l.store.Commit(ctx, func(tx *store.Tx) error {
			s, err := store.Servers.Get(tx, server)
			if err != nil {
				return err
			}
			s.Rack = fmt.Sprint("R", n)
			return store.Servers.Put(tx, server, s)
		})
		if err != nil && ctx.Err() == nil {
			return err
		}
		changes.Add(1)
		next = next.Add(time.Second * listWriters / changesASec)
		time.Sleep(time.Until(next))
	}
	return nil
}

// freeOf is how many of so many servers of a large fleet are free, and therefore available.
func freeOf(n int) int { return n/10*3 + min(n%10, 3) }
