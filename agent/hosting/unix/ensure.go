package unix

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Ensure makes the user, and tells his number and home in a. Errors: invalid for a document that no user can be made of; refused for a name that is taken, a shell that the
// node has not; unavailable when passwd stays locked.
func (p *Part) Ensure(ctx context.Context, a *part.Account) error {
	if err := check(a); err != nil {
		return err
	}
	u, err := p.register(a)
	if err != nil {
		return err
	}
	p.tell(a, u)
	if active(a) && !u.Login {
		changed := *u
		changed.Login = true
		if u, err = p.users.put(changed); err != nil {
			return err
		}
	}
	if err := p.home(a); err != nil {
		return err
	}
	if err := p.enter(ctx, entryOf(a, u.UID, p.o.Layout.Private(u.Name))); err != nil {
		return err
	}
	return p.shut(ctx, a, u)
}

// check refuses what cannot stand in the files of the system.
func check(a *part.Account) error {
	if err := a.Check(); err != nil {
		return err
	}
	var c fault.Check
	c.Require(a.State != protocol.HostedGone, "state", "is %q; that is for Remove", a.State)
	c.Require(!protocol.ReservedUser(a.User), "user", "is %q, a name that a program of the system uses, or that misleads", a.User)
	file.CheckDigest(&c, "password", a.Password)
	if a.Shell != "" && unix.Access(a.Shell, unix.X_OK) != nil {
		c.Add("shell", "is %s, which this node has not", a.Shell)
	}
	return c.Err("user %q cannot be made", a.User)
}

// register finds the user of the account, or writes a new one down.
func (p *Part) register(a *part.Account) (*user, error) {
	u, err := p.users.find(a.ID, a.User)
	if err != nil {
		return nil, err
	}
	if err := p.passwd.read(); err != nil {
		return nil, err
	}
	if u != nil && u.Going {
		return nil, fault.Refused("account %s is being removed here and cannot come back; make another one", a.ID)
	}
	if u != nil {
		return u, errors.Join(p.undisputed(u), p.users.pass(u))
	}
	if err := p.unused(a.User); err != nil {
		return nil, err
	}
	return p.users.add(a.ID, a.User, func(id int) bool { return p.passwd.users.names[id] != "" || p.passwd.groups.names[id] != "" })
}

// undisputed refuses a registered user whose number somebody else has got in the system's files.
func (p *Part) undisputed(u *user) error {
	for _, t := range []*table{p.passwd.users, p.passwd.groups} {
		if other := t.names[u.UID]; other != "" && other != u.Name {
			return fault.Refused("%s says that %s has the number %d, which belongs to the hosted user %s: give %s another one", t.path, other, u.UID, u.Name, other)
		}
	}
	return nil
}

// unused refuses a name that anything has which is not ours (rule X15).
func (p *Part) unused(name string) error {
	for _, t := range []*table{p.passwd.users, p.passwd.groups, p.passwd.shadow, p.passwd.gshadow} {
		if t.line(name) != "" {
			return fault.Refused("%s has a %s that no account here made: remove it, or take another name", t.path, name)
		}
	}
	for _, path := range []string{p.o.Layout.Home(name), p.o.Layout.LogsOf(name)} {
		if _, err := os.Lstat(path); err == nil {
			return fault.Refused("%s is left over from a user of that name: remove it, or take another name", path)
		}
	}
	return nil
}

// enter makes the system's files say so, and reads it back.
func (p *Part) enter(ctx context.Context, e entry) error {
	if p.passwd.right(e) {
		return nil
	}
	if err := p.passwd.edit(ctx, func() { p.passwd.set(e) }); err != nil {
		return err
	}
	if !p.passwd.right(e) {
		return fault.Unavailable("%s does not say of %s what was written: another program writes it too", p.passwd.users.path, e.name)
	}
	return nil
}

// shut ends what runs of a user who may not log in. Processes of his sites and of FTP come again by themselves, unless he is suspended.
func (p *Part) shut(ctx context.Context, a *part.Account, u *user) error {
	if active(a) || (a.State != protocol.HostedSuspended && !u.Login) {
		return nil
	}
	if u.Login || p.seen.has(u.UID) {
		if err := p.end(ctx, u.UID); err != nil {
			return err
		}
	}
	if !u.Login {
		return nil
	}
	changed := *u
	changed.Login = false
	_, err := p.users.put(changed)
	return err
}
