package collect

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Bounds of what is read from a tree.
const (
	maxFile    = 4 << 20 // bytes; /proc/cpuinfo of 1024 threads is 2 MB
	maxEntries = 1 << 16 // of one directory
	maxLinks   = 40      // symbolic links on one path, as in the kernel
)

// tree reads files below a root: "/" is the live machine.
type tree struct{ root string }

func newTree(root string) tree {
	if root == "" {
		root = "/"
	}
	return tree{filepath.Clean(root)}
}

func (t tree) live() bool { return t.root == "/" }

// real returns the path of name below the root without symbolic links, relative
// to the root: "sys/devices/…". Links, also absolute ones, stay inside the root.
func (t tree) real(name string) (string, error) {
	rest := strings.Split(path.Clean(name), "/")
	done := ""
	for links := 0; len(rest) > 0; {
		step := rest[0]
		rest = rest[1:]
		switch step {
		case "", ".":
			continue
		case "..":
			done = path.Dir(done)
			if done == "." {
				done = ""
			}
			continue
		}
		next := path.Join(done, step)
		info, err := os.Lstat(filepath.Join(t.root, next))
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "resolve", Path: name, Err: syscall.ELOOP}
		}
		target, err := os.Readlink(filepath.Join(t.root, next))
		if err != nil {
			return "", err
		}
		if path.IsAbs(target) {
			done = ""
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return done, nil
}

// host is the path for the operating system. The kernel itself resolves the live
// machine; /proc/self and the like have meaning only there.
func (t tree) host(name string) (string, error) {
	if t.live() {
		return "/" + name, nil
	}
	inside, err := t.real(name)
	return filepath.Join(t.root, inside), named(name, err)
}

// named gives an error the name inside the tree: where a copy lies is nobody's
// business and differs from run to run.
func named(name string, err error) error {
	var where *fs.PathError
	if errors.As(err, &where) {
		return &fs.PathError{Op: "read", Path: name, Err: where.Err}
	}
	return err
}

// read returns a regular file of at most limit bytes; a longer one is refused.
// It never waits for a pipe or a device that stands where a file should.
func (t tree) read(name string, limit int64) ([]byte, error) {
	file, err := t.open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, named(name, err)
	}
	if int64(len(data)) > limit {
		return nil, fault.Invalid("%s is larger than %d bytes", name, limit)
	}
	return data, nil
}

func (t tree) open(name string) (*os.File, error) {
	host, err := t.host(name)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(host, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, named(name, err)
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		file.Close()
		return nil, errors.Join(err, fmt.Errorf("%s is no regular file", name))
	}
	return file, nil
}

// text is the trimmed content of a small file, or "" when it cannot be read.
// Attributes of devices come and go; what is missing was not seen.
func (t tree) text(name string) string {
	data, err := t.read(name, 64<<10)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(strings.Trim(string(data), "\x00"))
}

// number is the number that a file holds, or 0.
func (t tree) number(name string) uint64 {
	n, err := strconv.ParseUint(t.text(name), 0, 64)
	if err != nil {
		return 0
	}
	return n
}

func (t tree) exists(name string) bool {
	host, err := t.host(name)
	if err == nil {
		_, err = os.Stat(host)
	}
	return err == nil
}

// list returns the sorted names in a directory.
func (t tree) list(name string) ([]string, error) {
	host, err := t.host(name)
	if err != nil {
		return nil, err
	}
	dir, err := os.Open(host)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(maxEntries)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	slices.Sort(names)
	return names, nil
}

// base is the last element of what a link points to ("driver" → "ixgbe"), or "".
func (t tree) base(name string) string {
	inside, err := t.real(name)
	if err != nil {
		return ""
	}
	return path.Base(inside)
}
