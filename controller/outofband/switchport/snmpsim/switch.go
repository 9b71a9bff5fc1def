package snmpsim

import (
	"fmt"
	"strconv"
	"time"

	"github.com/gosnmp/gosnmp"
)

// Switch is a small switch made in code: ports "port1" to "portN" with 1 Gbit/s, ifIndex
// 100 + port, all up and untagged members of VLAN 1.
type Switch struct {
	*Tree
	ports int
	now   func() time.Time
	boot  time.Time // guarded by Tree.mu
}

// NewSwitch makes a switch. now is its clock; vlans are those it has besides 1.
func NewSwitch(name string, ports int, now func() time.Time, vlans ...int) *Switch {
	s := &Switch{Tree: NewTree(), ports: ports, now: now, boot: now()}
	s.text(".1.3.6.1.2.1.1.1.0", "Steelyard simulated switch")
	s.oid(".1.3.6.1.2.1.1.2.0", ".1.3.6.1.4.1.8072.3.2.255") // netSnmpUnknownOS
	s.text(".1.3.6.1.2.1.1.5.0", name)
	s.sure(".1.3.6.1.2.1.1.3.0", Value{gosnmp.TimeTicks, uint32(0)})
	k, _ := parseKey(".1.3.6.1.2.1.1.3.0")
	s.live[k] = s.uptime
	s.sure(".1.3.6.1.2.1.2.1.0", Value{gosnmp.Integer, ports})
	for p := 1; p <= ports; p++ {
		s.addPort(p)
	}
	for _, vlan := range append([]int{1}, vlans...) {
		s.addVLAN(vlan)
	}
	return s
}

// Index is the ifIndex of a port.
func (s *Switch) Index(port int) int { return 100 + port }

// uptime is in hundredths of a second, and begins again after 497 days.
func (s *Switch) uptime() Value {
	return Value{gosnmp.TimeTicks, uint32(s.now().Sub(s.boot) / (10 * time.Millisecond))}
}

// sure puts what cannot be wrong: OIDs written in this file.
func (s *Switch) sure(oid string, v Value) {
	if err := s.Put(oid, v); err != nil {
		panic("snmpsim: " + err.Error())
	}
}

func (s *Switch) text(oid, text string)   { s.sure(oid, Value{gosnmp.OctetString, []byte(text)}) }
func (s *Switch) oid(oid, value string)   { s.sure(oid, Value{gosnmp.ObjectIdentifier, value}) }
func (s *Switch) whole(oid string, n int) { s.sure(oid, Value{gosnmp.Integer, n}) }

func (s *Switch) addPort(p int) {
	row := "." + strconv.Itoa(s.Index(p))
	place := "." + strconv.Itoa(p)
	table := func(column int) string { return ".1.3.6.1.2.1.2.2.1." + strconv.Itoa(column) + row }
	extra := func(column int) string { return ".1.3.6.1.2.1.31.1.1.1." + strconv.Itoa(column) + row }
	s.whole(table(1), s.Index(p))
	s.text(table(2), fmt.Sprintf("Simulated port %d", p))
	s.whole(table(3), 6) // ethernetCsmacd
	s.sure(table(5), Value{gosnmp.Gauge32, uint32(1e9)})
	s.sure(table(6), Value{gosnmp.OctetString, []byte{2, 0, 0x5e, 0, byte(p >> 8), byte(p)}})
	s.whole(table(7), 1)
	s.whole(table(8), 1)
	s.text(extra(1), fmt.Sprintf("port%d", p))
	s.sure(extra(15), Value{gosnmp.Gauge32, uint32(1000)})
	s.text(extra(18), "")
	s.sure(extra(19), Value{gosnmp.TimeTicks, uint32(0)})
	s.setCounters(p, 0, 0)
	s.whole(".1.3.6.1.2.1.17.1.4.1.2"+place, s.Index(p))
	s.sure(dot1qPvid+strconv.Itoa(p), Value{gosnmp.Gauge32, uint32(1)})
	s.whole(".1.0.8802.1.1.2.1.3.7.1.2"+place, 5) // interfaceName
	s.text(".1.0.8802.1.1.2.1.3.7.1.3"+place, fmt.Sprintf("port%d", p))
}

