package ftp

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/pkg/fault"
)

// enter makes what is missing of a directory of a home, as the customer could do it himself: in directories that are his, with the owner and mode of the
// one above.
func enter(home *file.Tree, dir string, uid int) error {
	if dir == "" {
		return nil
	}
	if st, err := home.Stat(dir); err == nil {
		return directory(dir, st)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	above, err := home.Stat(".")
	if err != nil {
		return err
	}
	name := ""
	for step := range strings.SplitSeq(dir, "/") {
		name = path.Join(name, step)
		st, err := home.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			st, err = makeAs(home, name, above, uid)
		}
		if err == nil {
			err = directory(name, st)
		}
		if err != nil {
			return err
		}
		above = st
	}
	return nil
}

func directory(name string, st unix.Stat_t) error {
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return fault.Refused("%q is no directory", name)
	}
	return nil
}

func makeAs(home *file.Tree, name string, above unix.Stat_t, uid int) (unix.Stat_t, error) {
	if int(above.Uid) != uid {
		return above, fault.Refused("%q is missing, and only in htdocs, private, tmp and the directories of subdomains a customer can have directories", name)
	}
	o := file.Owner{UID: uid, GID: int(above.Gid), Mode: fs.FileMode(above.Mode & 0o777)}
	if above.Mode&unix.S_ISGID != 0 {
		o.Mode |= fs.ModeSetgid
	}
	if _, err := home.Dir(name, o); err != nil {
		return above, err
	}
	return home.Stat(name)
}
