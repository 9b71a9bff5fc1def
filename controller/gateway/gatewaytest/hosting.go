package gatewaytest

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Hosting is the accounts of a fleet. Its methods are safe for concurrent use.
type Hosting struct {
	Changed func(server string) // as that of Fleet

	mu        sync.Mutex
	documents map[string]map[string]protocol.HostedAccount
	results   map[string]protocol.HostedResult
	provided  map[string]protocol.Provided
	strangers map[string][]string
	sent      map[string]int // how often a document was asked for
	reports   int
}

// NewHosting makes an empty one.
func NewHosting() *Hosting {
	return &Hosting{
		documents: map[string]map[string]protocol.HostedAccount{}, results: map[string]protocol.HostedResult{},
		provided: map[string]protocol.Provided{}, strangers: map[string][]string{}, sent: map[string]int{},
	}
}

// Put writes documents; each gets the next version of its account.
func (h *Hosting) Put(server string, list ...protocol.HostedAccount) {
	h.mu.Lock()
	if h.documents[server] == nil {
		h.documents[server] = map[string]protocol.HostedAccount{}
	}
	for _, doc := range list {
		doc.Version = h.documents[server][doc.ID].Version + 1
		h.documents[server][doc.ID] = doc
	}
	h.mu.Unlock()
	if h.Changed != nil {
		h.Changed(server)
	}
}

// Remove forgets an account without a word to its node.
func (h *Hosting) Remove(server, account string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.documents[server], account)
}

// Result is what was told last of an account.
func (h *Hosting) Result(account string) protocol.HostedResult {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.results[account]
}

// Done counts the accounts whose newest document was made true.
func (h *Hosting) Done(server string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, doc := range h.documents[server] {
		if r := h.results[id]; r.State == protocol.HostedDone && r.Version == doc.Version {
			n++
		}
	}
	return n
}

// Sent is how many documents were sent.
func (h *Hosting) Sent() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, times := range h.sent {
		n += times
	}
	return n
}

// Reports is how many reports came.
func (h *Hosting) Reports() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reports
}

// Told is what a node said of itself.
func (h *Hosting) Told(server string) (protocol.Provided, []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.provided[server], h.strangers[server]
}

// Accounts implements gateway.Hosting.
func (h *Hosting) Accounts(server string) (list []protocol.HostedVersion, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, doc := range h.documents[server] {
		v := protocol.HostedVersion{ID: id, Version: doc.Version}
		if r, known := h.results[id]; known {
			v.Result = r.Digest()
		}
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b protocol.HostedVersion) int { return cmp.Compare(a.ID, b.ID) })
	return list, true
}

// Document implements gateway.Hosting.
func (h *Hosting) Document(server, account string) (protocol.HostedAccount, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	doc, ok := h.documents[server][account]
	if !ok {
		return doc, fault.NotFound("account %s is not on server %s", account, server)
	}
	h.sent[account]++
	return doc, nil
}

// Report implements gateway.Hosting.
func (h *Hosting) Report(_ context.Context, server string, rep protocol.HostedReport) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reports++
	for _, r := range rep.Results {
		h.results[r.ID] = r
	}
	if rep.Provided != nil {
		h.provided[server] = *rep.Provided
	}
	if rep.Told {
		h.strangers[server] = rep.Strangers
	}
	return nil
}
