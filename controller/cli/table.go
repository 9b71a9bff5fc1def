package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

// terminal reports whether w is one, and how wide it is.
func (p *program) terminal(w io.Writer) (width int, ok bool) {
	f, isFile := w.(*os.File)
	if !isFile || p.plain() {
		return 0, false
	}
	if !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		width = 80 // a terminal that does not know
	}
	return width, true
}

// plain is asked for by a terminal that can do nothing.
func (p *program) plain() bool {
	value, _ := p.lookup("TERM")
	return value == "dumb"
}

// coloured follows no-color.org. Colour is decoration only: every cell says in
// words what it means.
func (p *program) coloured() bool {
	value, _ := p.lookup("NO_COLOR")
	return value == ""
}

// table prints rows: aligned for a terminal, tab-separated otherwise.
func (p *program) table(header []string, rows [][]string) {
	width, ok := p.terminal(p.out)
	if !ok {
		for _, row := range append([][]string{header}, rows...) {
			fmt.Fprintln(p.out, strings.Join(cleaned(row), "\t"))
		}
		return
	}
	fmt.Fprintln(p.out, aligned(header, rows, width, p.coloured()))
}

func aligned(header []string, rows [][]string, width int, coloured bool) string {
	return tableOf(header, rows, width, coloured).Render()
}

func tableOf(header []string, rows [][]string, width int, coloured bool) table.Writer {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.Options{DoNotColorBordersAndSeparators: true}
	style.Format.Header, style.Format.Footer = text.FormatDefault, text.FormatDefault
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	if coloured {
		style.Color.Header = text.Colors{text.Bold}
	}
	style.Size.WidthMax = width
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	t.AppendHeader(cells(header))
	for _, row := range rows {
		t.AppendRow(cells(row))
	}
	return t
}

func cells(row []string) table.Row {
	out := make(table.Row, len(row))
	for i, s := range cleaned(row) {
		out[i] = s
	}
	return out
}

func cleaned(row []string) []string {
	out := make([]string, len(row))
	for i, s := range row {
		out[i] = clean(s)
	}
	return out
}

// clean keeps what machines and strangers wrote from steering the terminal: no
// control characters, no direction overrides, one line.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n':
			return ' '
		case r < ' ', r >= 0x7f && r < 0xa0, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "�"))
}

// raw prints bytes as they came, with a line break behind them.
func (p *program) raw(w io.Writer, body []byte) {
	_, _ = w.Write(body) // a reader that went away wants no more
	if len(body) == 0 || body[len(body)-1] != '\n' {
		fmt.Fprintln(w)
	}
}
