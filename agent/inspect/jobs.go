package inspect

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/protocol"
)

// spools are where cron keeps the tables of accounts, by distribution.
var spools = []string{"/var/spool/cron/crontabs", "/var/spool/cron"}

// jobs finds what runs by itself for accounts. What a job does is never told: its line may hold a password.
func jobs(ctx context.Context, m *machine) ([]protocol.Found, string, error) {
	var a all
	for _, dir := range spools {
		a.add(m.crontabs(ctx, dir))
	}
	a.add(m.cronD(ctx))
	a.add(m.atJobs(ctx))
	a.add(m.lingering())
	a.add(m.userUnits(ctx))
	return a.found, "crontabs, /etc/cron.d, at, user units of systemd", a.err(ctx)
}

// crontabs are named after their accounts, also after those that are gone.
func (m *machine) crontabs(ctx context.Context, dir string) ([]protocol.Found, error) {
	var a all
	names, err := m.list(dir)
	a.add(nil, err)
	for _, name := range names {
		if ctx.Err() != nil || m.isDir(path.Join(dir, name)) {
			continue
		}
		text, err := m.read(path.Join(dir, name))
		a.add(nil, err)
		for _, j := range parseCrontab(text, false) {
			a.add([]protocol.Found{thing("crontab of "+name+" "+j.digest, j.when, name, "crontab", name, j.digest)}, nil)
		}
	}
	return a.found, a.err(ctx)
}

// cronD finds the jobs of accounts among those of the system.
func (m *machine) cronD(ctx context.Context) ([]protocol.Found, error) {
	var a all
	names, err := m.list("/etc/cron.d")
	a.add(nil, err)
	files := []string{"/etc/crontab"}
	for _, name := range names {
		if !strings.HasPrefix(name, ".") {
			files = append(files, "/etc/cron.d/"+name)
		}
	}
	for _, p := range files {
		if ctx.Err() != nil {
			break
		}
		text, err := m.read(p)
		a.add(nil, err)
		for _, j := range parseCrontab(text, true) {
			if slices.ContainsFunc(m.accounts, func(acc account) bool { return acc.name == j.user }) {
				a.add([]protocol.Found{thing(p+" "+j.digest, j.when, j.user, p, j.digest)}, nil)
			}
		}
	}
	return a.found, a.err(ctx)
}

// cronJob is one line of a table: when, for whom if that is said there, and what names the whole of it.
type cronJob struct{ when, user, digest string }

// parseCrontab finds the jobs in a table (crontab(5)).
func parseCrontab(text []byte, withUser bool) (list []cronJob) {
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") || setting(line) {
			continue
		}
		fields, times := strings.Fields(line), 5
		if strings.HasPrefix(line, "@") {
			times = 1
		}
		if len(fields) <= times {
			continue // no command: cron takes it for none either
		}
		j := cronJob{when: strings.Join(fields[:times], " "), digest: digest(line)}
		if withUser {
			j.user = fields[times]
		}
		list = append(list, j)
	}
	return list
}

// setting reports whether a line sets a variable instead of naming a job.
func setting(line string) bool {
	name, _, is := strings.Cut(line, "=")
	name = strings.Trim(strings.TrimSpace(name), `"'`)
	return is && name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
}

// atJobs are files of those who asked for them.
func (m *machine) atJobs(ctx context.Context) ([]protocol.Found, error) {
	var a all
	for _, dir := range []string{"/var/spool/cron/atjobs", "/var/spool/at"} {
		names, err := m.list(dir)
		a.add(nil, err)
		for _, name := range names {
			if ctx.Err() != nil || strings.HasPrefix(name, ".") {
				continue
			}
			info, err := m.stat(path.Join(dir, name))
			if err != nil || info == nil || !info.Mode().IsRegular() {
				a.add(nil, err)
				continue
			}
			_, owner := m.owner(info)
			a.add([]protocol.Found{thing("at job "+name, "", owner, "at", owner, name)}, nil)
		}
	}
	return a.found, a.err(ctx)
}

// lingering are those whose services run while they are not logged in.
func (m *machine) lingering() (found []protocol.Found, err error) {
	names, err := m.list("/var/lib/systemd/linger")
	for _, name := range names {
		found = append(found, thing("lingering of "+name, "its user services run without a login", name, "linger", name))
	}
	return found, err
}

func (m *machine) userUnits(ctx context.Context) ([]protocol.Found, error) {
	var a all
	for _, p := range m.accounts {
		if ctx.Err() != nil {
			break
		}
		dir := path.Join("/", p.home, ".config/systemd/user")
		names, err := m.list(dir)
		a.add(nil, err)
		for _, name := range names {
			if ext := path.Ext(name); ext == ".service" || ext == ".timer" || ext == ".socket" || ext == ".path" {
				a.add([]protocol.Found{thing(fmt.Sprintf("unit %s of %s", name, p.name), dir, p.name, "unit", p.name, name)}, nil)
			}
		}
	}
	return a.found, a.err(ctx)
}
