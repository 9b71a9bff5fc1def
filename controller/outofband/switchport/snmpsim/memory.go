package snmpsim

import (
	"strconv"

	"github.com/gosnmp/gosnmp"
)

// Setting is one object that was set: what a switch keeps over a restart.
type Setting struct {
	OID    string `json:"oid"`
	Number uint64 `json:"number,omitempty"`
	Text   []byte `json:"text,omitempty"`
}

// Settings lists all writable objects, in their order.
func (t *Tree) Settings() (list []Setting) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, k := range t.keys {
		name := k.String()
		if !writable(name) {
			continue
		}
		s := Setting{OID: name}
		switch v := t.values[k].Data.(type) {
		case []byte:
			s.Text = v
		case int:
			s.Number = uint64(v)
		default:
			s.Number = number(v)
		}
		list = append(list, s)
	}
	return list
}

// Restore sets objects as they were. What the tree does not have, or could not be set to that, is
// left out: the switch may have been another one.
func (t *Tree) Restore(list []Setting) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range list {
		k, err := parseKey(s.OID)
		if err != nil {
			continue
		}
		old, there := t.values[k]
		if !there {
			continue
		}
		p := gosnmp.SnmpPDU{Name: s.OID, Type: old.Type, Value: s.Text}
		switch old.Type {
		case gosnmp.Integer:
			p.Value = int(s.Number)
		case gosnmp.Gauge32:
			p.Value = uint(s.Number)
		}
		if t.check(p) == gosnmp.NoError {
			t.write(p)
		}
	}
}

// Describe writes the alias of a port.
func (s *Switch) Describe(port int, alias string) { s.text(ifAlias+strconv.Itoa(s.Index(port)), alias) }
