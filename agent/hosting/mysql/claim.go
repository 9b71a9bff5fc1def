package mysql

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/pkg/fault"
)

// claimed is the id of the account that a database user belongs to; "" none's.
func (p *Part) claimed(user string) (string, error) {
	text, err := os.ReadFile(filepath.Join(p.claims(), user))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read whose the database user %s is: %w", user, err)
	}
	return strings.TrimSpace(string(text)), nil
}

// claim writes down that the user's name belongs to the account, before anything is made under it. A name under which the server has something already is refused.
func (p *Part) claim(ctx context.Context, id, user string) error {
	logins, databases, err := p.under(ctx, user)
	if err != nil {
		return err
	}
	if found := slices.Concat(logins, databases); len(found) > 0 {
		return fault.Conflict("the database server has %s, which belongs to no account of this node: remove it, or, when it is this account's, write %q into %s",
			strings.Join(found[:min(len(found), 5)], ", "), id, filepath.Join(p.claims(), user))
	}
	if _, err := file.Dir(p.o.Layout.State, file.Owner{Mode: 0o711}); err != nil {
		return err
	}
	if _, err := file.Dir(p.claims(), file.Owner{Mode: 0o700}); err != nil {
		return err
	}
	_, err = file.Write(filepath.Join(p.claims(), user), []byte(id+"\n"), file.Root)
	return err
}

// under lists what the server has under the name of a user.
func (p *Part) under(ctx context.Context, user string) (logins, databases []string, err error) {
	err = p.rows(ctx, "SELECT User, Host FROM mysql.global_priv WHERE User = "+literal(user), func(name, host, _ string) {
		logins = append(logins, "user "+name+"@"+host)
	})
	if err != nil {
		return nil, nil, err
	}
	err = p.rows(ctx, "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE "+literal(pattern(user+"_")+"%"), func(name, _, _ string) {
		databases = append(databases, name)
	})
	return logins, databases, err
}
