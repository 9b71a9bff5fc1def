package file

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Dir makes a directory with this owner and mode, or gives them to the one that is there; changed tells whether anything was done. The directory that it is in must be
// there and be changed by nobody but root; in others use [Tree.Dir]. What has the name and is no directory is refused.
func Dir(path string, o Owner) (changed bool, err error) {
	var st unix.Stat_t
	if unix.Lstat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR && o.of(&st) {
		return false, nil // nearly always; to open it and the one above would cost six times as much
	}
	parent, err := openDir(filepath.Dir(path))
	if err != nil {
		return false, fmt.Errorf("make directory %s: %w", path, err)
	}
	defer unix.Close(parent)
	changed, err = dirAt(parent, filepath.Base(path), o)
	if err != nil {
		return false, fmt.Errorf("make directory %s: %w", path, err)
	}
	if changed {
		Step("dir " + path)
	}
	return changed, nil
}

// dirAt gives a directory its owner before its mode: until then only root can enter it.
func dirAt(parent int, name string, o Owner) (changed bool, err error) {
	fd, err := openDirAt(parent, name) // first: mkdir would lock the directory for all who look into it
	made := errors.Is(err, unix.ENOENT)
	if made {
		if err := unix.Mkdirat(parent, name, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
			return false, err
		}
		fd, err = openDirAt(parent, name)
	}
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return false, fault.Refused("something that is no directory has the name: move it away")
	}
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	if changed, err = own(fd, o); err != nil {
		return false, err
	}
	if made {
		err = errors.Join(unix.Fsync(fd), syncDir(parent))
	}
	return made || changed, err
}

func openDirAt(parent int, name string) (int, error) {
	return again(func() (int, error) {
		return unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
}

// own gives what is open its owner and mode.
func own(fd int, o Owner) (changed bool, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || o.of(&st) {
		return false, err
	}
	if st.Uid != uint32(o.UID) || st.Gid != uint32(o.GID) {
		if err := unix.Fchmod(fd, st.Mode&o.bits()); err != nil { // nobody may do in between what nobody may do in the end
			return false, err
		}
		if err := unix.Fchown(fd, o.UID, o.GID); err != nil {
			return false, err
		}
	}
	return true, unix.Fchmod(fd, o.bits())
}
