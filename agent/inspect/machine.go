package inspect

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// Bounds of what is read.
const (
	maxFile    = 8 << 20 // bytes of one file
	maxEntries = 100_000 // of one directory
	maxLinks   = 40      // of one path
)

// machine is the system that is looked at.
type machine struct {
	root string // "" is the running one
	proc string // where its processes are

	accounts []account // read by the first reader
	names    map[int]string
}

func newMachine(root, proc string) *machine {
	if proc == "" {
		proc = "/proc"
	}
	return &machine{root: root, proc: proc}
}

// at is where a path of the system is. Below another root the links of the system are followed there, never out of it.
func (m *machine) at(p string) (string, error) {
	if m.root == "" {
		return p, nil
	}
	done, todo := "/", strings.Split(path.Clean("/"+p), "/")
	for links := 0; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		if name == "" || name == "." {
			continue
		}
		next := path.Join(done, name) // ".." ends at the root
		target, err := os.Readlink(filepath.Join(m.root, next))
		if err != nil { // no link, or not there: whoever opens it hears
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("%s has too many links", p)
		}
		if path.IsAbs(target) {
			done = "/"
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return filepath.Join(m.root, done), nil
}

// read gives a regular file; nil when there is none. Others are not waited for: opening a pipe of a customer would.
func (m *machine) read(p string) ([]byte, error) {
	at, err := m.at(p)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(at, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, cannot(p, err)
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", p)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, cannot(p, err)
	case len(text) > maxFile:
		return nil, fmt.Errorf("%s has more than %d bytes", p, maxFile)
	case text == nil:
		text = []byte{}
	}
	return text, nil
}

// list gives the names in a directory, sorted; none when there is none.
func (m *machine) list(p string) ([]string, error) {
	at, err := m.at(p)
	if err != nil {
		return nil, err
	}
	d, err := os.OpenFile(at, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_DIRECTORY, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, cannot(p, err)
	}
	defer func() { _ = d.Close() }()
	names, err := d.Readdirnames(maxEntries + 1)
	slices.Sort(names)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return names, cannot(p, err)
	case len(names) > maxEntries:
		return names[:maxEntries], fmt.Errorf("%s has more than %d entries", p, maxEntries)
	}
	return names, nil
}

// stat tells of a path what it leads to; nil when there is nothing.
func (m *machine) stat(p string) (fs.FileInfo, error) {
	at, err := m.at(p)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(at)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, cannot(p, err)
	}
	return info, nil
}

func (m *machine) isDir(p string) bool {
	info, err := m.stat(p)
	return err == nil && info != nil && info.IsDir()
}

// cannot says what could not be read, without the path below another root.
func cannot(p string, err error) error {
	why := err
	if e := new(fs.PathError); errors.As(err, &e) {
		why = e.Err
	}
	return fmt.Errorf("cannot read %s: %w", p, why)
}

// owner is who has a file.
func (m *machine) owner(info fs.FileInfo) (uid int, name string) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return -1, ""
	}
	return int(st.Uid), m.nameOf(int(st.Uid))
}

// nameOf is the account of a number; the number where there is none.
func (m *machine) nameOf(uid int) string {
	if name, ok := m.names[uid]; ok {
		return name
	}
	return fmt.Sprintf("uid %d", uid)
}

// thing is what was found. An identity whose text would be cut or cleaned on its way is told as its digest, so that two things never
// become one.
func thing(name, detail, owner string, identity ...string) protocol.Found {
	id := name
	if len(identity) > 0 {
		id = strings.Join(identity, "/")
	}
	if hardware.CleanString(id) != id || len(id) > maxIdentity {
		sum := sha256.Sum256([]byte(id))
		id = hex.EncodeToString(sum[:16])
	}
	f := protocol.Found{Name: hardware.CleanString(name), Detail: hardware.CleanString(detail), Owner: hardware.CleanString(owner)}
	if id != f.Name {
		f.Identity = id
	}
	return f
}

// maxIdentity is the longest identity that is told as it is.
const maxIdentity = 120

// digest names what may not be told.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// all collects what several looks found. It goes on after one that failed, and stops when the time is over.
type all struct {
	found []protocol.Found
	errs  []error
}

func (a *all) add(found []protocol.Found, err error) {
	a.found = append(a.found, found...)
	if err != nil {
		a.errs = append(a.errs, err)
	}
}

// maxTold is how many reasons are told for what was not seen.
const maxTold = 3

func (a *all) err(ctx context.Context) error {
	if ctx.Err() != nil {
		return errors.New("it took too long")
	}
	if more := len(a.errs) - maxTold; more > 0 {
		a.errs = append(a.errs[:maxTold], fmt.Errorf("and %d more", more))
	}
	var texts []string
	for _, err := range a.errs {
		texts = append(texts, err.Error())
	}
	if len(texts) == 0 {
		return nil
	}
	return errors.New(strings.Join(texts, "; "))
}
