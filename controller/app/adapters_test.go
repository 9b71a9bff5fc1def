package app

import (
	"cmp"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
	"github.com/steelyard/steelyard/protocol"
)

// TestX5_AReplicaWithoutStateDeliversNothing: another one may have ended the operation meanwhile.
func TestX5_AReplicaWithoutStateDeliversNothing(t *testing.T) {
	backend := memkv.New(memkv.Options{})
	s := store.New(backend, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; _ = backend.Close() })
	if err := s.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Change(ctx, func(tx *store.Tx) error {
		return store.Commands.Put(tx, "srv-1/cmd-1", operation.Command{Command: protocol.Command{ID: "cmd-1", Server: "srv-1"}})
	}); err != nil {
		t.Fatal(err)
	}
	d := directory{s}
	waitFor(t, "the command", func() bool { return len(d.Commands("srv-1")) == 1 })
	backend.Cut()
	waitFor(t, "silence", func() bool { return len(d.Commands("srv-1")) == 0 })
	backend.Heal()
	waitFor(t, "the command again", func() bool { return len(d.Commands("srv-1")) == 1 })
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %s", what)
		}
	}
}

// TestX1_AnAdoptedMachineIsFoundByTheIdInItsCertificate: until the certificate is renewed.
func TestX1_AnAdoptedMachineIsFoundByTheIdInItsCertificate(t *testing.T) {
	backend := memkv.New(memkv.Options{})
	s := store.New(backend, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; _ = backend.Close() })
	if _, err := s.Change(ctx, func(tx *store.Tx) error {
		return cmp.Or(store.Servers.Put(tx, "srv-1", fleet.Server{ID: "srv-1"}), store.Servers.Put(tx, "srv-3", fleet.Server{ID: "srv-3"}),
			store.Aliases.Put(tx, "srv-2", store.Alias{Server: "srv-1"}), store.Aliases.Put(tx, "srv-3", store.Alias{Server: "srv-1"}))
	}); err != nil {
		t.Fatal(err)
	}
	d := directory{s}
	waitFor(t, "the server", func() bool { got, ok := d.Server("srv-2"); return ok && got.ID == "srv-1" })
	if got, ok := d.Server("srv-3"); !ok || got.ID != "srv-3" {
		t.Errorf("an alias hides a server: %+v", got)
	}
	if _, ok := d.Server("srv-4"); ok {
		t.Error("a server out of nothing")
	}
}
