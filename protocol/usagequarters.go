package protocol

import (
	"encoding/binary"

	"github.com/steelyard/steelyard/pkg/fault"
)

// UsageAsk asks an agent for the quarter-hours of an account (rule U2), of which [From, To) have passed since 1970.
type UsageAsk struct {
	ID      string `json:"id"` // of this question, made by who asks
	Account string `json:"account"`
	From    int64  `json:"from"`
	To      int64  `json:"to"` // at most MaxQuarters behind From
}

// UsageAnswer answers it. Quarter-hours without traffic are not in it, and those that are older than what the node keeps neither.
type UsageAnswer struct {
	ID       string       `json:"id"`
	Quarters []byte       `json:"quarters"` // written by AppendQuarter, read by Each
	Fault    *fault.Fault `json:"fault,omitempty"`
}

// MaxQuarters is how many quarter-hours may be asked for at once: those of a month.
const MaxQuarters = 32 * 96

// maxQuarterBytes bounds UsageAnswer.Quarters: all quarter-hours of a month, each with six long numbers.
const maxQuarterBytes = MaxQuarters * (2 + 6*binary.MaxVarintLen64)

// QuarterUsage is what one account had in one quarter-hour, by class.
type QuarterUsage struct {
	Quarter int64
	Traffic [UsageClasses]Traffic
}

// Check is the fault of a question that cannot be answered.
func (a *UsageAsk) Check() error {
	var c fault.Check
	c.Require(a.ID != "" && len(a.ID) <= maxUsageID, "id", "is missing or too long")
	c.Require(a.Account != "" && len(a.Account) <= maxUsageID, "account", "is missing or too long")
	c.Require(a.From >= 0 && a.From < a.To && a.To-a.From <= MaxQuarters, "to", "is not within %d quarter-hours behind from", MaxQuarters)
	return c.Err("quarter-hours of an account cannot be asked for like that")
}

// AppendQuarter writes a quarter-hour behind b: how many lie between it and the one before (the first: and zero), a set of the classes that had traffic, and In and
// Out of each of these, all as varints.
func AppendQuarter(b []byte, before int64, q *QuarterUsage) []byte {
	b = binary.AppendUvarint(b, uint64(q.Quarter-before))
	var had uint64
	for c, t := range q.Traffic {
		if t != (Traffic{}) {
			had |= 1 << c
		}
	}
	b = binary.AppendUvarint(b, had)
	for _, t := range q.Traffic {
		if t != (Traffic{}) {
			b = binary.AppendUvarint(binary.AppendUvarint(b, t.In), t.Out)
		}
	}
	return b
}

// Each calls f for each quarter-hour, in their order. Fault: invalid, for bytes that AppendQuarter does not write.
func (a *UsageAnswer) Each(f func(QuarterUsage)) error {
	if len(a.Quarters) > maxQuarterBytes {
		return fault.Invalid("the answer has %d bytes; %d are the most", len(a.Quarters), maxQuarterBytes)
	}
	d := usage{b: a.Quarters}
	for q := (QuarterUsage{}); d.more(); {
		start := d.at
		step := d.number()
		had := d.number()
		q.Quarter += int64(step)
		q.Traffic = [UsageClasses]Traffic{}
		for c := range q.Traffic {
			if had&(1<<c) != 0 {
				q.Traffic[c] = Traffic{In: d.number(), Out: d.number()}
			}
		}
		if d.bad || had>>UsageClasses != 0 || step == 0 || step > 1<<40 || q.Quarter > 1<<40 {
			return fault.Invalid("the answer cannot be read at the quarter-hour of byte %d", start)
		}
		f(q)
	}
	return nil
}
