package match

import "cmp"

// score is (cost, changed parts, surplus parts) in one number, so that sums and
// lexicographic comparison are single instructions: 32, 16 and 16 bits. The
// limits of this package (maxParts, MaxWeight) keep each field from overflowing
// into the next, also when the five attributes are added up.
type score uint64

const (
	costShift   = 32
	changeShift = 16
	fieldMask   = 1<<16 - 1

	// ruledOut stands above every sum of real scores, and five of it still fit.
	ruledOut score = 1 << 60

	// maxParts bounds the parts of one kind in one configuration.
	maxParts = 4096
)

func points(cost, changes, surplus int) score {
	return score(cost)<<costShift | score(changes)<<changeShift | score(surplus)
}

func (s score) public() Score {
	return Score{
		Distance: int(s >> costShift),
		Parts:    int(s >> changeShift & fieldMask),
		Surplus:  int(s & fieldMask),
	}
}

// Score orders candidates: less distance, then fewer changed parts, then fewer
// surplus parts (rule B28a).
type Score struct {
	Distance int `json:"distance"` // points of rework; 0 is an exact fit
	Parts    int `json:"parts"`    // parts to add, remove or swap
	Surplus  int `json:"surplus"`  // parts beyond the wish: to remove, tolerated, or where the wish says "any"
}

// Compare is negative when s is the better score, positive when t is.
func (s Score) Compare(t Score) int {
	return cmp.Or(cmp.Compare(s.Distance, t.Distance), cmp.Compare(s.Parts, t.Parts), cmp.Compare(s.Surplus, t.Surplus))
}
