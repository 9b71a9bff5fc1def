package fleet

import "testing"

// TestX3_EveryLabelIsDerived over all claims × usage × cleanliness.
func TestX3_EveryLabelIsDerived(t *testing.T) {
	owned := map[Claim]Label{
		{Kind: ClaimHeld}: LabelHeld, {Kind: ClaimPlan}: LabelAvailable, {Kind: ClaimClient}: LabelDedicated,
		{Kind: ClaimReseller, Via: ViaPlan}: LabelTaken, {Kind: ClaimReseller, Via: ViaSale}: LabelSold,
	}
	nodes := map[bool]*Node{false: nil, true: {}}
	finds := map[bool]*LeftOvers{false: nil, true: {Count: 1}}
	each(func(dirty, isNode, left, placed, eligible bool) {
		cleanliness, u := map[bool]string{false: Clean, true: Dirty}[dirty], Usage{Placed: placed, Eligible: eligible}
		of := func(c Claim) Label {
			return LabelOf(&Server{Claim: c, Cleanliness: cleanliness, Node: nodes[isNode], LeftOvers: finds[left]}, u)
		}
		for claim, want := range owned {
			if got := of(claim); got != want {
				t.Errorf("%+v, %s, %+v: %s, not %s", claim, cleanliness, u, got, want)
			}
		}
		want := LabelFree
		switch {
		case placed:
			want = LabelInUse
		case isNode && left, !isNode && dirty:
			want = LabelCleanup
		case eligible:
			want = LabelUnassigned
		}
		for _, kind := range []string{ClaimNone, ""} {
			if got := of(Claim{Kind: kind}); got != want {
				t.Errorf("nobody's, %s, node %v, left-overs %v, %+v: %s, not %s", cleanliness, isNode, left, u, got, want)
			}
		}
	})
}

// each calls f with all 32 combinations.
func each(f func(a, b, c, d, e bool)) {
	for n := range 32 {
		f(n&1 != 0, n&2 != 0, n&4 != 0, n&8 != 0, n&16 != 0)
	}
}
