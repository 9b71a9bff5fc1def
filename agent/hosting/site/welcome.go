package site

import (
	"errors"
	"fmt"
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

// group is the number of the web server's group.
func (p *Part) group() (int, error) {
	g, err := user.LookupGroup(p.o.Group)
	if err != nil {
		return 0, fmt.Errorf("the group of the web server: %w", err)
	}
	return strconv.Atoi(g.Gid)
}
