package usage

import (
	"fmt"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/outofband"
	core "github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
	"github.com/steelyard/steelyard/protocol"
)

// ported makes a report of a server's interfaces.
func ported(seq uint64, book string, at time.Time, months ...protocol.ServerMonth) *protocol.ServerUsage {
	return &protocol.ServerUsage{Seq: seq, Book: book, Zone: 1, At: at.Unix(), Months: months}
}

// carriedIn is a month in which everything went out in its first quarter-hour.
func carriedIn(month string, out, quarters uint64) protocol.ServerMonth {
	return protocol.ServerMonth{Name: month, Total: protocol.Traffic{In: out / 10, Out: out}, Quarters: quarters, Days: []protocol.Traffic{{In: out / 10, Out: out}}, In: []uint64{out / 10}, Out: []uint64{out}}
}

func (r *replica) ports(server string, rep *protocol.ServerUsage) {
	r.t.Helper()
	if err := r.ServerReport(server, r, rep, r.ack); err != nil {
		r.t.Fatal(err)
	}
}

// out is what a server sent in a month.
func (r *replica) out(server, month string) uint64 {
	f, _ := r.Server(server)
	for _, m := range f.Months {
		if m.Month == month {
			return m.Out
		}
	}
	return 0
}

func TestU4_U5_AServersPortsAreStoredAcknowledgedAndReadOnEveryReplica(t *testing.T) {
	backend := memkv.New(memkv.Options{})
	a, b := start(t, backend, time.Hour), start(t, backend, time.Hour)
	a.ports("srv-1", ported(1, "disk", clock, carriedIn("2026-10", 500, 2976), carriedIn("2026-11", 1000, 900)))
	if a.hasAcked(1) || a.out("srv-1", "2026-11") != 1000 {
		t.Fatal("it is acknowledged before it is stored, or not seen at once")
	}
	a.settle("srv-1")
	if !a.hasAcked(1) {
		t.Fatal("it is stored and not acknowledged")
	}
	b.eventually("the other replica has it", func() bool { return b.out("srv-1", "2026-11") == 1000 && b.out("srv-1", "2026-10") == 500 })
	f, ok := b.Server("srv-1")
	if !ok || f.Source != core.SourceAgent || f.Out != 1500 || f.In != 150 || !f.At.Equal(clock) || len(f.Months) != 2 || f.Months[0].Month != "2026-11" || f.Months[0].Gap {
		t.Errorf("%+v", f)
	}
	if end := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC); !f.Months[1].At.Equal(end) || !f.Since.Equal(end.Add(-2976*15*time.Minute)) {
		t.Errorf("October until %v, all since %v", f.Months[1].At, f.Since)
	}
	// Late, doubled, and by another replica.
	b.ports("srv-1", ported(2, "disk", clock.Add(-time.Minute), carriedIn("2026-11", 999, 900)))
	b.ports("srv-1", ported(3, "disk", clock, carriedIn("2026-10", 500, 2976), carriedIn("2026-11", 1000, 900)))
	if !b.hasAcked(2) || !b.hasAcked(3) || b.out("srv-1", "2026-11") != 1000 {
		t.Error("what is known is acknowledged at once and changes nothing")
	}
	// A system that was started from elsewhere counts beside it; what a gap took is told.
	rep := ported(4, "rescue", clock, carriedIn("2026-11", 50, 3))
	rep.Gaps = []protocol.UsageGap{{After: clock.Add(-time.Hour).Unix(), Before: clock.Unix()}}
	b.ports("srv-1", rep)
	b.settle("srv-1")
	a.eventually("both are added", func() bool { return a.out("srv-1", "2026-11") == 1050 })
	if f, _ := a.Server("srv-1"); !f.Months[0].Gap || f.Months[1].Gap {
		t.Errorf("%+v", f.Months)
	}
}

// TestU4_PortsOutliveTheReplica: what a killed one did not store it did not acknowledge, and the agent tells it to the next.
func TestU4_PortsOutliveTheReplica(t *testing.T) {
	backend := memkv.New(memkv.Options{})
	a := start(t, backend, time.Hour)
	a.ports("srv-1", ported(1, "disk", clock, carriedIn("2026-11", 1000, 900)))
	b := start(t, backend, time.Hour)
	if a.hasAcked(1) || b.out("srv-1", "2026-11") != 0 {
		t.Fatal("nothing was stored")
	}
	b.ports("srv-1", ported(7, "disk", clock, carriedIn("2026-11", 1000, 900)))
	b.Left("srv-1", b)
	a.eventually("what a session that ends told is stored", func() bool { return store.ServerUsage.Len(a.store.Snapshot()) == 1 })
	a.settle("srv-1")
	if a.out("srv-1", "2026-11") != 1000 {
		t.Error("it was counted twice, or lost")
	}
}

