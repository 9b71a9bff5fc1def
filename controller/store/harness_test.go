package store

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
)

// box is a record of the tests.
type box struct {
	N     int      `json:"n"`
	Owner string   `json:"owner,omitempty"`
	Tags  []string `json:"tags,omitempty"`
	Fill  string   `json:"fill,omitempty"`
}

var (
	boxes = NewTable[box]("test-boxes", "box").
		Index("owner", func(b *box) []string { return []string{b.Owner} }).
		Index("tag", func(b *box) []string { return b.Tags })
	lids = NewTable[box]("test-lids", "lid")
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// running makes a store over backend whose snapshot is fed until the test ends.
func running(t testing.TB, backend kv.KV, opt Options) *Store {
	t.Helper()
	s := NewWith(backend, quiet(), opt)
	start(t, s)
	return s
}

// start runs s until the test ends or stop is called.
func start(t testing.TB, s *Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = s.Run(ctx) })
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	if err := s.Ready(within(t)); err != nil {
		t.Fatal(err)
	}
	return stop
}

func inMemory(t testing.TB) (*memkv.Store, *Store) {
	backend := memkv.New(memkv.Options{})
	return backend, running(t, backend, Options{})
}

// within is a context that ends with the test, or after 20 s.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func mustChange(t testing.TB, s *Store, fn func(*Tx) error) int64 {
	t.Helper()
	rev, err := s.Change(within(t), fn)
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

func putBox(id string, b box) func(*Tx) error {
	return func(tx *Tx) error { return boxes.Put(tx, id, b) }
}

// increment adds 1 to a box that may not exist yet.
func increment(id string) func(*Tx) error {
	return func(tx *Tx) error {
		b, _, err := boxes.Find(tx, id)
		if err != nil {
			return err
		}
		b.N++
		return boxes.Put(tx, id, b)
	}
}

func boxIDs[T any](items func(func(Item[T]) bool)) string {
	out := ""
	for it := range items {
		out += fmt.Sprint(it.ID, " ")
	}
	return out
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never came to pass: " + what)
		}
	}
}
