package outofband

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var (
	zero  = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	wired = Wiring{Server: "s1", Ports: []Port{{Switch: "sw", By: ByName, Value: "p1"}}}
)

// world is a link whose real traffic is known, and a switch that counts it.
type world struct {
	now          time.Time
	realIn       uint64 // bytes that the port really received (the server sent)
	realOut      uint64
	shownIn      uint64
	shownOut     uint64
	boot         time.Time
	bits         int
	speed        uint64
	discontinued time.Duration
}

func (w *world) carry(in, out uint64) {
	w.realIn, w.realOut = w.realIn+in, w.realOut+out
	w.shownIn, w.shownOut = w.shownIn+in, w.shownOut+out
	if w.bits == 32 {
		w.shownIn, w.shownOut = w.shownIn&math.MaxUint32, w.shownOut&math.MaxUint32
	}
}

func (w *world) uptime() time.Duration { return w.now.Sub(w.boot) % ticksRound }

func (w *world) look() []Look {
	return []Look{{Seen: Seen{Switch: "sw", Port: "p1"}, Counters: Counters{
		InOctets: w.shownIn, OutOctets: w.shownOut, Bits: w.bits, Speed: w.speed,
		At: w.now, Uptime: w.uptime(), Discontinuity: w.discontinued,
	}}}
}

func (w *world) restart() {
	w.boot, w.shownIn, w.shownOut, w.discontinued = w.now, 0, 0, 0
}

// Whatever a switch and the way to it do, the sums never fall and never hold more
// than was carried; without a disturbance they hold exactly that.
func TestU5_SumsSurviveRestartsAndWraps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{
			now: zero, boot: zero.Add(-time.Duration(rapid.Int64Range(int64(time.Hour), int64(600*24*time.Hour)).Draw(t, "up"))),
			bits:  rapid.SampledFrom([]int{32, 64}).Draw(t, "bits"),
			speed: rapid.SampledFrom([]uint64{10e6, 1e9, 100e9}).Draw(t, "speed"),
		}
		if w.bits == 32 {
			w.speed = 100e6 // a faster link goes round more often than it is looked at
			w.shownIn, w.shownOut = rapid.Uint64Range(0, math.MaxUint32).Draw(t, "in"), rapid.Uint64Range(0, math.MaxUint32).Draw(t, "out")
		}
		tr := Traffic{}.Count(wired, w.look())
		startIn, startOut, disturbed := w.realIn, w.realOut, false
		var past [][]Look
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			elapsed := time.Duration(rapid.Int64Range(int64(10*time.Second), int64(5*time.Minute)).Draw(t, "elapsed"))
			most := uint64(float64(w.speed) / 8 * elapsed.Seconds())
			what := rapid.SampledFrom([]string{"", "", "", "restart", "agent", "clear", "lost", "twice", "late"}).Draw(t, "what")
			w.carry(rapid.Uint64Range(0, most/2).Draw(t, "in"), rapid.Uint64Range(0, most/2).Draw(t, "out"))
			w.now = w.now.Add(elapsed / 2)
			switch what {
			case "restart":
				w.restart()
				disturbed = true
			case "agent":
				w.boot = w.now // the SNMP agent begins anew, the counters go on
				disturbed = disturbed || w.bits == 32
			case "clear":
				w.shownIn, w.shownOut, w.discontinued = 0, 0, w.uptime()
				disturbed = true
			}
			w.now = w.now.Add(elapsed / 2)
			w.carry(rapid.Uint64Range(0, most/2).Draw(t, "in"), rapid.Uint64Range(0, most/2).Draw(t, "out"))
			if what == "lost" {
				continue
			}
			before := tr
			look := w.look()
			tr = tr.Count(wired, look)
			past = append(past, look)
			if tr.InBytes < before.InBytes || tr.OutBytes < before.OutBytes {
				t.Fatalf("a sum fell: %+v after %+v", tr, before)
			}
			again := tr.Count(wired, past[rapid.IntRange(0, len(past)-1).Draw(t, "again")])
			if diff := cmp.Diff(tr, again); diff != "" {
				t.Fatalf("a reading that came twice or late changed something: %s", diff)
			}
		}
		tr = tr.Count(wired, w.look())
		sent, received := w.realIn-startIn, w.realOut-startOut
		if tr.InBytes > received || tr.OutBytes > sent {
			t.Fatalf("counted %d in and %d out of %d and %d", tr.InBytes, tr.OutBytes, received, sent)
		}
		if !disturbed && (tr.InBytes != received || tr.OutBytes != sent) {
			t.Fatalf("undisturbed, counted %d in and %d out of %d and %d", tr.InBytes, tr.OutBytes, received, sent)
		}
		if disturbed && tr.GapCount == 0 {
			t.Fatal("a disturbance is not told")
		}
	})
}

