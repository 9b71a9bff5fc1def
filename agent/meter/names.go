package meter

import (
	"strings"

	"github.com/steelyard/steelyard/protocol"
)

// Names are what lines of logs call an account: its user, and @DOMAIN for each domain in which it has a mailbox or a list.
func Names(a *protocol.HostedAccount) []string {
	names, seen := []string{a.User}, map[string]bool{}
	add := func(address string) {
		if n := strings.LastIndexByte(address, '@'); n >= 0 && !seen[address[n:]] {
			seen[address[n:]] = true
			names = append(names, address[n:])
		}
	}
	for _, m := range a.Mailboxes {
		add(m.Address)
	}
	for _, l := range a.Lists {
		add(l.Address)
	}
	return names
}
