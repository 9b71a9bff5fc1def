package switchport

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/gosnmp/gosnmp"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/pkg/fault"
)

// members are the ports of a VLAN, one bit each (PortList of Q-BRIDGE-MIB).
type members struct{ egress, untagged []byte }

// SetVLAN makes a VLAN the only untagged one of a port: member first, then PVID,
// then out of the others. Tagged memberships are left alone.
func (d *device) SetVLAN(ctx context.Context, index, vlan int) error {
	if vlan < 1 || vlan > outofband.MaxVLAN {
		return fault.Invalid("VLAN %d is not between 1 and %d", vlan, outofband.MaxVLAN)
	}
	ctx, done, err := d.take(ctx)
	defer done()
	if err != nil {
		return err
	}
	unlock, err := memberships.lock(ctx, d.name)
	if err != nil {
		return err
	}
	defer unlock()
	bp, err := d.bridgePort(ctx, index)
	if err != nil {
		return err
	}
	return d.moveTo(ctx, bp, vlan)
}

func (d *device) moveTo(ctx context.Context, bp, vlan int) error {
	missing, all, err := d.vlanMissing(ctx, bp, vlan)
	if err != nil || missing == "" {
		return err
	}
	if _, there := all[vlan]; len(all) > 0 && !there {
		return fault.Refused("switch %s has no VLAN %d; create it there first", d.name, vlan)
	}
	// A switch that derives membership from the PVID may not let it be written:
	// whether it is right is read back below.
	if err := d.join(ctx, bp, vlan, all); err != nil && !fault.Is(err, fault.KindRefused) {
		return err
	}
	if err := d.setPVID(ctx, bp, vlan); err != nil {
		return err
	}
	if err := d.leaveOthers(ctx, bp, vlan); err != nil && !fault.Is(err, fault.KindRefused) {
		return err
	}
	return d.until(ctx, func() (string, error) {
		missing, _, err := d.vlanMissing(ctx, bp, vlan)
		return missing, err
	})
}

// vlanMissing says what keeps vlan from being the port's only untagged VLAN; "" when it is.
// Without a table of static VLANs the PVID is all that can be known.
func (d *device) vlanMissing(ctx context.Context, bp, vlan int) (string, map[int]members, error) {
	oid := dot1qPvid + "." + strconv.Itoa(bp)
	got, err := d.get(ctx, oid)
	if err != nil {
		return "", nil, err
	}
	now := small(got[oid], outofband.MaxVLAN)
	if now == 0 {
		return "", nil, fault.Refused("switch %s does not tell or set VLANs over SNMP (no Q-BRIDGE-MIB); leave the VLAN of its ports at 0, and the switch without a quarantine VLAN", d.name)
	}
	all, err := d.vlans(ctx)
	switch {
	case err != nil:
		return "", nil, err
	case now != vlan:
		return fmt.Sprintf("bridge port %d is in VLAN %d instead of %d", bp, now, vlan), all, nil
	case len(all) > 0 && !has(all[vlan].untagged, bp):
		return fmt.Sprintf("bridge port %d is no untagged member of VLAN %d", bp, vlan), all, nil
	}
	for id, m := range all {
		if id != vlan && has(m.untagged, bp) {
			return fmt.Sprintf("bridge port %d is still an untagged member of VLAN %d", bp, id), all, nil
		}
	}
	return "", all, nil
}

// vlans reads the static VLANs and their members.
func (d *device) vlans(ctx context.Context) (map[int]members, error) {
	rows, err := d.table(ctx, dot1qVlanStaticEgressPorts, dot1qVlanStaticUntaggedPorts)
	if err != nil {
		return nil, err
	}
	all := make(map[int]members, len(rows))
	for row, cells := range rows {
		if id := ifIndex(row); id > 0 && id <= outofband.MaxVLAN {
			all[id] = members{octets(cells[0]), octets(cells[1])}
		}
	}
	return all, nil
}

func (d *device) join(ctx context.Context, bp, vlan int, all map[int]members) error {
	m, there := all[vlan]
	if !there || has(m.egress, bp) && has(m.untagged, bp) {
		return nil
	}
	return d.setMembers(ctx, vlan, members{with(m.egress, bp, true), with(m.untagged, bp, true)})
}

// leaveOthers takes the port out of the VLANs whose untagged member it still is. It
// reads them again: many a switch does this by itself.
func (d *device) leaveOthers(ctx context.Context, bp, vlan int) error {
	all, err := d.vlans(ctx)
	if err != nil {
		return err
	}
	for id, m := range all {
		if id == vlan || !has(m.untagged, bp) {
			continue
		}
		if err := d.setMembers(ctx, id, members{with(m.egress, bp, false), with(m.untagged, bp, false)}); err != nil {
			return err
		}
	}
	return nil
}

func (d *device) setMembers(ctx context.Context, vlan int, m members) error {
	row := "." + strconv.Itoa(vlan)
	return d.set(ctx, "change the members of VLAN "+strconv.Itoa(vlan),
		gosnmp.SnmpPDU{Name: dot1qVlanStaticEgressPorts + row, Type: gosnmp.OctetString, Value: m.egress},
		gosnmp.SnmpPDU{Name: dot1qVlanStaticUntaggedPorts + row, Type: gosnmp.OctetString, Value: m.untagged})
}

func (d *device) setPVID(ctx context.Context, bp, vlan int) error {
	return d.set(ctx, fmt.Sprintf("put bridge port %d into VLAN %d", bp, vlan),
		gosnmp.SnmpPDU{Name: dot1qPvid + "." + strconv.Itoa(bp), Type: gosnmp.Gauge32, Value: uint32(vlan)})
}

// has reads a port's bit: port 1 is the highest of the first byte.
func has(list []byte, bp int) bool {
	i := (bp - 1) / 8
	return i < len(list) && list[i]&(0x80>>((bp-1)%8)) != 0
}

// with is the list with a port's bit set or cleared.
func with(list []byte, bp int, member bool) []byte {
	i, bit := (bp-1)/8, byte(0x80>>((bp-1)%8))
	out := slices.Clone(list)
	if !member {
		if i < len(out) {
			out[i] &^= bit
		}
		return out
	}
	if i >= len(out) {
		out = append(out, bytes.Repeat([]byte{0}, i+1-len(out))...)
	}
	out[i] |= bit
	return out
}
