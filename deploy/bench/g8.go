package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/steelyard/steelyard/controller/api"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/stock"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/embedded"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/etcdkv"
)

// G8: from the start of a controller with a large fleet to the first right answer of its API, against
// the sum of what has to be done: open etcd, read everything once, decode it.

const remoteRounds = 3

// restarted is what a child measured, in seconds and bytes.
type restarted struct {
	Seconds      float64
	Store        float64 // until the snapshot was loaded
	Peak, Steady float64
}

// parts are the pieces of the same work, done one after the other, in seconds.
type parts struct{ Open, Range, Decode float64 }

func (p parts) sum() float64 { return p.Open + p.Range + p.Decode }

func measureRestart(ctx context.Context, b *bench) error {
	dir, err := b.large(ctx)
	if err != nil {
		return err
	}
	n := strconv.Itoa(b.servers)
	var took pairs
	var peak, loaded, open, read, decode []float64
	left := budget{start: time.Now(), time: 100 * time.Second}
	for left.more() {
		var ours restarted
		if err := once(ctx, &ours, "restart", dir, n); err != nil {
			return err
		}
		var p parts
		if err := once(ctx, &p, "restart-parts", dir); err != nil {
			return err
		}
		took.add(ours.Seconds, p.sum())
		peak, loaded = append(peak, ours.Peak/ours.Steady), append(loaded, ours.Store)
		open, read, decode = append(open, p.Open), append(read, p.Range), append(decode, p.Decode)
	}
	row := Row{Goal: "G8", Name: "restart with " + n + " servers until the API and the stock are right, against open + range + decode", Ours: median(took.a), Limit: num(median(took.b)), Unit: "s"}
	b.add(row.ratioAtMost(took.ratio(), 0.9))
	b.add(Row{Goal: "G8", Name: "peak resident memory of the restart, against that afterwards", Ours: median(peak), Unit: "×"}.oursAtMost(1.6))
	b.note("G8: %d rounds; parts: open %.2f s, one range %.2f s, decode on one core %.2f s; ours has the store loaded after %.2f s, stock and API follow",
		left.done, median(open), median(read), median(decode), median(loaded))
	return b.remote(ctx, dir)
}

// once runs a child for its first answer.
func once(ctx context.Context, value any, role string, args ...string) error {
	c, err := spawn(ctx, value, role, args...)
	if err == nil {
		c.stop()
	}
	return err
}

// remote loads the same state over gRPC from an etcd in another process.
func (b *bench) remote(ctx context.Context, dir string) error {
	socket := filepath.Join(b.dir, "etcd.sock")
	etcd, err := spawn(ctx, nil, "serve-etcd", dir, socket)
	if err != nil {
		return err
	}
	defer etcd.stop()
	var p pairs
	for range remoteRounds {
		var t [2]float64
		for i, what := range []string{"load", "range"} {
			if err := once(ctx, &t[i], "restart-remote", socket, what); err != nil {
				return err
			}
		}
		p.add(t[0], t[1])
	}
	row := Row{Goal: "G8", Name: "load the store over gRPC, decoded, against one range of the same", Ours: median(p.a), Limit: num(median(p.b)), Unit: "s"}
	b.add(row.ratioAtMost(p.ratio(), 1.3))
	return nil
}

// restartOurs is the role: arguments are the directory and how many servers are right.
func restartOurs(args []string) (any, func([]string) (any, error), error) {
	start, ctx := time.Now(), context.Background()
	e, err := embedded.Open(ctx, embedded.Options{Dir: args[0], Logger: quietLog})
	if err != nil {
		return nil, nil, err
	}
	backend := e.KV()
	defer func() { _ = backend.Close(); _ = e.Close() }()
	if err := store.EnsureSchema(ctx, backend, 1, nil); err != nil {
		return nil, nil, err
	}
	h := newHouse(backend)
	if err := h.start(ctx); err != nil {
		return nil, nil, err
	}
	var r restarted
	r.Store = time.Since(start).Seconds()
	want := number(args, 1)
	for h.total() != want || h.stock.Catalogue.Free() != freeOf(want) {
		if time.Since(start) > time.Minute {
			return nil, nil, fmt.Errorf("after a minute the API has %d servers and the stock %d", h.total(), h.stock.Catalogue.Free())
		}
		time.Sleep(5 * time.Millisecond)
	}
	r.Seconds, r.Peak = time.Since(start).Seconds(), float64(field("/proc/self/status", "VmHWM:"))
	r.Steady = residentAfterGC()
	h.stop()
	return r, figures, nil
}

// house is store, stock and API over a backend.
type house struct {
	store *store.Store
	stock *stock.Stock
	api   *api.API
	end   context.CancelFunc
	work  sync.WaitGroup
}

func newHouse(backend kv.KV) *house {
	h := &house{store: store.New(backend, quietLog)}
	h.stock = stock.New(h.store, time.Now)
	h.api = api.New(api.Options{
		Store: h.store, Intake: intake.New(h.store, quietLog, time.Now), Logger: quietLog, Now: time.Now, Version: "bench",
		Catalogue: h.stock.Catalogue, PerSecond: 1e9, Burst: 1e9,
	})
	return h
}

