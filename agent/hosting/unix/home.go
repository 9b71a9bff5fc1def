package unix

import (
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/pkg/fault"
)

// home makes the tree of part.Layout. The top is root's and no customer can rename what is in it, so these paths may be trusted. A customer who changed the mode of one of
// them gets it back: others could see his site's files otherwise.
func (p *Part) home(a *part.Account) error {
	web, err := p.web()
	if err != nil {
		return err
	}
	l := p.o.Layout
	if err := standing(l.Homes, file.Owner{Mode: 0o711}); err != nil {
		return err
	}
	if err := p.o.Homes.Make(a.Home, file.Owner{GID: a.GID, Mode: 0o751}); err != nil {
		return err
	}
	for _, d := range []struct {
		path string
		file.Owner
	}{
		{l.Htdocs(a.User), file.Owner{UID: a.UID, GID: web, Mode: 0o750 | fs.ModeSetgid}},
		{filepath.Join(a.Home, "sub"), file.Owner{Mode: 0o755}},
		{l.Private(a.User), file.Owner{UID: a.UID, GID: a.GID, Mode: 0o700}},
		{l.Temporary(a.User), file.Owner{UID: a.UID, GID: a.GID, Mode: 0o700}},
	} {
		if _, err := file.Dir(d.path, d.Owner); err != nil {
			return err
		}
	}
	return nil
}

// web is the number of the web server's group.
func (p *Part) web() (int, error) {
	fields := strings.SplitN(p.passwd.groups.line(p.o.WebGroup), ":", 4)
	if len(fields) == 4 {
		if id, err := strconv.Atoi(fields[2]); err == nil {
			return id, nil
		}
	}
	return 0, fault.Refused("%s has no group %s, in which the web server's workers are: install nginx, or name the group", p.passwd.groups.path, p.o.WebGroup)
}
