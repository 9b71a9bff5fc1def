package snmpsim

import (
	"strings"

	"github.com/gosnmp/gosnmp"
)

// What may be written.
const (
	ifAdminStatus = ".1.3.6.1.2.1.2.2.1.7."
	ifOperStatus  = ".1.3.6.1.2.1.2.2.1.8."
	ifAlias       = ".1.3.6.1.2.1.31.1.1.1.18."
	dot1qPvid     = ".1.3.6.1.2.1.17.7.1.4.5.1.1."
	vlanEgress    = ".1.3.6.1.2.1.17.7.1.4.3.1.2."
	vlanUntagged  = ".1.3.6.1.2.1.17.7.1.4.3.1.4."
)

// check says whether an object may become that.
func (t *Tree) check(p gosnmp.SnmpPDU) gosnmp.SNMPError {
	k, err := parseKey(p.Name)
	if err != nil {
		return gosnmp.NotWritable
	}
	old, there := t.get(k)
	name := k.String()
	switch {
	case !there:
		return gosnmp.NoCreation
	case !writable(name):
		return gosnmp.NotWritable
	case p.Type != old.Type:
		return gosnmp.WrongType
	case strings.HasPrefix(name, ifAdminStatus):
		if v, ok := p.Value.(int); !ok || v != 1 && v != 2 {
			return gosnmp.WrongValue
		}
	case strings.HasPrefix(name, dot1qPvid):
		if v := number(p.Value); v < 1 || v > 4094 {
			return gosnmp.WrongValue
		}
	default:
		if v, ok := p.Value.([]byte); !ok || len(v) > 512 || strings.HasPrefix(name, ifAlias) && len(v) > 64 {
			return gosnmp.WrongLength
		}
	}
	return gosnmp.NoError
}

func writable(name string) bool {
	for _, column := range []string{ifAdminStatus, ifAlias, dot1qPvid, vlanEgress, vlanUntagged} {
		if strings.HasPrefix(name, column) {
			return true
		}
	}
	return false
}

func number(v any) uint64 {
	switch v := v.(type) {
	case uint:
		return uint64(v)
	case uint32:
		return uint64(v)
	}
	return 0
}

// write changes an object that was checked, and what follows from it.
func (t *Tree) write(p gosnmp.SnmpPDU) {
	k, _ := parseKey(p.Name)
	v := Value{Type: p.Type, Data: p.Value}
	if b, ok := p.Value.([]byte); ok {
		v.Data = append([]byte(nil), b...)
	}
	t.put(k, v)
	if row, ok := strings.CutPrefix(k.String(), ifAdminStatus); ok {
		oper, _ := parseKey(ifOperStatus + row)
		if _, there := t.values[oper]; there {
			t.put(oper, v) // 1 is up and 2 is down in both
		}
	}
}