// The order in which readings arrive does not matter for what a later one makes of them.
func TestU1_OrderOfReadingsDoesNotMatter(t *testing.T) {
	w := &world{now: zero, boot: zero.Add(-time.Hour), bits: 64, speed: 1e9}
	var looks [][]Look
	for i := range uint64(20) {
		looks = append(looks, w.look())
		w.carry(i*1000, i*10)
		w.now = w.now.Add(time.Minute)
	}
	newest := w.look()
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		tr := Traffic{}.Count(wired, looks[0])
		mixed := slices.Clone(looks)
		r.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		for _, l := range append(mixed, mixed...) {
			tr = tr.Count(wired, l)
		}
		tr = tr.Count(wired, newest)
		if tr.OutBytes != w.realIn || tr.InBytes != w.realOut || tr.GapCount != 0 || !tr.At.Equal(w.now) || !tr.Since.Equal(zero) {
			t.Fatalf("counted %+v", tr)
		}
	}
}

func reading(port string, at time.Duration, in, out uint64) Look {
	return Look{Seen: Seen{Switch: "sw", Port: port}, Counters: Counters{InOctets: in, OutOctets: out, Bits: 64, At: zero.Add(at), Uptime: time.Hour + at}}
}

func TestU5_WhatIsNotTheServersIsNotCounted(t *testing.T) {
	byMAC := Wiring{Server: "s1", Ports: []Port{{Switch: "sw", By: ByMAC, Value: "00:16:3e:00:00:01"}}}
	start := Traffic{}.Count(byMAC, []Look{reading("p1", 0, 1e6, 2e6)})
	if start.InBytes != 0 || start.OutBytes != 0 || !start.Since.Equal(zero) {
		t.Fatalf("the first reading counted: %+v", start)
	}
	for name, c := range map[string]struct {
		wiring  Wiring
		looks   []Look
		in, out uint64
		gaps    int
	}{
		"same port":       {byMAC, []Look{reading("p1", time.Minute, 1e6+5, 2e6+7)}, 7, 5, 0},
		"found elsewhere": {byMAC, []Look{reading("p2", time.Minute, 9e6, 9e6)}, 0, 0, 1},
		"rewired meanwhile": {
			Wiring{Server: "s1", Ports: byMAC.Ports, ChangedAt: zero.Add(time.Second)},
			[]Look{reading("p1", time.Minute, 9e6, 9e6)},
			0, 0, 1,
		},
		"another selector": {Wiring{Server: "s1", Ports: []Port{{Switch: "sw", By: ByName, Value: "p1"}}}, []Look{reading("p1", time.Minute, 9e6, 9e6)}, 0, 0, 0},
		"two selectors, one port": {
			Wiring{Server: "s1", Ports: append(slices.Clone(byMAC.Ports), Port{Switch: "sw", By: ByIndex, Value: "1"})},
			[]Look{reading("p1", time.Minute, 1e6+5, 2e6+7), reading("p1", time.Minute, 1e6+5, 2e6+7)},
			7, 5, 0,
		},
		"not read":       {byMAC, []Look{{Seen: Seen{Error: "silent"}}}, 0, 0, 0},
		"no counters":    {byMAC, []Look{{Seen: Seen{Port: "p1"}}}, 0, 0, 0},
		"fewer looks":    {byMAC, nil, 0, 0, 0},
		"32 bits by now": {byMAC, []Look{{Seen: Seen{Switch: "sw", Port: "p1"}, Counters: Counters{Bits: 32, InOctets: 2e6, At: zero.Add(time.Minute)}}}, 0, 0, 1},
	} {
		got := start.Count(c.wiring, c.looks)
		if got.InBytes != c.in || got.OutBytes != c.out || got.GapCount != c.gaps || len(got.Gaps) != c.gaps {
			t.Errorf("%s: %+v", name, got)
		}
		if len(start.Gaps) != 0 || len(start.Ports) != 1 {
			t.Fatalf("%s: the old value was changed", name)
		}
	}
}

// What could not be read is counted with the next reading, not lost.
func TestU5_AMissedReadingIsMadeUpFor(t *testing.T) {
	tr := Traffic{}.Count(wired, []Look{reading("p1", 0, 100, 200)})
	tr = tr.Count(wired, []Look{{Seen: Seen{Error: "silent"}}})
	tr = tr.Count(wired, []Look{reading("p1", time.Hour, 150, 290)})
	if tr.InBytes != 90 || tr.OutBytes != 50 || tr.GapCount != 0 {
		t.Errorf("counted %+v", tr)
	}
}

