package usage

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// Overview is a page of accounts, and the sum of all that fit.
type Overview struct {
	Rows []*Figures
	Sum  Sum  // of all that fit, whatever the page shows
	More bool // there are others behind the page
}

// Ask says what an overview has.
type Ask struct {
	Month      string
	Fits       func(*Figures) bool
	By         func(*Figures) uint64 // nil: by domain
	Descending bool
	After      *Place // nil: from the start
	Limit      int    // rows; 0 is all
}

// Place is where a row stands in an order: of two at the same place the one with the lesser id comes first.
type Place struct {
	N  uint64 `json:"n,omitempty"`
	S  string `json:"s,omitempty"`
	ID string `json:"i"`
}

// Look makes an overview. It goes once through all, and keeps no more than a page.
func Look(all iter.Seq[*Figures], a Ask) (o Overview) {
	kept := make([]placed, 0, min(a.Limit, 1024)+1)
	for f := range all {
		if !a.Fits(f) {
			continue
		}
		o.Sum.Add(f, a.Month)
		at := a.PlaceOf(f)
		if a.After != nil && a.compare(at, *a.After) <= 0 {
			continue
		}
		if a.Limit > 0 && len(kept) == a.Limit {
			o.More = true
			if a.compare(at, kept[a.Limit-1].at) > 0 {
				continue
			}
			kept = kept[:a.Limit-1]
		}
		one := placed{f.copy(), at}
		if a.Limit == 0 {
			kept = append(kept, one)
			continue
		}
		i, _ := slices.BinarySearchFunc(kept, one, a.order)
		kept = slices.Insert(kept, i, one)
	}
	if a.Limit == 0 {
		slices.SortFunc(kept, a.order)
	}
	for _, k := range kept {
		o.Rows = append(o.Rows, k.figures)
	}
	return o
}

type placed struct {
	figures *Figures
	at      Place
}

// PlaceOf is where an account stands.
func (a *Ask) PlaceOf(f *Figures) Place {
	if a.By == nil {
		return Place{S: f.Domain, ID: f.Account}
	}
	return Place{N: a.By(f), ID: f.Account}
}

func (a *Ask) order(x, y placed) int { return a.compare(x.at, y.at) }

func (a *Ask) compare(x, y Place) int {
	c := cmp.Or(cmp.Compare(x.N, y.N), strings.Compare(x.S, y.S))
	if a.Descending {
		c = -c
	}
	return cmp.Or(c, strings.Compare(x.ID, y.ID))
}

// copy is one that is good after the next.
func (f *Figures) copy() *Figures {
	c := *f
	c.Months = slices.Clone(f.Months)
	return &c
}

// In is what an account transferred in a month; nothing, where it has none of that name.
func (f *Figures) In(month string) Month {
	for i := range f.Months {
		if f.Months[i].Month == month {
			return f.Months[i]
		}
	}
	return Month{Month: month}
}

// Under reports whether an account is of somebody's subtree, named by his id or his path.
func (f *Figures) Under(reseller string) bool {
	return strings.Contains("/"+f.Reseller+"/", "/"+reseller+"/")
}
