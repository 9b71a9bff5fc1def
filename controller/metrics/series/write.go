package series

import (
	"io"
	"strconv"
	"strings"
	"sync"
)

// block is how many bytes are written at once.
const block = 64 << 10

var blocks = sync.Pool{New: func() any { b := make([]byte, 0, block+4<<10); return &b }}

// WriteTo writes all metrics of the table, also those without a figure: their names tell what there may be.
func (t *Table) WriteTo(w io.Writer) (int64, error) {
	buf := blocks.Get().(*[]byte)
	o := &output{w: w, b: (*buf)[:0]}
	column := 0
	for i := range t.metrics {
		m := &t.metrics[i]
		o.head(m)
		for s := range m.series() {
			t.column(o, m, column, s)
			column++
		}
	}
	o.flush(1)
	if cap(o.b) <= 2*block {
		*buf = o.b
		blocks.Put(buf)
	}
	return o.n, o.err
}

// column writes one series of each row that has a figure there.
func (t *Table) column(o *output, m *Metric, column, each int) {
	before, behind := m.Name+"{", "} "
	if len(m.Each) > 0 {
		behind = "," + m.Each[each] + "} "
	}
	for _, c := range t.chunks {
		start, b := uint32(0), o.b
		for i, v := range c.values[column*rows : column*rows+c.n] {
			end := c.ends[i]
			if v != none {
				b = append(append(append(b, before...), c.labels[start:end]...), behind...)
				b = append(number(b, v, m.Thousandths), '\n')
			}
			start = end
			if len(b) >= block {
				o.b = b
				o.flush(block)
				b = o.b
			}
		}
		o.b = b
		if o.err != nil {
			return
		}
	}
}

// number writes a figure.
func number(b []byte, v int64, thousandths bool) []byte {
	if !thousandths {
		return strconv.AppendInt(b, v, 10)
	}
	return strconv.AppendFloat(b, float64(v)/1000, 'f', -1, 64)
}

// output gathers lines.
type output struct {
	w   io.Writer
	b   []byte
	n   int64
	err error
}

func (o *output) head(m *Metric) {
	help := strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(m.Help)
	o.b = append(o.b, "# HELP "+m.Name+" "+help+"\n# TYPE "+m.Name+" "+m.Kind+"\n"...)
	o.flush(block)
}

// flush writes what was gathered, if it is that much. After an error nothing is written any more.
func (o *output) flush(least int) {
	if len(o.b) < least {
		return
	}
	if o.err == nil {
		var n int
		n, o.err = o.w.Write(o.b)
		o.n += int64(n)
	}
	o.b = o.b[:0]
}
