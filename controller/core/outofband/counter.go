package outofband

import (
	"math"
	"time"
)

// Counters are the byte counters of a switch port at one moment, named from the switch.
type Counters struct {
	InOctets      uint64        `json:"in_octets"`
	OutOctets     uint64        `json:"out_octets"`
	Bits          int           `json:"bits"`            // 64, 32; 0: the port has none
	Speed         uint64        `json:"speed,omitempty"` // of the link, bits a second; 0 is not known
	At            time.Time     `json:"at"`
	Uptime        time.Duration `json:"uptime_ns"`                  // of the switch's SNMP agent; begins again after 497 days
	Discontinuity time.Duration `json:"discontinuity_ns,omitempty"` // Uptime at which the counters were last disturbed
}

// ticksRound is where TimeTicks begin again: 2^32 hundredths of a second.
const ticksRound = (1 << 32) * 10 * time.Millisecond

// Since tells what was counted between an earlier reading and this one: the bytes
// that are certain, and why there may have been more ("" when there were not). It tells
// rather too little than too much.
//
// After a restart or a discontinuity it is not known how much was counted before it.
// A counter that is lower than before began again at 0, so all that it shows is new, if the link
// can carry so much; one that is not lower may have gone on, so only the difference is. A
// 32-bit counter that is lower went round once, unless the link is too slow for that; on a
// fast one it may have gone round more than once.
func (c Counters) Since(before Counters) (in, out uint64, doubt string) {
	elapsed := c.At.Sub(before.At)
	span := span{
		most: possible(max(c.Speed, before.Speed), elapsed), bits: c.Bits,
		disturbed: c.restarted(before, elapsed) || c.Discontinuity != before.Discontinuity,
	}
	in, backIn := span.grown(before.InOctets, c.InOctets)
	out, backOut := span.grown(before.OutOctets, c.OutOctets)
	switch {
	case span.disturbed:
		doubt = "the switch restarted or reset its counters"
	case backIn || backOut:
		doubt = "the counters were set back"
	case c.Bits == 32 && span.most > math.MaxUint32:
		doubt = "the 32-bit counters may have gone round more than once"
	}
	return in, out, doubt
}

// span is the time between two readings.
type span struct {
	most      uint64 // bytes that the link can carry; MaxUint64 when its speed is not known
	bits      int
	disturbed bool
}

// grown is how much one counter certainly grew, and whether it was set back.
func (s span) grown(before, now uint64) (n uint64, back bool) {
	if now >= before {
		return now - before, false
	}
	if s.bits == 32 && !s.disturbed {
		if round := 1<<32 - before + now; round <= s.most {
			return round, false
		}
	}
	// Set back without a word, by a link of unknown speed: nothing is certain.
	if now > s.most || s.most == math.MaxUint64 && !s.disturbed {
		return 0, true
	}
	return now, true
}

// possible is how many bytes a link of that speed carries in that time, with a tenth to
// spare for clocks.
func possible(speed uint64, elapsed time.Duration) uint64 {
	most := float64(speed) / 8 * (elapsed + time.Second).Seconds() * 1.1
	if speed == 0 || most >= math.MaxUint64 {
		return math.MaxUint64
	}
	return uint64(most)
}

// restarted reports whether the switch's agent began anew: its uptime is not what it
// should be by now, give or take a late answer and drifting clocks. That it begins
// again after 497 days is no restart.
func (c Counters) restarted(before Counters, elapsed time.Duration) bool {
	if before.Uptime == 0 && c.Uptime == 0 {
		return false // it does not tell
	}
	slack := min(5*time.Second+elapsed/10, 2*time.Minute)
	late := ((before.Uptime+elapsed-c.Uptime)%ticksRound + ticksRound) % ticksRound
	return late > slack && late < ticksRound-slack
}
