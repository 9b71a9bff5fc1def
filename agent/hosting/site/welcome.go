package site

import (
	"errors"
	"fmt"
	"io/fs"
	"os/user"
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

// group is the number of the web server's group.
func (p *Part) group() (int, error) {
	if p.gid > 0 {
		return p.gid, nil
	}
	g, err := user.LookupGroup(p.o.Group)
	if err != nil {
		return 0, fmt.Errorf("the group of the web server: %w", err)
	}
	p.gid, err = strconv.Atoi(g.Gid)
	return p.gid, err
}
