package gateway

import (
	"context"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// hostedCost is what a message about accounts counts of those that an agent may send.
const hostedCost = 10

// hosted is what a session knows of the accounts that its agent carries. agent.mu guards it.
type hosted struct {
	have   map[string]protocol.HostedVersion // what the agent said that it has, or was sent
	told   bool                              // it said everything
	called bool                              // and was called all by name
}

// Bounds of one HostedSet. A document is a few hundred bytes, and at most some ten thousand: mailboxes and list members.
const (
	setAccounts = 100
	setElements = 20000
	setBytes    = 512 << 10
)

func (a *agent) onHostedHave(m session.Message) error {
	var have protocol.HostedHave
	if err := m.Decode(&have); err != nil {
		return err
	}
	if a.hosted == nil {
		return session.Bad(session.ReasonOutOfOrder, "an agent that did not say that it carries accounts tells of some")
	}
	a.mu.Lock()
	h := a.hosted
	for _, v := range have.Accounts {
		h.have[v.ID] = v
	}
	full, over := len(h.have) > protocol.MaxHostedNodes, h.told
	h.told = !have.More
	a.mu.Unlock()
	switch {
	case over:
		return session.Bad(session.ReasonReplayed, "the accounts of the node were told already")
	case full:
		return session.Bad(session.ReasonTooLarge, "more than %d accounts", protocol.MaxHostedNodes)
	case h.told:
		a.wake()
	}
	return nil
}

func (a *agent) onHostedReport(m session.Message) error {
	var rep protocol.HostedReport
	if err := m.Decode(&rep); err != nil {
		return err
	}
	if a.hosted == nil {
		return session.Bad(session.ReasonOutOfOrder, "an agent that did not say that it carries accounts reports on some")
	}
	rep.Clean()
	err := a.intake(func(ctx context.Context) error { return a.gate.opt.Hosting.Report(ctx, a.server, rep) })
	if err != nil {
		return a.unaccepted("report of accounts", err)
	}
	return a.conn.Send(protocol.KindHostedAck, &protocol.HostedAck{Seq: rep.Seq})
}

// deliverHosted sends the documents that the agent does not have, and names all accounts once. While it is unsure which machine this is, nothing is
// sent: the accounts of one machine would be made on two (rule X1).
func (a *agent) deliverHosted(unsettled bool) error {
	h := a.hosted
	if h == nil || !h.told || unsettled {
		return nil
	}
	list, ok := a.gate.opt.Hosting.Accounts(a.server)
	if !ok {
		return nil
	}
	var set protocol.HostedSet
	size, elements := 0, 0
	for _, v := range list {
		if h.have[v.ID].Version >= v.Version {
			continue
		}
		doc, err := a.gate.opt.Hosting.Document(a.server, v.ID)
		if fault.Is(err, fault.KindNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		n, e := weigh(&doc)
		if len(set.Accounts) == setAccounts || size+n > setBytes || elements+e > setElements {
			if err := a.sendHosted(&set); err != nil {
				return err
			}
			set, size, elements = protocol.HostedSet{}, 0, 0
		}
		set.Accounts, size, elements = append(set.Accounts, doc), size+n, elements+e
	}
	if len(set.Accounts) > 0 {
		if err := a.sendHosted(&set); err != nil {
			return err
		}
	}
	if h.called {
		return nil
	}
	h.called = true
	return a.conn.Send(protocol.KindHostedSet, complete(h, list))
}

func (a *agent) sendHosted(set *protocol.HostedSet) error {
	if err := a.conn.Send(protocol.KindHostedSet, set); err != nil {
		return err
	}
	for i := range set.Accounts {
		doc := &set.Accounts[i]
		a.hosted.have[doc.ID] = protocol.HostedVersion{ID: doc.ID, Version: doc.Version}
	}
	return nil
}

// complete names all accounts, and those whose result is not the one that is stored.
func complete(h *hosted, list []protocol.HostedVersion) *protocol.HostedSet {
	set := &protocol.HostedSet{Accounts: []protocol.HostedAccount{}, Complete: true, All: make([]string, 0, len(list))}
	for _, v := range list {
		set.All = append(set.All, v.ID)
		if have := h.have[v.ID]; have.Result != "" && have.Result != v.Result && len(set.Tell) < setElements/2 {
			set.Tell = append(set.Tell, v.ID)
		}
	}
	return set
}

// weigh is about how many bytes and how many msgpack elements a document takes.
func weigh(d *protocol.HostedAccount) (size, elements int) {
	size, elements = 512, 32+len(d.Subdomains)+len(d.Databases)
	for _, s := range d.Subdomains {
		size += len(s) + 2
	}
	for _, s := range d.Databases {
		size += len(s) + 2
	}
	for _, f := range d.Forwards {
		size, elements = size+len(f.Domain)+32, elements+3
	}
	for _, l := range d.FTPLogins {
		size, elements = size+len(l.Name)+len(l.Password)+len(l.Dir)+40, elements+4
	}
	for _, m := range d.Mailboxes {
		size, elements = size+len(m.Address)+len(m.Password)+50, elements+4
	}
	for _, l := range d.Lists {
		size, elements = size+len(l.Address)+30, elements+3+len(l.Members)
		for _, m := range l.Members {
			size += len(m) + 2
		}
	}
	return size, elements
}
