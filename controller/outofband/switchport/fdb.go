package switchport

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/gosnmp/gosnmp"

	"github.com/steelyard/steelyard/controller/core/outofband"
)

// maxTables bounds the address tables of a switch: one a VLAN at most.
const maxTables = outofband.MaxVLAN

// learned finds the ports that have learned an address: in the tables of Q-BRIDGE-MIB,
// else in that of BRIDGE-MIB. The address is asked for, the tables are not read.
func (d *device) learned(ctx context.Context, mac []byte) ([]int, error) {
	tables, err := d.addressTables(ctx)
	if err != nil {
		return nil, err
	}
	oids := make([]string, 0, len(tables)+1)
	for _, t := range tables {
		oids = append(oids, dot1qTpFdbPort+"."+t+dotted(mac))
	}
	if len(oids) == 0 {
		oids = append(oids, dot1dTpFdbPort+dotted(mac))
	}
	got, err := d.get(ctx, oids...)
	if err != nil {
		return nil, err
	}
	ports := map[int]bool{}
	for _, p := range got {
		ports[small(p, math.MaxInt32)] = true
	}
	delete(ports, 0) // learned, but it is not known where; or the switch's own
	var found []int
	for bp := range ports {
		index, err := d.interfaceOf(ctx, bp)
		if err != nil {
			return nil, err
		}
		if index > 0 {
			found = append(found, index)
		}
	}
	return found, nil
}

// addressTables are the ids of the tables that hold an address (dot1qFdbId): one
// step of the walk for each, past all of its addresses.
func (d *device) addressTables(ctx context.Context) ([]string, error) {
	var ids []string
	for at, last := dot1qTpFdbPort, ""; len(ids) < maxTables; {
		vars, err := d.nextPlain(ctx, []string{at})
		if err != nil {
			return nil, err
		}
		row, inside := strings.CutPrefix(vars[0].Name, dot1qTpFdbPort+".")
		id, _, _ := strings.Cut(row, ".")
		if !inside || !present(vars[0]) || !later(id, last) {
			break
		}
		ids, last = append(ids, id), id
		at = dot1qTpFdbPort + "." + id + ".256" // after every address: their parts end at 255
	}
	return ids, nil
}

// dotted is an address as the end of an OID: ".0.22.62.18.52.86".
func dotted(mac []byte) string {
	var b strings.Builder
	for _, x := range mac {
		b.WriteByte('.')
		b.WriteString(strconv.Itoa(int(x)))
	}
	return b.String()
}

// addresses counts the different addresses that a port of the bridge has learned, up to one
// more than most.
func (d *device) addresses(ctx context.Context, bridgePort, most int) (int, error) {
	seen := map[string]bool{}
	rows := 0
	count := func(_ int, row string, p gosnmp.SnmpPDU) bool {
		rows++
		if small(p, math.MaxInt32) == bridgePort {
			seen[lastParts(row, 6)] = true
		}
		return len(seen) <= most
	}
	if err := d.walk(ctx, []string{dot1qTpFdbPort}, count); err != nil || rows > 0 {
		return len(seen), err
	}
	err := d.walk(ctx, []string{dot1dTpFdbPort}, count)
	return len(seen), err
}

// lastParts is the end of a dotted row.
func lastParts(row string, n int) string {
	for i := len(row) - 1; i >= 0; i-- {
		if row[i] == '.' {
			if n--; n == 0 {
				return row[i+1:]
			}
		}
	}
	return row
}

// MaxAddresses is how many MAC addresses a port may have learned that is still
// taken for a port of one machine: its ports, its management controller and some guests.
const MaxAddresses = 16

// crowded says that a port has learned more addresses than one machine has; "" when not.
func (d *device) crowded(ctx context.Context, index int) (string, error) {
	if err := d.readBridgePorts(ctx); err != nil {
		return "", err
	}
	bp := d.bridgePorts[index]
	if bp == 0 {
		return "", nil
	}
	n, err := d.addresses(ctx, bp, MaxAddresses)
	if err != nil || n <= MaxAddresses {
		return "", err
	}
	return fmt.Sprintf("more than %d MAC addresses were heard there", MaxAddresses), nil
}
