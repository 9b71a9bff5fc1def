package usage

import (
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/pkg/unit"
)

// Past is a limit of traffic that was valid in the months before one.
type Past struct {
	Before string          `json:"before"` // month, 2026-11
	Limit  reselling.Limit `json:"limit"`  // MiB
}

// maxPast is how many changes of a limit are kept: ten years of one in each month.
const maxPast = 120

// Changed keeps what was valid in the months before this one, when a limit is changed in it. A second change in the same month has nothing to keep: the month is of the limit that it
// ends with. It is for the commit of the change.
func Changed(past []Past, was, is reselling.Limit, month string) []Past {
	if was == is || len(past) > 0 && past[len(past)-1].Before >= month {
		return past
	}
	next := append(make([]Past, 0, len(past)+1), past...)
	next = append(next, Past{Before: month, Limit: was})
	return next[max(0, len(next)-maxPast):]
}

// Valid is the limit of a month, for one that is this today.
func Valid(past []Past, today reselling.Limit, month string) reselling.Limit {
	for _, p := range past {
		if month < p.Before {
			return p.Limit
		}
	}
	return today
}

// Over reports whether bytes are more than a limit in MiB: strictly (rule C23).
func Over(bytes uint64, limit reselling.Limit) bool {
	return !limit.None && limit.Most < 1<<44 && bytes > limit.Most*uint64(unit.MiB)
}

// MiB is how many there are, of which a part counts as a whole one: so they are more than a limit of whole ones exactly when the bytes are.
func MiB(bytes uint64) uint64 { return bytes/uint64(unit.MiB) + min(1, bytes%uint64(unit.MiB)) }
