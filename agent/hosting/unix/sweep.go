package unix

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/hosting/file"
	"github.com/steelyard/steelyard/protocol"
)

// Bounds of a look through one directory that everybody may write to.
const (
	maxSwept   = 500_000 // entries
	maxSweptIn = 40      // directories within each other
)

// sweep removes what belongs to a user below a directory that he shares with others, on its own file system. It goes through directories of
// others, because they may have let him write there.
type sweep struct {
	uid   uint32
	dev   uint64
	seen  int
	count int // removed
	left  []protocol.Found
}

func sweepUser(ctx context.Context, dir string, uid int) []protocol.Found {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil // a node without it
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
		return nil
	}
	s := sweep{uid: uint32(uid), dev: st.Dev}
	s.walk(ctx, fd, dir, 0)
	if s.count > 0 {
		file.Step("sweep " + dir)
	}
	return s.left
}

// walk goes through an open directory and closes it.
func (s *sweep) walk(ctx context.Context, fd int, path string, depth int) {
	dir := os.NewFile(uintptr(fd), path)
	defer dir.Close()
	for {
		list, err := dir.Readdirnames(1000)
		for _, name := range list {
			if s.seen++; s.seen > maxSwept || ctx.Err() != nil {
				if len(s.left) == 0 {
					s.tell(path, "too much is in it to look through")
				}
				return
			}
			s.entry(ctx, fd, path, name, depth)
		}
		if errors.Is(err, io.EOF) || err != nil {
			return
		}
	}
}

func (s *sweep) entry(ctx context.Context, dir int, path, name string, depth int) {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return
	}
	flags := 0
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		if flags = unix.AT_REMOVEDIR; st.Dev != s.dev { // files of an overlay have other devices than their directory
			return
		}
		if depth < maxSweptIn {
			if fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0); err == nil {
				s.walk(ctx, fd, filepath.Join(path, name), depth+1)
			}
		}
	}
	if st.Uid != s.uid {
		return
	}
	switch err := unix.Unlinkat(dir, name, flags); {
	case err == nil:
		s.count++
	case errors.Is(err, unix.ENOENT):
	case errors.Is(err, unix.ENOTEMPTY) && depth >= maxSweptIn:
		s.tell(path, "directories are nested too deep in it")
	case errors.Is(err, unix.ENOTEMPTY):
		s.tell(path, "a directory of the user in it has files of others")
	default:
		s.tell(path, fmt.Sprintf("a file of the user in it cannot be removed: %v", err))
	}
}

func (s *sweep) tell(path, detail string) {
	if len(s.left) < protocol.MaxLeftOvers {
		s.left = append(s.left, protocol.Found{Name: path, Detail: detail, Owner: fmt.Sprint(s.uid)})
	}
}
