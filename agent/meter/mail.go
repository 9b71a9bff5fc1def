package meter

import (
	"cmp"
	"strings"

	"github.com/vmihailenco/msgpack/v5"
)

// before sorts what is given up first: what was never queued, then the oldest.
func (m *mail) before(n *mail, a, b string) int {
	begun := func(m *mail) int { return min(1, int(min(m.Size, 1))) }
	return cmp.Or(cmp.Compare(begun(m), begun(n)), cmp.Compare(m.At, n.At), strings.Compare(a, b))
}

// text is what the book keeps of a mail; nil: it is gone.
func (m *mail) text() []byte {
	if m == nil {
		return nil
	}
	var b strings.Builder
	e := msgpack.NewEncoder(&b)
	e.UseArrayEncodedStructs(true)
	e.UseCompactInts(true)
	if err := e.Encode(m); err != nil {
		return nil // numbers and words are always encoded
	}
	return []byte(b.String())
}

func parseMail(text []byte) (*mail, error) {
	m := &mail{}
	return m, msgpack.Unmarshal(text, m)
}
