package mysql

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

const (
	native = "mysql_native_password"
	nobody = "*0000000000000000000000000000000000000000" // digest of no password that is known; the account is locked besides
)

// Ensure makes the account's database user, its databases and its rights as the document says. An account that never had a database needs no server.
func (p *Part) Ensure(ctx context.Context, a *part.Account) error {
	if err := check(&a.HostedAccount); err != nil {
		return err
	}
	owner, err := p.claimed(a.User)
	if err != nil || owner == "" && len(a.Databases) == 0 {
		return err
	}
	if owner != "" && owner != a.ID {
		return fault.Conflict("the database user %s belongs to account %s; it must be removed first", a.User, owner)
	}
	if owner == "" {
		if err := p.claim(ctx, a.ID, a.User); err != nil {
			return err
		}
	}
	return p.make(ctx, &a.HostedAccount)
}

// make looks, does what is missing, and looks again.
func (p *Part) make(ctx context.Context, a *protocol.HostedAccount) error {
	names := slices.Concat(a.Databases, a.DatabasesGone)
	is, err := p.look(ctx, a.User, names)
	if err != nil {
		return err
	}
	w := p.plan(a, is)
	if w.empty() {
		return nil
	}
	if err := p.do(ctx, a.User, w); err != nil {
		p.seen = view{}
		return err
	}
	if is, err = p.ask(ctx, a.User, names); err != nil {
		p.seen = view{}
		return err
	}
	p.keep(a.User, is, names)
	if again := p.plan(a, is); !again.empty() {
		return fmt.Errorf("the database server took all that was said for user %s, and has it otherwise afterwards: something else changes it at the same time", a.User)
	}
	return nil
}

// work is what is missing.
type work struct {
	statements []string
	end        bool     // then the sessions of the user, which would keep what was taken away
	last       []string // then these
}

func (w work) empty() bool { return len(w.statements)+len(w.last) == 0 }

// plan compares the server with the document.
func (p *Part) plan(a *protocol.HostedAccount, is account) (w work) {
	want := stored{Digest: a.DatabasePassword, Locked: a.State == protocol.HostedSuspended || a.DatabasePassword == "", Connections: p.o.Sessions}
	if want.Digest == "" {
		want.Digest = nobody
	}
	w.user(a.User, is.user, want)
	for _, name := range slices.Sorted(slices.Values(a.Databases)) {
		if !is.named[name] {
			w.statements = append(w.statements, "CREATE DATABASE IF NOT EXISTS "+quoted(name)+" CHARACTER SET utf8mb4")
		}
	}
	w.rights(a, is.user)
	for _, name := range slices.Sorted(slices.Values(a.DatabasesGone)) {
		if is.named[name] {
			w.end = true
			w.last = append(w.last, "DROP DATABASE IF EXISTS "+quoted(name))
		}
	}
	return w
}

// user plans who may log in, and takes away rights that are not on whole databases: with all others, which rights gives back.
func (w *work) user(name string, is *user, want stored) {
	lock := "UNLOCK"
	if want.Locked {
		lock = "LOCK"
	}
	how := fmt.Sprintf(" IDENTIFIED VIA %s USING %s WITH MAX_USER_CONNECTIONS %d ACCOUNT %s", native, literal(want.Digest), want.Connections, lock)
	switch {
	case is == nil:
		w.statements = append(w.statements, "CREATE USER IF NOT EXISTS "+login(name)+how)
	case !is.as(want):
		w.statements, w.end = append(w.statements, "ALTER USER "+login(name)+how), true
	}
	if is != nil && !is.plain() {
		w.statements, w.end = append(w.statements, "REVOKE ALL PRIVILEGES, GRANT OPTION FROM "+login(name)), true
	}
}

// rights plans what he may.
func (w *work) rights(a *protocol.HostedAccount, is *user) {
	want, have := map[string]rights{}, map[string]rights{}
	for _, name := range a.Databases {
		want[pattern(name)] = full
		if a.DatabasesShrink {
			want[pattern(name)] = shrink
		}
	}
	if is != nil && is.plain() {
		have = is.grants
	}
	for _, db := range slices.Sorted(maps.Keys(have)) {
		target := want[db]
		if target == "" {
			target = none
		}
		if less := have[db].without(target); less != "" {
			w.statements, w.end = append(w.statements, "REVOKE "+less+" ON "+quoted(db)+".* FROM "+login(a.User)), true
		}
	}
	for _, db := range slices.Sorted(maps.Keys(want)) {
		has := have[db]
		if has == "" {
			has = none
		}
		if more := want[db].without(has); more != "" {
			w.statements = append(w.statements, "GRANT "+more+" ON "+quoted(db)+".* TO "+login(a.User))
		}
	}
}

// do runs what is missing.
func (p *Part) do(ctx context.Context, name string, w work) error {
	if err := p.run(ctx, name, w.statements); err != nil {
		return err
	}
	if w.end {
		if err := p.endSessions(ctx, name); err != nil {
			return err
		}
	}
	return p.run(ctx, name, w.last)
}

func (p *Part) run(ctx context.Context, name string, statements []string) error {
	for i, s := range statements {
		if _, err := p.db.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("change what the database server has of user %s: %w", name, p.down(hide(err)))
		}
		file.Step(fmt.Sprintf("mysql %s %d", name, i))
	}
	return nil
}
