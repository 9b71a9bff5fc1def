package mail

import (
	"context"
	"path/filepath"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Options say where things are. The zero value is a Debian system with the standard layout.
type Options struct {
	Layout  part.Layout // zero: part.Standard
	Postfix string      // directory of Postfix's configuration; "" /etc/postfix
	Queue   string      // Postfix's queue directory, below which the sockets to Dovecot are; "" /var/spool/postfix
	Dovecot string      // file of Dovecot's configuration; "" /etc/dovecot/dovecot.conf
	Owner   string      // system user to whom all mail belongs; "" vmail
	Clamd   string      // socket of clamd; "" /run/clamav/clamd.ctl

	Logrotate string // "" /etc/logrotate.d/steelyard-mail; not written where the directory is missing

	Postmap, Postconf, Postlog, Control, Doveadm, Doveconf, Program string // programs, the fourth is postfix, the last dovecot; "" where Debian has them
}

func (o Options) withDefaults() Options {
	if o.Layout == (part.Layout{}) {
		o.Layout = part.Standard
	}
	for _, d := range []struct {
		where *string
		what  string
	}{
		{&o.Postfix, "/etc/postfix"},
		{&o.Queue, "/var/spool/postfix"},
		{&o.Dovecot, "/etc/dovecot/dovecot.conf"},
		{&o.Owner, "vmail"},
		{&o.Clamd, "/run/clamav/clamd.ctl"},

		{&o.Logrotate, "/etc/logrotate.d/steelyard-mail"},

		{&o.Postmap, "/usr/sbin/postmap"},
		{&o.Postconf, "/usr/sbin/postconf"},
		{&o.Postlog, "/usr/sbin/postlog"},
		{&o.Control, "/usr/sbin/postfix"},
		{&o.Doveadm, "/usr/bin/doveadm"},
		{&o.Doveconf, "/usr/bin/doveconf"},
		{&o.Program, "/usr/sbin/dovecot"},
	} {
		if *d.where == "" {
			*d.where = d.what
		}
	}
	return o
}

// Part makes mailboxes and lists. Its methods are called one at a time.
type Part struct {
	o       Options
	ready   bool // the directories were made
	who     who
	waiting map[string]*change // by user: what Settle applies
}

// New starts and opens nothing.
func New(o Options) *Part { return &Part{o: o.withDefaults(), waiting: map[string]*change{}} }

// Name is "mail".
func (p *Part) Name() string { return "mail" }

func (p *Part) dir(names ...string) string {
	return filepath.Join(append([]string{p.o.Layout.State, "mail"}, names...)...)
}

// prepare makes the directories of the part, once.
func (p *Part) prepare() error {
	if p.ready {
		return nil
	}
	if err := p.able(); err != nil {
		return err
	}
	secret := file.Owner{Mode: 0o700}
	for _, d := range []struct {
		path string
		file.Owner
	}{
		{p.o.Layout.State, file.Owner{Mode: 0o711}},
		{p.dir(), file.Owner{Mode: 0o711}},
		{p.dir("accounts"), secret},
		{p.dir("domains"), secret},
		{p.dir("scan"), file.Owner{Mode: 0o711}},
		{p.dir("maps"), file.Owner{GID: p.who.postfix, Mode: 0o750}},
		{p.dir("boxes"), file.Owner{GID: p.who.dovecot, Mode: 0o750}},
		{p.dir("logins"), file.Owner{GID: p.who.dovecot, Mode: 0o750}},
		{p.dir("logins", "imap"), file.Owner{GID: p.who.dovecot, Mode: 0o750}},
		{p.dir("logins", "other"), file.Owner{GID: p.who.dovecot, Mode: 0o750}},
		{p.o.Layout.Mail, file.Owner{UID: p.who.vmail, GID: p.who.vmailGroup, Mode: 0o700}},
	} {
		if _, err := file.Dir(d.path, d.Owner); err != nil {
			return err
		}
	}
	if _, err := file.Write(p.dir("maps", "own-address"), []byte(ownAddress), file.Owner{GID: p.who.postfix, Mode: 0o640}); err != nil {
		return err
	}
	if _, err := file.Write(p.dir("dovecot"), []byte(p.tables()), file.Owner{GID: p.who.dovecot, Mode: 0o640}); err != nil {
		return err
	}
	if err := p.logs(); err != nil {
		return err
	}
	p.ready = true
	return nil
}

// able is the fault of a node that cannot have mail, with what to do.
func (p *Part) able() error {
	var err error
	if p.who, err = lookUp(p.o.Owner); err != nil {
		return err
	}
	for _, program := range []struct{ path, packages string }{{p.o.Postmap, "postfix postfix-lmdb"}, {p.o.Doveadm, "dovecot-imapd dovecot-pop3d dovecot-lmtpd"}} {
		if !daemonIsThere(program.path) {
			return fault.Unavailable("%s is missing, so the node has no mail: apt-get install %s", program.path, program.packages)
		}
	}
	return nil
}

// Settle applies what waits: entries of maps, and the end of sessions that may not be any more.
func (p *Part) Settle(ctx context.Context) error {
	if !p.ready {
		return nil
	}
	waiting := p.waiting
	p.waiting = map[string]*change{} // what fails is in the records, and comes with the next Ensure
	return p.apply(ctx, waiting)
}
