package usage

import (
	"math"
	"slices"
	"time"

	"github.com/steelyard/steelyard/protocol"
)

// slack is by how many quarter-hours the switch may have counted less than the agent of a month, and still is what is shown: it is asked minutes apart.
const slack = 4

// Month is what is shown of a record. false: nothing was counted.
func (r *ServerRecord) Month(month string) (m ServerMonth, ok bool) {
	wired, own := r.Find(SwitchBook), r.own()
	if wired != nil && (len(own) == 0 || wired.Quarters+slack >= quarters(own)) {
		return shown(month, SourceSwitch, []Carried{*wired}), true
	}
	return shown(month, SourceAgent, own), len(own) > 0
}

// own are the books of agents.
func (r *ServerRecord) own() []Carried {
	if len(r.Books) > 0 && r.Books[0].Book == SwitchBook {
		return r.Books[1:]
	}
	return r.Books
}

func quarters(books []Carried) (n uint64) {
	for i := range books {
		n += books[i].Quarters
	}
	return n
}

func shown(month, source string, books []Carried) ServerMonth {
	m := ServerMonth{Month: month, Source: source}
	var at int64
	for i := range books {
		c := &books[i]
		m.In, m.Out, m.Gap, at = m.In+c.In, m.Out+c.Out, m.Gap || c.Gap, max(at, c.At)
		for day, t := range c.days() {
			if day == len(m.Days) {
				m.Days = append(m.Days, Day{Day: day + 1})
			}
			m.Days[day].In, m.Days[day].Out = m.Days[day].In+t.In, m.Days[day].Out+t.Out
		}
	}
	if at != 0 {
		m.At = time.Unix(at, 0).UTC()
	}
	in, out := percentile(books)
	m.P95In, m.P95Out = in*8/900, out*8/900
	return m
}

// percentile is the 95th of the quarter-hours of books, in bytes. Of several books not all quarter-hours are known that may be among the busiest; then it is not more than the true one.
func percentile(books []Carried) (in, out uint64) {
	if quarters(books) < 2 {
		return 0, 0
	}
	n := protocol.Busiest(quarters(books))
	if len(books) == 1 {
		c := &books[0]
		var now Now
		if c.Now != nil {
			now = *c.Now
		}
		return max(c.P95In, nthOf(c.TopIn, now.In, n)), max(c.P95Out, nthOf(c.TopOut, now.Out, n))
	}
	var topIn, topOut []uint64
	for i := range books {
		c := &books[i]
		in, out = max(in, c.P95In), max(out, c.P95Out)
		topIn, topOut = append(topIn, unpackTop(c.TopIn)...), append(topOut, unpackTop(c.TopOut)...)
		if c.Now != nil {
			topIn, topOut = append(topIn, c.Now.In), append(topOut, c.Now.Out)
		}
	}
	return max(in, nth(topIn, n)), max(out, nth(topOut, n))
}

// nthOf is the nth largest of what packTop wrote and one more, without unpacking it; 0: there are fewer.
func nthOf(top []byte, more uint64, n int) uint64 {
	d := reader{b: top}
	before, at := uint64(math.MaxUint64), uint64(0) // the one before the nth of those that were written, and the nth
	for i := 1; i <= n; i++ {
		if i > 1 {
			before = at
		}
		switch {
		case len(d.b) == 0:
			at = 0
		case i == 1:
			at = d.number()
		default:
			at -= min(d.number(), at)
		}
	}
	return max(min(before, more), at)
}

// nth is the nth largest; 0: there are fewer.
func nth(list []uint64, n int) uint64 {
	if n > len(list) {
		return 0
	}
	slices.Sort(list)
	return list[len(list)-n]
}

// Shorten drops what is not needed any more: the busiest quarter-hours when the month is over for its only book, which ends at to, and, of a month that nobody tells any more, all but the sums.
func (r *ServerRecord) Shorten(to int64, told bool) {
	if wired := r.Find(SwitchBook); wired != nil && (!told || wired.At >= to) {
		shorten(r.Books[:1], told)
	}
	if own := r.own(); len(own) > 0 && (!told || len(own) == 1 && own[0].At >= to) {
		shorten(own, told)
	}
}

// Short reports whether Shorten has nothing more to drop of a month that nobody tells any more.
func (r *ServerRecord) Short() bool {
	return !slices.ContainsFunc(r.Books, func(c Carried) bool { return c.Days != nil || c.TopIn != nil || c.TopOut != nil || c.Now != nil })
}

func shorten(books []Carried, told bool) {
	in, out := percentile(books)
	for i := range books {
		c := &books[i]
		c.TopIn, c.TopOut, c.Now, c.P95In, c.P95Out = nil, nil, nil, 0, 0
		if !told {
			c.Days = nil
		}
	}
	books[0].P95In, books[0].P95Out = in, out
}

// Carried is what agents counted in a month, in bytes, and since when, in seconds since 1970. false: they counted nothing.
func (r *ServerRecord) Carried() (in, out uint64, since int64, ok bool) {
	for _, c := range r.own() {
		in, out = in+c.In, out+c.Out
		if from := (c.At+899)/900*900 - int64(c.Quarters)*900; since == 0 || from < since {
			since = from
		}
	}
	return in, out, since, len(r.own()) > 0
}
