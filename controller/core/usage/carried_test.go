package usage

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/steelyard/steelyard/protocol"
)

func november(t *testing.T) (months []protocol.UsageMonth, m protocol.UsageMonth) {
	t.Helper()
	months = Months(time.UTC, time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC))
	return months, months[before]
}

// TestU5_ASwitchsMonthIsExactToTheByteAndInIts95thPercentile: readings at any moments, held against sums made the plain way.
func TestU5_ASwitchsMonthIsExactToTheByteAndInIts95thPercentile(t *testing.T) {
	months, m := november(t)
	rnd := rand.New(rand.NewPCG(5, 5)) //nolint:gosec // a test
	var c Carried
	quarters, days := map[int64]Now{}, map[int64]protocol.Traffic{}
	var in, out uint64
	for at := m.From*900 + 40; at < m.To*900-7200; {
		next := at + 60 + rnd.Int64N(1200)
		i, o := rnd.Uint64N(1e9), rnd.Uint64N(1e12)
		pieces := Split(months, at, next, i, o)
		if len(pieces) != 1 || pieces[0].Month.Name != "2026-11" {
			t.Fatal(pieces)
		}
		for _, q := range pieces[0].Quarters {
			n := quarters[q.Quarter]
			quarters[q.Quarter] = Now{q.Quarter, n.In + q.In, n.Out + q.Out}
			d := days[q.Quarter/96]
			days[q.Quarter/96] = protocol.Traffic{In: d.In + q.In, Out: d.Out + q.Out}
		}
		c.Count(&pieces[0], 1, next, false)
		in, out, at = in+i, out+o, next
	}
	r := ServerRecord{Books: []Carried{c}}
	var top []uint64
	for _, q := range quarters {
		top = append(top, q.Out)
	}
	slices.Sort(top)
	got, ok := r.Month("2026-11")
	if want := top[len(top)-protocol.Busiest(uint64(len(top)))] * 8 / 900; !ok || got.P95Out != want || got.In != in || got.Out != out || got.Source != SourceSwitch {
		t.Errorf("%+v, want %d and %d bytes, %d bit/s", got, in, out, want)
	}
	if c.Quarters != uint64(len(quarters)) || len(got.Days) != len(days) {
		t.Errorf("%d quarter-hours of %d, %d days of %d", c.Quarters, len(quarters), len(got.Days), len(days))
	}
	for i, d := range got.Days {
		if want := days[m.From/96+int64(i)]; d.Day != i+1 || d.In != want.In || d.Out != want.Out {
			t.Errorf("day %d: %+v, want %+v", i+1, d, want)
		}
	}
	text, err := json.Marshal(r)
	if err != nil || len(text) > 3<<10 {
		t.Errorf("the record of a month takes %d bytes; %v", len(text), err)
	}
	r.Shorten(m.To*900, false)
	short, _ := r.Month("2026-11")
	if text, _ := json.Marshal(r); len(text) > 200 || !r.Short() || short.P95Out != got.P95Out || short.P95In != got.P95In || short.In != in || short.Days != nil {
		t.Errorf("in short: %s", text)
	}
}

func TestU5_WhatWasCountedBetweenTwoReadingsIsSpreadWithoutLosingAByte(t *testing.T) {
	months, m := november(t)
	for _, span := range []int64{1, 899, 900, 901, 86400, 100 * 86400} {
		for _, n := range []uint64{0, 1, 7, 1<<60 + 1} {
			from := m.To*900 - span/2 - 1
			var in, out uint64
			for _, p := range Split(months, from, from+span, n, n/3) {
				for _, q := range p.Quarters {
					in, out = in+q.In, out+q.Out
				}
			}
			if in != n || out != n/3 {
				t.Errorf("of %d bytes in %d s %d are left, of %d %d", n, span, in, n/3, out)
			}
		}
	}
	pieces := Split(months, m.To*900-900, m.To*900+2700, 4000, 0)
	if len(pieces) != 2 || pieces[0].Quarters[0].In != 1000 || pieces[1].Month.Name != "2026-12" || len(pieces[1].Quarters) != 3 {
		t.Errorf("over the end of the month: %+v", pieces)
	}
	if Split(months, 5, 5, 1, 1) != nil || Split(nil, 1, 2, 1, 1) != nil {
		t.Error("something was spread over nothing")
	}
}

