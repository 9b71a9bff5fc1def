package usage

import (
	"encoding/binary"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Record is what is stored of one month, server and book, some 45 bytes for each account.
type Record struct {
	Server string `json:"server"`
	Rows   []byte `json:"rows"`            // written by Write
	Until  int64  `json:"until,omitempty"` // all before was counted, as far as the node knew; seconds since 1970
	Gap    bool   `json:"gap,omitempty"`   // something of the month was not counted (rule U3)
}

// SpaceRecord is what is stored of the disk space of a server's accounts, as measured last.
type SpaceRecord struct {
	Rows []byte `json:"rows"`
}

// maxID is the longest id of an account in bytes.
const maxID = 64

// Write writes the rows of a sheet, in the order of ids: how many bytes of the id are those of the one before, how many follow, these, then numbers as varints.
func Write(b []byte, s *Sheet[Row]) []byte {
	return write(b, s, func(b []byte, r *Row) []byte {
		b = binary.AppendUvarint(b, uint64(r.Zone))
		for _, t := range r.Traffic {
			b = binary.AppendUvarint(binary.AppendUvarint(b, t.In), t.Out)
		}
		return b
	})
}

// Read merges what Write wrote into a sheet, and reports whether that changed it. Fault: internal, for bytes that Write does not write.
func Read(b []byte, into *Sheet[Row]) (news bool, err error) {
	next := 0
	err = Rows(b, func(account []byte, r *Row) bool {
		news = at(into, account, &next).Raise(r) || news
		return true
	})
	return news, err
}

// at is the cell of an account, looked for where the one before was found; its id is copied where it is new.
func at[C any](s *Sheet[C], account []byte, next *int) (c *C) {
	if c, *next = s.FindBytes(account, *next); c == nil {
		c = s.Cell(string(account))
		*next++
	}
	return c
}

// Rows goes through what Write wrote, in the order of ids, until yield returns false. Its arguments are good until it returns.
func Rows(b []byte, yield func(account []byte, r *Row) bool) error {
	var r Row
	return read(b, &r, func(d *reader) {
		r.Zone = uint32(d.number())
		for i := range r.Traffic {
			r.Traffic[i] = protocol.Traffic{In: d.number(), Out: d.number()}
		}
	}, yield)
}

// WriteSpace is Write for disk space.
func WriteSpace(b []byte, s *Sheet[Space]) []byte {
	return write(b, s, func(b []byte, c *Space) []byte {
		for _, n := range [...]uint64{c.At, c.Home, c.WWW, c.Mail, c.Databases} {
			b = binary.AppendUvarint(b, n)
		}
		return b
	})
}

// ReadSpace is Read for disk space.
func ReadSpace(b []byte, into *Sheet[Space]) (news bool, err error) {
	var c Space
	next := 0
	err = read(b, &c, func(d *reader) {
		c.At, c.Home, c.WWW, c.Mail, c.Databases = d.number(), d.number(), d.number(), d.number(), d.number()
	}, func(account []byte, c *Space) bool {
		news = at(into, account, &next).Raise(c) || news
		return true
	})
	return news, err
}

func write[C any](b []byte, s *Sheet[C], cell func([]byte, *C) []byte) []byte {
	before := ""
	for account, c := range s.Each {
		same := 0
		for same < len(before) && same < len(account) && before[same] == account[same] {
			same++
		}
		b = append(append(b, byte(same), byte(len(account)-same)), account[same:]...)
		b, before = cell(b, c), account
	}
	return b
}

func read[C any](b []byte, c *C, cell func(*reader), yield func([]byte, *C) bool) error {
	d := reader{b: b}
	var id [2 * maxID]byte
	before := 0
	for len(d.b) > 0 {
		same, n := d.byte(), d.byte()
		if same > before || same+n > maxID || same+n == 0 || n > len(d.b) {
			return errRecord(len(b) - len(d.b))
		}
		copy(id[same:], d.b[:n])
		d.b = d.b[n:]
		before = same + n
		if cell(&d); d.bad {
			return errRecord(len(b) - len(d.b))
		}
		if !yield(id[:before], c) {
			return nil
		}
	}
	return nil
}

func errRecord(at int) error {
	return fault.Internal("a stored record of usage cannot be read at byte %d; it was written by a newer version or damaged", at)
}

// reader reads numbers.
type reader struct {
	b   []byte
	bad bool
}

func (d *reader) byte() int {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	n := d.b[0]
	d.b = d.b[1:]
	return int(n)
}

func (d *reader) number() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}
