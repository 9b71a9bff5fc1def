package operation

import (
	"fmt"
	"testing"
	"time"
)

func TestX4_HistoryIsBoundedByAgeAndCount(t *testing.T) {
	now := t0.Add(1000 * 24 * time.Hour)
	var ops []*Operation
	add := func(n int, state string, age time.Duration) {
		for i := range n {
			ops = append(ops, &Operation{ID: fmt.Sprintf("%s-%d-%d", state, age/time.Hour, i), State: state, FinishedAt: now.Add(-age - time.Duration(i)*time.Minute)})
		}
	}
	add(30, Done, 200*24*time.Hour)
	if got := len(Surplus(ops, now)); got != 10 {
		t.Fatalf("30 old ones: %d are surplus, want 10", got)
	}
	add(150, Failed, 24*time.Hour)
	if got := len(Surplus(ops, now)); got != 80 {
		t.Fatalf("150 new and 30 old ones: %d are surplus, want 80", got)
	}
	add(500, Running, 300*24*time.Hour)
	add(500, Held, 300*24*time.Hour)
	for _, id := range Surplus(ops, now) {
		if id[:4] == Running[:4] || id[:4] == Held {
			t.Fatalf("%s has not ended", id)
		}
	}
}
