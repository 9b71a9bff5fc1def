package ftp

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// most logins of one account.
const most = 1000

// minUID is below all customers.
const minUID = 1000

// lines of an account in the two files.
type lines struct{ logins, groups string }

// check makes the lines of a document; the fault names the fields that are wrong.
func check(o *Options, a *part.Account) (lines, error) {
	var c fault.Check
	c.Require(protocol.UserName(a.User), "user", "is %.40q, which is no name of a hosted user", a.User)
	c.Require(a.UID >= minUID && a.GID >= minUID, "uid", "is %d (group %d); a customer's is %d at least", a.UID, a.GID, minUID)
	c.Require(a.State == protocol.HostedPresent || a.State == protocol.HostedSuspended, "state", "is %.20q", a.State)
	c.Require(len(a.FTPLogins) <= most, "ftp_logins", "are %d; %d are the most", len(a.FTPLogins), most)
	file.CheckDigest(&c, "password", a.Password)
	if err := c.Err("the FTP logins of the account cannot be made"); err != nil {
		return lines{}, err
	}
	seen := map[string]bool{}
	for i, l := range a.FTPLogins {
		file.CheckOwned(&c, file.Nth("ftp_logins", i, "name"), a.User, l.Name)
		file.CheckDigest(&c, file.Nth("ftp_logins", i, "password"), l.Password)
		file.CheckBelow(&c, file.Nth("ftp_logins", i, "dir"), l.Dir)
		c.Require(!seen[l.Name], file.Nth("ftp_logins", i, "name"), "%.40q is there twice", l.Name)
		seen[l.Name] = true
	}
	if err := c.Err("the FTP logins of %s cannot be made", a.User); err != nil || a.State == protocol.HostedSuspended {
		return lines{}, err
	}
	return o.lines(a), nil
}

func (o *Options) lines(a *part.Account) lines {
	var logins, groups strings.Builder
	home := o.Layout.Home(a.User)
	add := func(name, digest, dir string) {
		if digest == "" { // nobody logs in
			return
		}
		fmt.Fprintf(&logins, "%s:%s:%d:%d::%s:/bin/false\n", name, digest, a.UID, a.GID, dir)
		if a.DiskMiB != nil && *a.DiskMiB == 0 {
			fmt.Fprintf(&groups, "%s:x:65534:%s\n", full, name)
		}
	}
	add(a.User, a.Password, home)
	for _, l := range a.FTPLogins {
		add(l.Name, l.Password, filepath.Join(home, l.Dir))
	}
	return lines{logins.String(), groups.String()}
}