// start runs everything and returns when the store is loaded.
func (h *house) start(ctx context.Context) error {
	ctx, h.end = context.WithCancel(ctx)
	h.work.Go(func() { _ = h.store.Run(ctx) })
	if err := h.store.Ready(ctx); err != nil {
		return err
	}
	h.work.Go(func() { _ = h.stock.Run(ctx) })
	h.work.Go(func() { _ = h.api.Run(ctx) })
	return nil
}

func (h *house) stop() {
	h.end()
	h.work.Wait()
}

// sink takes an answer and keeps only its end, unless it is to keep all.
type sink struct {
	header http.Header
	status int
	bytes  int
	first  time.Time // when the first byte came
	all    bool
	kept   []byte
}

func (s *sink) Header() http.Header { return s.header }
func (s *sink) WriteHeader(n int)   { s.status = n }
func (s *sink) Write(b []byte) (int, error) {
	if s.bytes == 0 {
		s.first = time.Now()
	}
	s.bytes += len(b)
	if s.all {
		s.kept = append(s.kept, b...)
	} else {
		s.kept = append(s.kept[:0], b[max(0, len(b)-64):]...)
	}
	return len(b), nil
}

// get asks the API.
func (h *house) get(path string, all bool) *sink {
	u, _ := url.Parse(path)
	s := &sink{header: http.Header{}, status: http.StatusOK, all: all}
	r := &http.Request{Method: http.MethodGet, URL: u, Host: "bench", Header: http.Header{"Authorization": {"Bearer " + secret}}, RemoteAddr: "127.0.0.1:1", Body: http.NoBody, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, RequestURI: path}
	h.api.ServeHTTP(s, r)
	return s
}

// total is how many servers the API shows; -1 while it does not answer.
func (h *house) total() int { return totalOf(h.get("/v1/servers?limit=1", false)) }

func totalOf(s *sink) int {
	_, text, ok := strings.Cut(string(s.kept), `"total":`)
	if !ok || s.status != http.StatusOK {
		return -1
	}
	n, err := strconv.Atoi(strings.TrimSuffix(text, "}"))
	if err != nil {
		return -1
	}
	return n
}

// restartParts is the role that does the same work piece by piece.
func restartParts(args []string) (any, func([]string) (any, error), error) {
	var p parts
	ctx := context.Background()
	start := time.Now()
	e, err := embedded.Open(ctx, embedded.Options{Dir: args[0], Logger: quietLog})
	if err != nil {
		return nil, nil, err
	}
	backend := e.KV()
	defer func() { _ = backend.Close(); _ = e.Close() }()
	p.Open = time.Since(start).Seconds()
	start = time.Now()
	page, err := backend.List(ctx, "", kv.ListOptions{})
	if err != nil {
		return nil, nil, err
	}
	p.Range = time.Since(start).Seconds()
	start = time.Now()
	if err := decodeAll(page.Entries); err != nil {
		return nil, nil, err
	}
	p.Decode = time.Since(start).Seconds()
	return p, figures, nil
}

// decodeAll decodes the records of a large fleet and keeps them, as a store would.
func decodeAll(entries []kv.Entry) error {
	kept := make([]any, 0, len(entries))
	for _, e := range entries {
		var v any
		switch table, _, _ := strings.Cut(e.Key, "/"); table {
		case store.Servers.Name():
			v = new(fleet.Server)
		case store.Facts.Name():
			v = new(fleet.Facts)
		case store.Presences.Name():
			v = new(fleet.Presence)
		default:
			continue
		}
		if err := json.Unmarshal(e.Value, v); err != nil {
			return err
		}
		kept = append(kept, v)
	}
	if len(kept) == 0 {
		return fmt.Errorf("there was nothing to decode")
	}
	return nil
}

// serveEtcd is the role of an etcd that others reach by a socket.
func serveEtcd(args []string) (any, func([]string) (any, error), error) {
	_, err := embedded.Open(context.Background(), embedded.Options{Dir: args[0], Logger: quietLog, Socket: args[1]})
	return nil, figures, err
}

// restartRemote is the role that loads over gRPC; it answers seconds.
func restartRemote(args []string) (any, func([]string) (any, error), error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	backend, err := etcdkv.Open(etcdkv.Config{Endpoints: []string{"unix://" + args[0]}})
	if err != nil {
		return nil, nil, err
	}
	defer backend.Close()
	if _, err := backend.Get(ctx, "schema"); err != nil { // the connection stands
		return nil, nil, err
	}
	start := time.Now()
	if args[1] == "range" {
		_, err := backend.List(ctx, "", kv.ListOptions{})
		return time.Since(start).Seconds(), figures, err
	}
	s := store.New(backend, quietLog)
	go func() { _ = s.Run(ctx) }()
	err = s.Ready(ctx)
	return time.Since(start).Seconds(), figures, err
}
