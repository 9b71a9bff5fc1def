package mysql

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Remove ends the account's sessions and erases its databases and its user. What another account claims, or none, is left alone. What the server keeps (a
// file of somebody else in the directory of a database) is told, and so are users of the same name at other hosts, which somebody else made.
func (p *Part) Remove(ctx context.Context, a *part.Account) (left []protocol.Found, err error) {
	if !protocol.UserName(a.User) {
		return nil, fault.Invalid("the account's document is wrong: user is %.40q, which is no name of a hosted user", a.User)
	}
	owner, err := p.claimed(a.User)
	if err != nil || owner != a.ID || a.ID == "" {
		return nil, err
	}
	p.seen = view{}
	first := p.erase(ctx, a.User)
	logins, databases, err := p.under(ctx, a.User)
	if err != nil {
		return nil, err
	}
	for _, name := range logins {
		left = append(left, protocol.Found{Name: name, Detail: "user of the database server", Identity: "mysql-login/" + name})
	}
	for _, name := range databases {
		left = append(left, protocol.Found{Name: name, Detail: "database", Identity: "mysql/" + name})
	}
	if first != nil || len(left) > 0 {
		return left, first
	}
	_, err = file.Remove(filepath.Join(p.claims(), a.User))
	return nil, err
}

// erase closes the user, then erases what it has, then the user. One database that resists does not keep the others.
func (p *Part) erase(ctx context.Context, name string) error {
	is, err := p.ask(ctx, name, nil)
	if err != nil {
		return err
	}
	if is.user != nil {
		if err := p.run(ctx, name, []string{"ALTER USER " + login(name) + " ACCOUNT LOCK"}); err != nil {
			return err
		}
	}
	if err := p.endSessions(ctx, name); err != nil {
		return err
	}
	_, databases, err := p.under(ctx, name)
	if err != nil {
		return err
	}
	var first error
	for _, d := range databases {
		if err := p.run(ctx, name, []string{"DROP DATABASE IF EXISTS " + quoted(d)}); err != nil && first == nil {
			first = fmt.Errorf("erase database %s: %w", d, err)
		}
	}
	if is.user == nil {
		return first
	}
	if err := p.run(ctx, name, []string{"DROP USER IF EXISTS " + login(name)}); err != nil {
		return err
	}
	return first
}
