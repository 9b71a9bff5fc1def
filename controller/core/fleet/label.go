package fleet

// Usage of a server by what customers have on it.
type Usage struct {
	Placed   bool // an account, forwarding, mailbox or database is on it, also a half-made one
	Eligible bool // rules H3 to H6 hold, so that it may be given to a plan
}

// Label is what the systems that Steelyard replaces called a server's state (rule X3). It is derived, never stored.
type Label string

// Labels.
const (
	LabelFree       Label = "free"             // nobody's, unused and clean; called "no owner" too
	LabelUnassigned Label = "unassigned"       // free, and eligible for a plan
	LabelInUse      Label = "in use"           // nobody's, but customers of the provider are on it
	LabelCleanup    Label = "cleanup required" // nobody's; what its last owner left has to go before anybody gets it
	LabelHeld       Label = "held"             // kept for an order
	LabelAvailable  Label = "available"        // assigned to a plan, and nobody's yet
	LabelTaken      Label = "taken"            // a reseller's, by plan
	LabelSold       Label = "sold"             // a reseller's, by sale
	LabelDedicated  Label = "dedicated"        // a client's
)

// Via says how a reseller came by a server.
const (
	ViaPlan = "plan"
	ViaSale = "sale"
)

// LabelOf derives the label. Whose a server is comes first; whether it is used and clean is told of one that is nobody's.
func LabelOf(s *Server, u Usage) Label {
	switch s.Claim.Kind {
	case ClaimHeld:
		return LabelHeld
	case ClaimPlan:
		return LabelAvailable
	case ClaimClient:
		return LabelDedicated
	case ClaimReseller:
		if s.Claim.Via == ViaPlan {
			return LabelTaken
		}
		return LabelSold
	}
	switch {
	case u.Placed:
		return LabelInUse
	case !s.IsClean():
		return LabelCleanup
	case u.Eligible:
		return LabelUnassigned
	}
	return LabelFree
}

// IsClean reports whether nothing of a former owner is on the server: its disks are proven empty, or, on a hosting node, an inspection found
// nothing.
func (s *Server) IsClean() bool {
	if s.Node != nil {
		return s.LeftOvers == nil
	}
	return s.Cleanliness == Clean
}

// TakenBy is the path of the reseller who has the server by plan: all new accounts of his go there (rule H18). Nobody is no path.
func TakenBy(s *Server) []string {
	if s.Claim.Kind == ClaimReseller && s.Claim.Via == ViaPlan {
		return []string{s.Claim.Owner}
	}
	return nil
}

// Labels lists them.
var Labels = []Label{
	LabelFree, LabelUnassigned, LabelInUse, LabelCleanup, LabelHeld, LabelAvailable, LabelTaken, LabelSold, LabelDedicated,
}
