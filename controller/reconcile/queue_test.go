package reconcile

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestQueueHoldsEachKeyOnce(t *testing.T) {
	q := newQueue()
	ctx := context.Background()
	for range 3 {
		q.add("a")
	}
	q.add("b")
	if q.depth() != 2 {
		t.Fatalf("depth %d", q.depth())
	}
	a, _ := q.get(ctx)
	q.add("a") // while it is looked at
	b, _ := q.get(ctx)
	if a != "a" || b != "b" || q.depth() != 0 {
		t.Fatalf("got %s, %s, depth %d", a, b, q.depth())
	}
	q.done("a")
	if again, _ := q.get(ctx); again != "a" {
		t.Fatalf("got %s", again)
	}
}

func TestQueueKeepsAppointments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		start := time.Now()
		q.addAt("late", start.Add(time.Hour))
		q.addAt("soon", start.Add(2*time.Hour))
		q.addAt("soon", start.Add(time.Minute)) // the earlier one counts
		q.addAt("soon", start.Add(time.Hour))
		for _, want := range []struct {
			key   string
			after time.Duration
		}{{"soon", time.Minute}, {"late", time.Hour}} {
			key, _ := q.get(t.Context())
			q.done(key)
			if key != want.key || time.Since(start) != want.after {
				t.Fatalf("got %s after %s, want %s after %s", key, time.Since(start), want.key, want.after)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if key, ok := q.get(ctx); ok {
			t.Fatalf("got %s out of nothing", key)
		}
	})
}
