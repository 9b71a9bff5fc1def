package mysql

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"
)

// The server is asked for one account at a time until that was done so often in one batch that asking for all is cheaper. What was read of all is used for a
// bounded time.
const (
	singles = 20
	fresh   = 10 * time.Second
)

// view is what was read of the server for all accounts.
type view struct {
	asked int // accounts of this batch that were asked for one by one
	at    time.Time
	users map[string]*user // by name; nil: not read
	named map[string]bool  // all databases
}

// user is a database user as the server has it.
type user struct {
	is     stored            // how it logs in, and its rights on everything
	sane   bool              // is could be read
	grants map[string]rights // by pattern
	finer  bool              // it has rights on single tables, columns or routines
}

// stored is what matters of it.
type stored struct {
	Access      json.Number       `json:"access"`
	Plugin      string            `json:"plugin"`
	Digest      string            `json:"authentication_string"`
	Locked      bool              `json:"account_locked"`
	Connections int               `json:"max_user_connections"`
	Or          []json.RawMessage `json:"auth_or"`               // ways to log in, where there are others than Plugin
	Changed     json.RawMessage   `json:"password_last_changed"` // 0: the password is expired
}

// as reports whether the user logs in as wanted.
func (u *user) as(want stored) bool {
	is := u.is
	return u.sane && is.Plugin == native && is.Digest == want.Digest && is.Locked == want.Locked && is.Connections == want.Connections && len(is.Or) <= 1 && string(is.Changed) != "0"
}

// plain reports whether it has rights on whole databases only.
func (u *user) plain() bool { return u.sane && u.is.Access == "0" && !u.finer }

// account is what the server has of one account: its user, nil for none, and which of the databases that were asked for there are.
type account struct {
	user  *user
	named map[string]bool
}

// look reads what there is of an account; databases are the names that matter.
func (p *Part) look(ctx context.Context, name string, databases []string) (account, error) {
	if p.seen.users != nil && time.Since(p.seen.at) > fresh {
		p.seen = view{asked: p.seen.asked}
	}
	if p.seen.users == nil && p.seen.asked < singles {
		p.seen.asked++
		return p.ask(ctx, name, databases)
	}
	if p.seen.users == nil {
		if err := p.askAll(ctx); err != nil {
			return account{}, err
		}
	}
	return account{p.seen.users[name], p.seen.named}, nil
}

// ask reads one account from the server.
func (p *Part) ask(ctx context.Context, name string, databases []string) (account, error) {
	users, err := p.users(ctx, " AND User = "+literal(name))
	if err != nil || len(databases) == 0 {
		return account{user: users[name]}, err
	}
	named := map[string]bool{}
	for _, d := range databases { // one by one: the server looks a single name up, and goes through all databases for several
		if err := p.databases(ctx, "SCHEMA_NAME = "+literal(d), named); err != nil {
			return account{}, err
		}
	}
	return account{users[name], named}, nil
}

func (p *Part) askAll(ctx context.Context) error {
	users, err := p.users(ctx, "")
	if err != nil {
		return err
	}
	named := map[string]bool{}
	// information_schema would open a file of each database
	if err := p.rows(ctx, "SHOW DATABASES", func(name, _, _ string) { named[name] = true }); err != nil {
		return err
	}
	p.seen = view{at: time.Now(), users: users, named: named}
	return nil
}

// keep brings what was read of all up to date with what was read of one.
func (p *Part) keep(name string, is account, databases []string) {
	if p.seen.users == nil {
		return
	}
	delete(p.seen.users, name)
	if is.user != nil {
		p.seen.users[name] = is.user
	}
	for _, d := range databases {
		delete(p.seen.named, d)
		if is.named[d] {
			p.seen.named[d] = true
		}
	}
}

// users reads those of accounts that where chooses.
func (p *Part) users(ctx context.Context, where string) (map[string]*user, error) {
	users := map[string]*user{}
	err := p.rows(ctx, "SELECT User, Priv FROM mysql.global_priv WHERE Host = 'localhost'"+where, func(name, priv, _ string) {
		u := &user{grants: map[string]rights{}}
		u.sane = json.Unmarshal([]byte(priv), &u.is) == nil
		users[name] = u
	})
	if err != nil {
		return nil, err
	}
	err = p.rows(ctx, "SELECT User, Db, "+columns()+" FROM mysql.db WHERE Host = 'localhost'"+where, func(name, db, has string) {
		if u := users[name]; u != nil && len(has) == len(privileges) {
			u.grants[db] = rights(has)
		}
	})
	if err != nil {
		return nil, err
	}
	for _, table := range []string{"tables_priv", "columns_priv", "procs_priv"} {
		err := p.rows(ctx, "SELECT DISTINCT User FROM mysql."+table+" WHERE Host = 'localhost'"+where, func(name, _, _ string) {
			if u := users[name]; u != nil {
				u.finer = true
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return users, nil
}

// databases adds those that where chooses.
func (p *Part) databases(ctx context.Context, where string, named map[string]bool) error {
	return p.rows(ctx, "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE "+where, func(name, _, _ string) { named[name] = true })
}

// rows calls f with each row, of one to three texts.
func (p *Part) rows(ctx context.Context, query string, f func(a, b, c string)) error {
	rows, err := p.db.QueryContext(ctx, query)
	if err != nil {
		return p.down(err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return p.down(err)
	}
	var texts [3]sql.NullString
	into := []any{&texts[0], &texts[1], &texts[2]}[:min(len(columns), 3)]
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("read from the database server: %w", err)
		}
		f(texts[0].String, texts[1].String, texts[2].String)
	}
	if err := rows.Err(); err != nil {
		return p.down(err)
	}
	return nil
}