// addVLAN makes a static VLAN; 1 has all ports.
func (s *Switch) addVLAN(vlan int) {
	list := make([]byte, (s.ports+7)/8)
	for p := 1; p <= s.ports && vlan == 1; p++ {
		list[(p-1)/8] |= 0x80 >> ((p - 1) % 8)
	}
	row := strconv.Itoa(vlan)
	s.sure(vlanEgress+row, Value{gosnmp.OctetString, list})
	s.sure(vlanUntagged+row, Value{gosnmp.OctetString, append([]byte(nil), list...)})
	s.text(".1.3.6.1.2.1.17.7.1.4.3.1.1."+row, "vlan"+row)
}

// setCounters writes a port's bytes, 64 and 32 bits wide.
func (s *Switch) setCounters(port int, in, out uint64) {
	row := "." + strconv.Itoa(s.Index(port))
	s.sure(".1.3.6.1.2.1.31.1.1.1.6"+row, Value{gosnmp.Counter64, in})
	s.sure(".1.3.6.1.2.1.31.1.1.1.10"+row, Value{gosnmp.Counter64, out})
	s.sure(".1.3.6.1.2.1.2.2.1.10"+row, Value{gosnmp.Counter32, uint32(in)})
	s.sure(".1.3.6.1.2.1.2.2.1.16"+row, Value{gosnmp.Counter32, uint32(out)})
}

// Carry counts bytes that went into the port from outside, and out of it. A port that
// is shut carries nothing.
func (s *Switch) Carry(port int, in, out uint64) {
	row := "." + strconv.Itoa(s.Index(port))
	oper, _ := s.Get(ifOperStatus + row[1:])
	if oper.Data != 1 {
		return
	}
	hadIn, _ := s.Get(".1.3.6.1.2.1.31.1.1.1.6" + row)
	hadOut, _ := s.Get(".1.3.6.1.2.1.31.1.1.1.10" + row)
	s.setCounters(port, hadIn.Data.(uint64)+in, hadOut.Data.(uint64)+out)
}

// Up reports whether a port's link is up: what is plugged in there can be reached.
func (s *Switch) Up(port int) bool {
	v, _ := s.Get(ifOperStatus + strconv.Itoa(s.Index(port)))
	return v.Data == 1
}

// VLAN is the PVID of a port.
func (s *Switch) VLAN(port int) int {
	v, _ := s.Get(dot1qPvid + strconv.Itoa(port))
	return int(number(v.Data))
}

// Learn puts an address into the table of a VLAN, as if it was heard at the port.
func (s *Switch) Learn(port, vlan int, mac [6]byte) {
	s.whole(fmt.Sprintf(".1.3.6.1.2.1.17.7.1.2.2.1.2.%d.%d.%d.%d.%d.%d.%d", vlan, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]), port)
}

// Hear puts an LLDP neighbour at a port: its chassis id, a MAC address, its name, and
// whether it calls itself a bridge.
func (s *Switch) Hear(port int, mac [6]byte, name string, bridge bool) {
	row := fmt.Sprintf(".0.%d.1", port)
	const remote = ".1.0.8802.1.1.2.1.4.1.1."
	s.whole(remote+"4"+row, 4) // macAddress
	s.sure(remote+"5"+row, Value{gosnmp.OctetString, mac[:]})
	s.whole(remote+"6"+row, 3) // macAddress
	s.sure(remote+"7"+row, Value{gosnmp.OctetString, mac[:]})
	s.text(remote+"9"+row, name)
	caps := byte(0x01) // stationOnly
	if bridge {
		caps = 0x20
	}
	s.sure(remote+"12"+row, Value{gosnmp.OctetString, []byte{caps, 0}})
}

// Restart starts the switch anew: uptime and counters begin at 0, settings stay.
func (s *Switch) Restart() {
	s.mu.Lock()
	s.boot = s.now()
	s.mu.Unlock()
	for p := 1; p <= s.ports; p++ {
		s.setCounters(p, 0, 0)
	}
}
