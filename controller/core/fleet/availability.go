package fleet

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// Reason is one condition of availability that does not hold (rule B25).
type Reason struct {
	Rule    string     `json:"rule"`             // "B17" … "B23", "X1", "X3"
	Message string     `json:"message"`          // a sentence for a person
	Since   *time.Time `json:"since,omitempty"`  // nil: since the server is known
	Fact    string     `json:"fact"`             // which record says so
	Waived  bool       `json:"waived,omitempty"` // an operator took the risk (B24)
}

// Surroundings is what the predicate needs to know beyond one server.
type Surroundings struct {
	Facts     *Facts    // nil: never reported
	Connected bool      // an agent session exists
	Lost      time.Time // when the last one ended; zero: never had one
	// SharedMACs lists MACs of this server that another server has as well.
	SharedMACs []string
	Placements uint64 // how many things customers have on it
}

// Unavailable tells why a server cannot be given to an order. No
// reasons (other than waived ones) means available.
func Unavailable(s *Server, in Surroundings) []Reason {
	r := reasons{list: Unsellable(s, in)}
	if s.Node != nil {
		r.add("X3", s.Node.At, "node", "it is a hosting node; no order gets it")
	}
	return r.list
}

// Unsellable tells why a server cannot be given to a reseller, by sale or by plan: as [Unavailable], but a hosting node may.
func Unsellable(s *Server, in Surroundings) []Reason {
	var r reasons
	r.owner(s)
	r.used(in)
	r.approval(s)
	r.diagnosis(s, in.Facts)
	r.lastOperation(s)
	r.switches(s)
	r.macs(s, in)
	r.errors(s, in)
	if o := s.Override; o != nil && s.Diagnosis != nil && o.DiagnosisID == s.Diagnosis.ID {
		r.waive()
	}
	return r.list
}

// Sellable reports whether reasons of [Unavailable] let whoever has a server sell it (rule S3): the provider what is nobody's, a reseller what he was
// sold. Unlike what orders get it may be a hosting node.
func Sellable(s *Server, list []Reason) bool {
	onward := s.Claim.Kind == ClaimReseller && s.Claim.Via == ViaSale
	return !slices.ContainsFunc(list, func(r Reason) bool { return !r.Waived && r.Fact != "node" && (r.Fact != "claim" || !onward) })
}

// Available reports whether no unwaived reason is left.
func Available(list []Reason) bool {
	for _, r := range list {
		if !r.Waived {
			return false
		}
	}
	return true
}

type reasons struct {
	list     []Reason
	waivable []int
}

func (r *reasons) add(rule string, since time.Time, fact, message string) {
	reason := Reason{Rule: rule, Message: message, Fact: fact}
	if !since.IsZero() {
		reason.Since = &since
	}
	r.list = append(r.list, reason)
}

// addWaivable is add for what an operator may override: B23, and the "every check
// passed" half of B18.
func (r *reasons) addWaivable(rule string, since time.Time, fact, message string) {
	r.waivable = append(r.waivable, len(r.list))
	r.add(rule, since, fact, message)
}

func (r *reasons) waive() {
	for _, i := range r.waivable {
		r.list[i].Waived = true
	}
}

func (r *reasons) owner(s *Server) {
	switch s.Claim.Kind {
	case ClaimNone, "":
	case ClaimHeld:
		r.add("B17", s.Claim.Since, "claim", "it is held for order "+s.Claim.Ref)
	default:
		r.add("B17", s.Claim.Since, "claim", "it belongs to "+s.Claim.Kind+" "+s.Claim.Ref)
	}
	switch {
	case s.IsClean():
	case s.Node != nil:
		r.add("X3", s.LeftOvers.Since, "left_overs", "its former owner left "+s.LeftOvers.Words()+"; remove it and inspect the server again, or clear it with a reason")
	default:
		r.add("X3", s.CleanSince, "cleanliness", "its disks are not proven clean; erase it first")
	}
}

func (r *reasons) used(in Surroundings) {
	if in.Placements > 0 {
		r.add("X3", time.Time{}, "load", fmt.Sprintf("customers have something on it (%d)", in.Placements))
	}
}

func (r *reasons) approval(s *Server) {
	switch s.Approval {
	case Approved:
	case Rejected:
		r.add("X1", s.CreatedAt, "approval", "it was rejected at enrolment")
	case Retired:
		r.retired(s)
	default:
		r.add("X1", s.CreatedAt, "approval", "it is pending; approve it first")
	}
	if q := s.Quarantine; q != nil {
		r.add("X1", q.At, "quarantine", "it is in quarantine: "+q.Reason)
	}
	r.identity(s)
}

func (r *reasons) diagnosis(s *Server, f *Facts) {
	d := s.Diagnosis
	if d == nil {
		r.add("B18", s.CreatedAt, "diagnosis", "diagnostics never completed; run them")
		return
	}
	var warnings []string
	for _, c := range d.Checks {
		if c.Verdict == protocol.VerdictWarning {
			warnings = append(warnings, c.Name)
		}
	}
	if len(warnings) > 0 {
		r.addWaivable("B18", d.At, "diagnosis", "diagnostics warn about "+strings.Join(warnings, ", "))
	}
	switch {
	case f == nil || f.Key == "":
		r.add("B18", s.CreatedAt, "facts", "its configuration is not known")
	case f.Key != d.ConfigurationKey:
		r.add("B18", f.At, "facts", "its configuration changed after the diagnostics; run them again")
	}
}

func (r *reasons) lastOperation(s *Server) {
	if s.Operation != "" {
		r.add("B19", time.Time{}, "operation", "operation "+s.Operation+" is running on it")
	}
	if l := s.Last; l != nil && l.State == "failed" {
		r.add("B19", l.At, "last_operation", "its last operation ("+l.Kind+") failed: "+l.Message)
	}
}

func (r *reasons) switches(s *Server) {
	if m := s.Maintenance; m != nil {
		r.add("B20", m.At, "maintenance", m.words())
	}
	if !s.InService {
		r.add("B21", s.ServiceSince, "in_service", "it is not in service")
	}
	if s.Location == "" {
		r.add("B2", s.CreatedAt, "location", "it has no location")
	}
}

func (r *reasons) macs(s *Server, in Surroundings) {
	if in.Facts == nil {
		return
	}
	if len(MACs(&in.Facts.Inventory)) == 0 {
		r.add("B22", in.Facts.At, "facts", "it has no MAC address")
	}
	for _, mac := range in.SharedMACs {
		r.add("B22", in.Facts.At, "facts", "its MAC address "+mac+" is on another server too")
	}
}

func (r *reasons) errors(s *Server, in Surroundings) {
	if d := s.Diagnosis; d != nil {
		for _, c := range d.Checks {
			if c.Verdict == protocol.VerdictError {
				r.addWaivable("B23", d.At, "diagnosis", "diagnostics found an error: "+c.Name+" "+c.Value+" "+c.Detail)
			}
		}
	}
	if !in.Connected && s.ParkedAt.IsZero() {
		r.addWaivable("B23", in.Lost, "presence", "its agent is not connected")
	}
}

// MACs are the permanent addresses of an inventory, else the current ones.
func MACs(inv *hardware.Inventory) []string {
	if len(inv.Identity.MACs) > 0 {
		return inv.Identity.MACs
	}
	var macs []string
	for _, n := range inv.NICs {
		if m := n.PermanentMAC; m != "" {
			macs = append(macs, m)
		} else if n.MAC != "" {
			macs = append(macs, n.MAC)
		}
	}
	return macs
}
