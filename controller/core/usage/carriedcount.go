package usage

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/steelyard/steelyard/protocol"
)

// Piece is what a switch counted of a server within one month.
type Piece struct {
	Month    protocol.UsageMonth
	Quarters []Now // in their order, without a hole
}

// Split spreads what was counted between two readings evenly over the quarter-hours that it may have been in, and these over their months. from and to are seconds since 1970; nothing is lost in
// rounding. What lies before the first month is the first one's.
func Split(months []protocol.UsageMonth, from, to int64, in, out uint64) (list []Piece) {
	if to <= from || len(months) == 0 {
		return nil
	}
	var told Now // of in and out
	for q := from / 900; q*900 < to; q++ {
		passed := uint64(min((q+1)*900, to) - from)
		upTo := Now{q, share(in, passed, uint64(to-from)), share(out, passed, uint64(to-from))}
		m := monthOf(months, q)
		if n := len(list); n == 0 || list[n-1].Month.Name != m.Name {
			list = append(list, Piece{Month: m})
		}
		p := &list[len(list)-1]
		p.Quarters = append(p.Quarters, Now{max(q, m.From), upTo.In - told.In, upTo.Out - told.Out})
		told = upTo
	}
	return list
}

func monthOf(months []protocol.UsageMonth, q int64) protocol.UsageMonth {
	for _, m := range months {
		if q < m.To {
			return m
		}
	}
	return months[len(months)-1]
}

// share is n*part/whole, part being at most whole.
func share(n, part, whole uint64) uint64 {
	hi, lo := bits.Mul64(n, part)
	quotient, _ := bits.Div64(hi, lo, whole)
	return quotient
}

// Count adds a piece to the book of the switch, until at.
func (c *Carried) Count(p *Piece, zone uint64, at int64, gap bool) {
	days, topIn, topOut := c.days(), unpackTop(c.TopIn), unpackTop(c.TopOut)
	for _, q := range p.Quarters {
		c.In, c.Out = c.In+q.In, c.Out+q.Out
		for len(days) <= p.Month.DayOf(q.Quarter) {
			days = append(days, protocol.Traffic{})
		}
		d := &days[p.Month.DayOf(q.Quarter)]
		d.In, d.Out = d.In+q.In, d.Out+q.Out
		switch {
		case c.Now == nil:
			c.Now = &Now{Quarter: q.Quarter, In: q.In, Out: q.Out}
			c.Quarters++
		case q.Quarter > c.Now.Quarter:
			topIn, topOut = among(topIn, c.Now.In), among(topOut, c.Now.Out)
			c.Now = &Now{Quarter: q.Quarter, In: q.In, Out: q.Out}
			c.Quarters++
		default:
			c.Now = &Now{Quarter: c.Now.Quarter, In: c.Now.In + q.In, Out: c.Now.Out + q.Out}
		}
	}
	c.Zone, c.At, c.Gap = zone, max(c.At, min(at, p.Month.To*900)), c.Gap || gap
	c.setDays(days)
	c.TopIn, c.TopOut = packTop(topIn), packTop(topOut)
}

// among puts a figure among the largest.
func among(top []uint64, n uint64) []uint64 {
	i, _ := slices.BinarySearchFunc(top, n, func(a, b uint64) int { return cmp.Compare(b, a) })
	if i >= maxTop {
		return top
	}
	return slices.Insert(top, i, n)[:min(len(top)+1, maxTop)]
}
