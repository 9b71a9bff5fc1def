package unix

import (
	"fmt"

	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

// entry is what the system's files shall say of a user.
type entry struct{ name, passwd, group, shadow, gshadow string }

// expired is a day long ago. Day 0 would mean the same to some readers and "never" to others.
const expired = "1"

// active tells whether the user may log in to the system.
func active(a *part.Account) bool {
	return a.State == protocol.HostedPresent && a.Password != "" && a.Shell != "" && a.Shell != protocol.ShellFalse
}

// entryOf says what shall be. Days of a password's age are left empty: passwords here do not age.
func entryOf(a *part.Account, uid int, home string) entry {
	shell, password, end := protocol.ShellFalse, "!"+a.Password, expired
	if active(a) {
		shell, password, end = a.Shell, a.Password, ""
	}
	return entry{
		name:    a.User,
		passwd:  fmt.Sprintf("%s:x:%d:%d:hosted account:%s:%s", a.User, uid, uid, home, shell),
		group:   fmt.Sprintf("%s:x:%d:", a.User, uid),
		shadow:  fmt.Sprintf("%s:%s::::::%s:", a.User, password, end),
		gshadow: a.User + ":!::",
	}
}

// right tells whether the files say so.
func (p *passwd) right(e entry) bool {
	return p.users.line(e.name) == e.passwd && p.groups.line(e.name) == e.group && p.shadow.line(e.name) == e.shadow &&
		(!p.gshadow.there() || p.gshadow.line(e.name) == e.gshadow)
}

func (p *passwd) set(e entry) {
	p.groups.set(e.name, e.group)
	if p.gshadow.there() {
		p.gshadow.set(e.name, e.gshadow)
	}
	p.shadow.set(e.name, e.shadow)
	p.users.set(e.name, e.passwd)
}

func (p *passwd) drop(name string) {
	for _, t := range []*table{p.users, p.shadow, p.gshadow, p.groups} {
		t.drop(name)
	}
	p.groups.leave(name, 3)
	p.gshadow.leave(name, 2)
}
