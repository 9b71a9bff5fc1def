package storage

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/pkg/pause"
)

// Bounds of one walk. See the package comment.
const (
	MaxLinks = 50_000
	MaxDepth = 400
	work     = 5 * time.Millisecond // between two rests
)

// walk sums up trees that lie on one file system each.
type walk struct {
	ctx   context.Context
	rest  int // how many times as long as it works it rests
	since time.Time
	cost  time.Duration
	links map[inode]struct{}
	class func(depth int, name string) // told each entry directly below the top; nil: nobody asks
	to    *uint64
	buf   []byte
}

type inode struct{ device, number uint64 }

func newWalk(ctx context.Context, rest int) *walk {
	return &walk{ctx: ctx, rest: rest, since: time.Now(), buf: make([]byte, 32<<10)}
}

// tree adds a directory and everything below it to w.to. One that is not there, or is none, adds nothing.
func (w *walk) tree(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	*w.to += blocks(&st)
	return w.below(fd, uint64(st.Dev), 0)
}

func blocks(st *unix.Stat_t) uint64 { return uint64(max(st.Blocks, 0)) * 512 }

// below adds what is in an open directory.
func (w *walk) below(dir int, device uint64, depth int) error {
	if depth >= MaxDepth {
		return nil
	}
	for {
		if err := w.breathe(); err != nil {
			return err
		}
		n, err := unix.Getdents(dir, w.buf)
		if errors.Is(err, unix.ENOENT) { // it was removed meanwhile
			return nil
		}
		if err != nil || n == 0 {
			return err
		}
		_, _, names := unix.ParseDirent(w.buf[:n], -1, nil)
		for _, name := range names {
			if err := w.entry(dir, name, device, depth); err != nil {
				return err
			}
		}
	}
}

// entry adds one thing; one that is gone meanwhile is none.
func (w *walk) entry(dir int, name string, device uint64, depth int) error {
	if depth == 0 && w.class != nil {
		w.class(depth, name)
	}
	var st unix.Stat_t
	err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT)
	if errors.Is(err, unix.ENOENT) || err == nil && uint64(st.Dev) != device {
		return nil
	}
	if err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		*w.to += w.once(&st)
		return nil
	}
	*w.to += blocks(&st)
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	var now unix.Stat_t
	if err := unix.Fstat(fd, &now); err != nil || uint64(now.Dev) != device {
		return err
	}
	return w.below(fd, device, depth+1)
}

// once is what a file adds: with several names, for the first of them.
func (w *walk) once(st *unix.Stat_t) uint64 {
	if st.Nlink < 2 {
		return blocks(st)
	}
	if w.links == nil {
		w.links = map[inode]struct{}{}
	}
	key := inode{uint64(st.Dev), st.Ino}
	if _, seen := w.links[key]; seen {
		return 0
	}
	if len(w.links) >= MaxLinks {
		return blocks(st) / uint64(st.Nlink)
	}
	w.links[key] = struct{}{}
	return blocks(st)
}

// breathe rests when it is time to.
func (w *walk) breathe() error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	now := time.Now()
	took := now.Sub(w.since)
	if took < work {
		return nil
	}
	w.cost += took
	var err error
	if w.rest > 0 {
		err = pause.For(w.ctx, min(took, time.Second)*time.Duration(w.rest))
	}
	w.since = time.Now()
	return err
}

// end tells what the walk cost.
func (w *walk) end() time.Duration { return w.cost + time.Since(w.since) }
