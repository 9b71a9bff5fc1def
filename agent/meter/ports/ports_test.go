package ports

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/steelyard/steelyard/protocol"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// machine is a directory as /sys/class/net is, the book on it, and what really went by.
type machine struct {
	t       *testing.T
	dir     string
	now     time.Time
	booted  time.Time
	boot    int
	index   int
	kernel  map[string]*protocol.Traffic // by interface: its counters
	indices map[string]int
	wide    map[string]uint64 // by interface: what its counters begin anew at; 0: 2^64
	crash   int               // the write that fails; 0: none does
	writes  int
	book    *Book
}

func newMachine(t *testing.T) *machine {
	m := &machine{t: t, dir: t.TempDir(), now: noon, booted: noon.Add(-time.Hour), kernel: map[string]*protocol.Traffic{}, indices: map[string]int{}, wide: map[string]uint64{}}
	m.plug("eth0")
	m.plug("eth1")
	m.open()
	return m
}

func (m *machine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

var errCrash = errors.New("the power is gone")

func (m *machine) open() {
	m.t.Helper()
	b, err := Open(Options{
		Dir: filepath.Join(m.dir, "book"), Net: filepath.Join(m.dir, "net"), Boot: fmt.Sprint(m.boot), Booted: m.booted, Now: func() time.Time { return m.now }, Logger: slog.New(slog.DiscardHandler),
		Counts: func(name string) bool { return name != "lo" }, Permanent: func(name string) string { return "mac-" + name },
		sync: func(path string, text []byte) error {
			if m.writes++; m.writes == m.crash {
				return errCrash
			}
			if err := os.WriteFile(path+".new", text, 0o600); err != nil { // without waiting for a disk
				return err
			}
			return os.Rename(path+".new", path)
		},
	})
	m.must(err)
	m.book = b
}

// plug makes an interface, or makes it anew.
func (m *machine) plug(name string) {
	m.index++
	m.kernel[name], m.indices[name] = &protocol.Traffic{}, m.index
	m.show(name)
}

func (m *machine) show(name string) {
	dir := filepath.Join(m.dir, "net", name)
	m.must(os.MkdirAll(filepath.Join(dir, "statistics"), 0o755))
	in, out := m.kernel[name].In, m.kernel[name].Out
	if w := m.wide[name]; w > 0 {
		in, out = in%w, out%w
	}
	for file, v := range map[string]uint64{"ifindex": uint64(m.indices[name]), "statistics/rx_bytes": in, "statistics/tx_bytes": out} {
		m.must(os.WriteFile(filepath.Join(dir, file), fmt.Appendln(nil, v), 0o644))
	}
}

func (m *machine) pass(name string, in, out uint64) {
	m.kernel[name].In += in
	m.kernel[name].Out += out
	m.show(name)
}

func (m *machine) wait(d time.Duration) { m.now = m.now.Add(d) }

// reboot starts the machine; the agent has ended before, by itself or not.
func (m *machine) reboot() {
	m.boot++
	m.booted = m.now
	for name := range m.kernel {
		m.plug(name)
	}
}

var autumn = []protocol.UsageMonth{
	{Name: "2026-11", From: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC).Unix() / 900, To: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC).Unix() / 900},
	{Name: "2026-12", From: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC).Unix() / 900, To: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC).Unix() / 900},
}

// total is what the book has, and that it agrees with itself.
func (m *machine) total() (sum protocol.Traffic) {
	m.t.Helper()
	u, _ := m.book.Usage(autumn)
	for _, x := range u.Months {
		var days, ports protocol.Traffic
		for _, d := range x.Days {
			days.In, days.Out = days.In+d.In, days.Out+d.Out
		}
		for _, p := range x.Ports {
			ports.In, ports.Out = ports.In+p.Traffic.In, ports.Out+p.Traffic.Out
		}
		if days != x.Total || ports != x.Total {
			m.t.Fatalf("%s: total %+v, days %+v, ports %+v", x.Name, x.Total, days, ports)
		}
		if n := protocol.Busiest(x.Quarters); len(x.In) > n || !slices.IsSortedFunc(x.In, func(a, b uint64) int { return int(b) - int(a) }) {
			m.t.Fatalf("%s: %d of %d quarter-hours: %d", x.Name, len(x.In), x.Quarters, x.In)
		}
		sum.In, sum.Out = sum.In+x.Total.In, sum.Out+x.Total.Out
	}
	return sum
}

