package cli

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// figures is a table with numbers, in which some rows stand out. What makes a row stand out is also said in it, by mark and by words: colour adds nothing.
type figures struct {
	header []string
	left   int // columns of words before those of numbers; the last one is of words too
	rows   [][]string
	red    map[int]bool // rows that stand out
	sum    []string     // nil: none
}

func (f *figures) add(red bool, row ...string) {
	if red {
		if f.red == nil {
			f.red = map[int]bool{}
		}
		f.red[len(f.rows)] = true
	}
	f.rows = append(f.rows, row)
}

// figures prints the table: aligned for a terminal, tab-separated otherwise; the sum is the last line.
func (p *program) figures(f *figures) {
	width, ok := p.terminal(p.out)
	if ok {
		fmt.Fprintln(p.out, f.aligned(width, p.coloured()))
		return
	}
	lines := append([][]string{f.header}, f.rows...)
	if f.sum != nil {
		lines = append(lines, f.sum)
	}
	for _, row := range lines {
		fmt.Fprintln(p.out, strings.Join(cleaned(row), "\t"))
	}
}

func (f *figures) aligned(width int, coloured bool) string {
	t := tableOf(f.header, f.rows, width, coloured)
	var columns []table.ColumnConfig
	for i := f.left; i < len(f.header)-1; i++ {
		columns = append(columns, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight, AlignFooter: text.AlignRight})
	}
	t.SetColumnConfigs(columns)
	if f.sum != nil {
		t.AppendFooter(cells(f.sum))
	}
	if coloured {
		t.SetRowPainter(table.RowPainterWithAttributes(func(_ table.Row, a table.RowAttributes) text.Colors {
			if f.red[a.Number-1] {
				return text.Colors{text.FgRed}
			}
			return nil
		}))
	}
	return t.Render()
}
