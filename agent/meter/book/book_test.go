package book

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/meter/tail"
	"github.com/steelyard/steelyard/pkg/fault"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// months are three of UTC.
func months(shift Quarter) []Month {
	at := func(m time.Month) Quarter { return QuarterOf(time.Date(2026, m, 1, 0, 0, 0, 0, time.UTC)) + shift }
	return []Month{{Name: "2026-11", From: at(11), To: at(12)}, {Name: "2026-12", From: at(12), To: at(13)}}
}

type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func open(t *testing.T, dir string, c *clock) *Book {
	t.Helper()
	b, err := Open(dir, c.now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// piece is a batch of 10 bytes of a log, with one count.
func piece(b *Book, account string, q Quarter, class Class, in, out uint64) Batch {
	from := b.Source("log").Place
	to := from
	to.Inode, to.Offset = 1, from.Offset+10
	return Batch{Source: "log", From: from, To: to, Counted: []Counted{{Account: account, Counts: []Count{{Quarter: q, Class: class, Traffic: Traffic{In: in, Out: out}}}}}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sum is what a book has for an account in each month.
func sum(b *Book, account string) []Totals {
	list, _ := b.Changed(0)
	for _, r := range list {
		if r.Account == account {
			return r.Months
		}
	}
	return nil
}

func TestU3_ABatchThatDoesNotBeginWhereTheLogWasLeftIsRefused(t *testing.T) {
	b := open(t, t.TempDir(), &clock{noon})
	must(t, b.SetMonths(months(0)))
	x := piece(b, "a", QuarterOf(noon), WWW, 1, 2)
	must(t, b.Commit(x))
	if err := b.Commit(x); fault.KindOf(err) != fault.KindConflict {
		t.Fatalf("the same piece again: %v", err)
	}
	if got := sum(b, "a"); got[0][WWW].In != 1 || got[0][WWW].Out != 2 {
		t.Fatalf("%+v", got)
	}
	y := piece(b, "a", QuarterOf(noon), WWW, 1, 2)
	z := y
	z.Source = "other"
	if err := b.Commit(y, z); err == nil || b.Source("log").Place.Offset != 10 {
		t.Fatal("half of a commit was taken", err)
	}
}

func TestU7_MonthsAreMadeAnewFromQuarterHours(t *testing.T) {
	c := &clock{noon}
	dir := t.TempDir()
	b := open(t, dir, c)
	last := months(0)[0].To - 1
	must(t, b.Commit(piece(b, "a", last, Mail, 1, 10))) // before any month is known
	c.at = c.at.Add(24 * time.Hour)
	must(t, b.Commit(piece(b, "a", last+1, Mail, 2, 20)))
	check := func(november, december uint64) {
		t.Helper()
		if got := sum(b, "a"); len(got) != 2 || got[0][Mail].In != november || got[1][Mail].In != december {
			t.Fatalf("%+v, want %d and %d", got, november, december)
		}
	}
	must(t, b.SetMonths(months(0)))
	check(1, 2)
	must(t, b.SetMonths(months(4))) // an hour later
	check(3, 0)
	must(t, b.SetMonths(months(-4)))
	check(0, 3)
	must(t, b.SetMonths(months(0)))
	must(t, b.Commit(piece(b, "a", last, Mail, 4, 40))) // late
	check(5, 2)
	must(t, b.Close())
	b = open(t, dir, c)
	check(5, 2)
	bad := months(0)
	bad[0], bad[1] = bad[1], bad[0]
	if err := b.SetMonths(bad); fault.KindOf(err) != fault.KindInvalid {
		t.Fatal(err)
	}
	check(5, 2)
}

// TestU4_WhateverOfTheEndIsGoneTheRestIsABeginning cuts and damages the newest file all along.
func TestU4_WhateverOfTheEndIsGoneTheRestIsABeginning(t *testing.T) {
	c := &clock{noon}
	dir := t.TempDir()
	b := open(t, dir, c)
	must(t, b.SetMonths(months(0)))
	for i := range 20 {
		must(t, b.Commit(piece(b, fmt.Sprint("a", i%3), QuarterOf(c.at), WWW, 1, 1)))
		if i == 9 {
			c.at = c.at.Add(12 * time.Hour)
		}
	}
	id := b.ID()
	must(t, b.Close())
	files, err := names(dir)
	must(t, err)
	if len(files) != 2 {
		t.Fatalf("%q", files)
	}
	text, err := os.ReadFile(files[1])
	must(t, err)
	for at := 0; at < len(text); at += 7 {
		for _, damage := range []string{"cut", "bit"} {
			now := append([]byte(nil), text...)
			if damage == "cut" {
				now = now[:at]
			} else {
				now[at] ^= 0x10
			}
			copied := t.TempDir()
			must(t, os.WriteFile(filepath.Join(copied, filepath.Base(files[1])), now, 0o600))
			old, err := os.ReadFile(files[0])
			must(t, err)
			must(t, os.WriteFile(filepath.Join(copied, filepath.Base(files[0])), old, 0o600))
			b := open(t, copied, c)
			read := uint64(b.Source("log").Place.Offset / 10)
			if read < 10 || read > 20 || b.ID() != id {
				t.Fatalf("%s at %d: %d of 20 are there", damage, at, read)
			}
			for b.Source("log").Place.Offset < 200 { // the logs behind are read again
				must(t, b.Commit(piece(b, fmt.Sprint("a", b.Source("log").Place.Offset/10%3), QuarterOf(c.at), WWW, 1, 1)))
			}
			var all uint64
			for i := range 3 {
				for _, m := range sum(b, fmt.Sprint("a", i)) {
					all += m[WWW].In
				}
			}
			if all != 20 {
				t.Fatalf("%s at %d: %d bytes of 20", damage, at, all)
			}
			must(t, b.Close())
		}
	}
}

// TestU2_ShorteningAndForgettingChangeNoSum walks 150 days with random counts beside a plain sum.
func TestU2_ShorteningAndForgettingChangeNoSum(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	c := &clock{noon.AddDate(0, 0, -100)}
	dir := t.TempDir()
	b := open(t, dir, c)
	must(t, b.SetMonths(months(0)))
	want := map[string]*[2]Totals{}
	quarters := map[string]uint64{}
	for range 500 {
		c.at = c.at.Add(time.Duration(rnd.IntN(450)) * time.Minute)
		account, class, in := fmt.Sprint("a", rnd.IntN(4)), Class(rnd.IntN(3)), rnd.Uint64N(1e6)
		q := QuarterOf(c.at) - Quarter(rnd.IntN(3))
		must(t, b.Commit(piece(b, account, q, class, in, 0)))
		if want[account] == nil {
			want[account] = new([2]Totals)
		}
		if i := b.month(q); i >= 0 {
			want[account][i][class].In += in
			if i == 1 {
				quarters[fmt.Sprint(account, q, class)] += in
			}
		}
		if rnd.IntN(50) == 0 {
			must(t, b.Close())
			b = open(t, dir, c)
		}
		if rnd.IntN(200) == 0 {
			must(t, b.SetMonths(months(1)))
			must(t, b.SetMonths(months(0)))
		}
	}
	for account, w := range want {
		if got := sum(b, account); got[0] != w[0] || got[1] != w[1] {
			t.Fatalf("%s: %+v, want %+v", account, got, *w)
		}
		list, err := b.Quarters(account, months(0)[1].From, months(0)[1].To)
		must(t, err)
		for i, n := range list {
			if i > 0 && (n.Quarter < list[i-1].Quarter || n.Quarter == list[i-1].Quarter && n.Class <= list[i-1].Class) {
				t.Fatalf("%+v behind %+v", n, list[i-1])
			}
			key := fmt.Sprint(account, n.Quarter, n.Class)
			if quarters[key] != n.Traffic.In {
				t.Fatalf("%s: %d bytes, want %d", key, n.Traffic.In, quarters[key])
			}
			delete(quarters, key)
		}
	}
	for key, n := range quarters {
		if n > 0 {
			t.Errorf("%s is missing: %d bytes", key, n)
		}
	}
	files, err := names(dir)
	must(t, err)
	if oldest := filepath.Base(files[0]); oldest < c.at.Add(-Keep-24*time.Hour).Format(byDay) {
		t.Errorf("%s is kept at %s", oldest, c.at)
	}
}

func TestU4_WhatCouldNotBeWrittenIsNotCounted(t *testing.T) {
	c := &clock{noon}
	b := open(t, t.TempDir(), c)
	must(t, b.SetMonths(months(0)))
	must(t, b.Commit(piece(b, "a", QuarterOf(noon), WWW, 1, 1)))
	must(t, b.file.Close()) // a disk that refuses
	x := piece(b, "a", QuarterOf(noon), WWW, 1, 1)
	if err := b.Commit(x); fault.KindOf(err) != fault.KindUnavailable || !strings.Contains(err.Error(), b.dir) {
		t.Fatal(err)
	}
	if got := sum(b, "a"); got[0][WWW].In != 1 || b.Source("log").Place.Offset != 10 {
		t.Fatalf("%+v", got)
	}
}

func TestChangedTellsWhatIsNew(t *testing.T) {
	b := open(t, t.TempDir(), &clock{noon})
	must(t, b.SetMonths(months(0)))
	must(t, b.Commit(piece(b, "a", QuarterOf(noon), WWW, 1, 1)))
	_, at := b.Changed(0)
	if list, _ := b.Changed(at); len(list) > 0 {
		t.Fatalf("%+v", list)
	}
	must(t, b.Commit(piece(b, "b", QuarterOf(noon), WWW, 1, 1)))
	if list, _ := b.Changed(at); len(list) != 1 || list[0].Account != "b" {
		t.Fatalf("%+v", list)
	}
}

func TestU3_GapsAreKeptAndBounded(t *testing.T) {
	b := open(t, t.TempDir(), &clock{noon})
	for i := range KeepGaps + 5 {
		x := piece(b, "a", QuarterOf(noon), WWW, 1, 1)
		x.Unknown, x.Lost = 1, &tail.Gap{After: noon.Add(time.Duration(i) * time.Hour)}
		must(t, b.Commit(x))
	}
	s := b.Source("log")
	if len(s.Gaps) != KeepGaps || !s.Gaps[0].After.Equal(noon.Add(5*time.Hour)) || s.Unknown != KeepGaps+5 {
		t.Fatalf("%+v", s)
	}
}
