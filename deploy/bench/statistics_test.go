package main

import (
	"math"
	"testing"
	"time"
)

func TestMedianIsTheMiddle(t *testing.T) {
	for _, c := range []struct {
		list []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 2, 100}, 3}} {
		if got := median(c.list); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.list, got, c.want)
		}
	}
	if !math.IsNaN(median(nil)) {
		t.Error("nothing has no median")
	}
}

func TestQuantileCountsFromBelow(t *testing.T) {
	list := make([]int, 100)
	for i := range list {
		list[i] = 100 - i
	}
	for q, want := range map[float64]int{0.5: 50, 0.99: 99, 1: 100, 0: 1} {
		if got := quantile(list, q); got != want {
			t.Errorf("quantile %v is %d, want %d", q, got, want)
		}
	}
}

func TestRatioIsOfRoundsAndNotOfMedians(t *testing.T) {
	var p pairs
	p.add(1, 2)
	p.add(10, 20) // a slow round slows both
	p.add(5, 50)
	if got := p.ratio(); got != 0.5 {
		t.Errorf("ratio %v, want 0.5", got)
	}
}

func TestRowsAreJudgedOnWhatTheirTargetNames(t *testing.T) {
	for _, c := range []struct {
		row    Row
		target string
		met    bool
	}{
		{Row{Ours: 3}.ratioAtMost(0.9, 0.92), "ratio ≤ 0.92", true},
		{Row{Ours: 3}.ratioAtMost(0.93, 0.92), "ratio ≤ 0.92", false},
		{Row{Ours: 3}.ratioAtLeast(49, 50), "ratio ≥ 50", false},
		{Row{Ours: 3}.ratioAtLeast(51, 50), "ratio ≥ 50", true},
		{Row{Ours: 20}.oursAtMost(20), "ours ≤ 20", true},
		{Row{Ours: 20.1}.oursAtMost(20), "ours ≤ 20", false},
		{Row{Ours: 3}.ratioAtMost(math.NaN(), 1), "ratio ≤ 1", false},
	} {
		if c.row.Target != c.target || c.row.Met != c.met {
			t.Errorf("%+v, want target %q and met %v", c.row, c.target, c.met)
		}
	}
}

func TestFiguresKeepFourDigits(t *testing.T) {
	for in, want := range map[float64]float64{123456: 123500, 0.00012345678: 0.0001235, 0: 0, -7.77777: -7.778} {
		if got := round(in); math.Abs(got-want) > 1e-12*math.Abs(want) {
			t.Errorf("%v becomes %v, want %v", in, got, want)
		}
	}
}

func TestBudgetGivesThreeRoundsAtLeastAndFiveAtMost(t *testing.T) {
	for _, c := range []struct {
		time time.Duration
		want int
	}{{0, 3}, {time.Hour, rounds}} {
		b := budget{start: time.Now().Add(-time.Minute), time: c.time}
		n := 0
		for b.more() {
			n++
		}
		if n != c.want {
			t.Errorf("%d rounds with %v, want %d", n, c.time, c.want)
		}
	}
}