func TestU5_WhatWasThereBeforeTheAgentIsNobodysAndTheRestIsCounted(t *testing.T) {
	m := newMachine(t)
	m.pass("eth0", 1000, 2000)
	m.must(m.book.Look())
	m.wait(LookEvery)
	m.pass("eth0", 1, 2)
	m.pass("eth1", 10, 20)
	m.must(m.book.Look())
	if got := m.total(); got != (protocol.Traffic{In: 11, Out: 22}) {
		t.Errorf("%+v", got)
	}
	m.wait(LookEvery)
	m.plug("usb7") // a port that comes later was not there before
	m.pass("usb7", 100, 200)
	m.must(m.book.Look())
	if got := m.total(); got != (protocol.Traffic{In: 111, Out: 222}) {
		t.Errorf("%+v", got)
	}
}

func TestU5_CountersSurviveRebootsWrapsAndDriversThatAreLoadedAgain(t *testing.T) {
	m := newMachine(t)
	m.wide["eth0"] = 1 << 32
	m.must(m.book.Look())
	for range 5 { // wraps twice
		m.wait(LookEvery)
		m.pass("eth0", 2_000_000_000, 1_500_000_000)
		m.must(m.book.Look())
	}
	want := protocol.Traffic{In: 10_000_000_000, Out: 7_500_000_000}
	if got := m.total(); got != want || len(m.book.state.Gaps) > 0 {
		t.Fatalf("wraps: %+v %+v", got, m.book.state.Gaps)
	}
	m.must(m.book.Close())
	m.wait(time.Minute)
	m.reboot()
	m.pass("eth1", 5, 6)
	m.open()
	m.wait(time.Minute)
	m.must(m.book.Look())
	want.In, want.Out = want.In+5, want.Out+6
	if got := m.total(); got != want || len(m.book.state.Gaps) > 0 {
		t.Fatalf("a reboot in good order: %+v %+v", got, m.book.state.Gaps)
	}
	m.wait(time.Minute)
	m.pass("eth1", 1000, 1000) // nobody sees these
	m.plug("eth1")
	m.pass("eth1", 7, 8)
	m.must(m.book.Look())
	want.In, want.Out = want.In+7, want.Out+8
	if got := m.total(); got != want || len(m.book.state.Gaps) != 1 {
		t.Fatalf("a driver that is loaded again: %+v %+v", got, m.book.state.Gaps)
	}
	m.reboot() // without an end
	m.pass("eth1", 1, 1)
	m.open()
	m.must(m.book.Look())
	if u, _ := m.book.Usage(autumn); len(u.Gaps) == 0 || u.Gaps[len(u.Gaps)-1].Before != m.booted.Unix() {
		t.Errorf("the end of the machine is no gap: %+v", u.Gaps)
	}
}

// TestU5_Kills ends the agent at each write of a long run, over midnights and the end of a month: nothing is lost and nothing counted twice while the machine runs.
func TestU5_AKillAtAnyWriteLosesAndDoublesNothing(t *testing.T) {
	for crash := 1; crash < 60; crash += 4 {
		rnd := rand.New(rand.NewPCG(uint64(crash), 1))
		m := newMachine(t)
		m.now = time.Date(2026, 11, 29, 20, 0, 0, 0, time.UTC)
		m.open()
		m.must(m.book.Look())
		m.crash = m.writes + crash
		var want protocol.Traffic
		for range 80 {
			m.wait(time.Duration(rnd.IntN(90)) * time.Minute)
			in, out := rnd.Uint64N(1e9), rnd.Uint64N(1e9)
			m.pass("eth0", in, out)
			want.In, want.Out = want.In+in, want.Out+out
			if err := m.book.Look(); errors.Is(err, errCrash) {
				m.open()
			} else {
				m.must(err)
			}
		}
		m.must(m.book.Look())
		if got := m.total(); got != want || len(m.book.state.Gaps) > 0 {
			t.Fatalf("killed at write %d: counted %+v, went by %+v; %+v", crash, got, want, m.book.state.Gaps)
		}
		m.open()
		if got := m.total(); got.In > want.In {
			t.Fatalf("killed at write %d: %+v after a start, %+v went by", crash, got, want)
		}
	}
}

