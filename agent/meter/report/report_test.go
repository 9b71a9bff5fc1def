package report

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/meter/book"
	"github.com/steelyard/steelyard/protocol"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func november(zone uint64) protocol.UsageMonths {
	at := func(m time.Month) int64 { return int64(book.QuarterOf(time.Date(2026, m, 1, 0, 0, 0, 0, time.UTC))) }
	return protocol.UsageMonths{Zone: zone, Months: []protocol.UsageMonth{{Name: "2026-10", From: at(10), To: at(11)}, {Name: "2026-11", From: at(11), To: at(12)}}}
}

// counts stand for a book.
type counts struct {
	months  []book.Month
	totals  map[string][]book.Totals
	version map[string]uint64
	now     uint64
}

func (c *counts) ID() string                     { return "book-1" }
func (c *counts) Months() []book.Month           { return c.months }
func (c *counts) SetMonths(m []book.Month) error { c.months = m; return nil }

func (c *counts) add(account string, in uint64) {
	if c.totals[account] == nil {
		c.totals[account] = make([]book.Totals, 2)
	}
	c.totals[account][1][book.Mail].In += in
	c.now++
	c.version[account] = c.now
}

func (c *counts) Changed(since uint64) (list []book.Report, now uint64) {
	for _, account := range slices.Sorted(maps.Keys(c.totals)) {
		if c.version[account] > since {
			list = append(list, book.Report{Account: account, Months: slices.Clone(c.totals[account])})
		}
	}
	return list, c.now
}

func (c *counts) Quarters(string, book.Quarter, book.Quarter) ([]book.Count, error) {
	return []book.Count{{Quarter: 5, Class: book.WWW, Traffic: book.Traffic{In: 1}}, {Quarter: 5, Class: book.Mail, Traffic: book.Traffic{Out: 2}}, {Quarter: 9, Class: book.FTP, Traffic: book.Traffic{In: 3}}}, nil
}

func someCounts() *counts {
	return &counts{totals: map[string][]book.Totals{}, version: map[string]uint64{}}
}

// ledger is a controller that merges by maximum.
type ledger struct {
	t       *testing.T
	in      map[string]uint64
	stored  map[string]protocol.Stored
	reports int
}

func (l *ledger) take(u *protocol.UsageReport) {
	l.reports++
	if err := u.Each(func(id []byte, a *protocol.AccountUsage) {
		l.in[string(id)] = max(l.in[string(id)], a.Months[1][protocol.UsageMail].In)
		if a.Stored.At >= l.stored[string(id)].At {
			l.stored[string(id)] = a.Stored
		}
	}); err != nil {
		l.t.Fatal(err)
	}
}

func begin(t *testing.T, r *Reporter, m protocol.UsageMonths) {
	t.Helper()
	r.Attach()
	r.SetMonths(m)
	if err := r.Apply(); err != nil {
		t.Fatal(err)
	}
}

// TestU1_U4 has reports dropped, doubled, late and out of order, and sessions end at any time: at the end the controller has what was counted.
func TestU1_U4_WhateverHappensToReportsTheControllerEndsWithWhatWasCounted(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		c, l := someCounts(), &ledger{t: t, in: map[string]uint64{}, stored: map[string]protocol.Stored{}}
		r := New(Options{Counts: c})
		now := noon
		begin(t, r, november(1))
		var late []*protocol.UsageReport
		stored := map[string]protocol.Stored{}
		for range 600 {
			now = now.Add(time.Duration(rnd.IntN(90)) * time.Second)
			account := fmt.Sprint("acc-", rnd.IntN(5))
			switch rnd.IntN(8) {
			case 0:
				if rnd.IntN(6) == 0 {
					begin(t, r, november(1))
				}
			case 1:
				stored[account] = protocol.Stored{Home: rnd.Uint64N(100), At: uint64(now.Unix())}
				r.Stored(account, stored[account], rnd.IntN(2) == 0)
			default:
				c.add(account, rnd.Uint64N(1000))
			}
			_, m, _ := r.Report(now)
			u, ok := m.(*protocol.UsageReport)
			if !ok {
				continue
			}
			switch rnd.IntN(4) {
			case 0: // lost
			case 1:
				late = append(late, u)
			case 2:
				l.take(u)
				l.take(u)
				r.Told(u.Seq)
			default:
				l.take(u)
				if rnd.IntN(2) == 0 {
					r.Told(u.Seq)
				}
			}
		}
		rnd.Shuffle(len(late), func(i, j int) { late[i], late[j] = late[j], late[i] })
		for _, u := range late {
			l.take(u)
		}
		for range 20 { // what is lost is told again in time
			now = now.Add(time.Minute)
			for {
				_, m, again := r.Report(now)
				if u, ok := m.(*protocol.UsageReport); ok {
					l.take(u)
					r.Told(u.Seq)
				}
				if m == nil {
					break
				}
				now = again
			}
		}
		for account, months := range c.totals {
			if l.in[account] != months[1][book.Mail].In {
				t.Fatalf("seed %d: %s: the controller has %d, counted were %d", seed, account, l.in[account], months[1][book.Mail].In)
			}
		}
		for account, s := range stored {
			if got := l.stored[account]; got.Home != s.Home {
				t.Fatalf("seed %d: %s: %+v, want %+v", seed, account, got, s)
			}
		}
	}
}

