package notify

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixedKey is an authority whose key is no secret.
type fixedKey struct{}

func (fixedKey) Derive(_ string, n int) ([]byte, error) { return make([]byte, n), nil }

// world is a store with a notifier whose receivers are functions. It lives in a bubble
// with its own clock.
type world struct {
	t      *testing.T
	kv     kv.KV
	store  *store.Store
	intake *intake.Intake
	ring   *seal.Ring
	n      *Notifier
	stop   func() // the notifier

	mu     sync.Mutex
	answer func(ctx context.Context, d notify.Delivery) notify.Outcome
	got    []string // "receiver type object", as it arrived
}

func (w *world) attempt(ctx context.Context, d notify.Delivery) notify.Outcome {
	w.mu.Lock()
	w.got = append(w.got, strings.TrimSpace(d.Subscriber+d.To+" "+d.Event.Type+" "+d.Event.Data.ID))
	answer := w.answer
	w.mu.Unlock()
	return answer(ctx, d)
}

func (w *world) answers(f func(ctx context.Context, d notify.Delivery) notify.Outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = f
}

// arrived is what receivers were told since it was asked last.
func (w *world) arrived() []string {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	got := w.got
	w.got = nil
	return got
}

var fine = notify.Outcome{OK: true, Status: 204}

func takes(context.Context, notify.Delivery) notify.Outcome { return fine }

func away(context.Context, notify.Delivery) notify.Outcome {
	return notify.Outcome{Status: 503, Error: "the receiver answered 503"}
}

func inWorld(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memkv.New(memkv.Options{}))
		w.answers(takes)
		w.lead(store.Fence{})
		f(w)
		w.stop()
	})
}

// newWorld makes a store that runs until the test ends; nobody leads yet.
func newWorld(t *testing.T, backend kv.KV) *world {
	log := slog.New(slog.DiscardHandler)
	w := &world{t: t, kv: backend, store: store.New(backend, log), stop: func() {}}
	w.intake = intake.New(w.store, log, time.Now)
	ring, err := seal.Open(w.store, fixedKey{})
	if err != nil {
		t.Fatal(err)
	}
	w.ring = ring
	w.intake.SetRing(ring)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = w.store.Run(ctx) })
	t.Cleanup(func() { w.stop(); cancel(); running.Wait(); backend.Close() })
	if err := w.store.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	return w
}

// lead starts a notifier; w.stop ends it.
func (w *world) lead(fence store.Fence) <-chan error {
	w.n = New(Options{Store: w.store, Secrets: w.ring, Logger: slog.New(slog.DiscardHandler), Now: time.Now, Version: "test"})
	w.n.hands = map[string]hand{notify.ByWebhook: w, notify.ByMail: w}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() { ended <- w.n.Run(ctx, fence) })
	w.stop = func() { cancel(); running.Wait() }
	return ended
}

func (w *world) change(f func(tx *store.Tx) error) {
	w.t.Helper()
	if _, err := w.store.Change(context.Background(), f); err != nil {
		w.t.Fatal(err)
	}
}

// hook adds a webhook for all events; it is known by its name in what arrives.
func (w *world) hook(names ...string) {
	for _, name := range names {
		w.change(func(tx *store.Tx) error {
			return store.Webhooks.Put(tx, name, notify.Webhook{ID: name, Name: name, URL: "https://" + name, Events: []string{"*"}})
		})
	}
}

func (w *world) open(ids ...string) {
	for _, id := range ids {
		w.change(func(tx *store.Tx) error {
			return store.Tasks.Put(tx, id, task.Task{ID: id, State: task.Open, Department: "dc", DedupeKey: id})
		})
	}
}

func (w *world) shut(ids ...string) {
	for _, id := range ids {
		w.change(func(tx *store.Tx) error {
			return store.Tasks.Put(tx, id, task.Task{ID: id, State: task.Closed, Department: "dc", DedupeKey: id})
		})
	}
}

// expect compares what arrived, in order.
func (w *world) expect(want ...string) {
	w.t.Helper()
	if got := w.arrived(); fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Fatalf("arrived %q, want %q", got, want)
	}
}

// deliveries counts by state.
func (w *world) deliveries() map[string]int {
	synctest.Wait()
	out := map[string]int{}
	for i := range store.Deliveries.Items(w.store.Snapshot()) {
		out[i.Value.State]++
	}
	return out
}

// only is the one delivery there is.
func (w *world) only() notify.Delivery {
	w.t.Helper()
	synctest.Wait()
	var list []notify.Delivery
	for i := range store.Deliveries.Items(w.store.Snapshot()) {
		list = append(list, *i.Value)
	}
	if len(list) != 1 {
		w.t.Fatalf("there are %d deliveries", len(list))
	}
	return list[0]
}

// tasks lists the open tasks about receivers by dedupe key.
func (w *world) tasks() (keys []string) {
	synctest.Wait()
	for i := range store.Tasks.Items(w.store.Snapshot()) {
		if i.Value.State == task.Open && strings.HasPrefix(i.Value.DedupeKey, "notify/") {
			keys = append(keys, i.Value.DedupeKey)
		}
	}
	return keys
}
