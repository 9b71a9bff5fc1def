package storage

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/protocol"
)

// home walks an account's home.
func (m *Measurer) home(ctx context.Context, a *Account, rest int) (home, www uint64, cost time.Duration, err error) {
	w := newWalk(ctx, rest)
	w.to = &home
	w.class = func(_ int, name string) {
		if w.to = &home; name == "htdocs" || name == "sub" {
			w.to = &www
		}
	}
	err = w.tree(m.opt.Layout.Home(a.User))
	return home, www, w.end(), err
}

// mail walks what the domains of an account have.
func (m *Measurer) mail(ctx context.Context, a *Account, rest int) (mail uint64, cost time.Duration, err error) {
	w := newWalk(ctx, rest)
	w.to = &mail
	for _, domain := range a.Domains {
		if filepath.Base(domain) == domain && domain != "." && domain != ".." { // never another place
			err = errors.Join(err, w.tree(filepath.Join(m.opt.Layout.Mail, domain)))
		}
	}
	return mail, w.end(), err
}

// databases finds the directories of the database server by their users.
func (m *Measurer) databases() (map[string][]string, error) {
	dir, err := os.Open(m.opt.Databases)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	list := map[string][]string{}
	names, err := dir.Readdirnames(-1)
	for _, name := range names {
		if user, _, ok := strings.Cut(name, "_"); ok && protocol.UserName(user) {
			list[user] = append(list[user], name)
		}
	}
	return list, err
}

// database sums up the files of these directories; they have none below them.
func (m *Measurer) database(ctx context.Context, names []string, rest int) (sum uint64, cost time.Duration, err error) {
	w := newWalk(ctx, rest)
	w.to = &sum
	for _, name := range names {
		err = errors.Join(err, w.tree(filepath.Join(m.opt.Databases, name)))
	}
	return sum, w.end(), err
}

// number is the Unix user of an account: the owner of his private directory. 0: there is none.
func (m *Measurer) number(user string) int {
	var st unix.Stat_t
	if unix.Lstat(m.opt.Layout.Private(user), &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return 0
	}
	return int(st.Uid)
}
