package account

import (
	"slices"
	"strings"

	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/protocol"
)

// Document is what the node is told of an account, without version and passwords: a function of the account and of what its subscription gives.
// The order in which things were added does not matter.
func Document(a *Account, s *subscription.Subscription) protocol.HostedAccount {
	doc := protocol.HostedAccount{
		ID: a.ID, State: stateOf(a, s), User: a.User, Domain: a.Domain,
		Shell: s.Values.Of(plan.Shell).Choice, PHP: s.Values.Of(plan.PHP).On, IMAP: s.Values.Of(plan.IMAP).On, VirusScan: s.Values.Of(plan.VirusScan).On,
		Subdomains: sorted(a.Subdomains), Databases: sorted(a.Databases),
		MailboxesGone: sorted(a.Removing.Mailboxes), DatabasesGone: sorted(a.Removing.Databases),
		DatabasesShrink: !s.Values.Of(plan.Databases).Limit.Allows(uint64(len(a.Databases))),
	}
	if limit := most(s.Values.Of(plan.DiskMiB).Limit); plan.Stops(s.Values.Of(plan.Overuse).Choice) {
		doc.DiskMiB = limit
	} else {
		doc.WatchMiB = limit
	}
	for _, f := range a.Forwards {
		if !f.Leaving {
			doc.Forwards = append(doc.Forwards, protocol.HostedForward{Domain: f.Domain, Redirect: f.Redirect})
		}
	}
	for _, l := range a.FTPLogins {
		doc.FTPLogins = append(doc.FTPLogins, protocol.HostedLogin{Name: l.Name, Dir: l.Dir})
	}
	for _, m := range a.Mailboxes {
		doc.Mailboxes = append(doc.Mailboxes, protocol.HostedMailbox{Address: m.Address, QuotaMiB: m.QuotaMiB})
	}
	for _, l := range a.Lists {
		doc.Lists = append(doc.Lists, protocol.HostedList{Address: l.Address, Members: sorted(l.Members), Owner: l.Owner})
	}
	slices.SortFunc(doc.Forwards, func(x, y protocol.HostedForward) int { return strings.Compare(x.Domain, y.Domain) })
	slices.SortFunc(doc.FTPLogins, func(x, y protocol.HostedLogin) int { return strings.Compare(x.Name, y.Name) })
	slices.SortFunc(doc.Mailboxes, func(x, y protocol.HostedMailbox) int { return strings.Compare(x.Address, y.Address) })
	slices.SortFunc(doc.Lists, func(x, y protocol.HostedList) int { return strings.Compare(x.Address, y.Address) })
	return doc
}

// stateOf is the state that the node is told.
func stateOf(a *Account, s *subscription.Subscription) string {
	switch {
	case !a.Live():
		return protocol.HostedGone
	case !s.Active():
		return protocol.HostedSuspended
	}
	return protocol.HostedPresent
}

// most is a limit as the node is told it: nil is none, 0 is a real zero (X12).
func most(l reselling.Limit) *uint64 {
	if l.None {
		return nil
	}
	return &l.Most
}

func sorted(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

// Use is how much of what is limited the account has by its record.
func (a *Account) Use() subscription.Use {
	return subscription.Use{
		plan.Mailboxes: uint64(len(a.Mailboxes)), plan.MailingLists: uint64(len(a.Lists)), plan.FTPLogins: uint64(len(a.FTPLogins)),
		reselling.Domains: uint64(1 + len(a.Forwards)),
		plan.Subdomains:   uint64(len(a.Subdomains)), plan.Databases: uint64(len(a.Databases)),
	}
}
