package mail

import (
	"os/user"
	"strconv"

	"github.com/steelyard/steelyard/agent/hosting/daemon"
	"github.com/steelyard/steelyard/pkg/fault"
)

// who are the system users that files belong to.
type who struct{ vmail, vmailGroup, postfix, dovecot int }

func lookUp(owner string) (w who, err error) {
	u, err := user.Lookup(owner)
	if err != nil {
		return w, fault.Unavailable("the system user %s is missing, to whom mail belongs: useradd --system --user-group --home-dir /nonexistent --shell /usr/sbin/nologin %s", owner, owner)
	}
	if w.vmail, err = strconv.Atoi(u.Uid); err != nil {
		return w, fault.Internal("uid of %s: %w", owner, err)
	}
	if w.vmailGroup, err = strconv.Atoi(u.Gid); err != nil {
		return w, fault.Internal("gid of %s: %w", owner, err)
	}
	if w.postfix, err = group("postfix"); err != nil {
		return w, err
	}
	w.dovecot, err = group("dovecot")
	return w, err
}

func group(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fault.Unavailable("the group %s is missing, so the node has no mail: install %s", name, name)
	}
	return strconv.Atoi(g.Gid)
}

func daemonIsThere(path string) bool { return daemon.IsThere(path) }
