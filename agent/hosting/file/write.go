package file

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Owner is whom a file or directory belongs to, and who else may do what: permission bits with fs.ModeSetgid and fs.ModeSticky.
type Owner struct {
	UID, GID int
	Mode     fs.FileMode
}

// Root is the owner of what only root shall read.
var Root = Owner{Mode: 0o600}

// bits is the mode as the kernel has it.
func (o Owner) bits() uint32 {
	bits := uint32(o.Mode.Perm())
	if o.Mode&fs.ModeSetgid != 0 {
		bits |= unix.S_ISGID
	}
	if o.Mode&fs.ModeSticky != 0 {
		bits |= unix.S_ISVTX
	}
	return bits
}

func (o Owner) of(st *unix.Stat_t) bool {
	return st.Uid == uint32(o.UID) && st.Gid == uint32(o.GID) && st.Mode&0o7777 == o.bits()
}

// MaxName is the longest name of a file that can be written, bytes: the kernel's 255 with room for the name of the fresh one.
const MaxName = 250

// Fresh is the path under which a file is made before it takes its place.
func Fresh(path string) string {
	return filepath.Join(filepath.Dir(path), fresh(filepath.Base(path)))
}

func fresh(name string) string { return "." + name + ".new" }

// Write makes the file at path have this text, owner and mode; changed tells whether it had not. The directory must be there and be changed by nobody but
// root; in others use [Tree.Write].
func Write(path string, text []byte, o Owner) (changed bool, err error) {
	dir, err := openDir(filepath.Dir(path))
	if err != nil {
		return false, fmt.Errorf("write %s: %w", path, err)
	}
	defer unix.Close(dir)
	changed, err = writeAt(dir, filepath.Base(path), text, o)
	if err != nil {
		return false, fmt.Errorf("write %s: %w", path, err)
	}
	if changed {
		Step("write " + path)
	}
	return changed, nil
}

// openDir opens a trusted directory.
func openDir(path string) (int, error) {
	return again(func() (int, error) {
		return unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
}

// again repeats what a signal interrupted.
func again[T any](f func() (T, error)) (T, error) {
	for {
		got, err := f()
		if !errors.Is(err, unix.EINTR) {
			return got, err
		}
	}
}

func writeAt(dir int, name string, text []byte, o Owner) (changed bool, err error) {
	if same(dir, name, text, o) {
		return false, nil
	}
	if err := removeAt(dir, fresh(name)); err != nil && !errors.Is(err, unix.ENOENT) {
		return false, err
	}
	if err := makeAt(dir, fresh(name), text, o); err != nil {
		_ = removeAt(dir, fresh(name)) // a full disk: what is half written shall not fill it
		return false, err
	}
	Step("make " + fresh(name))
	if err := unix.Renameat(dir, fresh(name), dir, name); err != nil {
		_ = removeAt(dir, fresh(name))
		return false, err
	}
	return true, syncDir(dir)
}

// makeAt makes a file that is not there.
func makeAt(dir int, name string, text []byte, o Owner) error {
	fd, err := again(func() (int, error) {
		return unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	})
	if err != nil {
		return err
	}
	err = fill(fd, text, o)
	return errors.Join(err, unix.Close(fd))
}

func fill(fd int, text []byte, o Owner) error {
	if err := unix.Fchown(fd, o.UID, o.GID); err != nil {
		return err
	}
	if err := unix.Fchmod(fd, o.bits()); err != nil { // after chown, which takes special bits away
		return err
	}
	for len(text) > 0 {
		n, err := again(func() (int, error) { return unix.Write(fd, text) })
		if err != nil {
			return err
		}
		text = text[n:]
	}
	return unix.Fsync(fd)
}

// same tells whether the file is as it shall be. A file with a second name is not: somebody may have linked to it.
func same(dir int, name string, text []byte, o Owner) bool {
	fd, err := again(func() (int, error) {
		return unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink != 1 || !o.of(&st) || st.Size != int64(len(text)) {
		return false
	}
	var piece [8192]byte
	for len(text) > 0 {
		n, err := again(func() (int, error) { return unix.Read(fd, piece[:]) })
		if err != nil || n <= 0 || n > len(text) || string(piece[:n]) != string(text[:n]) {
			return false
		}
		text = text[n:]
	}
	return true
}

// syncDir makes the names of a directory durable. dir may be open for its path only.
func syncDir(dir int) error {
	fd, err := again(func() (int, error) { return unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return err
	}
	return errors.Join(unix.Fsync(fd), unix.Close(fd))
}

// Remove takes a file away, and what a crash left of it beside it; was tells whether the file was there. A directory is refused.
func Remove(path string) (was bool, err error) {
	dir, err := openDir(filepath.Dir(path))
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("remove %s: %w", path, err)
	}
	defer unix.Close(dir)
	if was, err = forgetAt(dir, filepath.Base(path)); err != nil {
		return was, fmt.Errorf("remove %s: %w", path, err)
	}
	if was {
		Step("remove " + path)
	}
	return was, nil
}

func forgetAt(dir int, name string) (was bool, err error) {
	left := removeAt(dir, fresh(name))
	if left != nil && !errors.Is(left, unix.ENOENT) && !errors.Is(left, unix.ENAMETOOLONG) {
		return false, left
	}
	err = removeAt(dir, name)
	was = err == nil
	if errors.Is(err, unix.ENOENT) {
		err = nil
	}
	if err != nil {
		return false, err
	}
	if was || left == nil {
		err = syncDir(dir)
	}
	return was, err
}

func removeAt(dir int, name string) error {
	_, err := again(func() (int, error) { return 0, unix.Unlinkat(dir, name, 0) })
	return err
}
