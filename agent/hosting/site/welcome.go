package site

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/agent/hosting/part"
)

// page is what a new site shows.
const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>%[1]s</title>
<h1>%[1]s</h1>
<p>This site is new. Its files belong into the directory <code>htdocs</code>.</p>
</html>
`

// welcome puts a page into the directory of a new site if it is empty: what a customer already has is his. No room for it is no failure.
func (p *Part) welcome(a *part.Account) error {
	tree, err := file.Under(p.o.Layout.Htdocs(a.User))
	if err != nil {
		return err
	}
	defer tree.Close()
	if empty, err := tree.Empty("."); err != nil || !empty {
		return err
	}
	gid, err := p.group()
	if err != nil {
		return err
	}
	_, err = tree.Write("index.html", fmt.Appendf(nil, page, a.Domain), file.Owner{UID: a.UID, GID: gid, Mode: 0o640})
	if errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.ENOSPC) {
		return nil
	}
	return err
}

// room makes the directories of subdomains. What they are in is root's, so nobody can put a link there. That of a subdomain which the document has no
// more stays: what is in it is the customer's.
func (p *Part) room(a *part.Account) error {
	if len(a.Subdomains) == 0 {
		return nil
	}
	gid, err := p.group()
	if err != nil {
		return err
	}
	for _, name := range a.Subdomains {
		if _, err := file.Dir(p.o.Layout.Subdomain(a.User, name), file.Owner{UID: a.UID, GID: gid, Mode: 0o750 | fs.ModeSetgid}); err != nil {
			return err
		}
	}
	return nil
}

// logs makes the directory of an account's logs and what is in it: the access log, which nginx's workers open by themselves, and the log of what scripts say, which
// is the customer's own. The directory is root's, so nobody can put a link there for logrotate to follow; workers must be able to pass.
func (p *Part) logs(a *part.Account) error {
	if _, err := p.group(); err != nil {
		return err
	}
	dir := p.o.Layout.LogsOf(a.User)
	if _, err := file.Dir(dir, file.Owner{GID: a.GID, Mode: 0o751}); err != nil {
		return err
	}
	for path, uid := range map[string]int{filepath.Join(dir, "access.log"): p.uid, errorLog(dir): a.UID} {
		if _, err := os.Lstat(path); err == nil {
			continue // with what was logged
		}
		if _, err := file.Write(path, nil, file.Owner{UID: uid, GID: a.GID, Mode: 0o640}); err != nil {
			return err
		}
	}
	return nil
}

func errorLog(logs string) string { return filepath.Join(logs, "error.log") }

// group is the number of the web server's group. Its user has the same name.
func (p *Part) group() (int, error) {
	if p.gid > 0 {
		return p.gid, nil
	}
	u, err := user.Lookup(p.o.Group)
	if err != nil {
		return 0, fmt.Errorf("the user of the web server: %w", err)
	}
	g, err := user.LookupGroup(p.o.Group)
	if err != nil {
		return 0, fmt.Errorf("the group of the web server: %w", err)
	}
	if p.uid, err = strconv.Atoi(u.Uid); err != nil {
		return 0, err
	}
	p.gid, err = strconv.Atoi(g.Gid)
	return p.gid, err
}
