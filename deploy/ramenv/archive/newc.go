package archive

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// Kinds of entries, as stat(2) has them.
const (
	directory = 0o040000
	regular   = 0o100000
	symlink   = 0o120000
	character = 0o020000
)

// Tree is what an archive holds. The zero value is empty.
type Tree struct {
	entries map[string]entry
}

type entry struct {
	mode         uint32
	size         int64
	open         func() (io.ReadCloser, error)
	major, minor uint32
}

// put adds an entry and the directories above it. A later one of the same name wins.
func (t *Tree) put(name string, e entry) {
	if t.entries == nil {
		t.entries = map[string]entry{}
	}
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		return
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if _, there := t.entries[dir]; !there {
			t.entries[dir] = entry{mode: directory | 0o755}
		}
	}
	t.entries[name] = e
}

// Dir adds an empty directory.
func (t *Tree) Dir(name string, perm os.FileMode) {
	t.put(name, entry{mode: directory | uint32(perm.Perm()) | sticky(perm)})
}

func sticky(perm os.FileMode) uint32 {
	if perm&os.ModeSticky != 0 {
		return 0o1000
	}
	return 0
}

// Text adds a file with the given bytes.
func (t *Tree) Text(name string, perm os.FileMode, content string) {
	t.put(name, entry{mode: regular | uint32(perm.Perm()), size: int64(len(content)), open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}})
}

// Link adds a symbolic link.
func (t *Tree) Link(name, target string) {
	t.Text(name, 0o777, target)
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	e := t.entries[name]
	e.mode = symlink | 0o777
	t.entries[name] = e
}

// Char adds a character device.
func (t *Tree) Char(name string, perm os.FileMode, major, minor uint32) {
	t.put(name, entry{mode: character | uint32(perm.Perm()), major: major, minor: minor})
}

// File adds a file of this machine; it is read when the archive is written.
func (t *Tree) File(name string, perm os.FileMode, source string) error {
	st, err := os.Stat(source)
	if err != nil {
		return fmt.Errorf("take %s into the archive: %w", name, err)
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("take %s into the archive: %s is no file", name, source)
	}
	t.put(name, entry{mode: regular | uint32(perm.Perm()), size: st.Size(), open: func() (io.ReadCloser, error) { return os.Open(source) }})
	return nil
}

// Names lists the entries, sorted.
func (t *Tree) Names() []string { return slices.Sorted(maps.Keys(t.entries)) }

// maxSize is what the form can tell of one file.
const maxSize = 1<<32 - 1

// Write writes the archive, not compressed.
func (t *Tree) Write(to io.Writer) error {
	w := &writer{out: bufio.NewWriterSize(to, 1<<16)}
	for n, name := range t.Names() {
		if err := w.entry(uint32(n+1), name, t.entries[name]); err != nil {
			return fmt.Errorf("write %s into the archive: %w", name, err)
		}
	}
	if err := w.entry(0, "TRAILER!!!", entry{}); err != nil {
		return err
	}
	w.pad(512)
	return errors.Join(w.err, w.out.Flush())
}

type writer struct {
	out  *bufio.Writer
	done int64
	err  error
}

func (w *writer) Write(p []byte) (int, error) {
	n, err := w.out.Write(p)
	w.done += int64(n)
	if w.err == nil {
		w.err = err
	}
	return n, err
}

// pad fills up to a multiple of n bytes.
func (w *writer) pad(n int64) {
	if rest := w.done % n; rest != 0 {
		_, _ = w.Write(make([]byte, n-rest))
	}
}

// entry writes one file: number, mode, owner, group, links, time, size, device of the file,
// device that the file is, length of the name, no checksum.
func (w *writer) entry(number uint32, name string, e entry) error {
	if e.size > maxSize {
		return fmt.Errorf("%d bytes are too many for this form of archive", e.size)
	}
	links := 1
	if e.mode&directory == directory && e.mode&regular != regular {
		links = 2
	}
	_, _ = fmt.Fprintf(w, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		number, e.mode, 0, 0, links, 0, e.size, 0, 0, e.major, e.minor, len(name)+1, 0, name)
	w.pad(4)
	if e.open == nil {
		return w.err
	}
	from, err := e.open()
	if err != nil {
		return err
	}
	defer from.Close()
	n, err := io.Copy(w, io.LimitReader(from, e.size+1))
	if err != nil {
		return err
	}
	if n != e.size {
		return fmt.Errorf("it had %d bytes and now has others: it changes while it is read", e.size)
	}
	w.pad(4)
	return w.err
}