func TestU4_NothingIsToldBeforeTheMonthsAndOnlyWhatChangedAfterwards(t *testing.T) {
	c := someCounts()
	r := New(Options{Counts: c})
	for i := range 3000 {
		c.add(fmt.Sprintf("acc-%05d", i), 1)
	}
	r.Attach()
	now := noon
	if _, m, _ := r.Report(now); m != nil {
		t.Fatal("told without months")
	}
	begin(t, r, november(1))
	told, messages := 0, 0
	drain := func() {
		told, messages = 0, 0
		for {
			_, m, again := r.Report(now)
			if m == nil {
				return
			}
			u := m.(*protocol.UsageReport)
			messages++
			if len(u.Accounts) > protocol.MaxControlFrame {
				t.Errorf("a message of %d bytes", len(u.Accounts))
			}
			if again.Before(now.Add(Least)) {
				t.Error("the next message would come at once")
			}
			if err := u.Each(func([]byte, *protocol.AccountUsage) { told++ }); err != nil {
				t.Fatal(err)
			}
			now = again
			r.Told(u.Seq)
		}
	}
	if drain(); told != 3000 || messages < 2 {
		t.Fatalf("%d accounts in %d messages", told, messages)
	}
	c.add("acc-00007", 1)
	if drain(); told != 0 {
		t.Error("told before the minute was over")
	}
	now = now.Add(Every)
	if drain(); told != 1 || messages != 1 {
		t.Errorf("%d accounts in %d messages", told, messages)
	}
	r.Stored("acc-00009", protocol.Stored{Home: 1, At: 1}, true)
	if drain(); told != 1 {
		t.Error("what passed a limit waits")
	}
	for range 4 {
		now = now.Add(Every)
		if drain(); messages != 0 {
			t.Error("told though nothing changed")
		}
	}
	now = now.Add(Every)
	r.Looked(now, nil)
	if drain(); messages != 1 || told != 0 {
		t.Errorf("the time of the figures is not told: %d messages, %d accounts", messages, told)
	}
	begin(t, r, november(1))
	if drain(); told != 3000 {
		t.Errorf("a new session gets %d", told)
	}
	r.SetMonths(november(2))
	if _, m, _ := r.Report(now); m != nil {
		t.Error("told though the months are not made yet")
	}
	if err := r.Apply(); err != nil {
		t.Fatal(err)
	}
	if drain(); told != 3000 {
		t.Errorf("other months get %d", told)
	}
}

func TestU4_AnAccountThatGoesIsToldFirst(t *testing.T) {
	c := someCounts()
	r := New(Options{Counts: c})
	begin(t, r, november(1))
	now := noon
	if _, first, _ := r.Report(now); first == nil {
		t.Fatal("a session begins with nothing")
	}
	for i := range 3000 {
		c.add(fmt.Sprintf("acc-%05d", i), 5)
	}
	r.Final("acc-02999")
	_, m, _ := r.Report(now) // at once: the news that it is gone comes next
	u, ok := m.(*protocol.UsageReport)
	told := ""
	if !ok || !u.Final || u.Each(func(id []byte, _ *protocol.AccountUsage) { told = cmp.Or(told, string(id)) }) != nil || told != "acc-02999" {
		t.Fatalf("%t %q", ok, told)
	}
	if _, m, again := r.Report(now); m != nil || again != now.Add(Least) {
		t.Errorf("the others are told at once too, or at %s", again)
	}
}

func TestU3_GapsAndUnknownLinesAreToldWhenTheyChange(t *testing.T) {
	r := New(Options{Counts: someCounts()})
	begin(t, r, november(1))
	now := noon
	sources := func() (list []protocol.UsageSource, counted int64) {
		now = now.Add(Idle)
		_, m, _ := r.Report(now)
		if u, ok := m.(*protocol.UsageReport); ok {
			return u.Sources, u.Counted
		}
		return nil, 0
	}
	r.Looked(now, []protocol.UsageSource{{Name: "www", Until: now.Unix()}})
	if list, counted := sources(); len(list) != 1 || counted != noon.Unix() {
		t.Fatalf("%+v %d", list, counted)
	}
	r.Looked(now, []protocol.UsageSource{{Name: "www", Until: now.Unix()}})
	if list, _ := sources(); list != nil {
		t.Fatalf("the same again: %+v", list)
	}
	r.Looked(now, []protocol.UsageSource{{Name: "www", Until: 17, Problem: "it cannot be read", Gaps: []protocol.UsageGap{{After: 1}}}, {Name: "ftp", Until: now.Unix()}})
	if list, counted := sources(); len(list) != 2 || len(list[0].Gaps) != 1 || counted != 17 {
		t.Fatalf("%+v %d", list, counted)
	}
}

func TestU2_QuarterHoursAreAnswered(t *testing.T) {
	r := New(Options{Counts: someCounts()})
	a := r.Answer(t.Context(), protocol.UsageAsk{Account: "acc-1", To: 10})
	var got []protocol.QuarterUsage
	if err := a.Each(func(q protocol.QuarterUsage) { got = append(got, q) }); err != nil || len(got) != 2 {
		t.Fatal(err, got)
	}
	if got[0].Quarter != 5 || got[0].Traffic[protocol.UsageMail].Out != 2 || got[1].Quarter != 9 || got[1].Traffic[protocol.UsageFTP].In != 3 {
		t.Errorf("%+v", got)
	}
	if a := New(Options{}).Answer(t.Context(), protocol.UsageAsk{}); a.Fault == nil {
		t.Error("a server without accounts answers")
	}
}
