package switchport

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/pkg/fault"
)

// portColumns are what makes a Port, in the order of the fields of cells.
var portColumns = []string{
	ifDescr, ifName, ifAlias, ifPhysAddress, ifAdminStatus, ifOperStatus, ifSpeed, ifHighSpeed,
	ifHCInOctets, ifHCOutOctets, ifInOctets, ifOutOctets, ifCounterDiscontinuityTime,
}

// decode makes a port of the cells of its row, which are in the order of portColumns;
// zero values are cells that the switch does not have.
func decode(index int, cells []gosnmp.SnmpPDU, uptime time.Duration, at time.Time) Port {
	p := Port{
		Index: index, Descr: text(cells[0]), Name: text(cells[1]), Alias: text(cells[2]), MAC: address(octets(cells[3])),
		Admin: state(cells[4], adminStates), Oper: state(cells[5], operStates),
		SpeedBits: speed(cells[6], cells[7]),
	}
	p.Name = cmp.Or(p.Name, p.Descr)
	p.Counters = counters(cells[8:12])
	p.Counters.At, p.Counters.Uptime, p.Counters.Discontinuity = at, uptime, ticks(cells[12])
	p.Counters.Speed = p.SpeedBits
	return p
}

// counters prefers the 64-bit pair. One counter of a pair is worth nothing alone.
func counters(cells []gosnmp.SnmpPDU) Counters {
	in, okIn := counter(cells[0], gosnmp.Counter64)
	out, okOut := counter(cells[1], gosnmp.Counter64)
	if okIn && okOut {
		return Counters{InOctets: in, OutOctets: out, Bits: 64}
	}
	in, okIn = counter(cells[2], gosnmp.Counter32)
	out, okOut = counter(cells[3], gosnmp.Counter32)
	if okIn && okOut {
		return Counters{InOctets: in, OutOctets: out, Bits: 32}
	}
	return Counters{}
}

// speed is in bits a second. ifSpeed ends at 4.29 Gbit/s; ifHighSpeed counts millions.
func speed(low, high gosnmp.SnmpPDU) uint64 {
	bits, _ := number(low)
	millions, ok := number(high)
	if ok && millions <= math.MaxUint64/1_000_000 && (bits == 0 || bits >= math.MaxUint32) {
		return millions * 1_000_000
	}
	return bits
}

// ifIndex reads a row's index; 0 when it is none.
func ifIndex(row string) int {
	n, err := strconv.ParseUint(row, 10, 31)
	if err != nil {
		return 0
	}
	return int(n)
}

// Ports reads all ports.
func (d *device) Ports(ctx context.Context) ([]Port, error) {
	ctx, done, err := d.take(ctx)
	defer done()
	if err != nil {
		return nil, err
	}
	uptime, err := d.get(ctx, sysUpTime)
	if err != nil {
		return nil, err
	}
	at := time.Now()
	rows, err := d.table(ctx, portColumns...)
	if err != nil {
		return nil, err
	}
	ports := make([]Port, 0, len(rows))
	for row, cells := range rows {
		if i := ifIndex(row); i > 0 {
			ports = append(ports, decode(i, cells, ticks(uptime[sysUpTime]), at))
		}
	}
	slices.SortFunc(ports, func(a, b Port) int { return cmp.Compare(a.Index, b.Index) })
	return ports, d.fillVLANs(ctx, ports)
}

// fillVLANs adds the untagged VLANs, where the switch tells them.
func (d *device) fillVLANs(ctx context.Context, ports []Port) error {
	if err := d.readBridgePorts(ctx); err != nil || len(d.bridgePorts) == 0 {
		return err
	}
	rows, values, err := d.column(ctx, dot1qPvid)
	if err != nil {
		return err
	}
	vlans := make(map[int]int, len(rows))
	for i, row := range rows {
		vlans[ifIndex(row)] = small(values[i], outofband.MaxVLAN)
	}
	for i := range ports {
		if bp := d.bridgePorts[ports[i].Index]; bp > 0 {
			ports[i].VLAN = vlans[bp]
		}
	}
	return nil
}

// port reads one port, in one round trip when its place in the bridge is known.
func (d *device) port(ctx context.Context, index int) (Port, error) {
	row := "." + strconv.Itoa(index)
	if _, known := d.bridgePorts[index]; !known {
		if err := d.readBridgePorts(ctx); err != nil {
			return Port{}, err
		}
	}
	oids := make([]string, 0, len(portColumns)+3)
	for _, c := range portColumns {
		oids = append(oids, c+row)
	}
	oids = append(oids, sysUpTime)
	if bp := d.bridgePorts[index]; bp > 0 {
		place := "." + strconv.Itoa(bp)
		oids = append(oids, dot1dBasePortIfIndex+place, dot1qPvid+place)
	}
	got, err := d.get(ctx, oids...)
	if err != nil {
		return Port{}, err
	}
	cells := make([]gosnmp.SnmpPDU, len(portColumns))
	for i := range cells {
		cells[i] = got[oids[i]]
	}
	if !present(cells[0]) && !present(cells[1]) && !present(cells[4]) {
		return Port{}, fault.NotFound("switch %s has no port with index %d", d.name, index)
	}
	p := decode(index, cells, ticks(got[sysUpTime]), time.Now())
	if len(oids) > len(portColumns)+1 && small(got[oids[len(oids)-2]], math.MaxInt32) == index {
		p.VLAN = small(got[oids[len(oids)-1]], outofband.MaxVLAN)
	} else {
		delete(d.bridgePorts, index) // it moved, or was never there: look again next time
	}
	return p, nil
}
