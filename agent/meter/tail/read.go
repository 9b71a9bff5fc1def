package tail

import "bytes"

// read gives what is behind a place in its file; false: the file is not the one of the place.
func (l *Log) read(f *file, from Place, buf []byte) (Piece, bool, error) {
	piece := Piece{From: from, To: from}
	r, err := l.reader(f, from.Offset)
	if err != nil {
		return piece, false, absent(err)
	}
	if !f.packed {
		defer r.close()
	}
	if from.Head != 0 && !f.packed {
		if ok, err := r.begins(from.Head, buf); !ok || err != nil {
			return piece, false, err
		}
	}
	n, err := r.take(buf)
	if err != nil {
		l.Close()
		return piece, true, err
	}
	full := n == len(buf)
	piece.cut(buf[:n], full, !full && !f.living && l.finished(f))
	r.keep(buf[piece.To.Offset-from.Offset : n])
	piece.More = full
	if !full {
		piece.To.Seen = f.written
	}
	return piece, true, nil
}

// cut takes the whole lines of what was read.
func (p *Piece) cut(b []byte, full, finished bool) {
	if p.From.Offset == 0 {
		p.To.Head = head(b)
	}
	if p.From.Inside {
		n := bytes.IndexByte(b, '\n') + 1
		if n == 0 {
			n = len(b)
		} else {
			p.To.Inside = false
		}
		p.skip(n)
		b = b[n:]
	}
	end := bytes.LastIndexByte(b, '\n') + 1
	switch {
	case finished:
		end = len(b)
	case end == 0 && full && len(b) > 0:
		p.To.Inside = true
		p.skip(len(b))
		return
	}
	p.Lines = b[:end]
	p.To.Offset += int64(end)
}

func (p *Piece) skip(n int) {
	p.Skipped += int64(n)
	p.To.Offset += int64(n)
}

// finished tells whether nobody writes to a file any more.
func (l *Log) finished(f *file) bool { return f.packed || l.now().Sub(f.written) >= Settled }

// reader is at an offset of a file; the one of a compressed file is kept.
func (l *Log) reader(f *file, offset int64) (*reader, error) {
	if !f.packed {
		return open(f, offset)
	}
	if r := l.unpacked; r != nil && r.from.inode == f.inode && r.from.device == f.device && r.offset-int64(len(r.rest)) == offset {
		return r, nil
	}
	l.Close()
	r, err := open(f, offset)
	l.unpacked = r
	return r, err
}

// begins tells whether the file's first line has this hash.
func (r *reader) begins(want uint64, b []byte) (bool, error) {
	at := r.offset
	r.offset = 0
	n, err := r.fill(b[:min(len(b), headMax)])
	r.offset = at
	return head(b[:n]) == want, err
}

// take fills b, with what was kept first.
func (r *reader) take(b []byte) (int, error) {
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	more, err := r.fill(b[n:])
	return n + more, err
}

// keep puts back what was unpacked and not given out.
func (r *reader) keep(b []byte) {
	if r.unpack != nil {
		r.rest = append(append([]byte(nil), b...), r.rest...)
	}
}
