package mail

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Ensure makes the account's mailboxes and lists as the document says. Maps of Postfix follow with Settle. An account that never had mail needs no daemons.
func (p *Part) Ensure(ctx context.Context, a *part.Account) error {
	if err := check(&a.HostedAccount); err != nil {
		return err
	}
	old, err := p.record(a.User)
	if err != nil || old == nil && len(a.Mailboxes)+len(a.Lists) == 0 {
		return err
	}
	if old != nil && old.id != a.ID {
		return fault.Conflict("mail of user %s belongs to account %s; it must be removed first", a.User, old.id)
	}
	if err := p.prepare(); err != nil {
		return err
	}
	if old == nil {
		old = &record{}
	}
	return p.make(ctx, &a.HostedAccount, old)
}

func (p *Part) make(ctx context.Context, a *protocol.HostedAccount, old *record) error {
	want, had := wanted(a), old.all().claims()
	wants := want.claims()
	for _, domain := range wants {
		if !slices.Contains(had, domain) {
			if err := p.free(domain, a.User); err != nil {
				return err
			}
		}
	}
	for _, domain := range had { // they go when nothing is below them
		want.add("domain %s", domain)
	}
	next := old.towards(a.ID, want)
	if !next.done() {
		if err := p.keep(a.User, next); err != nil {
			return err
		}
	}
	if err := p.files(a, next, wants); err != nil {
		return err
	}
	if err := p.erase(ctx, a.MailboxesGone, a.User); err != nil {
		return err
	}
	return p.finish(ctx, a.User, next, func(domain string) bool { return !slices.Contains(wants, domain) })
}

// finish gives up the domains that may go and have no mail, and leaves the rest to Settle.
func (p *Part) finish(ctx context.Context, user string, next *record, may func(domain string) bool) error {
	changed := false
	for _, domain := range next.all().claims() {
		if !may(domain) {
			continue
		}
		if err := p.close(ctx, domain); err != nil {
			return err
		}
		kept, err := p.release(ctx, domain, user)
		if err != nil {
			return err
		}
		if !kept {
			for _, part := range []lines{next.is, next.come, next.gone} {
				delete(part, "domain "+domain)
			}
			changed = true
		}
	}
	switch {
	case !next.done():
		p.waiting[user] = &change{next}
	case len(next.is) == 0:
		_, err := file.Remove(p.recordPath(user))
		return err
	case changed:
		return p.keep(user, next)
	}
	return nil
}

// files makes what Dovecot reads when somebody logs in and when mail arrives, and the directories of the mail. Files of mailboxes that go are taken away.
func (p *Part) files(a *protocol.HostedAccount, next *record, domains []string) error {
	for line := range next.gone {
		if kind, _, address, _ := cut(line); kind == "file" {
			if err := p.shut(address); err != nil {
				return err
			}
		}
	}
	seen, group := next.look(), file.Owner{GID: p.who.dovecot, Mode: 0o750}
	for _, domain := range domains {
		if !seen.file(p.dir("domains", domain), len(a.User)+1, file.Root) {
			if err := p.claim(domain, a.User); err != nil {
				return err
			}
		}
		for _, dir := range []string{p.dir("boxes", domain), p.dir("logins", "imap", domain), p.dir("logins", "other", domain)} {
			if seen.dir(dir, group) {
				continue
			}
			if _, err := file.Dir(dir, group); err != nil {
				return err
			}
		}
		if err := p.scanned(seen, domain, a.VirusScan); err != nil {
			return err
		}
	}
	for _, m := range a.Mailboxes {
		if err := p.open(seen, a, m); err != nil {
			return err
		}
	}
	return p.directories(seen, a, domains)
}

// paths of a mailbox: its limit, and how it logs in with and without IMAP.
func (p *Part) paths(address string) (limit, imap, other string) {
	where := box(address)
	return p.dir("boxes", where), p.dir("logins", "imap", where), p.dir("logins", "other", where)
}

// open writes the files of a mailbox.
func (p *Part) open(seen look, a *protocol.HostedAccount, m protocol.HostedMailbox) error {
	mode := file.Owner{GID: p.who.dovecot, Mode: 0o640}
	size, imap, other := p.paths(m.Address)
	login := m.Password != "" && a.State != protocol.HostedSuspended
	for _, f := range []struct {
		path, text string
		there      bool
	}{
		{imap, password(m), login && a.IMAP}, {other, password(m), login}, {size, limit(m.QuotaMiB), true},
	} {
		if err := put(seen, f.there, f.path, f.text, mode); err != nil {
			return err
		}
	}
	return nil
}

