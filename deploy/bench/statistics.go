package main

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// rounds is how often things are measured alternately.
const rounds = 5

// budget bounds the rounds of a goal on a busy machine: three are always done, and no more after
// the time is over.
type budget struct {
	start time.Time
	time  time.Duration
	done  int
}

func (b *budget) more() bool {
	if b.done >= rounds || b.done >= 3 && time.Since(b.start) > b.time {
		return false
	}
	b.done++
	return true
}

// median is the middle value; of two middle ones their mean. Of nothing it is NaN.
func median(list []float64) float64 {
	if len(list) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(list))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// quantile is the least value that at least the share q of the list does not exceed.
func quantile[T cmp.Ordered](list []T, q float64) T {
	s := slices.Sorted(slices.Values(list))
	i := int(math.Ceil(q*float64(len(s)))) - 1
	return s[min(max(i, 0), len(s)-1)]
}

// pairs collects what was measured alternately.
type pairs struct{ a, b []float64 }

func (p *pairs) add(a, b float64) { p.a, p.b = append(p.a, a), append(p.b, b) }

// ratio is the median of a/b of each round: what disturbed a round disturbed both.
func (p *pairs) ratio() float64 {
	list := make([]float64, len(p.a))
	for i := range p.a {
		list[i] = p.a[i] / p.b[i]
	}
	return median(list)
}

func micros(d time.Duration) float64 { return float64(d) / 1e3 }
func millis(d time.Duration) float64 { return float64(d) / 1e6 }
