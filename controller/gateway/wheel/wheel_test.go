package wheel

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const timeout = 45 * time.Second

func TestSilenceIsNoticedWithin45Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heard := map[int]time.Time{}
		var mu sync.Mutex
		lost := map[int]time.Duration{}
		w := New(timeout, time.Second, func(o any) {
			mu.Lock()
			defer mu.Unlock()
			lost[o.(int)] = time.Since(heard[o.(int)])
		}, func(any) {})
		ctx, cancel := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { w.Run(ctx) })
		const n = 1000
		entries := make([]Entry, n)
		rnd := rand.New(rand.NewPCG(1, 2))
		for i := range entries {
			entries[i].Owner = i
			heard[i] = time.Now()
			w.Add(&entries[i])
			time.Sleep(time.Duration(rnd.IntN(37)) * time.Millisecond)
		}
		for range 10 { // half of them go on
			time.Sleep(15 * time.Second)
			for i := 0; i < n; i += 2 {
				w.Touch(&entries[i])
			}
		}
		if len(lost) != n/2 || w.Len() != n/2 {
			t.Fatalf("%d of %d silent entries noticed, %d are left", len(lost), n/2, w.Len())
		}
		for i, after := range lost {
			if i%2 == 0 || after > timeout || after < timeout-2*time.Second {
				t.Errorf("entry %d lost after %v", i, after)
			}
		}
		cancel()
		run.Wait()
	})
}

func TestAliveEntriesAreVisitedAndRemovedOnesAreNot(t *testing.T) {
	visits := map[string]int{}
	w := New(10*time.Second, time.Second, func(o any) { t.Errorf("%v was called silent", o) }, func(o any) { visits[o.(string)]++ })
	a, b := Entry{Owner: "a"}, Entry{Owner: "b"}
	w.Add(&a)
	w.Add(&a)
	w.Add(&b)
	w.Remove(&b)
	w.Remove(&b)
	for range 100 {
		w.Touch(&a)
		w.Advance()
	}
	if visits["b"] != 0 || visits["a"] < 9 || visits["a"] > 13 || w.Len() != 1 {
		t.Errorf("visits %v, %d entries", visits, w.Len())
	}
}

// BenchmarkG2_HeartbeatAt100k is the whole cost of one heartbeat's bookkeeping.
func BenchmarkG2_HeartbeatAt100k(b *testing.B) {
	w := New(timeout, time.Second, func(any) {}, func(any) {})
	entries := make([]Entry, 100_000)
	for i := range entries {
		w.Add(&entries[i])
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.Touch(&entries[i%len(entries)])
		if i%(len(entries)/15) == 0 { // heartbeats of one second
			w.Advance()
		}
	}
}
