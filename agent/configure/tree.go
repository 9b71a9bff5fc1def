package configure

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/pkg/fault"
)

// maxRead bounds what is read of one file of an image, bytes.
const maxRead = 1 << 20

// tree is the root of the written system. Names have no slash in front. Nothing that it does leaves the tree, whatever links
// the image has.
type tree struct{ root *os.Root }

// put gives a file its content. What was there, a link too, is replaced in one step.
func (t tree) put(name string, mode os.FileMode, content string) error {
	return t.copy(name, mode, strings.NewReader(content))
}

func (t tree) copy(name string, mode os.FileMode, from io.Reader) error {
	err := t.root.MkdirAll(path.Dir(name), 0o755)
	if err == nil {
		err = t.replace(name, mode, from)
	}
	return explain(name, err)
}

// replace writes under another name and renames.
func (t tree) replace(name string, mode os.FileMode, from io.Reader) error {
	fresh := path.Join(path.Dir(name), "."+path.Base(name)+".steelyard-new")
	if err := t.root.RemoveAll(fresh); err != nil {
		return err
	}
	f, err := t.root.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	err = errors.Join(err, f.Chmod(mode), f.Chown(0, 0), f.Sync(), f.Close())
	if err == nil {
		err = t.clear(name)
	}
	if err == nil {
		err = t.root.Rename(fresh, name)
	}
	if err != nil {
		return errors.Join(err, t.root.RemoveAll(fresh))
	}
	return nil
}

// clear makes room where a rename cannot: in the place of a directory.
func (t tree) clear(name string) error {
	if st, err := t.root.Lstat(name); err == nil && st.IsDir() {
		return t.root.RemoveAll(name)
	}
	return nil
}

// link makes a symbolic link, in place of whatever was there.
func (t tree) link(name, to string) error {
	err := t.root.MkdirAll(path.Dir(name), 0o755)
	if err == nil {
		err = t.root.RemoveAll(name)
	}
	if err == nil {
		err = t.root.Symlink(to, name)
	}
	return explain(name, err)
}

// private makes a directory that only root may enter, and takes it from whoever the image gave it to.
func (t tree) private(name string) error {
	err := t.root.MkdirAll(name, 0o700)
	if err == nil {
		err = errors.Join(t.root.Chmod(name, 0o700), t.root.Lchown(name, 0, 0))
	}
	return explain(name, err)
}

// explain says what a person can do.
func explain(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fault.Refused("write /%s: the image's file system is full; leave some room in it", name)
	case errors.Is(err, unix.EROFS):
		return fault.Refused("write /%s: the image's file system is read-only or damaged; check it and import it again", name)
	}
	return fault.Refused("write /%s in the image: %w", name, err)
}

// read gives a file's text; "" when it is absent, no plain file, outside of the tree, or too long.
func (t tree) read(name string) string {
	st, err := t.root.Stat(name)
	if err != nil || !st.Mode().IsRegular() || st.Size() > maxRead {
		return ""
	}
	f, err := t.root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0) // no pipe that took its place may hold us
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxRead))
	if err != nil {
		return ""
	}
	return string(b)
}

// has tells whether something has that name, a link that leads nowhere included.
func (t tree) has(names ...string) bool {
	for _, name := range names {
		if _, err := t.root.Lstat(name); err == nil {
			return true
		}
	}
	return false
}

// any tells whether something fits a pattern.
func (t tree) any(pattern string) bool {
	list, err := fs.Glob(t.root.FS(), pattern)
	return err == nil && len(list) > 0
}

// isSystem tells whether the tree is that of an operating system. What is in usr may be reached by links that only
// hold when the tree is mounted as a root.
func (t tree) isSystem() bool { return t.has("etc/os-release", "usr/lib/os-release") }

// systemName is what the system calls itself.
func (t tree) systemName() string {
	for _, name := range []string{"usr/lib/os-release", "etc/os-release"} {
		for line := range strings.Lines(t.read(name)) {
			if value, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
				return strings.Map(plain, strings.Trim(value, `"'`))
			}
		}
	}
	return "a system without a name"
}

// plain keeps what may be shown to a person.
func plain(r rune) rune {
	if r < ' ' || r == 0x7F {
		return -1
	}
	return r
}

// subvolumes are where distributions keep the root on btrfs.
var subvolumes = []string{".", "@rootfs", "@", "root"}

// system finds the operating system's tree on a file system.
func (m *mount) system() (tree, bool) {
	for _, name := range subvolumes {
		if name == "." {
			if t := (tree{m.root}); t.isSystem() {
				return t, true
			}
			continue
		}
		st, err := m.root.Lstat(name)
		if err != nil || !st.IsDir() {
			continue
		}
		sub, err := m.root.OpenRoot(name)
		if err != nil {
			continue
		}
		if t := (tree{sub}); t.isSystem() {
			m.sub = sub
			return t, true
		}
		_ = sub.Close()
	}
	return tree{}, false
}
