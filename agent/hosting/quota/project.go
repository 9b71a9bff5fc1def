package quota

import (
	"errors"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// attributes is struct fsxattr (linux/fs.h).
type attributes struct {
	flags, extent, extents, project, cow uint32
	_                                    [8]byte
}

const (
	getAttributes = 0x801C581F // FS_IOC_FSGETXATTR
	setAttributes = 0x401C5820 // FS_IOC_FSSETXATTR
	inherited     = 0x200      // FS_XFLAG_PROJINHERIT: what is made in the directory belongs to its project
)

func ioctl(fd uintptr, request uint, at unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, uintptr(request), uintptr(at)); errno != 0 {
		return errno
	}
	return nil
}

func inProject(dir *os.File, project int) (bool, error) {
	var a attributes
	err := ioctl(dir.Fd(), getAttributes, unsafe.Pointer(&a))
	return err == nil && a.project == uint32(project) && a.flags&inherited != 0, err
}

func join(fd uintptr, project int, directory bool) error {
	var a attributes
	if err := ioctl(fd, getAttributes, unsafe.Pointer(&a)); err != nil {
		return err
	}
	want := a
	want.project = uint32(project)
	if directory {
		want.flags |= inherited
	}
	if want == a {
		return nil
	}
	return ioctl(fd, setAttributes, unsafe.Pointer(&want))
}

// maxNested is how deep a home is looked through: open files are bounded. What is deeper counts for the user all the same.
const maxNested = 100

// putIntoProject puts a home with everything in it into the project of its user. The top comes last, so that a walk that was cut off is made again; a new home has
// five directories, an old one is walked once, when project quota was switched on.
func putIntoProject(home *os.File, project int) error {
	again, err := unix.Openat(int(home.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := joinBelow(again, project, 0); err != nil {
		return err
	}
	return join(home.Fd(), project, true)
}

// joinBelow takes what is in an open directory, and closes it. What goes away or cannot be opened meanwhile is left out.
func joinBelow(fd, project, depth int) error {
	dir := os.NewFile(uintptr(fd), "directory of a home")
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(1000)
		for _, name := range names {
			if err := joinEntry(fd, name, project, depth); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func joinEntry(dir int, name string, project, depth int) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return nil
	}
	directory := st.Mode&unix.S_IFMT == unix.S_IFDIR
	if !directory && st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil // links, pipes and sockets take no space, and opening them is not safe
	}
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	if err := join(uintptr(fd), project, directory); err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	if !directory || depth == maxNested {
		return unix.Close(fd)
	}
	return joinBelow(fd, project, depth+1)
}
