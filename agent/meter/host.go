package meter

import (
	"net"
	"net/netip"
	"os/user"
)

// host answers what is asked of the machine, and remembers it for one look.
type host struct {
	user   func(uid string) string
	inside func(netip.Addr) bool
}

// host asks what Options say, or the machine.
func (o *Options) host() *host {
	h := &host{user: o.User, inside: o.Inside}
	if h.user == nil {
		users := map[string]string{}
		h.user = func(uid string) string {
			name, ok := users[uid]
			if !ok {
				if u, err := user.LookupId(uid); err == nil {
					name = u.Username
				}
				users[uid] = name
			}
			return name
		}
	}
	if h.inside == nil {
		var own map[netip.Addr]bool
		h.inside = func(a netip.Addr) bool {
			if own == nil {
				own = addresses()
			}
			return a.IsLoopback() || a.IsUnspecified() || own[a]
		}
	}
	return h
}

// addresses are those of this machine's interfaces: what goes from one to another leaves it not.
func addresses() map[netip.Addr]bool {
	own := map[netip.Addr]bool{}
	list, _ := net.InterfaceAddrs() // without them the loopback is still known
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			own[p.Addr().Unmap()] = true
		}
	}
	return own
}
