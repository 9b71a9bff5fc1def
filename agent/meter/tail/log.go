package tail

import (
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"slices"
	"time"
)

// Settled is how long nothing is written to a renamed file before it counts as finished.
const Settled = time.Minute

// Log is one log of a daemon. Not safe for concurrent use.
type Log struct {
	Path string

	now      func() time.Time
	unpacked *reader // of the compressed file that was read last
}

// New names a log; it need not be there yet.
func New(path string, now func() time.Time) *Log { return &Log{Path: path, now: now} }

// Close forgets what is kept open. The log may be read again.
func (l *Log) Close() {
	l.unpacked.close()
	l.unpacked = nil
}

// Next reads on behind a place, into buf; behind the zero Place stands everything that is there, rotated files too. Nothing new is an empty piece whose To is the place. A log that is not there yet is empty. Errors: what the
// file system says; the same place may be asked for again.
func (l *Log) Next(from Place, buf []byte) (Piece, error) {
	f, err := look(l.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Piece{From: from, To: from}, err
	}
	if err == nil && f.is(from) {
		f.living = true
		if f.size == from.Offset && f.written.Equal(from.Seen) {
			return Piece{From: from, To: from}, nil // the usual case costs one system call
		}
		if from.Head != 0 {
			if piece, ok, err := l.read(f, from, buf); ok || err != nil {
				return piece, err
			}
		}
	}
	return l.search(from, buf)
}

// search reads on where the place is not simply in the living file.
func (l *Log) search(from Place, buf []byte) (Piece, error) {
	none := Piece{From: from, To: from}
	list, err := files(l.Path)
	if err != nil {
		return none, absent(err)
	}
	if !l.still(list) {
		return none, nil
	}
	if from.Head == 0 { // no line of that file was read: whatever became of it, it is among those that were written since
		return l.onward(since(list, from), from, from.Seen, nil, buf)
	}
	at := find(list, from)
	if at < 0 && !l.still(list) {
		return none, nil
	}
	if at < 0 {
		return l.onward(since(list, from), from, from.Seen, &Gap{After: from.Seen}, buf)
	}
	f, here := list[at], from
	here.Device, here.Inode = f.device, f.inode
	piece, ok, err := l.read(f, here, buf)
	switch {
	case damaged(err):
		return l.onward(list[at+1:], from, f.written, &Gap{After: from.Seen}, buf)
	case err != nil || ok && piece.hasMore():
		piece.From = from
		return piece, err
	case !ok || !l.finished(f): // it has just moved, or is written to
		return none, nil
	}
	return l.onward(list[at+1:], from, f.written, nil, buf)
}

// onward goes on with the first of these files that has a line; seen is the last change of the one before them. A gap is told with it; without any file it waits for the next one that comes.
func (l *Log) onward(list []*file, from Place, seen time.Time, gap *Gap, buf []byte) (Piece, error) {
	for _, f := range list {
		if gap != nil && gap.Before.IsZero() {
			gap.Before = f.written
		}
		piece, ok, err := l.read(f, f.start(seen), buf)
		more := piece.hasMore()
		piece.From, piece.Lost = from, gap
		switch {
		case damaged(err):
			gap = &Gap{After: seen}
		case err != nil || !ok: // it has just moved
			return Piece{From: from, To: from}, err
		case more || gap != nil && f.living:
			return piece, nil
		}
	}
	piece := Piece{From: from, To: from}
	if n := len(list) - 1; n > 0 && !from.IsZero() { // rotated twice without a line: whoever writes has reopened, and what was read may be removed soon
		piece.To = list[n].start(seen)
	}
	return piece, nil
}

// hasMore tells whether reading came further.
func (p *Piece) hasMore() bool { return p.From.Offset != p.To.Offset }

// find is the file that a place is in: by inode and first line, or by the first line alone, for a copy. -1: there is none. A copy may be shorter than what was read.
func find(list []*file, p Place) int {
	copied := -1
	for i, f := range list {
		if h, err := headOf(f); err != nil || h != p.Head {
			continue
		}
		if f.is(p) {
			return i
		}
		if !f.living {
			copied = i
		}
	}
	return copied
}

// still reports whether files have the names that they had. Where a rotation is on its way they move while they are listed, one may be missed, and what is behind it would be read in its place: then the next
// call looks again.
func (l *Log) still(list []*file) bool {
	again, err := files(l.Path)
	return err == nil && slices.EqualFunc(list, again, alike)
}

// alike reports whether a name is still the same file's.
func alike(a, b *file) bool { return a.path == b.path && a.device == b.device && a.inode == b.inode }

// since are the living file and those that were written after what was read last.
func since(list []*file, p Place) []*file {
	return slices.DeleteFunc(list, func(f *file) bool {
		unread := p.Head == 0 && f.is(p)
		return !f.living && !unread && !f.written.After(p.Seen)
	})
}

// damaged tells of a compressed file that ends too soon or cannot be unpacked: it was finished, so it will not become better.
func damaged(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) || errors.As(err, &corrupt)
}

func absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
