package usage

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
)

// some is a sheet of n accounts with ids as they are made, of figures as hosting has them.
func some(rnd *rand.Rand, n int) (*Sheet[Row], map[string]Row) {
	var s Sheet[Row]
	all := map[string]Row{}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for range n {
		at = at.Add(time.Duration(rnd.Int64N(int64(time.Hour))))
		r := Row{Zone: 1}
		for c := range r.Traffic {
			r.Traffic[c] = protocol.Traffic{In: rnd.Uint64N(1 << (10 + rnd.IntN(22))), Out: rnd.Uint64N(1 << (10 + rnd.IntN(26)))}
		}
		account := id.At("acc", at)
		*s.Cell(account) = r
		all[account] = r
	}
	return &s, all
}

func sheetIs(t *testing.T, s *Sheet[Row], want map[string]Row) {
	t.Helper()
	got := map[string]Row{}
	before := ""
	for account, r := range s.Each {
		if account <= before {
			t.Fatalf("%s comes after %s", account, before)
		}
		got[account], before = *r, account
	}
	if !maps.Equal(got, want) {
		t.Fatalf("%d accounts, not %d: %v, not %v", len(got), len(want), got, want)
	}
}

func TestU1_ARecordSaysWhatASheetHas(t *testing.T) {
	s, all := some(rand.New(rand.NewPCG(1, 1)), 500)
	text := Write(nil, s)
	var again Sheet[Row]
	if news, err := Read(text, &again); err != nil || !news {
		t.Fatal(news, err)
	}
	sheetIs(t, &again, all)
	if news, err := Read(text, &again); err != nil || news {
		t.Fatal("the same record is news", err)
	}
	// With base64 it is to stay below 100 bytes for each account and month.
	if per := float64(len(text)) * 4 / 3 / 500; per > 70 {
		t.Errorf("%.1f bytes for each account", per)
	}
}

// TestU1_RowsMergeInAnyOrder: doubled, reordered and in any grouping, the outcome is the same.
func TestU1_RowsMergeInAnyOrder(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		var said []Row
		for range 1 + rnd.IntN(6) {
			r := Row{Zone: rnd.Uint32N(3)}
			for c := range r.Traffic {
				r.Traffic[c] = protocol.Traffic{In: rnd.Uint64N(5), Out: rnd.Uint64N(5)}
			}
			said = append(said, r)
		}
		merge := func(list []Row) (r Row) {
			for i := range list {
				r.Raise(&list[i])
			}
			return r
		}
		want := merge(said)
		for range 5 {
			other := append(slices.Clone(said), said[:rnd.IntN(len(said))]...)
			rnd.Shuffle(len(other), func(i, j int) { other[i], other[j] = other[j], other[i] })
			cut := rnd.IntN(len(other))
			a, b := merge(other[:cut]), merge(other[cut:])
			if a.Raise(&b); a != want {
				t.Fatalf("seed %d: %+v, not %+v", seed, a, want)
			}
			if a.Raise(&want) {
				t.Fatal("what is known is news")
			}
		}
	}
}

func TestU6_TheLaterMeasurementStays(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 8))
		var said []Space
		for range 5 {
			said = append(said, Space{Home: rnd.Uint64N(5), WWW: rnd.Uint64N(5), At: 1 + rnd.Uint64N(3)})
		}
		var one, other Space
		for i := range said {
			one.Raise(&said[i])
		}
		rnd.Shuffle(len(said), func(i, j int) { said[i], said[j] = said[j], said[i] })
		for i := range said {
			other.Raise(&said[i])
			other.Raise(&said[0])
		}
		if one != other {
			t.Fatalf("seed %d: %+v and %+v", seed, one, other)
		}
	}
}

func TestC23_MoreThanALimitIsStrictlyMore(t *testing.T) {
	for _, c := range []struct {
		bytes uint64
		limit reselling.Limit
		over  bool
	}{
		{0, reselling.AtMost(0), false},
		{1, reselling.AtMost(0), true},
		{1 << 20, reselling.AtMost(1), false},
		{1<<20 + 1, reselling.AtMost(1), true},
		{1 << 62, reselling.NoLimit, false},
		{1 << 62, reselling.AtMost(1 << 60), false},
	} {
		if got := Over(c.bytes, c.limit); got != c.over {
			t.Errorf("%d bytes of %s MiB: %v", c.bytes, c.limit, got)
		}
		if got := !c.limit.Allows(MiB(c.bytes)); got != c.over {
			t.Errorf("%d bytes are %d MiB, of %s: %v", c.bytes, MiB(c.bytes), c.limit, got)
		}
	}
}

func TestC21_AMonthHasTheLimitThatItEndedWith(t *testing.T) {
	one, two, three := reselling.AtMost(1), reselling.AtMost(2), reselling.NoLimit
	past := Changed(nil, one, two, "2026-03")
	past = Changed(past, two, three, "2026-05")
	past = Changed(past, three, one, "2026-05")
	past = Changed(past, one, two, "2026-05")
	past = Changed(past, two, two, "2026-06")
	for month, want := range map[string]reselling.Limit{"2025-12": one, "2026-02": one, "2026-03": two, "2026-04": two, "2026-05": two, "2026-06": two} {
		if got := Valid(past, two, month); got != want {
			t.Errorf("%s: %s, not %s", month, got, want)
		}
	}
	if got := Valid(Changed(past, two, one, "2026-07"), one, "2026-06"); got != two {
		t.Errorf("June: %s", got)
	}
}

func TestC21_TotalsAreSums(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 4))
	var sum, a, b Sum
	var www, total uint64
	for i := range 1000 {
		s, _ := some(rnd, 1)
		f := Figures{Account: fmt.Sprint(i), Reseller: []string{"", "r1", "r1/r2", "r10"}[rnd.IntN(4)]}
		for _, r := range s.Each {
			f.Months = []Month{Was("2026-11", &r.Traffic, reselling.AtMost(10), time.Time{}, false), Was("2026-10", &r.Traffic, reselling.NoLimit, time.Time{}, false)}
		}
		www, total = www+f.Months[0].WWW, total+f.Months[0].Total
		sum.Add(&f, "2026-11")
		if f.Below("r1") {
			a.Add(&f, "2026-11")
		} else {
			b.Add(&f, "2026-11")
		}
	}
	if sum.Traffic.Total() != total || sum.Traffic.WWW() != www || a.Traffic.Total()+b.Traffic.Total() != total || a.Accounts+b.Accounts != 1000 || a.OverTraffic+b.OverTraffic != sum.OverTraffic {
		t.Errorf("%+v", sum)
	}
}

// FuzzRecord: whatever bytes are stored, reading ends, and what was read is the same when it is written and read again.
func FuzzRecord(f *testing.F) {
	s, _ := some(rand.New(rand.NewPCG(1, 1)), 3)
	f.Add(Write(nil, s))
	f.Fuzz(func(t *testing.T, b []byte) {
		var one, other Sheet[Row]
		if _, err := Read(b, &one); err != nil {
			return
		}
		if _, err := Read(Write(nil, &one), &other); err != nil {
			t.Fatal(err)
		}
		want := map[string]Row{}
		for account, r := range one.Each {
			want[account] = *r
		}
		sheetIs(t, &other, want)
	})
}
