package ftp

import (
	"context"
	"maps"
	"slices"

	"github.com/steelyard/steelyard/agent/hosting/daemon"
	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// missing is said to accounts that need the daemon.
const missing = "ProFTPD is missing: apt-get install proftpd-core"

// Part lets a node's customers in by FTP. It is used by one goroutine.
type Part struct {
	o       Options
	table   table
	changed map[string]bool // logins whose sessions are to be ended
	laid    bool            // ProFTPD has loaded our configuration
}

// New makes the part; it starts nothing.
func New(o Options) *Part {
	p := &Part{o: o.filled(), changed: map[string]bool{}}
	p.table.o = &p.o
	return p
}

// Name is "ftp".
func (p *Part) Name() string { return "ftp" }

// Ensure makes the logins as the document says; they can log in after Settle. The fault is invalid for a document that is wrong, unavailable
// without ProFTPD.
func (p *Part) Ensure(_ context.Context, a *part.Account) error {
	want, err := check(&p.o, a)
	if err != nil {
		return err
	}
	if want.logins != "" && !daemon.IsThere(p.o.Program) {
		return fault.Unavailable("%s", missing)
	}
	if err := p.begin(a); err != nil {
		return err
	}
	return p.set(a.User, want)
}

// Remove takes all logins of the account away.
func (p *Part) Remove(_ context.Context, a *part.Account) ([]protocol.Found, error) {
	if !protocol.UserName(a.User) {
		return nil, fault.Invalid("user: %.40q is no name of a hosted user", a.User)
	}
	return nil, p.set(a.User, lines{})
}

func (p *Part) set(user string, want lines) error {
	if err := p.table.read(); err != nil {
		return err
	}
	for _, login := range p.table.set(user, want) {
		p.changed[login] = true
	}
	return nil
}

// Settle writes the logins and ends the sessions of those that are no more. The fault is unavailable when ProFTPD does not run, or does not
// load its configuration.
func (p *Part) Settle(ctx context.Context) error {
	if err := p.table.read(); err != nil {
		return err
	}
	for _, dir := range []string{p.o.Layout.State, p.o.dir()} {
		if _, err := file.Dir(dir, file.Owner{Mode: 0o700}); err != nil {
			return err
		}
	}
	if err := p.table.write(); err != nil {
		return err
	}
	if !daemon.IsThere(p.o.Program) {
		return nil // and nobody has a login: Ensure says so
	}
	if err := p.load(ctx); err != nil {
		return err
	}
	return p.sweep()
}

// sweep ends the sessions of logins that changed or are no more. After a crash, only those that are no more are known.
func (p *Part) sweep() error {
	for _, s := range p.sessions() {
		if !p.table.has(s.login) || p.changed[s.login] {
			if err := s.end(); err != nil {
				return err
			}
		}
	}
	maps.DeleteFunc(p.changed, func(string, bool) bool { return true })
	return nil
}

// begin makes the directories that logins begin in.
func (p *Part) begin(a *part.Account) error {
	if a.State == protocol.HostedSuspended || !slices.ContainsFunc(a.FTPLogins, func(l protocol.HostedLogin) bool { return l.Dir != "" }) {
		return nil
	}
	home, err := file.Under(p.o.Layout.Home(a.User))
	if err != nil {
		return err
	}
	defer home.Close()
	for i, l := range a.FTPLogins {
		if err := enter(home, l.Dir, a.UID); err != nil {
			return fault.Refused("%s: %w", file.Nth("ftp_logins", i, "dir"), err)
		}
	}
	return nil
}
