package hosting

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/steelyard/steelyard/protocol"
)

// outbox is what the controller has not said to be stored. n.mu guards it.
type outbox struct {
	pending map[string]bool // accounts whose result is to be told

	provided     *protocol.Provided
	providedText string // of provided, as it was told last
	tellProvided bool

	strangers     []string
	tellStrangers bool

	seq uint64
	way *protocol.HostedReport // on its way: nothing else is sent before it is stored
}

// restart tells from the beginning; what was on its way may not have come.
func (o *outbox) restart() {
	if o.way != nil {
		for _, r := range o.way.Results {
			o.pending[r.ID] = true
		}
	}
	o.way, o.tellProvided = nil, o.provided != nil
	o.tellStrangers = false // they are found out anew
}

// tell asks for the result of an account to be told.
func (n *Node) tell(a *account) {
	n.outbox.pending[a.doc.ID] = true
	nudge(n.signal)
}

// Changed is signalled when there may be something to report.
func (n *Node) Changed() <-chan struct{} { return n.signal }

// Report is what is to be sent now, the same until Told names its Seq; false when nothing is.
func (n *Node) Report() (protocol.HostedReport, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	o := &n.outbox
	if o.way != nil {
		return *o.way, true
	}
	r := protocol.HostedReport{}
	if o.tellProvided {
		r.Provided = o.provided
	}
	if o.tellStrangers {
		r.Strangers, r.Told = o.strangers[:min(len(o.strangers), protocol.MaxHosted)], len(o.strangers) <= protocol.MaxHosted
	}
	for _, id := range slices.Sorted(maps.Keys(o.pending)) {
		if len(r.Results) == protocol.MaxHostedResults {
			break
		}
		delete(o.pending, id)
		if a := n.accounts[id]; a != nil && a.result.State != "" {
			r.Results = append(r.Results, cloned(a.result))
		}
	}
	if r.Provided == nil && !o.tellStrangers && len(r.Results) == 0 {
		return r, false
	}
	o.tellProvided, o.tellStrangers = false, false
	o.seq++
	r.Seq = o.seq
	o.way = &r
	return r, true
}

func cloned(r protocol.HostedResult) protocol.HostedResult {
	r.Steps, r.LeftOvers = slices.Clone(r.Steps), slices.Clone(r.LeftOvers)
	return r
}

// Told hears that a report is stored. Accounts that are gone, and told so, are forgotten.
func (n *Node) Told(seq uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	o := &n.outbox
	if o.way == nil || o.way.Seq != seq {
		return
	}
	for _, r := range o.way.Results {
		a := n.accounts[r.ID]
		if a == nil || a.doc.State != protocol.HostedGone || a.doc.Version != r.Version || r.State != protocol.HostedDone || o.pending[r.ID] {
			continue
		}
		if err := n.journal.remove(r.ID); err != nil {
			n.opt.Logger.Error("a hosted account that is gone is not forgotten", "account", r.ID, "error", err)
			continue
		}
		delete(n.accounts, r.ID)
	}
	o.way = nil
	nudge(n.signal)
}

// provide notes what the parts can do.
func (n *Node) provide(p protocol.Provided) (changed bool) {
	text, _ := json.Marshal(p) // texts and flags
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.outbox.providedText == string(text) {
		return false
	}
	n.outbox.provided, n.outbox.providedText, n.outbox.tellProvided = &p, string(text), true
	nudge(n.signal)
	return true
}
