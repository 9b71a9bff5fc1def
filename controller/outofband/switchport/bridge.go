package switchport

import (
	"context"
	"math"
	"strconv"

	"github.com/steelyard/steelyard/pkg/fault"
)

// readBridgePorts learns which port of the bridge each interface is.
func (d *device) readBridgePorts(ctx context.Context) error {
	rows, values, err := d.column(ctx, dot1dBasePortIfIndex)
	if err != nil {
		return err
	}
	clear(d.bridgePorts)
	for i, row := range rows {
		if index, bp := small(values[i], math.MaxInt32), ifIndex(row); index > 0 && bp > 0 {
			d.bridgePorts[index] = bp
		}
	}
	return nil
}

// interfaceOf finds the interface of a bridge port; 0 when there is none.
func (d *device) interfaceOf(ctx context.Context, bridgePort int) (int, error) {
	oid := dot1dBasePortIfIndex + "." + strconv.Itoa(bridgePort)
	got, err := d.get(ctx, oid)
	if err != nil {
		return 0, err
	}
	return small(got[oid], math.MaxInt32), nil
}

// bridgePort finds the place of an interface in the bridge, read anew.
func (d *device) bridgePort(ctx context.Context, index int) (int, error) {
	if err := d.readBridgePorts(ctx); err != nil {
		return 0, err
	}
	bp := d.bridgePorts[index]
	if bp == 0 {
		return 0, fault.Refused("switch %s does not tell VLANs of port %d (no BRIDGE-MIB for it); leave the VLAN of the port at 0, or let the community or user see the whole of 1.3.6.1.2.1.17", d.name, index)
	}
	return bp, nil
}
