package unix

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

// Remove takes the user away: first the right to log in, then what runs, then what he has, and his name and number only when nothing was left (rule X15). All other parts come before: what
// they left (logs) is found and told here too. A user who is not registered for this account is nobody's business: nothing is touched.
func (p *Part) Remove(ctx context.Context, a *part.Account) (left []protocol.Found, err error) {
	u, err := p.registered(a)
	if err != nil || u == nil {
		return nil, err
	}
	p.tell(a, u)
	if !u.Going {
		going := *u
		going.Going = true
		if u, err = p.users.put(going); err != nil {
			return nil, err
		}
	}
	if err := p.lockOut(ctx, a, u); err != nil {
		return nil, err
	}
	left, err = p.clear(ctx, u)
	if a.Kept && err == nil && len(left) == 0 {
		left = []protocol.Found{{Name: u.Name, Detail: "the name and the number of the user are kept until the rest of the account is removed", Owner: u.Name}}
	}
	if err != nil || len(left) > 0 {
		return left, err
	}
	if err := p.passwd.edit(ctx, func() { p.passwd.drop(u.Name) }); err != nil {
		return nil, err
	}
	return nil, p.users.strike(u)
}

// registered is the user of this account, and of no other.
func (p *Part) registered(a *part.Account) (*user, error) {
	if err := a.Check(); err != nil {
		return nil, err
	}
	if err := p.users.read(); err != nil {
		return nil, err
	}
	u := p.users.users[a.User]
	if u == nil || u.Account != a.ID {
		return nil, nil
	}
	return u, nil
}

// lockOut lets nobody in any more.
func (p *Part) lockOut(ctx context.Context, a *part.Account, u *user) error {
	if err := p.passwd.read(); err != nil {
		return err
	}
	if err := p.undisputed(u); err != nil {
		return err
	}
	if p.passwd.users.line(u.Name) == "" {
		return nil
	}
	gone := part.Account{HostedAccount: protocol.HostedAccount{ID: a.ID, User: a.User, State: protocol.HostedGone}}
	return p.enter(ctx, entryOf(&gone, u.UID, p.o.Layout.Private(u.Name)))
}

// clear removes everything that the user has, and tells what is left.
func (p *Part) clear(ctx context.Context, u *user) (left []protocol.Found, err error) {
	told := func(name string, err error) {
		if err != nil {
			left = append(left, protocol.Found{Name: name, Detail: err.Error(), Owner: u.Name})
		}
	}
	if _, err := file.Remove(filepath.Join(p.o.Linger, u.Name)); err != nil {
		told(p.o.Linger, err)
	}
	told("processes", p.end(ctx, u.UID))
	told("shared memory, semaphores and queues", p.forgetObjects(u.UID))
	for _, dir := range p.o.Shared {
		left = append(left, sweepUser(ctx, dir, u.UID)...)
	}
	home := p.o.Layout.Home(u.Name)
	told(home, p.o.Homes.Remove(ctx, home))
	for _, path := range []string{p.o.Layout.LogsOf(u.Name), filepath.Join("/run/user", fmt.Sprint(u.UID))} {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			told(path, errors.New("it is still there; what keeps it has not let it go yet"))
		}
	}
	return left[:min(len(left), protocol.MaxLeftOvers)], ctx.Err()
}
