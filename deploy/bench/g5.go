package main

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"time"

	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/controller/core/match/matchtest"
)

// G5: how long a match takes, against a search that looks at every server. Thread CPU time: the
// machine's other work does not count.

const (
	matchClasses = 1000
	matchWishes  = 512
	matchBatch   = 16 // calls between two looks at the clock
)

// stockroom is a fleet of one size.
type stockroom struct {
	fleet       []match.Server
	catalogue   *match.Catalogue
	exact, near []match.Wish
}

func newStockroom(servers int) *stockroom {
	s := &stockroom{fleet: matchtest.Fleet(1, servers, matchClasses), catalogue: match.NewCatalogue()}
	for _, srv := range s.fleet {
		s.catalogue.Put(srv)
	}
	s.exact, s.near = matchtest.Exact(1, s.fleet, matchWishes), matchtest.Close(1, s.fleet, matchWishes)
	return s
}

// p50 is the median CPU time of one call, in µs, without that of reading the clock.
func p50(f func(i int)) float64 { return max(0, batches(f)-batches(func(int) {})) }

func batches(f func(i int)) float64 {
	var list []float64
	for i := 0; i < matchWishes; i += matchBatch {
		start := threadCPU()
		for j := range matchBatch {
			f(i + j)
		}
		list = append(list, micros(threadCPU()-start)/matchBatch)
	}
	return median(list)
}

// figures of one round, in µs.
type matchFigures struct{ exact, closest, brute float64 }

func (s *stockroom) round(n int) matchFigures {
	f := matchFigures{
		exact:   p50(func(i int) { s.catalogue.Exact(s.exact[i]) }),
		closest: p50(func(i int) { s.catalogue.Best(s.near[i]) }),
	}
	var brute []float64
	for i := range 3 {
		start := threadCPU()
		matchtest.BruteForce(s.fleet, s.near[(3*n+i)%matchWishes])
		brute = append(brute, micros(threadCPU()-start))
	}
	f.brute = median(brute)
	return f
}

// differences counts orders that the catalogue answers in another way than the search of all.
func (s *stockroom) differences(ctx context.Context, orders int) (n, asked int) {
	until := time.Now().Add(8 * time.Second)
	for _, w := range matchtest.Mixed(7, s.fleet, orders) {
		if ctx.Err() != nil || time.Now().After(until) {
			break
		}
		a, okA := s.catalogue.Best(w)
		b, okB := matchtest.BruteForce(s.fleet, w)
		if okA != okB || okA && !reflect.DeepEqual(a, b) {
			n++
		}
		asked++
	}
	return n, asked
}

func measureMatch(ctx context.Context, b *bench) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	small, large := newStockroom(100_000), newStockroom(1_000_000)
	runtime.GC()
	var exact, closest, brute [2][]float64
	var grows, over100k, over1M pairs
	for r := range 2*rounds + 1 {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var f [2]matchFigures
		for i, room := range []*stockroom{small, large} {
			f[i] = room.round(r)
			if r == 0 {
				continue // caches are cold
			}
			exact[i], closest[i], brute[i] = append(exact[i], f[i].exact), append(closest[i], f[i].closest), append(brute[i], f[i].brute)
		}
		if r > 0 {
			grows.add(f[1].closest, f[0].closest)
			over100k.add(f[0].brute, f[0].closest)
			over1M.add(f[1].brute, f[1].closest)
		}
	}
	wrong, asked := small.differences(ctx, 1000)
	more, alsoAsked := large.differences(ctx, 60)
	row := func(name string, ours float64) Row { return Row{Goal: "G5", Name: name, Ours: ours, Unit: "µs"} }
	for i, size := range []string{"100k", "1M"} {
		b.add(row("exact match, "+size+" servers, p50 CPU", median(exact[i])).oursAtMost(1),
			row("closest match, "+size+" servers, p50 CPU", median(closest[i])).oursAtMost(30))
	}
	grown := row("closest match, 1M against 100k servers", median(closest[1]))
	grown.Limit = num(median(closest[0]))
	b.add(grown.ratioAtMost(grows.ratio(), 1.3))
	for i, c := range []struct {
		size  string
		pairs *pairs
		bound float64
	}{{"100k", &over100k, 50}, {"1M", &over1M, 500}} {
		r := row("search of all against closest, "+c.size+" servers", median(closest[i]))
		r.Peer = num(median(brute[i]))
		b.add(r.ratioAtLeast(c.pairs.ratio(), c.bound))
	}
	b.add(Row{Goal: "G5", Name: fmt.Sprintf("answers other than those of a search of all, %d random orders", asked+alsoAsked), Ours: float64(wrong + more), Unit: "answers"}.oursAtMost(0))
	if math.IsNaN(over1M.ratio()) {
		return fmt.Errorf("the clock of the thread did not move")
	}
	return nil
}
