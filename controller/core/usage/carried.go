package usage

import (
	"slices"
	"strings"

	"github.com/steelyard/steelyard/protocol"
)

// ServerRecord is what is stored of what went through the interfaces of a server in one month (rule U5), in some 2 KB while the month runs and 0.1 KB when nodes do not tell it any more.
type ServerRecord struct {
	Books []Carried `json:"books"` // in the order of their names
}

// Bounds of a record.
const (
	MaxServerBooks = 64   // each system that a server runs counts in a book of its own
	maxQuarters    = 3100 // of a month: 31 days and an hour
	maxTop         = maxQuarters/20 + 1
)

// SwitchBook is the book of the switch's counters: no agent may call its own so.
const SwitchBook = ""

// Carried is what one book counted of a server's month.
type Carried struct {
	Book     string `json:"book,omitempty"`
	Zone     uint64 `json:"zone,omitempty"` // number of the time zone that the month is of
	At       int64  `json:"at"`             // counted until then, in seconds since 1970
	In       uint64 `json:"in"`             // bytes
	Out      uint64 `json:"out"`
	Quarters uint64 `json:"quarters"` // quarter-hours that were counted, the one of At among them
	Gap      bool   `json:"gap,omitempty"`
	P95In    uint64 `json:"p95_in,omitempty"` // bytes of a quarter-hour; said when the busiest are not kept any more
	P95Out   uint64 `json:"p95_out,omitempty"`
	Days     []byte `json:"days,omitempty"`    // In and Out of each day from the first on, as varints
	TopIn    []byte `json:"top_in,omitempty"`  // the busiest quarter-hours, the most first: that one, and then what each has less than the one before, as varints
	TopOut   []byte `json:"top_out,omitempty"` // the same

	// Now is the quarter-hour that is not over, where it is not among the busiest yet: of the switch's book.
	Now *Now `json:"now,omitempty"`
}

// Now is a quarter-hour that runs.
type Now struct {
	Quarter int64  `json:"quarter"` // since 1970
	In      uint64 `json:"in"`
	Out     uint64 `json:"out"`
}

// CarriedIn is a month of a report, as it is stored. at is until when it was counted.
func CarriedIn(book string, zone uint64, at int64, gap bool, m *protocol.ServerMonth) Carried {
	c := Carried{Book: book, Zone: zone, At: at, In: m.Total.In, Out: m.Total.Out, Quarters: m.Quarters, Gap: gap}
	c.setDays(m.Days)
	c.TopIn, c.TopOut = packTop(m.In), packTop(m.Out)
	return c
}

// PlausibleMonth reports whether an agent may say this of a month.
func PlausibleMonth(m *protocol.ServerMonth) bool {
	ok := m.Quarters <= maxQuarters && m.Total.In <= MaxTraffic && m.Total.Out <= MaxTraffic
	for _, d := range m.Days {
		ok = ok && d.In <= m.Total.In && d.Out <= m.Total.Out
	}
	most := func(list []uint64, total uint64) bool { return len(list) == 0 || list[0] <= total }
	return ok && most(m.In, m.Total.In) && most(m.Out, m.Total.Out)
}

// Raise takes in what was said of the same book and month, and reports whether that is news. It may be said again and in any order: of several zones the latest stays, of the same zone what
// was counted longer.
func (c *Carried) Raise(o *Carried) bool {
	switch {
	case o.Zone < c.Zone, o.Zone == c.Zone && o.At < c.At:
		return false
	case o.Zone == c.Zone && o.At == c.At && o.In+o.Out <= c.In+c.Out:
		return false
	}
	gap := c.Gap && c.Zone == o.Zone
	*c = *o
	c.Gap = c.Gap || gap
	return true
}

// Find is the place of a book in the record; nil: it has none.
func (r *ServerRecord) Find(book string) *Carried {
	for i := range r.Books {
		if r.Books[i].Book == book {
			return &r.Books[i]
		}
	}
	return nil
}

// Raise takes in what a book counted, and reports whether that is news. more: the record has as many books as it may have, and nothing of this one.
func (r *ServerRecord) Raise(o *Carried) (news, more bool) {
	if c := r.Find(o.Book); c != nil {
		return c.Raise(o), false
	}
	if len(r.Books) >= MaxServerBooks {
		return false, true
	}
	r.Books = append(r.Books, *o)
	slices.SortFunc(r.Books, func(a, b Carried) int { return strings.Compare(a.Book, b.Book) })
	return true, false
}
