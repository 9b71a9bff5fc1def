package account

import (
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/protocol"
)

// States of progress.
const (
	Waiting = "waiting" // the node has not said anything of the newest version
	Working = "working"
	Done    = "done"
	Failed  = "failed" // tried, and tried again by itself
)

// Progress is how far a node is with the newest version of what it shall make of an account (rule C12).
type Progress struct {
	Version uint64    `json:"version"`
	State   string    `json:"state" enum:"waiting,working,done,failed"`
	Steps   []Step    `json:"steps"`
	Since   time.Time `json:"since,omitzero"` // of what the node said last, or of the version
}

// Step is how one part of an account is.
type Step struct {
	Part    string `json:"part"`
	State   string `json:"state" enum:"waiting,working,done,failed"`
	Message string `json:"message,omitempty"`
}

// ProgressOf is the progress with a document; o is what the node said last, nil nothing.
func ProgressOf(d *hosting.Document, o *hosting.Outcome) Progress {
	p := Progress{Version: d.Account.Version, State: Waiting, Steps: []Step{}, Since: d.At}
	if o == nil || o.Server != d.Server || o.Result.Version < d.Account.Version {
		return p
	}
	p.Since, p.State = o.At, o.Result.State
	for _, s := range o.Result.Steps {
		p.Steps = append(p.Steps, Step{s.Part, s.State, s.Message})
	}
	if p.State != Done && p.State != Failed {
		p.State = Working
	}
	return p
}

// Words are what a node said of what failed, for a person.
func (p *Progress) Words() string {
	for _, s := range p.Steps {
		if s.State == Failed {
			return s.Part + ": " + s.Message
		}
	}
	return "the node does not say why"
}

// LeftOversOf are those that a result names.
func LeftOversOf(r *protocol.HostedResult) (list []Found) {
	for _, f := range r.LeftOvers {
		list = append(list, Found{Name: f.Name, Detail: f.Detail})
	}
	return list
}

// Shed is what is free now that the node has made the newest version true: at most so many domain names and forwards at once.
type Shed struct {
	Names    []string
	Forwards []Leads
}

// Settled is the account after its node has made the newest version true, or has nothing of it any more: what it held for the node to let go of is free. At
// most names and a quarter of it of forwards go at once, so that a commit can hold them; whoever calls it calls again until nothing more is free.
func (a Account) Settled(names int, now time.Time) (Account, Shed) {
	var free Shed
	held := &a.Dropped
	if !a.Live() && len(a.Dropped) == 0 {
		held = &a.Subdomains
	}
	n := min(len(*held), names)
	free.Names, *held = slices.Clone((*held)[:n]), slices.Clone((*held)[n:])
	var stay []Leads
	for _, f := range a.Forwards {
		if (f.Leaving || !a.Live()) && len(free.Forwards) < max(names/4, 1) {
			free.Forwards = append(free.Forwards, f)
		} else {
			stay = append(stay, f)
		}
	}
	a.Forwards = stay
	if a.Live() {
		a.Removing = Removing{}
	}
	if a.State == Making {
		a.State, a.Message, a.ChangedAt = There, "", now
	}
	return a, free
}

// Bare reports whether an account that is leaving holds no further names.
func (a *Account) Bare() bool { return len(a.Subdomains)+len(a.Dropped)+len(a.Forwards) == 0 }
