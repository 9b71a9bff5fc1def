package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// deepest is how far down a removal goes before it brings what is deeper to the top: a customer may nest directories without end, open files may not.
const deepest = 50

// RemoveAll takes a name of the tree and everything below it away; was tells whether it was there. It never leaves the tree, however deep that is and
// whatever is renamed in it meanwhile. What cannot be removed (a mount, an immutable file) does not keep the rest; the error names the first of them.
func (t *Tree) RemoveAll(ctx context.Context, name string) (was bool, err error) {
	err = t.in(name, func(dir int, base string) error {
		r := remover{ctx: ctx, top: dir, base: base}
		was, err = r.all()
		return err
	})
	if errors.Is(err, unix.ENOENT) {
		return was, nil
	}
	if err != nil {
		return was, t.explain("remove", name, err)
	}
	if was {
		Step("remove all " + filepath.Join(t.path, name))
	}
	return was, nil
}

// RemoveAll is as [Tree.RemoveAll], for a directory or file at a trusted path.
func RemoveAll(ctx context.Context, path string) (was bool, err error) {
	t, err := Under(filepath.Dir(path))
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer t.Close()
	return t.RemoveAll(ctx, filepath.Base(path))
}

// remover takes one name away.
type remover struct {
	ctx   context.Context
	top   int    // directory that holds it
	base  string // its name there
	count int    // of what was brought up
	first error
}

// raised is where directories go that are too deep: beside the removed one, so that a crash leaves them where the next removal finds them.
func (r *remover) raised() string { return fmt.Sprintf(".%s.%d.gone", r.base, r.count) }

func (r *remover) all() (was bool, err error) {
	r.old()
	was = r.remove(r.top, r.base, 0)
	for n := r.count; n > 0 && r.first == nil; n = r.count {
		r.old()
		if r.count == n {
			break
		}
	}
	return was, errors.Join(r.first, syncDir(r.top))
}

// old removes what was brought up, by this removal or by one that a crash ended.
func (r *remover) old() {
	for _, name := range names(r.top) {
		if strings.HasPrefix(name, "."+r.base+".") && strings.HasSuffix(name, ".gone") {
			r.remove(r.top, name, 0)
		}
	}
}

func (r *remover) remove(dir int, name string, depth int) (was bool) {
	if err := r.ctx.Err(); err != nil {
		r.fail(name, err)
		return true
	}
	err := unix.Unlinkat(dir, name, 0)
	if !errors.Is(err, unix.EISDIR) {
		return r.fail(name, err)
	}
	if depth >= deepest {
		r.count++
		return r.fail(name, unix.Renameat(dir, name, r.top, r.raised()))
	}
	r.below(dir, name, depth)
	return r.fail(name, unix.Unlinkat(dir, name, unix.AT_REMOVEDIR))
}

// below empties a directory.
func (r *remover) below(dir int, name string, depth int) {
	fd, err := again(func() (int, error) {
		how := unix.OpenHow{
			Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: strict | unix.RESOLVE_NO_XDEV,
		}
		return unix.Openat2(dir, name, &how)
	})
	if err != nil {
		if errors.Is(err, unix.EXDEV) {
			err = errors.New("something is mounted on it: unmount it")
		}
		r.fail(name, err)
		return
	}
	defer unix.Close(fd)
	for _, entry := range names(fd) {
		r.remove(fd, entry, depth+1)
	}
}

// fail keeps the first error; it tells whether the name was there.
func (r *remover) fail(name string, err error) bool {
	if err == nil {
		return true
	}
	if errors.Is(err, unix.ENOENT) {
		return false
	}
	if r.first == nil {
		r.first = fmt.Errorf("%.200q: %w", name, err)
	}
	return true
}

// names of what is in an open directory.
func names(dir int) []string {
	fd, err := again(func() (int, error) { return unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(fd), "directory")
	defer f.Close()
	list, _ := f.Readdirnames(-1)
	return list
}
