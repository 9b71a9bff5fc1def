package file

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Tree is a directory below which customers write. Names are relative, with slashes; whatever is in the tree, nothing that a Tree does leaves it or follows a link.
type Tree struct {
	fd   int
	path string // for errors
}

// Under opens the tree at a trusted path: no part of it may be changed by anybody but root. A path that ends in a symbolic link is refused.
func Under(dir string) (*Tree, error) {
	fd, err := again(func() (int, error) {
		return unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, explain(err))
	}
	return &Tree{fd, dir}, nil
}

// Close closes it.
func (t *Tree) Close() error { return unix.Close(t.fd) }

const strict = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// openat opens what has the name, which may be "." for the tree itself.
func (t *Tree) openat(name string, flags int, mode uint64) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC | unix.O_NOFOLLOW), Mode: mode, Resolve: strict}
	for tries := 0; ; tries++ {
		fd, err := unix.Openat2(t.fd, name, &how)
		moved := errors.Is(err, unix.EAGAIN) && tries < 100 // something was renamed meanwhile; a customer could go on with that
		if !errors.Is(err, unix.EINTR) && !moved {
			return fd, err
		}
	}
}

// Open opens a plain file or directory to read. What could hold the reader (a pipe) or do something when it is opened (a device) is refused.
func (t *Tree) Open(name string) (*os.File, error) {
	fd, err := t.openat(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, t.explain("open", name, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || (st.Mode&unix.S_IFMT != unix.S_IFREG && st.Mode&unix.S_IFMT != unix.S_IFDIR) {
		_ = unix.Close(fd)
		return nil, t.explain("open", name, errors.Join(err, fault.Refused("it is no plain file")))
	}
	return os.NewFile(uintptr(fd), filepath.Join(t.path, name)), nil
}

// Stat tells what has the name; fs.ErrNotExist when nothing has.
func (t *Tree) Stat(name string) (unix.Stat_t, error) {
	var st unix.Stat_t
	fd, err := t.openat(name, unix.O_PATH, 0)
	if err != nil {
		return st, t.explain("look at", name, err)
	}
	defer unix.Close(fd)
	return st, t.explain("look at", name, unix.Fstat(fd, &st))
}

// Empty tells whether a directory has nothing in it.
func (t *Tree) Empty(name string) (bool, error) {
	f, err := t.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	list, _ := f.Readdirnames(1)
	return len(list) == 0, nil
}

// Dir is as [Dir], for one directory of the tree; those above it must be there.
func (t *Tree) Dir(name string, o Owner) (changed bool, err error) {
	err = t.in(name, func(dir int, base string) error {
		changed, err = dirAt(dir, base, o)
		return err
	})
	if err != nil {
		return false, t.explain("make directory", name, err)
	}
	if changed {
		Step("dir " + filepath.Join(t.path, name))
	}
	return changed, nil
}

// Write is as [Write]. The file belongs to its owner from the first moment, so that it counts in his quota alone.
func (t *Tree) Write(name string, text []byte, o Owner) (changed bool, err error) {
	err = t.in(name, func(dir int, base string) error {
		changed, err = writeAt(dir, base, text, o)
		return err
	})
	if err != nil {
		return false, t.explain("write", name, err)
	}
	if changed {
		Step("write " + filepath.Join(t.path, name))
	}
	return changed, nil
}

// Remove is as [Remove].
func (t *Tree) Remove(name string) (was bool, err error) {
	err = t.in(name, func(dir int, base string) error {
		was, err = forgetAt(dir, base)
		return err
	})
	if errors.Is(err, unix.ENOENT) {
		err = nil
	}
	if err != nil {
		return false, t.explain("remove", name, err)
	}
	if was {
		Step("remove " + filepath.Join(t.path, name))
	}
	return was, nil
}

// in calls f with the directory that holds the name.
func (t *Tree) in(name string, f func(dir int, base string) error) error {
	base := path.Base(name)
	if name == "" || base == "." || base == ".." || base == "/" {
		return fault.Invalid("%q is no name in the tree", name)
	}
	dir, err := t.openat(path.Dir(name), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	return f(dir, base)
}

func (t *Tree) explain(act, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", act, filepath.Join(t.path, name), explain(err))
}

// explain says what the kernel's refusal means.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.ELOOP):
		return fault.Refused("a symbolic link is in the way: remove it: %w", err)
	case errors.Is(err, unix.EXDEV):
		return fault.Refused("the name leads out of the tree: %w", err)
	case errors.Is(err, unix.ENOSYS):
		return fault.Refused("this kernel has no openat2: a hosting node needs Linux 5.6 or newer")
	}
	return err
}
