package usage

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/protocol"
)

// fleet is some accounts in no order, of which the same value is yielded again and again, as a Reader does.
func fleet(rnd *rand.Rand, n int, month string) (iter.Seq[*Figures], []Figures) {
	var all []Figures
	for i := range n {
		f := Figures{Account: fmt.Sprintf("acc-%04d", i), Domain: fmt.Sprintf("d%d.example", rnd.IntN(n)), Reseller: []string{"", "r1", "r1/r2", "r10"}[rnd.IntN(4)]}
		var t Traffic
		for c := range t {
			t[c] = protocol.Traffic{In: rnd.Uint64N(4), Out: rnd.Uint64N(4 << 20)}
		}
		f.Months = []Month{Was(month, &t, reselling.AtMost(6), time.Unix(int64(rnd.IntN(2)), 0), false)}
		if rnd.IntN(4) == 0 {
			f.GoneAt = time.Unix(1, 0)
		} else {
			f.Storage = Takes(&Space{Home: rnd.Uint64N(9), WWW: rnd.Uint64N(9), At: rnd.Uint64N(2)}, reselling.AtMost(0))
		}
		all = append(all, f)
	}
	rnd.Shuffle(n, func(i, j int) { all[i], all[j] = all[j], all[i] })
	return func(yield func(*Figures) bool) {
		var f Figures
		var months [1]Month
		for i := range all {
			f = all[i]
			months[0] = all[i].Months[0]
			f.Months = months[:]
			if !yield(&f) {
				return
			}
		}
	}, all
}

// TestC21_PagesOfAnOverviewAreAllOfIt: whatever the order and the size of pages, each account comes once, in order, and each page has the same sum, that of all.
func TestC21_PagesOfAnOverviewAreAllOfIt(t *testing.T) {
	const month = "2026-11"
	rnd := rand.New(rand.NewPCG(5, 5))
	for _, by := range []func(*Figures) uint64{nil, func(f *Figures) uint64 { return f.In(month).Total }, func(f *Figures) uint64 { return f.Storage.Total }} {
		for round := range 12 {
			seq, all := fleet(rnd, 1+rnd.IntN(120), month)
			a := Ask{Month: month, By: by, Descending: round%2 == 0, Fits: func(f *Figures) bool { return f.Below("r1") }}
			whole := Look(seq, a)
			var sum Sum
			for i := range all {
				if all[i].Below("r1") {
					sum.Add(&all[i], month)
				}
			}
			if whole.Sum != sum || len(whole.Rows) != sum.Accounts || whole.More {
				t.Fatalf("%+v, not %+v of %d rows", whole.Sum, sum, len(whole.Rows))
			}
			if !slices.IsSortedFunc(whole.Rows, func(x, y *Figures) int { return a.compare(a.PlaceOf(x), a.PlaceOf(y)) }) {
				t.Fatal("rows are in no order")
			}
			a.Limit = 1 + rnd.IntN(9)
			var ids []string
			for {
				page := Look(seq, a)
				if page.Sum != sum || len(page.Rows) > a.Limit {
					t.Fatalf("a page of %d has %d rows and %+v, not %+v", a.Limit, len(page.Rows), page.Sum, sum)
				}
				for _, f := range page.Rows {
					ids = append(ids, f.Account)
				}
				if !page.More {
					break
				}
				place := a.PlaceOf(page.Rows[len(page.Rows)-1])
				a.After = &place
			}
			var want []string
			for _, f := range whole.Rows {
				want = append(want, f.Account)
			}
			if !slices.Equal(ids, want) {
				t.Fatalf("pages of %d: %v, not %v", a.Limit, ids, want)
			}
		}
	}
}

func TestC21_WhoseAnAccountIsByPathOrId(t *testing.T) {
	for _, c := range []struct {
		path, reseller string
		under          bool
	}{{"r1/r2", "r1", true}, {"r1/r2", "r2", true}, {"r1/r2", "r1/r2", true}, {"r1", "r1/r2", false}, {"r10", "r1", false}, {"", "r1", false}, {"r1", "r10", false}} {
		if f := (&Figures{Reseller: c.path}); f.Under(c.reseller) != c.under {
			t.Errorf("%q under %q: %v", c.path, c.reseller, !c.under)
		}
	}
}
