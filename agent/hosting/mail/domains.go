package mail

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/pkg/fault"
)

// claims of a record: the domains that it names.
func (l lines) claims() (list []string) {
	for line := range l {
		if kind, _, domain, _ := cut(line); kind == "domain" {
			list = append(list, domain)
		}
	}
	return list
}

// claimed is the user whose the mail of a domain is; "" nobody's.
func (p *Part) claimed(domain string) (string, error) {
	text, err := os.ReadFile(p.dir("domains", domain))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read whose the mail of %s is: %w", domain, err)
	}
	return strings.TrimSpace(string(text)), nil
}

// free is the fault of a domain whose mail is another account's.
func (p *Part) free(domain, user string) error {
	owner, err := p.claimed(domain)
	if err == nil && owner != "" && owner != user {
		return fault.Conflict("mail of the domain %s is there for the account of user %s: it must be erased there first", domain, owner)
	}
	if err == nil && owner == "" {
		if _, there := os.Lstat(filepath.Join(p.o.Layout.Mail, domain)); there == nil {
			return fault.Conflict("%s holds mail that belongs to no account of this node: move it away, or write %q into %s", filepath.Join(p.o.Layout.Mail, domain), user, p.dir("domains", domain))
		}
	}
	return err
}

func (p *Part) claim(domain, user string) error {
	_, err := file.Write(p.dir("domains", domain), []byte(user+"\n"), file.Root)
	return err
}

// release gives up a domain without mail; kept reports that there is some.
func (p *Part) release(ctx context.Context, domain, user string) (kept bool, err error) {
	owner, err := p.claimed(domain)
	if err != nil || owner != user {
		return false, err
	}
	path := filepath.Join(p.o.Layout.Mail, domain)
	if list, err := os.ReadDir(path); err == nil && len(list) > 0 {
		return true, nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return true, err
	}
	if _, err := file.RemoveAll(ctx, path); err != nil {
		return true, err
	}
	_, err = file.Remove(p.dir("domains", domain))
	return false, err
}
