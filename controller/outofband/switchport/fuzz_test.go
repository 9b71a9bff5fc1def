package switchport

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gosnmp/gosnmp"
)

// Whatever a switch sends: no panic, no text that a terminal obeys, no state or number that
// is not one.
func FuzzPortsOfAnyAnswer(f *testing.F) {
	good := func(vars ...gosnmp.SnmpPDU) []byte {
		b, err := (&gosnmp.SnmpPacket{Version: gosnmp.Version2c, Community: "c", PDUType: gosnmp.GetResponse, RequestID: 7, Variables: vars}).MarshalMsg()
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	row := []gosnmp.SnmpPDU{
		pdu(ifDescr, 7, "ge\x00\x1b[31m"), pdu(ifName, 7, "ge-0/0/7"), pdu(ifAlias, 7, strings.Repeat("ä", 200)), pdu(ifPhysAddress, 7, "\x00\x16\x3e\x01\x02\x03"),
		pdu(ifAdminStatus, 7, 1), pdu(ifOperStatus, 7, 7), pdu(ifSpeed, 7, uint32(1e9)), pdu(ifHighSpeed, 7, uint32(1000)),
		{Name: ifHCInOctets + ".7", Type: gosnmp.Counter64, Value: uint64(1 << 63)},
		{Name: ifHCOutOctets + ".7", Type: gosnmp.Counter64, Value: uint64(5)},
		{Name: ifInOctets + ".7", Type: gosnmp.Counter32, Value: uint32(1 << 31)},
		{Name: ifOutOctets + ".7", Type: gosnmp.Counter32, Value: uint32(5)},
		{Name: ifCounterDiscontinuityTime + ".7", Type: gosnmp.TimeTicks, Value: uint32(1 << 31)},
	}
	f.Add(good(row...))
	f.Add(good(pdu(ifAdminStatus, 7, -1), pdu(ifOperStatus, 7, 99), pdu(ifAlias, 7, 5)))
	f.Add(good(gosnmp.SnmpPDU{Name: ".1.3.6.1.2.1.2.2.1.2", Type: gosnmp.EndOfMibView}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4096 {
			return
		}
		p := decoded(b)
		if p == nil {
			return
		}
		cells := make([]gosnmp.SnmpPDU, len(portColumns))
		copy(cells, p.Variables)
		check(t, decode(7, cells, time.Second, time.Unix(1, 0)))
		for i := range cells { // each value at each place
			for _, v := range p.Variables {
				one := make([]gosnmp.SnmpPDU, len(portColumns))
				one[i] = v
				check(t, decode(7, one, 0, time.Unix(1, 0)))
			}
		}
		walkAny(t, p.Variables)
	})
}

// decoded is what the client makes of a datagram: it catches its own panics too.
func decoded(b []byte) (p *gosnmp.SnmpPacket) {
	defer func() {
		if recover() != nil {
			p = nil
		}
	}()
	p, err := (&gosnmp.GoSNMP{Version: gosnmp.Version2c}).SnmpDecodePacket(b)
	if err != nil {
		return nil
	}
	return p
}

func walkAny(t *testing.T, vars []gosnmp.SnmpPDU) {
	d := &device{name: "sw"}
	active := []*cursor{{at: 0, root: ifDescr, last: ifDescr}, {at: 1, root: ifName, last: ifName}}
	_, _ = d.advance(active, vars, func(column int, row string, p gosnmp.SnmpPDU) bool {
		if column > 1 || row == "" || !present(p) {
			t.Errorf("visited column %d, row %q, %+v", column, row, p)
		}
		_ = ifIndex(row)
		_ = lastParts(row, 6)
		return true
	})
}

func check(t *testing.T, p Port) {
	t.Helper()
	for _, s := range []string{p.Name, p.Descr, p.Alias} {
		if len(s) > maxText || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
			t.Errorf("text %q", s)
		}
	}
	known := map[string]bool{up: true, down: true, inTest: true, unknown: true, dormant: true, notPresent: true, lowerLayerDown: true}
	c := p.Counters
	if !known[p.Admin] || !known[p.Oper] || p.MAC != "" && len(p.MAC) != 17 || c.Bits != 0 && c.Bits != 32 && c.Bits != 64 ||
		c.Bits == 32 && (c.InOctets >= 1<<32 || c.OutOctets >= 1<<32) || c.Bits == 0 && c.InOctets+c.OutOctets != 0 || c.Discontinuity < 0 {
		t.Errorf("port %+v", p)
	}
}
