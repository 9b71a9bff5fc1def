package storage

import (
	"strings"

	"github.com/steelyard/steelyard/protocol"
)

// Of is what there is to measure of an account. Mail of a mailbox that is named no more is kept, so all names of the account are looked for.
func Of(d *protocol.HostedAccount) Account {
	a := Account{ID: d.ID, User: d.User, Limit: NoLimit}
	for _, mib := range []*uint64{d.WatchMiB, d.DiskMiB} {
		if mib != nil && *mib < NoLimit>>20 {
			a.Limit = *mib << 20
		}
	}
	seen := map[string]bool{"": true}
	add := func(domain string) {
		if !seen[domain] {
			seen[domain] = true
			a.Domains = append(a.Domains, domain)
		}
	}
	add(d.Domain)
	for _, name := range d.Subdomains {
		add(name)
	}
	for _, f := range d.Forwards {
		add(f.Domain)
	}
	for _, m := range d.Mailboxes {
		add(m.Address[strings.LastIndexByte(m.Address, '@')+1:])
	}
	return a
}
