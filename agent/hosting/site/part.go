package site

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"github.com/steelyard/steelyard/agent/hosting/daemon"
	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Part serves the sites of a node's accounts. It is used by one goroutine.
type Part struct {
	o       Options
	web     *side
	php     *side // nil without PHP
	claims  claims
	ready   bool            // the directories are there
	uid     int             // of the web server's workers, once it is known
	gid     int             // of their group
	running map[string]bool // ids of accounts with PHP that were looked at since the last Settle
}

// New makes the part; it starts nothing and looks at nothing but which versions of PHP are there.
func New(o Options) *Part {
	p := &Part{o: o.filled(), running: map[string]bool{}}
	web := nginx{&p.o, &p.claims}
	p.web = &side{dir: web.dir(), live: "hosts", server: web, pending: map[string]change{}}
	p.claims.dir = filepath.Join(web.dir(), "hosts")
	p.find()
	return p
}

// find looks for PHP as long as there is none: an operator may install it later.
func (p *Part) find() {
	if p.o.PHP == nil {
		p.o.PHP = choose(installed(p.o.PHPRoot), p.o.PHPVersion)
	}
	if p.o.PHP != nil && p.php == nil {
		php := fpm{&p.o}
		p.php = &side{dir: php.dir(), live: "pools", server: php, pending: map[string]change{}}
		p.ready = false
	}
}

// Name is "site".
func (p *Part) Name() string { return "site" }

// Ensure makes the site as the document says. The fault is invalid for a document that is wrong, conflict for a name that another account of the node
// has, unavailable without nginx, or without PHP for an account that has it: its site is shown without it.
func (p *Part) Ensure(_ context.Context, a *part.Account) error {
	names, err := check(a)
	if err != nil {
		return err
	}
	if err := p.prepare(); err != nil {
		return err
	}
	if len(names.main) == 0 {
		return p.leave(a.User)
	}
	if !daemon.IsThere(p.o.Nginx) {
		return fault.Unavailable("nginx is missing: apt-get install nginx-light")
	}
	if err := p.claims.take(a.User, names.all()); err != nil {
		return err
	}
	if err := p.logs(a); err != nil {
		return err
	}
	if err := p.room(a); err != nil {
		return err
	}
	return p.serve(a, names)
}

// serve remembers the files of an account.
func (p *Part) serve(a *part.Account, n names) error {
	php := a.PHP && p.php != nil && a.State == protocol.HostedPresent
	fresh, err := p.web.want(a.ID, a.User, p.o.lines(a, n, php))
	if err != nil {
		return err
	}
	if fresh {
		if err := p.welcome(a); err != nil {
			return err
		}
	}
	if php {
		p.running[a.ID] = true
		_, err = p.php.want(a.ID, a.User, p.o.pool(a))
	} else if p.php != nil && !(a.PHP && a.State == protocol.HostedSuspended) { // a pool that nobody leads to may stay: a reload of PHP-FPM is felt by all accounts
		err = p.php.drop(a.User)
	}
	if err == nil && a.PHP && p.php == nil {
		err = fault.Unavailable("PHP is missing: apt-get install php-fpm; the site is shown without it")
	}
	return err
}

// leave takes the files of a user out of the daemons' sight.
func (p *Part) leave(user string) error {
	err := p.web.drop(user)
	if p.php != nil {
		err = errors.Join(err, p.php.drop(user))
		if e := os.Remove(p.o.PHP.socket(user)); e != nil && !errors.Is(e, os.ErrNotExist) { // PHP-FPM does so too, if it runs
			err = errors.Join(err, e)
		}
	}
	p.claims.leave(user)
	return err
}

// Remove takes site, pool and logs away.
func (p *Part) Remove(ctx context.Context, a *part.Account) ([]protocol.Found, error) {
	if !protocol.UserName(a.User) {
		return nil, fault.Invalid("user: %.40q is no name of a hosted user", a.User)
	}
	if err := p.leave(a.User); err != nil {
		return nil, err
	}
	delete(p.running, a.ID)
	logs := p.o.Layout.LogsOf(a.User)
	if _, err := file.RemoveAll(ctx, logs); err != nil { // after the site: nginx would make them again
		return []protocol.Found{{Name: logs, Detail: fmt.Sprintf("logs of the site: %v", err), Owner: a.User}}, nil
	}
	return nil, nil
}

// Settle lets the daemons serve what Ensure and Remove left. PHP comes first, so that nginx never leads to a pool that is not there yet.
func (p *Part) Settle(ctx context.Context) error {
	running := p.running
	p.running = map[string]bool{}
	if err := p.prepare(); err != nil {
		return err
	}
	blamed := map[string]error{}
	if p.php != nil {
		bad, err := p.settle(ctx, p.php, fpm{&p.o}.files())
		maps.Copy(blamed, bad)
		for id := range running {
			if err != nil && blamed[id] == nil {
				blamed[id] = err
			}
		}
	}
	bad, err := p.settle(ctx, p.web, nginx{o: &p.o}.files())
	maps.Copy(blamed, bad)
	if err != nil || len(blamed) > 0 {
		p.claims.forget() // names of what was given up are free
	}
	if err != nil {
		return err
	}
	if len(blamed) > 0 {
		return &part.Blamed{By: blamed}
	}
	return nil
}

func (p *Part) settle(ctx context.Context, s *side, files map[string]string) (map[string]error, error) {
	idle := s.looked && !s.dirty && len(s.pending) == 0
	if idle && p.laid(files) {
		return nil, nil
	}
	if err := p.lay(ctx, s, files); err != nil {
		return nil, err
	}
	return s.settle(ctx)
}
