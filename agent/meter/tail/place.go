package tail

import (
	"bytes"
	"hash/fnv"
	"time"
)

// headMax is how much of a first line is hashed; the time, address and request of a log stand in it.
const headMax = 4096

// Place is how far a log was read. The zero Place: not at all.
type Place struct {
	Device uint64
	Inode  uint64
	Offset int64     // of the next byte
	Head   uint64    // hash of the file's first line; 0: it has none yet
	Seen   time.Time // of the last change of the file that was read
	Inside bool      // Offset is in the middle of a line that is skipped
}

// IsZero tells whether nothing was read yet.
func (p Place) IsZero() bool { return p.Inode == 0 && p.Device == 0 }

// Equal compares places.
func (p Place) Equal(q Place) bool {
	seen := p.Seen.Equal(q.Seen)
	p.Seen, q.Seen = time.Time{}, time.Time{}
	return seen && p == q
}

// head hashes the first line of a file's first bytes; 0: there is no whole line.
func head(b []byte) uint64 {
	b = b[:min(len(b), headMax)]
	if n := bytes.IndexByte(b, '\n'); n >= 0 {
		b = b[:n+1]
	} else if len(b) < headMax {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write(b)
	return max(h.Sum64(), 1)
}

// Piece is what was read at once.
type Piece struct {
	Lines    []byte // whole lines, in the caller's buffer; the last line of a finished file may lack its end
	From, To Place
	Lost     *Gap
	Skipped  int64 // bytes of lines that were too long
	More     bool  // there is more to read at once
}

// Gap is what was written to a file that is gone, and not read.
type Gap struct {
	After  time.Time // the last change that was read
	Before time.Time // the last change of the file that reading goes on with; zero: there is none
}
