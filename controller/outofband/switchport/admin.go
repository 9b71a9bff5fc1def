package switchport

import (
	"context"
	"strconv"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/pause"
)

// How often a set is read back: soon at first, then once a second.
const (
	firstLook = 50 * time.Millisecond
	lastLook  = time.Second
)

// SetAdmin switches a port and waits until that is true.
func (d *device) SetAdmin(ctx context.Context, index int, on bool) error {
	ctx, done, err := d.take(ctx)
	defer done()
	if err != nil {
		return err
	}
	row := "." + strconv.Itoa(index)
	value := 2
	if on {
		value = 1
	}
	err = d.set(ctx, "switch port "+strconv.Itoa(index)+" "+direction(on), gosnmp.SnmpPDU{Name: ifAdminStatus + row, Type: gosnmp.Integer, Value: value})
	if err != nil {
		return err
	}
	return d.until(ctx, func() (string, error) {
		got, err := d.get(ctx, ifAdminStatus+row, ifOperStatus+row)
		if err != nil {
			return "", err
		}
		admin, oper := state(got[ifAdminStatus+row], adminStates), state(got[ifOperStatus+row], operStates)
		switch {
		case admin != direction(on):
			return "port " + strconv.Itoa(index) + " was told to be " + direction(on) + " but is " + admin, nil
		case !on && !dark(oper):
			return "port " + strconv.Itoa(index) + " is shut but its link is " + oper, nil
		}
		return "", nil
	})
}

// dark reports whether a link in this state carries nothing.
func dark(oper string) bool { return oper == down || oper == notPresent || oper == lowerLayerDown }

// until looks again and again until nothing is missing. A switch that does not answer
// is asked again too: it may be busy with what it was told.
func (d *device) until(ctx context.Context, missing func() (string, error)) error {
	for wait := firstLook; ; wait = min(2*wait, lastLook) {
		what, err := missing()
		switch {
		case err == nil && what == "":
			return nil
		case err != nil && !fault.Is(err, fault.KindUnavailable):
			return err
		}
		if stop := pause.For(ctx, wait); stop != nil {
			if err != nil {
				return err
			}
			return fault.Unavailable("switch %s accepted it, but %s: %w", d.name, what, stop)
		}
	}
}
