package unix

import (
	"cmp"
	"context"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/agent/hosting/part"
)

// Options say where things are. The zero value is a Debian node.
type Options struct {
	Layout   part.Layout
	Etc      string   // passwd, group, shadow, gshadow: "/etc"
	WebGroup string   // of the web server's workers: "www-data"
	Proc     string   // "/proc"
	Linger   string   // where logind keeps whose services run without a login: "/var/lib/systemd/linger"
	Shared   []string // directories in which users may have files: Shared
	Homes    Homes    // how homes come and go; plain directories if nil
}

// Homes makes and removes the top directory of a home. A file system with quotas by directory needs its own way.
type Homes interface {
	Make(path string, o file.Owner) error
	Remove(ctx context.Context, path string) error
}

// Shared are the directories of a Debian node where any user may leave files.
var Shared = []string{
	"/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock", "/run/screen", "/var/mail", "/var/lib/php/sessions",
	"/var/spool/cron/crontabs", "/var/spool/cron/atjobs", "/var/spool/cron/atspool",
}

// Part is the part "user". One goroutine uses it.
type Part struct {
	o      Options
	users  registry
	passwd *passwd
	seen   processes
}

// New makes the part; it reads and starts nothing.
func New(o Options) *Part {
	if o.Layout == (part.Layout{}) {
		o.Layout = part.Standard
	}
	o.Etc = cmp.Or(o.Etc, "/etc")
	o.WebGroup = cmp.Or(o.WebGroup, "www-data")
	o.Proc = cmp.Or(o.Proc, "/proc")
	o.Linger = cmp.Or(o.Linger, "/var/lib/systemd/linger")
	if o.Shared == nil {
		o.Shared = Shared
	}
	if o.Homes == nil {
		o.Homes = plain{}
	}
	return &Part{o: o, users: registry{state: o.Layout.State}, passwd: newPasswd(o.Etc), seen: processes{proc: o.Proc}}
}

// Name is "user".
func (*Part) Name() string { return "user" }

// Settle does nothing but forget which processes ran.
func (p *Part) Settle(context.Context) error {
	p.seen.forget()
	return nil
}

// Identify gives an account its number and home from what is registered, and changes nothing; known tells whether it has a user here.
func (p *Part) Identify(a *part.Account) (known bool, err error) {
	u, err := p.registered(a)
	if err != nil || u == nil {
		return false, err
	}
	p.tell(a, u)
	return true, nil
}

func (p *Part) tell(a *part.Account, u *user) {
	a.UID, a.GID, a.Home = u.UID, u.UID, p.o.Layout.Home(u.Name)
}
