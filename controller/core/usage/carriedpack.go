package usage

import (
	"encoding/binary"

	"github.com/steelyard/steelyard/protocol"
)

func (c *Carried) setDays(days []protocol.Traffic) {
	c.Days = nil
	for _, d := range days {
		c.Days = binary.AppendUvarint(binary.AppendUvarint(c.Days, d.In), d.Out)
	}
}

func (c *Carried) days() (list []protocol.Traffic) {
	d := reader{b: c.Days}
	for len(d.b) > 0 {
		list = append(list, protocol.Traffic{In: d.number(), Out: d.number()})
	}
	return list
}

// packTop writes figures that fall: nil for none.
func packTop(list []uint64) (b []byte) {
	var before uint64
	for i, n := range list {
		if i == 0 {
			b = binary.AppendUvarint(b, n)
		} else {
			b = binary.AppendUvarint(b, before-min(n, before))
		}
		before = n
	}
	return b
}

func unpackTop(b []byte) (list []uint64) {
	d := reader{b: b}
	for len(d.b) > 0 {
		n := d.number()
		if len(list) > 0 {
			before := list[len(list)-1]
			n = before - min(n, before)
		}
		list = append(list, n)
	}
	return list
}