// A figure is as old as the oldest of its ports (rule U6).
func TestU6_FiguresCarryTheirAge(t *testing.T) {
	two := Wiring{Server: "s1", Ports: []Port{{Switch: "sw", By: ByName, Value: "p1"}, {Switch: "sw", By: ByName, Value: "p2"}}}
	tr := Traffic{}.Count(two, []Look{reading("p1", 0, 0, 0), reading("p2", 0, 0, 0)})
	tr = tr.Count(two, []Look{reading("p1", time.Minute, 10, 0), {Seen: Seen{Error: "silent"}}})
	if !tr.At.Equal(zero) || tr.OutBytes != 10 {
		t.Errorf("a port that was not read does not hold the time back: %+v", tr)
	}
	tr = tr.Count(two, []Look{reading("p1", 2*time.Minute, 20, 0), reading("p2", 2*time.Minute, 5, 1)})
	if !tr.At.Equal(zero.Add(2*time.Minute)) || tr.OutBytes != 25 || tr.InBytes != 1 {
		t.Errorf("counted %+v", tr)
	}
}

func TestU5_EdgesOfACounter(t *testing.T) {
	base := Counters{InOctets: 1000, OutOctets: 1000, Bits: 64, Speed: 1e9, At: zero, Uptime: time.Hour}
	next := func(change func(*Counters)) Counters {
		c := base
		c.At, c.Uptime = zero.Add(time.Minute), time.Hour+time.Minute
		change(&c)
		return c
	}
	for name, c := range map[string]struct {
		before  Counters
		after   Counters
		in      uint64
		certain bool
	}{
		"grown":                               {base, next(func(c *Counters) { c.InOctets = 1500 }), 500, true},
		"restarted lower":                     {base, next(func(c *Counters) { c.InOctets, c.OutOctets, c.Uptime = 300, 0, time.Second }), 300, false},
		"restarted, but the counters went on": {base, next(func(c *Counters) { c.InOctets, c.Uptime = 1500, time.Second }), 500, false},
		"set back without a word":             {base, next(func(c *Counters) { c.InOctets = 300 }), 300, false},
		"a step back that no link explains":   {Counters{InOctets: 1e15, Bits: 64, Speed: 1e9, At: zero, Uptime: time.Hour}, next(func(c *Counters) { c.InOctets = 1e15 - 1 }), 0, false},
		"set back, speed not known":           {Counters{InOctets: 1000, Bits: 64, At: zero, Uptime: time.Hour}, next(func(c *Counters) { c.InOctets, c.Speed = 300, 0 }), 0, false},
		"went round": {
			Counters{InOctets: math.MaxUint32 - 99, Bits: 32, Speed: 100e6, At: zero, Uptime: time.Hour},
			next(func(c *Counters) { c.InOctets, c.Bits, c.Speed = 400, 32, 100e6 }), 500, true,
		},
		"cannot have gone round": {
			Counters{InOctets: 1e9, Bits: 32, Speed: 10e6, At: zero, Uptime: time.Hour},
			next(func(c *Counters) { c.InOctets, c.Bits, c.Speed = 400, 32, 10e6 }), 400, false,
		},
		"may have gone round twice": {
			Counters{InOctets: 10, Bits: 32, Speed: 1e9, At: zero, Uptime: time.Hour},
			next(func(c *Counters) { c.InOctets, c.Bits = 400, 32 }), 390, false,
		},
		"uptime began again after 497 days": {
			Counters{InOctets: 1000, OutOctets: 1000, Bits: 64, At: zero, Uptime: ticksRound - 10*time.Second},
			next(func(c *Counters) { c.InOctets, c.Uptime = 1500, 50*time.Second }), 500, true,
		},
		"no uptime told": {Counters{InOctets: 1000, Bits: 64, At: zero}, next(func(c *Counters) { c.InOctets, c.Uptime = 1500, 0 }), 500, true},
		"discontinuity":  {base, next(func(c *Counters) { c.InOctets, c.Discontinuity = 700, time.Hour }), 700, false},
	} {
		in, _, doubt := c.after.Since(c.before)
		if in != c.in || (doubt == "") != c.certain {
			t.Errorf("%s: %d, %q", name, in, doubt)
		}
	}
}

// A record stays small however often a switch restarts.
func TestGapsAreBounded(t *testing.T) {
	w := &world{now: zero, boot: zero.Add(-time.Hour), bits: 64, speed: 1e9}
	tr := Traffic{}.Count(wired, w.look())
	for range 40 {
		w.now = w.now.Add(10 * time.Minute)
		w.restart()
		w.now = w.now.Add(time.Minute)
		tr = tr.Count(wired, w.look())
	}
	if len(tr.Gaps) != maxGaps || tr.GapCount != 40 || !tr.Gaps[maxGaps-1].To.Equal(w.now) {
		t.Errorf("%d gaps kept of %d", len(tr.Gaps), tr.GapCount)
	}
}
