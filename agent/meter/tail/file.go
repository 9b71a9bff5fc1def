package tail

import (
	"cmp"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// packed is the ending of files that are compressed.
const packed = ".gz"

// file is one file of a log.
type file struct {
	path          string
	device, inode uint64
	size          int64 // of a compressed one: on the disk
	written       time.Time
	packed        bool
	living        bool // the path of the log itself
}

// is tells whether a place is in this file, as far as the inode says.
func (f *file) is(p Place) bool { return f.device == p.Device && f.inode == p.Inode }

// start is the place before the first byte.
func (f *file) start(seen time.Time) Place {
	return Place{Device: f.device, Inode: f.inode, Seen: seen}
}

func look(path string) (*file, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fs.ErrInvalid}
	}
	return &file{path: path, device: s.Dev, inode: s.Ino, size: info.Size(), written: info.ModTime(), packed: strings.HasSuffix(path, packed)}, nil
}

// files are the log and what it was rotated to, oldest first. A compressed copy of a file that is still there is not finished.
func files(path string) ([]*file, error) {
	dir, base := filepath.Split(path)
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, e := range entries {
		names[e.Name()] = true
	}
	var list []*file
	for name := range names {
		if !rotated(base, name) && name != base || names[strings.TrimSuffix(name, packed)] && strings.HasSuffix(name, packed) {
			continue
		}
		f, err := look(filepath.Join(dir, name))
		if err != nil {
			continue // it went while we looked; the next look sees where
		}
		f.living = name == base
		list = append(list, f)
	}
	slices.SortFunc(list, older)
	return list, nil
}

// rotated tells whether a name is the log's with something behind it.
func rotated(base, name string) bool {
	rest, ok := strings.CutPrefix(name, base)
	return ok && len(rest) > 1 && (rest[0] == '.' || rest[0] == '-')
}

// older sorts: the living one is the youngest, of two that were written at once the one with the longer or greater ending is older, as PATH.10 before PATH.2.
func older(a, b *file) int {
	if a.living != b.living {
		return map[bool]int{true: 1, false: -1}[a.living]
	}
	if c := a.written.Compare(b.written); c != 0 {
		return c
	}
	a1, b1 := strings.TrimSuffix(a.path, packed), strings.TrimSuffix(b.path, packed)
	return cmp.Or(cmp.Compare(len(b1), len(a1)), strings.Compare(b1, a1))
}

// reader reads one file from an offset on.
type reader struct {
	from   *file
	f      *os.File
	unpack *gzip.Reader // nil: the file is not compressed
	offset int64
	rest   []byte // of a compressed file: unpacked, and not given out
}

// open opens a file and goes to an offset. The open file must be the one that was looked at: a rotation may lie between.
func open(f *file, offset int64) (*reader, error) {
	h, err := os.OpenFile(f.path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	r := &reader{from: f, f: h, offset: offset}
	if err := r.enter(); err != nil {
		_ = h.Close()
		return nil, err
	}
	return r, nil
}

func (r *reader) enter() error {
	info, err := r.f.Stat()
	if err != nil {
		return err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); !ok || s.Dev != r.from.device || s.Ino != r.from.inode {
		return &fs.PathError{Op: "read", Path: r.from.path, Err: fs.ErrNotExist}
	}
	if !r.from.packed {
		return nil
	}
	if r.unpack, err = gzip.NewReader(r.f); err == io.EOF {
		return io.ErrUnexpectedEOF // an empty file is no compressed one
	} else if err != nil {
		return err
	}
	if _, err = io.CopyN(io.Discard, r.unpack, r.offset); err == io.EOF {
		return nil // a copy may be shorter than what was read of the first
	}
	return err
}

// fill reads until b is full or the file ends.
func (r *reader) fill(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var more int
		if r.unpack != nil {
			more, err = r.unpack.Read(b[n:])
		} else {
			more, err = r.f.ReadAt(b[n:], r.offset)
		}
		n += more
		r.offset += int64(more)
	}
	if err == io.EOF || n > 0 {
		err = nil // one that stays comes again with the next call
	}
	return n, err
}

func (r *reader) close() {
	if r != nil {
		_ = r.f.Close()
	}
}

// headOf hashes a file's first line; 0: it has none.
func headOf(f *file) (uint64, error) {
	r, err := open(f, 0)
	if err != nil {
		return 0, err
	}
	defer r.close()
	b := make([]byte, headMax)
	n, err := r.fill(b)
	return head(b[:n]), err
}
