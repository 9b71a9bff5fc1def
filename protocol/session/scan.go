package session

import (
	"encoding/binary"

	"github.com/steelyard/steelyard/protocol"
)

// Scan checks the raw msgpack of one message before anything decodes it. It
// accepts exactly one map with text keys and nothing after it. It allocates nothing
// unless it refuses, and takes time linear in len(b).
func Scan(b []byte) error {
	s := scanner{rest: b, elements: protocol.MaxElements}
	if len(b) == 0 || !isMap(b[0]) {
		return Bad(ReasonShape, "a message must be a map")
	}
	if err := s.value(0); err != nil {
		return err
	}
	if len(s.rest) > 0 {
		return Bad(ReasonLength, "%d bytes after the end of the message", len(s.rest))
	}
	return nil
}

func isMap(c byte) bool { return c&0xf0 == 0x80 || c == 0xde || c == 0xdf }

type scanner struct {
	rest     []byte
	elements int // of arrays and maps, still allowed in this frame
}

// value passes over one value.
func (s *scanner) value(depth int) error {
	if depth > protocol.MaxDepth {
		return Bad(ReasonDepth, "nested deeper than %d", protocol.MaxDepth)
	}
	if len(s.rest) == 0 {
		return Bad(ReasonLength, "the message ends in the middle of a value")
	}
	c := s.rest[0]
	s.rest = s.rest[1:]
	switch {
	case c <= 0x7f || c >= 0xe0: // small integers
		return nil
	case c <= 0x8f:
		return s.entries(uint64(c&0x0f), depth)
	case c <= 0x9f:
		return s.items(uint64(c&0x0f), depth)
	case c <= 0xbf:
		return s.skip(uint64(c & 0x1f))
	default:
		return s.long(c, depth)
	}
}

// long passes over the values whose first byte is 0xc0 … 0xdf.
func (s *scanner) long(c byte, depth int) error {
	switch c {
	case 0xc0, 0xc2, 0xc3: // nil, false, true
		return nil
	case 0xc4, 0xd9: // bin 8, str 8
		return s.sized(1, s.skip)
	case 0xc5, 0xda:
		return s.sized(2, s.skip)
	case 0xc6, 0xdb:
		return s.sized(4, s.skip)
	case 0xc7: // ext 8
		return s.sized(1, s.extension)
	case 0xca: // float 32
		return s.skip(4)
	case 0xcb:
		return s.skip(8)
	case 0xcc, 0xcd, 0xce, 0xcf: // unsigned
		return s.skip(1 << (c - 0xcc))
	case 0xd0, 0xd1, 0xd2, 0xd3: // signed
		return s.skip(1 << (c - 0xd0))
	case 0xd6, 0xd7: // fixext 4 and 8
		return s.extension(4 << (c - 0xd6))
	case 0xdc:
		return s.sized(2, func(n uint64) error { return s.items(n, depth) })
	case 0xdd:
		return s.sized(4, func(n uint64) error { return s.items(n, depth) })
	case 0xde:
		return s.sized(2, func(n uint64) error { return s.entries(n, depth) })
	case 0xdf:
		return s.sized(4, func(n uint64) error { return s.entries(n, depth) })
	default: // 0xc1, and extensions that no time has
		return Bad(ReasonShape, "type byte 0x%02x is not used in this protocol", c)
	}
}

// sized reads a length of width bytes and goes on with it.
func (s *scanner) sized(width int, then func(uint64) error) error {
	if len(s.rest) < width {
		return Bad(ReasonLength, "the message ends in the middle of a length")
	}
	var wide [8]byte
	copy(wide[8-width:], s.rest[:width])
	s.rest = s.rest[width:]
	return then(binary.BigEndian.Uint64(wide[:]))
}

func (s *scanner) skip(n uint64) error {
	if n > uint64(len(s.rest)) {
		return Bad(ReasonLength, "a value claims %d bytes, %d are left", n, len(s.rest))
	}
	s.rest = s.rest[n:]
	return nil
}

// extension accepts the time (type -1) and nothing else.
func (s *scanner) extension(n uint64) error {
	if len(s.rest) == 0 || s.rest[0] != 0xff || (n != 4 && n != 8 && n != 12) {
		return Bad(ReasonShape, "an extension that is not a time")
	}
	return s.skip(n + 1)
}

// claim takes n elements, of at least size bytes each, out of the frame's allowance.
func (s *scanner) claim(n, size uint64) error {
	if n*size > uint64(len(s.rest)) {
		return Bad(ReasonLength, "a list claims %d elements, %d bytes are left", n, len(s.rest))
	}
	if n > uint64(s.elements) {
		return Bad(ReasonElements, "more than %d elements in one message", protocol.MaxElements)
	}
	s.elements -= int(n)
	return nil
}

func (s *scanner) items(n uint64, depth int) error {
	if err := s.claim(n, 1); err != nil {
		return err
	}
	for range n {
		if err := s.value(depth + 1); err != nil {
			return err
		}
	}
	return nil
}

func (s *scanner) entries(n uint64, depth int) error {
	if n > protocol.MaxEntries {
		return Bad(ReasonElements, "a map with more than %d entries", protocol.MaxEntries)
	}
	if err := s.claim(n, 2); err != nil {
		return err
	}
	for range n {
		if len(s.rest) == 0 || !isText(s.rest[0]) {
			return Bad(ReasonShape, "a map key that is not text")
		}
		if err := s.value(depth + 1); err != nil {
			return err
		}
		if err := s.value(depth + 1); err != nil {
			return err
		}
	}
	return nil
}

func isText(c byte) bool { return c&0xe0 == 0xa0 || c == 0xd9 || c == 0xda || c == 0xdb }
