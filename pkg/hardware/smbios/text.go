package smbios

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/steelyard/steelyard/pkg/fault"
)

// ErrAbsent says that the machine has no SMBIOS: many virtual machines and arm64
// boards. errors.Is sees it.
var ErrAbsent = errors.New("this machine has no SMBIOS tables")

// titles name structures in output without handles (dmidecode -q).
var titles = map[string]int{
	"BIOS Information": typeFirmware, "System Information": typeSystem,
	"Base Board Information": typeBoard, "Chassis Information": typeChassis,
	"Processor Information": typeProcessor, "Physical Memory Array": typeArray,
	"Memory Device": typeModule, "End Of Table": typeEnd,
}

// Text reads the output of dmidecode, of any version since 2.0, whole or part of
// it, with or without handles. At most [MaxInput] bytes are read. A text without
// a single structure is [fault.KindInvalid], or [ErrAbsent] when it says so.
func Text(r io.Reader) (*Table, error) {
	p := textParser{table: &Table{}}
	lines := bufio.NewScanner(io.LimitReader(r, MaxInput))
	lines.Buffer(make([]byte, 0, 64<<10), MaxInput)
	lines.Split(anyLine)
	for lines.Scan() && !p.table.Truncated {
		p.line(lines.Text())
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read dmidecode output: %w", err)
	}
	p.close()
	if len(p.table.Structures) > 0 {
		return p.table, nil
	}
	if p.absent {
		return nil, ErrAbsent
	}
	return nil, fault.Invalid("this is no dmidecode output: no structure was found; give the whole text that `dmidecode` prints")
}

// anyLine splits at \n, \r\n and a lone \r.
func anyLine(data []byte, atEOF bool) (advance int, token []byte, err error) {
	i := bytes.IndexAny(data, "\r\n")
	switch {
	case i >= 0 && data[i] == '\r' && i+1 < len(data) && data[i+1] == '\n':
		return i + 2, data[:i], nil
	case i >= 0 && (data[i] == '\n' || i+1 < len(data) || atEOF):
		return i + 1, data[:i], nil
	case atEOF && len(data) > 0:
		return len(data), data, nil
	}
	return 0, nil, nil
}

// textParser holds the structure that is being read. Its depth is told by
// indentation: the title, then fields, then items.
type textParser struct {
	table  *Table
	now    *Structure
	title  bool // the title was seen
	depth  int  // indentation of the title
	fields int  // indentation of the fields; -1 before the first one
	absent bool
}

func (p *textParser) line(line string) {
	text := strings.Trim(line, " \t\ufeff")
	indent := indentation(line)
	switch {
	case text == "" || strings.HasPrefix(text, "#"):
		p.absent = p.absent || strings.Contains(text, "No SMBIOS nor DMI entry point found")
	case strings.HasPrefix(text, "Handle 0x"):
		p.open(text)
	case p.now != nil && !p.title && strings.HasPrefix(text, "DMI type "):
		p.now.Type = typeNumber(text) // before 2.9 this was a line of its own
	case p.now != nil && !p.title:
		p.title, p.depth = true, indent
	case indent <= p.depth || p.now == nil:
		p.untold(text)
	default:
		p.content(text, indent)
	}
}

// open starts a structure at "Handle 0x0011, DMI type 17, 84 bytes".
func (p *textParser) open(text string) {
	p.close()
	handle, rest, _ := strings.Cut(strings.TrimPrefix(text, "Handle "), ",")
	p.now = &Structure{Type: typeNumber(rest), Handle: strings.TrimSpace(handle)}
	p.title, p.fields = false, -1
}

// untold starts a structure that has a known title and no handle.
func (p *textParser) untold(text string) {
	p.close()
	if kind, ok := titles[text]; ok {
		p.now = &Structure{Type: kind}
		p.title, p.depth, p.fields = true, 0, -1
	}
}

func (p *textParser) content(text string, indent int) {
	if p.fields < 0 {
		p.fields = indent
	}
	key, value, ok := strings.Cut(text, ":")
	if indent > p.fields || !ok {
		p.now.item(text)
		return
	}
	p.now.set(key, value)
}

func (p *textParser) close() {
	if p.now != nil && p.now.Type >= 0 {
		p.table.Structures = append(p.table.Structures, *p.now)
		p.table.Truncated = len(p.table.Structures) >= maxStructures
	}
	p.now = nil
}

// typeNumber finds 17 in "DMI type 17, 84 bytes"; -1 when there is none.
func typeNumber(s string) int {
	_, rest, _ := strings.Cut(s, "DMI type ")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end >= 0 {
		rest = rest[:end]
	}
	n, err := strconv.ParseUint(rest, 10, 8)
	if err != nil {
		return -1
	}
	return int(n)
}

func indentation(line string) int {
	n := 0
	for _, c := range line {
		switch c {
		case ' ':
			n++
		case '\t':
			n += 8
		default:
			return n
		}
	}
	return n
}