func (p *Part) shut(address string) error {
	size, imap, other := p.paths(address)
	for _, path := range []string{imap, other, size} {
		if _, err := file.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// password is what Dovecot's passdb reads. A digest holds nothing that JSON would escape.
func password(m protocol.HostedMailbox) string {
	return `{"password":"{SHA512-CRYPT}` + m.Password + "\"}\n"
}

// put makes a file, or takes it away.
func put(seen look, there bool, path, text string, o file.Owner) (err error) {
	switch {
	case there && !seen.file(path, len(text), o):
		_, err = file.Write(path, []byte(text), o)
	case !there && !seen.absent(path):
		_, err = file.Remove(path)
	}
	return err
}

func (p *Part) scanned(seen look, domain string, want bool) error {
	return put(seen, want, p.dir("scan", domain), "", file.Owner{Mode: 0o644})
}

// directories of the mail are made below what belongs to its owner, not to root.
func (p *Part) directories(seen look, a *protocol.HostedAccount, domains []string) error {
	owner := file.Owner{UID: p.who.vmail, GID: p.who.vmailGroup, Mode: 0o700}
	names := slices.Clone(domains)
	for _, m := range a.Mailboxes {
		names = append(names, box(m.Address))
	}
	names = slices.DeleteFunc(names, func(name string) bool { return seen.dir(filepath.Join(p.o.Layout.Mail, name), owner) })
	if len(names) == 0 {
		return nil
	}
	mail, err := file.Under(p.o.Layout.Mail)
	if err != nil {
		return err
	}
	defer func() { _ = mail.Close() }()
	for _, name := range names {
		if _, err := mail.Dir(name, owner); err != nil {
			return err
		}
	}
	return nil
}

// box is the directory of a mailbox below Layout.Mail.
func box(address string) string {
	name, domain, _ := strings.Cut(address, "@")
	return filepath.Join(domain, name)
}

// erase takes away mailboxes with their mail, in domains that are the account's.
func (p *Part) erase(ctx context.Context, addresses []string, user string) error {
	for _, address := range addresses {
		owner, err := p.claimed(domainOf(address))
		if err != nil {
			return err
		}
		if owner != user {
			continue
		}
		mail, err := file.Under(p.o.Layout.Mail)
		if err != nil {
			return err
		}
		_, err = mail.Stat(box(address))
		if err == nil {
			if err = p.kick(ctx, address); err == nil {
				_, err = mail.RemoveAll(ctx, box(address))
			}
		}
		_ = mail.Close()
		if err != nil && !isAbsent(err) {
			return err
		}
	}
	return nil
}

// close takes away what lets mail and people into a domain.
func (p *Part) close(ctx context.Context, domain string) error {
	for _, path := range []string{p.dir("logins", "imap", domain), p.dir("logins", "other", domain), p.dir("boxes", domain), p.dir("scan", domain)} {
		if _, err := file.RemoveAll(ctx, path); err != nil {
			return err
		}
	}
	return nil
}

// Remove erases all mail of the account and takes it out of all maps, which follows with Settle.
func (p *Part) Remove(ctx context.Context, a *part.Account) (left []protocol.Found, err error) {
	if !protocol.UserName(a.User) {
		return nil, fault.Invalid("the account's document is wrong: user is %.40q, which is no name of a hosted user", a.User)
	}
	old, err := p.record(a.User)
	if err != nil || old == nil || old.id != a.ID {
		return nil, err
	}
	if err := p.prepare(); err != nil {
		return nil, err
	}
	claims := lines{}
	for _, domain := range old.all().claims() {
		claims.add("domain %s", domain)
	}
	next := old.towards(a.ID, claims)
	if !next.done() {
		if err := p.keep(a.User, next); err != nil {
			return nil, err
		}
	}
	left, first := p.empty(ctx, a.User, next)
	if err := p.finish(ctx, a.User, next, func(string) bool { return true }); err != nil {
		return left, err
	}
	return left, first
}

// empty ends sessions and erases the mail of all domains of the account. One that resists does not keep the others.
func (p *Part) empty(ctx context.Context, user string, next *record) (left []protocol.Found, first error) {
	keep := func(err error) {
		if first == nil {
			first = err
		}
	}
	domains := slices.Sorted(maps.Keys(lines(next.all())))
	for _, line := range domains {
		if kind, _, domain, _ := cut(line); kind == "domain" {
			keep(p.close(ctx, domain))
		}
	}
	for _, line := range domains {
		if kind, _, address, _ := cut(line); kind == "login" {
			keep(p.kick(ctx, address))
		}
	}
	for _, domain := range next.all().claims() {
		if owner, err := p.claimed(domain); err != nil || owner != user {
			keep(err)
			continue
		}
		path := filepath.Join(p.o.Layout.Mail, domain)
		if _, err := file.RemoveAll(ctx, path); err != nil {
			keep(err)
			left = append(left, protocol.Found{Name: path, Detail: "mail", Identity: "mail/" + domain})
		}
	}
	return left, first
}
