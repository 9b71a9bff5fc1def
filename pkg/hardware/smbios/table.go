package smbios

import (
	"strings"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// Bounds of what is read; real tables have some hundred structures.
const (
	MaxInput      = 16 << 20 // bytes of text or of binary tables
	maxStructures = 16384
	maxFields     = 512 // of one structure, items included
)

// Types of structures that are mapped (DSP0134 chapter 7).
const (
	typeFirmware  = 0
	typeSystem    = 1
	typeBoard     = 2
	typeChassis   = 3
	typeProcessor = 4
	typeArray     = 16
	typeModule    = 17
	typeEnd       = 127
)

// Table is a decoded SMBIOS table in the order of the firmware.
type Table struct {
	Structures []Structure
	Truncated  bool // the input ended inside a structure or met a bound
}

// Structure is one record of the table in dmidecode's words.
type Structure struct {
	Type   int
	Handle string // "0x0011"; "" when the source does not tell
	Fields []Field
}

// Field is one line: "Core Count: 12". Items are the indented lines below it.
type Field struct {
	Key, Value string
	Items      []string
}

// Get returns the value of the first field of that name in any case, or "".
func (s *Structure) Get(key string) string {
	for i := range s.Fields {
		if strings.EqualFold(s.Fields[i].Key, key) {
			return s.Fields[i].Value
		}
	}
	return ""
}

// set adds a field; empty values stay, they say that the firmware left a blank.
func (s *Structure) set(key, value string) {
	if len(s.Fields) < maxFields {
		s.Fields = append(s.Fields, Field{Key: hardware.CleanString(key), Value: hardware.CleanString(value)})
	}
}

// item adds a line below the last field.
func (s *Structure) item(line string) {
	if n := len(s.Fields); n > 0 && len(s.Fields[n-1].Items) < maxFields {
		last := &s.Fields[n-1]
		last.Items = append(last.Items, hardware.CleanString(line))
	}
}

// of lists the structures of one type.
func (t *Table) of(kind int) []*Structure {
	var found []*Structure
	for i := range t.Structures {
		if t.Structures[i].Type == kind {
			found = append(found, &t.Structures[i])
		}
	}
	return found
}
