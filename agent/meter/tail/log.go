package tail

import (
	"bytes"
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
	Now  func() time.Time

	unpacked *reader // of the compressed file that was read last
}

// New names a log; it need not be there yet.
func New(path string) *Log { return &Log{Path: path, Now: time.Now} }

// Close forgets what is kept open. The log may be read again.
func (l *Log) Close() {
	l.unpacked.close()
	l.unpacked = nil
}

// End is the place behind everything that is there now: for a log that was there before anybody counted it. The zero Place: there is no log.
func (l *Log) End() (Place, error) {
	f, err := look(l.Path)
	if err != nil {
		return Place{}, absent(err)
	}
	b := make([]byte, headMax)
	r, err := open(f, 0)
	if err != nil {
		return Place{}, absent(err)
	}
	defer r.close()
	n, err := r.fill(b)
	if err != nil {
		return Place{}, err
	}
	p := f.start(f.written)
	if p.Head = head(b[:n]); p.Head == 0 {
		return p, nil // no whole line: it is read when it is one
	}
	p.Offset, err = r.lastLine(f.size, b)
	return p, err
}

// lastLine is the offset behind the last whole line.
func (r *reader) lastLine(size int64, b []byte) (int64, error) {
	for end := size; end > 0; {
		from := max(0, end-int64(len(b)))
		n, err := r.f.ReadAt(b[:end-from], from)
		if i := bytes.LastIndexByte(b[:n], '\n'); i >= 0 {
			return from + int64(i) + 1, nil
		}
		if err != nil {
			return 0, err
		}
		end = from
	}
	return 0, nil
}

// Next reads on behind a place, into buf. Nothing new is an empty piece whose To is the place. A log that is not there yet is empty. Errors: what the
// file system says; the same place may be asked for again.
func (l *Log) Next(from Place, buf []byte) (Piece, error) {
	if from.IsZero() {
		return l.begin(buf)
	}
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

// begin reads a log that was never read, from its first line on.
func (l *Log) begin(buf []byte) (Piece, error) {
	f, err := look(l.Path)
	if err != nil {
		return Piece{}, absent(err)
	}
	f.living = true
	piece, _, err := l.read(f, f.start(f.written), buf)
	piece.From = Place{}
	return piece, err
}

// search reads on where the place is not simply in the living file.
func (l *Log) search(from Place, buf []byte) (Piece, error) {
	none := Piece{From: from, To: from}
	list, err := files(l.Path)
	if err != nil {
		return none, err
	}
	if from.Head == 0 { // no line of that file was read: whatever became of it, it is among those that were written since
		return l.onward(since(list, from), from, nil, buf)
	}
	at := find(list, from)
	if at < 0 {
		return l.onward(since(list, from), from, &Gap{After: from.Seen}, buf)
	}
	f, here := list[at], from
	here.Device, here.Inode = f.device, f.inode
	piece, ok, err := l.read(f, here, buf)
	switch {
	case damaged(err):
		return l.onward(list[at+1:], from, &Gap{After: from.Seen}, buf)
	case err != nil || ok && piece.hasMore():
		piece.From = from
		return piece, err
	case !l.finished(f):
		return none, nil
	}
	return l.onward(list[at+1:], from, nil, buf)
}

// onward goes on with the first of these files that has a line. A gap is told with it; without any file it waits for the next one that comes.
func (l *Log) onward(list []*file, from Place, gap *Gap, buf []byte) (Piece, error) {
	for _, f := range list {
		if gap != nil && gap.Before.IsZero() {
			gap.Before = f.written
		}
		piece, ok, err := l.read(f, f.start(from.Seen), buf)
		more := piece.hasMore()
		piece.From, piece.Lost = from, gap
		switch {
		case damaged(err):
			gap = &Gap{After: from.Seen}
		case err != nil:
			return Piece{From: from, To: from}, err
		case ok && (more || gap != nil && f.living):
			return piece, nil
		}
	}
	return Piece{From: from, To: from}, nil
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
