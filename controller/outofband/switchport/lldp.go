package switchport

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/gosnmp/gosnmp"
)

// Subtypes of a port id (IEEE 802.1AB, table 8-3).
const (
	portIsAlias = 1
	portIsMAC   = 3
	portIsName  = 5
	portIsLocal = 7
)

// neighbour is a machine that a port hears by LLDP.
type neighbour struct {
	local   int // lldpLocPortNum of the port that hears it
	chassis []byte
	port    []byte // its id, when that is a MAC address
	name    string
	bridges bool // it says that it works as a bridge or a router
}

// is reports whether the neighbour has this address as chassis id or port id.
func (n neighbour) is(mac []byte) bool {
	return bytes.Equal(n.chassis, mac) || bytes.Equal(n.port, mac)
}

// neighbours reads who is heard.
func (d *device) neighbours(ctx context.Context) ([]neighbour, error) {
	rows, err := d.table(ctx, lldpRemChassisID, lldpRemPortIDSubtype, lldpRemPortID, lldpRemSysName, lldpRemSysCapEnabled)
	if err != nil {
		return nil, err
	}
	var all []neighbour
	for row, cells := range rows {
		parts := strings.Split(row, ".") // lldpRemTimeMark.lldpRemLocalPortNum.lldpRemIndex
		if len(parts) != 3 || ifIndex(parts[1]) == 0 {
			continue
		}
		n := neighbour{local: ifIndex(parts[1]), chassis: octets(cells[0]), name: text(cells[3]), bridges: bridges(octets(cells[4]))}
		if small(cells[1], portIsLocal) == portIsMAC {
			n.port = octets(cells[2])
		}
		all = append(all, n)
	}
	return all, nil
}

// bridges reads the bits bridge (2) and router (4) of LldpSystemCapabilitiesMap.
func bridges(caps []byte) bool { return len(caps) > 0 && caps[0]&(0x20|0x08) != 0 }

// heard finds the ports that hear a neighbour with this address.
func (d *device) heard(ctx context.Context, mac []byte) ([]int, error) {
	all, err := d.neighbours(ctx)
	if err != nil {
		return nil, err
	}
	ports := map[int]bool{}
	for _, n := range all {
		if !n.is(mac) {
			continue
		}
		index, err := d.lldpInterface(ctx, n.local)
		if err != nil {
			return nil, err
		}
		ports[index] = true
	}
	delete(ports, 0)
	found := make([]int, 0, len(ports))
	for index := range ports {
		found = append(found, index)
	}
	return found, nil
}

// lldpInterface finds the interface of a port as LLDP numbers them: by what the switch
// announces for it; else by the number, which is that of the bridge (IEEE 802.1AB) or, without
// a bridge, ifIndex. 0 when it cannot be told.
func (d *device) lldpInterface(ctx context.Context, local int) (int, error) {
	row := "." + strconv.Itoa(local)
	got, err := d.get(ctx, lldpLocPortIDSubtype+row, lldpLocPortID+row)
	if err != nil {
		return 0, err
	}
	index, err := d.announced(ctx, small(got[lldpLocPortIDSubtype+row], portIsLocal), got[lldpLocPortID+row])
	if index > 0 || err != nil {
		return index, err
	}
	if err := d.readBridgePorts(ctx); err != nil {
		return 0, err
	}
	if len(d.bridgePorts) > 0 {
		for index, bp := range d.bridgePorts {
			if bp == local {
				return index, nil
			}
		}
		return 0, nil
	}
	return local, nil
}

// announced finds the one interface with this port id; 0 when there is none, or more.
func (d *device) announced(ctx context.Context, subtype int, id gosnmp.SnmpPDU) (int, error) {
	var columns []string
	switch subtype {
	case portIsAlias:
		columns = []string{ifAlias}
	case portIsName, portIsLocal:
		columns = []string{ifName, ifDescr}
	case portIsMAC:
		columns = []string{ifPhysAddress}
	}
	for _, column := range columns {
		rows, values, err := d.column(ctx, column)
		if err != nil {
			return 0, err
		}
		index, hits := 0, 0
		for i, row := range rows {
			if len(octets(id)) > 0 && bytes.Equal(octets(values[i]), octets(id)) {
				index, hits = ifIndex(row), hits+1
			}
		}
		if hits == 1 && index < math.MaxInt32 {
			return index, nil
		}
	}
	return 0, nil
}

// stranger names a neighbour of the port that works as a bridge or router and is
// not the one that was asked for; "" when there is none.
func (d *device) stranger(ctx context.Context, index int, wanted []byte) (string, error) {
	all, err := d.neighbours(ctx)
	if err != nil {
		return "", err
	}
	for _, n := range all {
		if !n.bridges || n.is(wanted) {
			continue
		}
		at, err := d.lldpInterface(ctx, n.local)
		if err != nil {
			return "", err
		}
		if at == index {
			return fmt.Sprintf("its LLDP neighbour %q calls itself a bridge or router", n.name), nil
		}
	}
	return "", nil
}
