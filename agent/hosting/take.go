package hosting

import (
	"cmp"
	"slices"

	"github.com/steelyard/steelyard/protocol"
)

// Have tells which versions of which accounts the node has, and which results, and begins to tell from the beginning: a session begins.
func (n *Node) Have() []protocol.HostedVersion {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.outbox.restart()
	list := make([]protocol.HostedVersion, 0, len(n.accounts))
	for id, a := range n.accounts {
		v := protocol.HostedVersion{ID: id, Version: a.doc.Version}
		if a.result.State != "" {
			v.Result = a.result.Digest()
		}
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b protocol.HostedVersion) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// Set takes documents over: they are on disk when it returns. A document that cannot be right is refused and told as failed; the others are taken.
// The fault is unavailable when they cannot be kept.
func (n *Node) Set(set protocol.HostedSet) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	fresh := n.newer(set.Accounts)
	if len(fresh) > 0 {
		if err := n.journal.put(fresh); err != nil {
			return err
		}
	}
	for _, doc := range fresh {
		a := n.accounts[doc.ID]
		if a == nil {
			a = &account{}
			n.accounts[doc.ID] = a
		}
		a.doc, a.wait = doc, 0
		n.begin(a)
		n.queue(a)
	}
	if set.Complete {
		n.complete(set)
	}
	return nil
}

// newer are the documents that the node does not have, the newest of each account.
func (n *Node) newer(list []protocol.HostedAccount) (fresh []protocol.HostedAccount) {
	at := map[string]int{}
	for _, doc := range list {
		if fileName(doc.ID) == "" {
			n.opt.Logger.Error("a document of a hosted account has no id", "account", doc.ID)
			continue
		}
		if a := n.accounts[doc.ID]; a != nil && a.doc.Version >= doc.Version {
			continue
		}
		i, twice := at[doc.ID]
		switch {
		case !twice:
			at[doc.ID] = len(fresh)
			fresh = append(fresh, doc)
		case fresh[i].Version < doc.Version:
			fresh[i] = doc
		}
	}
	return fresh
}

// begin says that an account is worked on: people watch its steps (rule C12).
func (n *Node) begin(a *account) {
	a.result = protocol.HostedResult{ID: a.doc.ID, Version: a.doc.Version, State: protocol.HostedWorking}
	for _, p := range n.order(a.doc.State) {
		a.result.Steps = append(a.result.Steps, protocol.HostedStep{Part: p.Name(), State: protocol.HostedWaiting})
	}
	n.tell(a)
}

// complete learns which accounts the controller knows: what else is here is a stranger.
func (n *Node) complete(set protocol.HostedSet) {
	known := make(map[string]bool, len(set.All))
	for _, id := range set.All {
		known[id] = true
	}
	n.outbox.strangers, n.outbox.tellStrangers = []string{}, true
	for id := range n.accounts {
		if !known[id] {
			n.outbox.strangers = append(n.outbox.strangers, id)
		}
	}
	slices.Sort(n.outbox.strangers)
	for _, id := range set.Tell {
		if a := n.accounts[id]; a != nil && a.result.State != "" {
			n.tell(a)
		}
	}
	nudge(n.signal)
}
