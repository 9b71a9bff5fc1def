package mail

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/hosting/file"
)

// look tells quickly whether the files of an account that did not change are as they were left: there, of the right size and owner, and not written since the record
// was. It costs one call of the kernel for each, where to read and compare costs six. The zero value says no to everything.
type look struct{ at int64 }

// look of a record: only what nothing is on its way for.
func (r *record) look() look {
	if r.done() {
		return look{r.at}
	}
	return look{}
}

func (l look) file(path string, size int, o file.Owner) bool {
	var st unix.Stat_t
	return l.at > 0 && unix.Lstat(path, &st) == nil && owned(&st, unix.S_IFREG, o) && st.Size == int64(size) && st.Mtim.Nano() <= l.at && st.Ctim.Nano() <= l.at && st.Nlink == 1
}

func (l look) dir(path string, o file.Owner) bool {
	var st unix.Stat_t
	return l.at > 0 && unix.Lstat(path, &st) == nil && owned(&st, unix.S_IFDIR, o)
}

func (l look) absent(path string) bool {
	var st unix.Stat_t
	return l.at > 0 && errors.Is(unix.Lstat(path, &st), unix.ENOENT)
}

func owned(st *unix.Stat_t, kind uint32, o file.Owner) bool {
	return st.Mode&unix.S_IFMT == kind && st.Mode&0o7777 == uint32(o.Mode.Perm()) && st.Uid == uint32(o.UID) && st.Gid == uint32(o.GID)
}