func TestU5_TheBusiestQuarterHoursAreThoseOfA95thPercentile(t *testing.T) {
	m := newMachine(t)
	m.now = time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	m.open()
	m.must(m.book.Look())
	rnd := rand.New(rand.NewPCG(1, 1))
	var all []uint64
	for range 96 {
		n := rnd.Uint64N(1e9)
		m.wait(15*time.Minute - time.Second)
		m.pass("eth0", n, 2*n)
		all = append(all, n)
		m.must(m.book.Look())
		m.wait(time.Second)
		m.must(m.book.Look())
	}
	u, _ := m.book.Usage(autumn[:1])
	slices.Sort(all)
	slices.Reverse(all)
	got := u.Months[0]
	if got.Quarters != 96 || len(got.In) != 5 || !slices.Equal(got.In, all[:5]) || got.Out[4] != 2*all[4] || len(got.Days) != 30 {
		t.Errorf("%d quarter-hours, %d, want %d", got.Quarters, got.In, all[:5])
	}
}

func TestU5_AnHourWithoutTheAgentIsNoPeak(t *testing.T) {
	m := newMachine(t)
	m.must(m.book.Look())
	m.wait(time.Hour)
	m.pass("eth0", 4_000_000, 0)
	m.open()
	m.must(m.book.Look())
	u, _ := m.book.Usage(autumn[:1])
	if most := u.Months[0].In[0]; most > 1_000_001 || u.Months[0].Total.In != 4_000_000 {
		t.Errorf("%d in a quarter-hour, %+v", most, u.Months[0].Total)
	}
}

func TestU5_AClockThatIsSetLosesNothing(t *testing.T) {
	for _, d := range []time.Duration{-time.Second, -2 * time.Hour, -24 * time.Hour, -240 * time.Hour, 10 * 24 * time.Hour} {
		m := newMachine(t)
		m.now = time.Date(2026, 12, 11, 20, 0, 0, 0, time.UTC)
		m.open()
		m.must(m.book.Look())
		m.wait(time.Minute)
		m.pass("eth0", 10, 10)
		m.must(m.book.Look())
		m.wait(d)
		m.pass("eth0", 10, 10)
		m.must(m.book.Look())
		m.wait(48 * time.Hour)
		m.pass("eth0", 10, 10)
		m.must(m.book.Look())
		if got := m.total(); got.In != 30 && d > -48*time.Hour || got.In < 20 {
			t.Errorf("%s: %+v", d, got)
		}
	}
}

func TestU5_ADamagedStateIsPutAsideAndCountingBeginsAnew(t *testing.T) {
	m := newMachine(t)
	m.must(m.book.Look())
	first, _ := m.book.Usage(autumn)
	m.must(os.WriteFile(filepath.Join(m.dir, "book", stateFile), []byte("{"), 0o600))
	m.pass("eth0", 5, 5)
	m.open()
	m.must(m.book.Look())
	if again, _ := m.book.Usage(autumn); again.Book == first.Book || m.total().In != 0 {
		t.Errorf("%+v", again)
	}
}

// autumnOf is one month around a time.
func autumnOf(at time.Time) []protocol.UsageMonth {
	q := at.Unix() / 900
	return []protocol.UsageMonth{{Name: "now", From: q - 96, To: q + 96}}
}

// BenchmarkLook is one look at four ports.
func BenchmarkLook(b *testing.B) {
	m := &machine{t: &testing.T{}, dir: b.TempDir(), now: noon, kernel: map[string]*protocol.Traffic{}, indices: map[string]int{}, wide: map[string]uint64{}}
	for _, name := range []string{"eth0", "eth1", "eth2", "eth3"} {
		m.plug(name)
	}
	m.open()
	b.ReportAllocs()
	for b.Loop() {
		m.now = m.now.Add(LookEvery)
		if err := m.book.Look(); err != nil {
			b.Fatal(err)
		}
	}
}
