package stock

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
)

// TestB12_WhatIsGoneIsForgotten after changes that nobody heard of: an agent that went meanwhile is not taken for connected.
func TestB12_WhatIsGoneIsForgotten(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	backend := memkv.New(memkv.Options{})
	st := store.New(backend, slog.New(slog.DiscardHandler))
	over := make(chan struct{})
	go func() { defer close(over); _ = st.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-over; backend.Close() })
	if err := st.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	change := func(f func(tx *store.Tx) error) {
		t.Helper()
		rev, err := st.Change(ctx, f)
		if err != nil {
			t.Fatal(err)
		}
		if err := st.WaitRev(ctx, rev); err != nil {
			t.Fatal(err)
		}
	}
	k := New(st, time.Now) // nobody tells it of changes: only Rebuild does
	change(func(tx *store.Tx) error {
		for _, err := range []error{
			store.Servers.Put(tx, "srv-1", fleet.Server{ID: "srv-1", Approval: fleet.Approved}), store.Servers.Put(tx, "srv-2", fleet.Server{ID: "srv-2"}),
			store.Presences.Put(tx, "srv-1", fleet.Presence{Server: "srv-1"}), store.Loads.Put(tx, "srv-1", hosting.Load{Placements: 2}),
			store.Facts.Put(tx, "srv-1", fleet.Facts{Key: "k"}),
		} {
			if err != nil {
				return err
			}
		}
		return nil
	})
	for range 2 {
		k.Rebuild()
		if in := k.Index.Surroundings("srv-1"); !in.Connected || in.Placements != 2 || in.Facts == nil {
			t.Fatalf("what is there: %+v", in)
		}
	}
	change(func(tx *store.Tx) error {
		for _, err := range []error{
			store.Presences.Delete(tx, "srv-1"), store.Loads.Delete(tx, "srv-1"), store.Facts.Delete(tx, "srv-1"), store.Servers.Delete(tx, "srv-2"),
		} {
			if err != nil {
				return err
			}
		}
		return nil
	})
	for range 2 {
		k.Rebuild()
		if in := k.Index.Surroundings("srv-1"); in.Connected || in.Placements != 0 || in.Facts != nil || in.Lost.IsZero() {
			t.Errorf("what is gone: %+v", in)
		}
		n := 0
		k.Index.Each(func(*fleet.Server, bool, bool, []fleet.Reason) { n++ })
		if n != 1 {
			t.Errorf("it knows %d servers", n)
		}
	}
}
