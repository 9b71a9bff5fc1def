package store

import (
	"context"
	"testing"

	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
	"github.com/steelyard/steelyard/pkg/fault"
)

func TestSchemaMovesForwardsOnly(t *testing.T) {
	backend := memkv.New(memkv.Options{})
	ctx := within(t)
	if err := EnsureSchema(ctx, backend, 1, nil); err != nil {
		t.Fatal(err)
	}
	var ran []int
	step := func(from int) func(context.Context, kv.KV) error {
		return func(context.Context, kv.KV) error { ran = append(ran, from); return nil }
	}
	if err := EnsureSchema(ctx, backend, 3, Migrations{1: step(1)}); !fault.Is(err, fault.KindRefused) || ran != nil {
		t.Fatalf("a missing step: %v", err)
	}
	if err := EnsureSchema(ctx, backend, 3, Migrations{1: step(1), 2: step(2)}); err != nil || len(ran) != 2 || ran[1] != 2 {
		t.Fatalf("steps %v, %v", ran, err)
	}
	if err := EnsureSchema(ctx, backend, 3, nil); err != nil {
		t.Fatal(err)
	}
	if err := EnsureSchema(ctx, backend, 2, nil); !fault.Is(err, fault.KindRefused) {
		t.Fatalf("newer data: %v", err)
	}
}
