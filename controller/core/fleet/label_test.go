package fleet

import "testing"

// TestX3_EveryLabelIsDerived over all claims × usage × cleanliness.
func TestX3_EveryLabelIsDerived(t *testing.T) {
	owned := map[Claim]Label{
		{Kind: ClaimHeld}: LabelHeld, {Kind: ClaimPlan}: LabelAvailable, {Kind: ClaimClient}: LabelDedicated,
		{Kind: ClaimReseller, Via: ViaPlan}: LabelTaken, {Kind: ClaimReseller, Via: ViaSale}: LabelSold,
	}
	both := []bool{false, true}
	for _, cleanliness := range []string{Clean, Dirty, ""} {
		for _, placed := range both {
			for _, left := range both {
				for _, eligible := range both {
					u := Usage{Placed: placed, LeftOver: left, Eligible: eligible}
					for claim, want := range owned {
						if got := LabelOf(&Server{Claim: claim, Cleanliness: cleanliness}, u); got != want {
							t.Errorf("%+v, %s, %+v: %s, not %s", claim, cleanliness, u, got, want)
						}
					}
					want := LabelFree
					switch {
					case placed:
						want = LabelInUse
					case cleanliness != Clean || left:
						want = LabelCleanup
					case eligible:
						want = LabelUnassigned
					}
					for _, kind := range []string{ClaimNone, ""} {
						if got := LabelOf(&Server{Claim: Claim{Kind: kind}, Cleanliness: cleanliness}, u); got != want {
							t.Errorf("nobody's, %s, %+v: %s, not %s", cleanliness, u, got, want)
						}
					}
				}
			}
		}
	}
}