func TestU5_WhatNoServerCanSayIsNotKept(t *testing.T) {
	a := start(t, memkv.New(memkv.Options{}), time.Hour)
	for _, book := range []string{"", "a/b", "\x00"} {
		if err := a.ServerReport("srv-1", a, ported(1, book, clock), a.ack); err == nil {
			t.Errorf("a book is called %q", book)
		}
	}
	wrong := carriedIn("2026-11", 10, 5)
	wrong.Total.Out = core.MaxTraffic + 1
	more := carriedIn("2026-11", 10, 5)
	more.Out[0] = 11
	other := ported(1, "disk", clock, carriedIn("2026-11", 10, 5))
	other.Zone = 9
	a.ports("srv-1", other)
	a.ports("srv-1", ported(2, "disk", clock, wrong, more, carriedIn("2026-01", 10, 5), carriedIn("2031-01", 10, 5), carriedIn("x/y", 10, 5)))
	a.settle("srv-1")
	if f, ok := a.Server("srv-1"); ok || store.ServerUsage.Len(a.store.Snapshot()) != 0 {
		t.Errorf("%+v", f)
	}
	// A clock that is far ahead does not outdo what is told when it is right again.
	a.ports("srv-1", ported(3, "disk", clock.AddDate(9, 0, 0), carriedIn("2026-11", 10, 5)))
	a.ports("srv-1", ported(4, "disk", clock, carriedIn("2026-11", 11, 5)))
	if got := a.out("srv-1", "2026-11"); got != 11 {
		t.Error(got)
	}
}

// TestU5_U7_MonthsStayAndGetShorter: for half a year, with an agent that tells and a switch that is read.
func TestU5_U7_MonthsStayAndGetShorter(t *testing.T) {
	a := start(t, memkv.New(memkv.Options{}), time.Hour)
	wired := outofband.Traffic{Server: "srv-1", Source: outofband.SourceSwitch, Since: clock, At: clock, Ports: []outofband.Metering{{}}}
	for i := range 7 {
		now := clock.AddDate(0, i, 0)
		a.mu.Lock()
		a.now = now
		a.mu.Unlock()
		a.recalendar()
		month := now.Format("2006-01")
		a.ports("srv-1", ported(uint64(i+1), "disk", now, carriedIn(month, 1000, 900)))
		a.settle("srv-1")
		a.commit(func(tx *store.Tx) error {
			next := wired
			next.At, next.OutBytes = now.Add(time.Hour), wired.OutBytes+uint64(i)
			defer func() { wired = next }()
			if err := intake.CountWired(tx, &wired, &next, now); err != nil {
				return err
			}
			return store.Traffic.Put(tx, "srv-1", next)
		})
	}
	f, _ := a.Server("srv-1")
	if len(f.Months) != 7 || f.Source != core.SourceSwitch || f.Out != 21 {
		t.Fatalf("%+v", f)
	}
	short := 0
	for item := range store.ServerUsage.Items(a.store.Snapshot()) {
		if item.Value.Short() {
			short++
		}
		if c := item.Value.Find("disk"); c == nil || c.Out != 1000 {
			t.Errorf("%s: %+v", item.ID, item.Value)
		}
	}
	if short != 4 {
		t.Errorf("%d months are short, of 7 of which 3 are told", short)
	}
}

func BenchmarkServerFigures(b *testing.B) {
	months := core.Months(time.UTC, clock)
	var r core.ServerRecord
	var c core.Carried
	for _, p := range core.Split(months, months[2].From*900, months[2].To*900-900, 1<<50, 1<<52) {
		c.Count(&p, 1, clock.Unix(), false)
	}
	r.Raise(&c)
	b.ReportAllocs()
	for b.Loop() {
		if m, ok := r.Month("2026-11"); !ok {
			b.Fatal(fmt.Sprint(m))
		}
	}
}