func TestU1_ReportsOfAServersPortsMergeInAnyOrder(t *testing.T) {
	month := func(out uint64, quarters uint64) *protocol.ServerMonth {
		return &protocol.ServerMonth{Total: protocol.Traffic{In: out / 10, Out: out}, Quarters: quarters, Days: []protocol.Traffic{{In: out / 10, Out: out}}, In: []uint64{out / 10}, Out: []uint64{out}}
	}
	said := []Carried{
		CarriedIn("disk", 1, 1000, false, month(10, 1)), CarriedIn("disk", 1, 2000, true, month(20, 2)), CarriedIn("disk", 2, 1500, false, month(15, 2)),
		CarriedIn("disk", 2, 1900, false, month(19, 3)), CarriedIn("rescue", 2, 900, false, month(5, 1)), CarriedIn("rescue", 2, 900, false, month(6, 1)),
	}
	var want ServerMonth
	for try := range 200 {
		rnd := rand.New(rand.NewPCG(uint64(try), 1)) //nolint:gosec // a test
		var r ServerRecord
		for _, i := range append(rnd.Perm(len(said)), rnd.Perm(len(said))...) {
			r.Raise(&said[i])
		}
		got, _ := r.Month("2026-11")
		if try == 0 {
			want = got
		}
		if got.Out != 25 || got.Gap || got.Source != SourceAgent || !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v, before %+v", got, want)
		}
	}
}

// TestU5_OneSourceMakesAMonth: the switch, unless it has clearly seen less of it than the agent.
func TestU5_OneSourceMakesAMonth(t *testing.T) {
	r := ServerRecord{}
	r.Raise(&Carried{Book: "disk", Zone: 1, At: 5, Out: 100, Quarters: 100})
	for _, c := range []struct {
		quarters, out uint64
		source        string
	}{{50, 100, SourceAgent}, {96, 77, SourceSwitch}, {100, 77, SourceSwitch}} {
		wired := Carried{Book: SwitchBook, Zone: 1, At: int64(c.quarters), Out: 77, Quarters: c.quarters}
		r.Raise(&wired)
		if m, ok := r.Month("2026-11"); !ok || m.Source != c.source || m.Out != c.out {
			t.Errorf("after %d quarter-hours: %+v", c.quarters, m)
		}
	}
	if _, ok := (&ServerRecord{}).Month("2026-11"); ok {
		t.Error("a month of nothing")
	}
	for i := range MaxServerBooks + 5 {
		_, full := r.Raise(&Carried{Book: string(rune('A' + i)), At: 1, In: 1})
		if full != (i >= MaxServerBooks-2) {
			t.Errorf("book %d: full is %v", i, full)
		}
	}
}

func FuzzCarried(f *testing.F) {
	f.Add([]byte{1, 2, 3}, []byte{0xff, 0xff, 1}, uint64(40))
	f.Fuzz(func(_ *testing.T, days, top []byte, quarters uint64) {
		r := ServerRecord{Books: []Carried{{Days: days, TopIn: top, TopOut: days, Quarters: quarters % maxQuarters}}}
		r.Month("2026-11")
		r.Shorten(1, true)
		r.Month("2026-11")
	})
}

func TestTheNthLargestIsFoundWithoutUnpacking(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3)) //nolint:gosec // a test
	for range 2000 {
		list := make([]uint64, rnd.IntN(6))
		for i := range list {
			list[i] = rnd.Uint64N(5)
		}
		slices.Sort(list)
		slices.Reverse(list)
		more, n := rnd.Uint64N(5), 1+rnd.IntN(8)
		if got, want := nthOf(packTop(list), more, n), nth(append(slices.Clone(list), more), n); got != want {
			t.Fatalf("of %v and %d number %d is %d, not %d", list, more, n, got, want)
		}
	}
}
