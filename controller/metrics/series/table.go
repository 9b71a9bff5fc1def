package series

import (
	"math"
	"strings"
	"unicode/utf8"
)

// Kinds of metrics.
const (
	Gauge   = "gauge"
	Counter = "counter"
)

// Metric is one name. It has one series a row, or one for each of Each.
type Metric struct {
	Name, Kind, Help string
	Each             []string // labels that tell the series of a row apart, written with [Label]
	Thousandths      bool     // figures are thousandths of what is shown
}

// series is how many a row has.
func (m *Metric) series() int { return max(1, len(m.Each)) }

// none is a figure that is not known.
const none = math.MinInt64

// rows of a chunk: a table grows without copying what it has.
const rows = 1024

// Table is rows of figures.
type Table struct {
	metrics []Metric
	width   int
	chunks  []*chunk
}

// chunk is some rows. Figures of a column lie side by side.
type chunk struct {
	n      int
	labels []byte
	ends   [rows]uint32 // of each row's labels
	values []int64
}

// Layout is which metrics a table has, in which columns.
type Layout struct {
	metrics []Metric
	width   int
	columns map[string]int
}

// NewLayout numbers the columns of these metrics, each series of Each on its own.
func NewLayout(metrics ...Metric) *Layout {
	l := &Layout{metrics: metrics, columns: map[string]int{}}
	for i := range metrics {
		l.columns[metrics[i].Name] = l.width
		l.width += metrics[i].series()
	}
	return l
}

// Column is the first one of a metric. A name that is not there is a mistake in the program, and panics.
func (l *Layout) Column(name string) int {
	c, ok := l.columns[name]
	if !ok {
		panic("series: no metric is named " + name)
	}
	return c
}

// New makes an empty table.
func (l *Layout) New() *Table { return &Table{metrics: l.metrics, width: l.width} }

// Row is one thing whose figures are shown; good until the next one is begun.
type Row struct {
	c *chunk
	i int
}

// Row begins another row. Give it at least one label; rows with the same labels are a mistake of the caller.
func (t *Table) Row() Row {
	if len(t.chunks) == 0 || t.chunks[len(t.chunks)-1].n == rows {
		c := &chunk{values: make([]int64, t.width*rows)}
		for i := range c.values {
			c.values[i] = none
		}
		if len(t.chunks) > 0 {
			c.labels = make([]byte, 0, len(t.chunks[len(t.chunks)-1].labels)+512) // about what the last ones took
		}
		t.chunks = append(t.chunks, c)
	}
	c := t.chunks[len(t.chunks)-1]
	c.ends[c.n] = uint32(len(c.labels))
	c.n++
	return Row{c, c.n - 1}
}

// Label adds a label. Names are the program's own, values may be anybody's.
func (r Row) Label(name, value string) {
	start := uint32(0)
	if r.i > 0 {
		start = r.c.ends[r.i-1]
	}
	if r.c.ends[r.i] > start {
		r.c.labels = append(r.c.labels, ',')
	}
	r.c.labels = appendLabel(r.c.labels, name, value)
	r.c.ends[r.i] = uint32(len(r.c.labels))
}

// Set sets the figure of a column.
func (r Row) Set(column int, v int64) { r.c.values[column*rows+r.i] = v }

// SetBytes is Set for a count that only grows; what no int64 holds is not shown.
func (r Row) SetBytes(column int, v uint64) {
	if v <= math.MaxInt64 {
		r.Set(column, int64(v))
	}
}

// SetTruth shows yes as 1.
func (r Row) SetTruth(column int, yes bool) {
	if yes {
		r.Set(column, 1)
	} else {
		r.Set(column, 0)
	}
}

// Len is how many rows there are.
func (t *Table) Len() (n int) {
	for _, c := range t.chunks {
		n += c.n
	}
	return n
}

// Label is a label as the format has it, for [Metric.Each].
func Label(name, value string) string { return string(appendLabel(nil, name, value)) }

func appendLabel(b []byte, name, value string) []byte {
	b = append(append(b, name...), '=', '"')
	if !plain(value) {
		value = strings.ToValidUTF8(value, "�")
		for i := range len(value) {
			switch value[i] {
			case '\\', '"':
				b = append(b, '\\', value[i])
			case '\n':
				b = append(b, '\\', 'n')
			default:
				b = append(b, value[i])
			}
		}
		return append(b, '"')
	}
	return append(append(b, value...), '"')
}

// plain reports whether a value is written as it is.
func plain(value string) bool {
	for i := range len(value) {
		if c := value[i]; c == '\\' || c == '"' || c == '\n' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
