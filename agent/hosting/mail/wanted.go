package mail

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/protocol"
)

// Maps of Postfix. Their keys are addresses and domains of all accounts.
const (
	mapBoxes     = "boxes"     // domains, and addresses that take mail
	mapAliases   = "aliases"   // virtual: lists to local aliases
	mapLists     = "lists"     // of local(8): members and owners
	mapAccess    = "access"    // domains that are suspended, mailboxes that take nothing: what the SMTP server answers
	mapTransport = "transport" // domains that are suspended: where their mail waits; owners of lists that nobody is told of
)

var allMaps = []string{mapBoxes, mapAliases, mapLists, mapAccess, mapTransport}

const (
	full    = "552 5.2.2 The mailbox is full" // Dovecot does not say so before it knows a size
	rest    = "450 4.2.1 The mailbox rests, try again later"
	resting = "retry:4.2.1 The mailbox rests"
	discard = "discard:"
)

// lines are what a record holds of an account, each once:
//
//	map NAME KEY VALUE      an entry of a map
//	login ADDRESS DIGEST    how somebody logs in; another line ends his sessions
//	file ADDRESS            of a mailbox that Dovecot has files of
//	domain DOMAIN           that the account has claimed
type lines map[string]bool

func (l lines) add(format string, args ...any) { l[fmt.Sprintf(format, args...)] = true }

// wanted is what the document asks for.
func wanted(a *protocol.HostedAccount) lines {
	l := lines{}
	suspended := a.State == protocol.HostedSuspended
	for _, m := range a.Mailboxes {
		l.box(m.Address)
		l.add("file %s", m.Address)
		if m.QuotaMiB != nil && *m.QuotaMiB == 0 && !suspended {
			l.add("map %s %s %s", mapAccess, m.Address, full)
		}
		if m.Password != "" && !suspended {
			sum := sha256.Sum256(fmt.Appendf(nil, "%s %t", m.Password, a.IMAP))
			l.add("login %s %s", m.Address, hex.EncodeToString(sum[:12]))
		}
	}
	for _, list := range a.Lists {
		l.box(list.Address)
		if !suspended {
			l.list(list)
		}
	}
	if suspended {
		for _, domain := range used(a) {
			l.add("map %s %s %s", mapAccess, domain, rest)
			l.add("map %s %s %s", mapTransport, domain, resting)
		}
	}
	return l
}

func (l lines) box(address string) {
	l.add("map %s %s 1", mapBoxes, address)
	l.add("map %s %s 1", mapBoxes, domainOf(address))
	l.add("domain %s", domainOf(address))
}

// list sends what comes to the list to a local alias, whose members get it from the owner's address.
func (l lines) list(list protocol.HostedList) {
	alias, owner := strings.Replace(list.Address, "@", "=", 1), ownerOf(list.Address)
	l.box(owner)
	l.add("map %s %s %s@localhost", mapAliases, list.Address, alias)
	if list.Owner != "" {
		l.add("map %s %s %s", mapAliases, owner, list.Owner)
	} else {
		l.add("map %s %s %s", mapTransport, owner, discard)
	}
	if len(list.Members) == 0 {
		l.add("map %s %s %s", mapLists, alias, owner)
	} else {
		l.add("map %s %s %s", mapLists, alias, strings.Join(list.Members, ", "))
	}
	l.add("map %s owner-%s %s", mapLists, alias, owner)
}

// used are the domains in which the account has a mailbox or a list.
func used(a *protocol.HostedAccount) []string {
	all := map[string]bool{}
	for _, m := range a.Mailboxes {
		all[domainOf(m.Address)] = true
	}
	for _, l := range a.Lists {
		all[domainOf(l.Address)] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// cut splits a line of a record; value is what is behind the second or third word.
func cut(line string) (kind, name, key, value string) {
	kind, line, _ = strings.Cut(line, " ")
	if kind == "map" {
		name, line, _ = strings.Cut(line, " ")
	}
	key, value, _ = strings.Cut(line, " ")
	return kind, name, key, value
}
