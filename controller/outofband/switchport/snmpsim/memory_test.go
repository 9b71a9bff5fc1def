package snmpsim

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"
)

func TestB31_ASwitchKeepsItsSettingsOverARestart(t *testing.T) {
	one := NewSwitch("one", 3, time.Now, 99)
	one.Describe(2, "web1")
	kept := 0
	a := &Agent{Tree: one.Tree, Write: "w", Changed: func() error { kept++; return nil }}
	shut := gosnmp.SnmpPDU{Name: ifAdminStatus + "102", Type: gosnmp.Integer, Value: 2}
	move := gosnmp.SnmpPDU{Name: dot1qPvid + "3", Type: gosnmp.Gauge32, Value: uint32(99)}
	set := func(p gosnmp.SnmpPDU, community string) gosnmp.SNMPError {
		m, err := (&gosnmp.SnmpPacket{Version: gosnmp.Version2c, Community: community, PDUType: gosnmp.SetRequest, RequestID: 7, Variables: []gosnmp.SnmpPDU{p}}).MarshalMsg()
		if err != nil {
			t.Fatal(err)
		}
		answer := decode(a.Answer(m))
		if answer == nil {
			t.Fatal("no answer")
		}
		return answer.Error
	}
	if e := set(shut, "w"); e != gosnmp.NoError {
		t.Fatal(e)
	}
	if e := set(move, "w"); e != gosnmp.NoError {
		t.Fatal(e)
	}
	if e := set(gosnmp.SnmpPDU{Name: ".1.3.6.1.2.1.1.5.0", Type: gosnmp.OctetString, Value: []byte("x")}, "w"); e != gosnmp.NotWritable || kept != 2 {
		t.Fatal(e, kept)
	}
	text, err := json.Marshal(one.Settings())
	if err != nil {
		t.Fatal(err)
	}
	var list []Setting
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	two := NewSwitch("two", 3, time.Now, 99)
	two.Restore(append(list, Setting{OID: "nonsense"}, Setting{OID: ifAdminStatus + "999", Number: 2}, Setting{OID: ifAdminStatus + "101", Number: 7}))
	if two.Up(2) || !two.Up(1) || two.VLAN(3) != 99 || two.VLAN(1) != 1 || !reflect.DeepEqual(two.Settings(), list) {
		t.Errorf("up %v %v, VLAN %d %d", two.Up(1), two.Up(2), two.VLAN(1), two.VLAN(3))
	}
	a.Changed = func() error { return errors.New("full disk") }
	if e := set(shut, "w"); e != gosnmp.CommitFailed {
		t.Errorf("what cannot be kept is answered with %v", e)
	}
}
