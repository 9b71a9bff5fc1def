package hosting

import "github.com/steelyard/steelyard/protocol"

// Each calls f for each document that the node has, in no order; f changes nothing of it and keeps none of it.
func (n *Node) Each(f func(*protocol.HostedAccount)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range n.accounts {
		f(&a.doc)
	}
}
