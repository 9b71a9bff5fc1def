package mail

import (
	"slices"
	"strings"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// maxMembers is how many members a list can have: what local(8) expands in one delivery.
const maxMembers = 2000

// check is the fault of a document that this part can do nothing with.
func check(a *protocol.HostedAccount) error {
	var c fault.Check
	c.Require(protocol.UserName(a.User), "user", "is %.40q, which is no name of a hosted user", a.User)
	c.Require(a.ID != "" && strings.Trim(a.ID, idLetters) == "", "id", "is no id")
	c.Require(a.State == protocol.HostedPresent || a.State == protocol.HostedSuspended, "state", "is %.20q; it cannot be made so", a.State)
	domains, taken := domainsOf(a), map[string]string{}
	plain := func(field, address string) {
		file.CheckAddress(&c, field, address)
		c.Require(!strings.Contains(address, "+"), field, "is %.80q; a + separates the name of a mailbox from what its owner adds", address)
		c.Require(taken[address] == "", field, "is %.80q, which is %s, too", address, taken[address])
		taken[address] = field
	}
	own := func(field, address string) {
		plain(field, address)
		c.Require(slices.Contains(domains, domainOf(address)), field, "is %.80q, whose domain is none of the account's", address)
	}
	for i, m := range a.Mailboxes {
		own(file.Nth("mailboxes", i, "address"), m.Address)
		file.CheckDigest(&c, file.Nth("mailboxes", i, "password"), m.Password)
		c.Require(m.QuotaMiB == nil || *m.QuotaMiB <= maxQuota, file.Nth("mailboxes", i, "quota_mib"), "is more than %d", maxQuota)
	}
	for i, l := range a.Lists {
		field := file.Nth("lists", i, "address")
		own(field, l.Address)
		owner := ownerOf(l.Address)
		c.Require(taken[owner] == "", field, "is %.80q, whose bounces go to %s, which is %s", l.Address, owner, taken[owner])
		taken[owner] = field
		checkMembers(&c, i, l)
	}
	for i, m := range a.MailboxesGone {
		plain(file.Nth("mailboxes_gone", i, ""), m) // its domain may have gone with it; what the account never claimed is not touched
	}
	return c.Err("the account's document is wrong")
}

func checkMembers(c *fault.Check, n int, l protocol.HostedList) {
	c.Require(len(l.Members) <= maxMembers, file.Nth("lists", n, "members"), "are more than %d", maxMembers)
	for i, m := range l.Members {
		field := file.Nth(file.Nth("lists", n, "members"), i, "")
		file.CheckMember(c, field, m)
		c.Require(!strings.EqualFold(m, l.Address) && !strings.EqualFold(m, ownerOf(l.Address)), field, "is the list itself")
	}
	if l.Owner != "" {
		file.CheckMember(c, file.Nth("lists", n, "owner"), l.Owner)
		c.Require(!strings.EqualFold(l.Owner, l.Address) && !strings.EqualFold(l.Owner, ownerOf(l.Address)), file.Nth("lists", n, "owner"), "is the list itself")
	}
}

const (
	idLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."
	maxQuota  = 1 << 40 // MiB
)

// domainsOf are those in which the account may have mail.
func domainsOf(a *protocol.HostedAccount) []string {
	list := slices.Concat([]string{a.Domain}, a.Subdomains)
	for _, f := range a.Forwards {
		if !f.Redirect {
			list = append(list, f.Domain)
		}
	}
	return list
}

func ownerOf(list string) string {
	name, domain, _ := strings.Cut(list, "@")
	return name + "-owner@" + domain
}

func domainOf(address string) string {
	_, domain, _ := strings.Cut(address, "@")
	return domain
}
