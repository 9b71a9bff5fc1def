package switchport

import (
	"context"
	"strconv"
	"time"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Enable opens a server's port in a VLAN; 0 leaves the VLAN as it is. The port is found anew.
// A port that is up in another VLAN is shut, moved and opened again, so that it never
// carries traffic while it is half in both. say may be nil; it gets a sentence for each act.
// changed tells whether anything was done, also when an error followed.
func Enable(ctx context.Context, s Switch, p outofband.Port, vlan int, say func(string)) (seen outofband.Seen, changed bool, err error) {
	a, err := approach(ctx, s, p, say)
	if err == nil {
		err = a.enable(ctx, vlan)
	}
	return a.result(ctx, err)
}

// Shut closes a server's port and returns when its link is down. The port is found
// anew. Otherwise as [Enable].
func Shut(ctx context.Context, s Switch, p outofband.Port, say func(string)) (seen outofband.Seen, changed bool, err error) {
	a, err := approach(ctx, s, p, say)
	if err == nil && (a.port.Admin != down || !dark(a.port.Oper)) {
		err = a.admin(ctx, false)
	}
	return a.result(ctx, err)
}

// Look reads a server's port. Counters of a switch that has none are zero, with Bits 0.
func Look(ctx context.Context, s Switch, p outofband.Port) (outofband.Seen, Counters, error) {
	port, err := s.Find(ctx, p.By, p.Value)
	return see(p, port, err), port.Counters, err
}

// Remembered is the selector to use for a port that cannot be found by what was
// configured: a shut port has no MAC address and no neighbour, but it still has the
// name under which it was seen. Other selectors, and ports never seen, stay as they are. Use it
// after not_found only: the name is that of the port where the server was.
func Remembered(p outofband.Port, last outofband.Seen) outofband.Port {
	if (p.By == outofband.ByMAC || p.By == outofband.ByLLDP) && last.Switch == p.Switch && last.Port != "" {
		p.By, p.Value = outofband.ByName, last.Port
	}
	return p
}

// see is what is recorded of a port.
func see(p outofband.Port, port Port, err error) outofband.Seen {
	seen := outofband.Seen{Switch: p.Switch, Port: port.Name, Index: port.Index, Admin: port.Admin, Oper: port.Oper, VLAN: port.VLAN, At: port.Counters.At}
	if err != nil {
		seen.Error = err.Error()
	}
	if seen.At.IsZero() {
		seen.At = time.Now()
	}
	return seen
}

// act is one port that is being changed.
type act struct {
	s       Switch
	want    outofband.Port
	port    Port
	say     func(string)
	changed bool
}

// warden is a switch that can tell whether a port leads to one machine only.
type warden interface {
	// Alone is a refused fault when the port, found by MAC address or LLDP, leads to
	// others too.
	Alone(ctx context.Context, index int, by, value string) error
}

// approach finds the port and makes sure that it may be changed.
func approach(ctx context.Context, s Switch, p outofband.Port, say func(string)) (*act, error) {
	a := &act{s: s, want: p, say: say}
	port, err := s.Find(ctx, p.By, p.Value)
	if err != nil {
		return a, err
	}
	a.port = port
	if w, ok := s.(warden); ok && (p.By == outofband.ByMAC || p.By == outofband.ByLLDP) {
		return a, w.Alone(ctx, port.Index, p.By, p.Value)
	}
	return a, nil
}

func (a *act) enable(ctx context.Context, vlan int) error {
	if vlan != 0 {
		if a.port.Admin != down && a.port.VLAN != 0 && a.port.VLAN != vlan {
			if err := a.admin(ctx, false); err != nil {
				return err
			}
		}
		if a.port.VLAN != vlan {
			a.tell("moves from VLAN " + strconv.Itoa(a.port.VLAN) + " to " + strconv.Itoa(vlan))
		}
		// Asked also when the PVID is right: it may have been interrupted half-way.
		if err := a.s.SetVLAN(ctx, a.port.Index, vlan); err != nil {
			return err
		}
		a.changed = a.changed || a.port.VLAN != vlan
	}
	if a.port.Admin == up {
		return nil
	}
	return a.admin(ctx, true)
}

func (a *act) admin(ctx context.Context, on bool) error {
	a.tell("is switched " + direction(on))
	a.changed = true
	if err := a.s.SetAdmin(ctx, a.port.Index, on); err != nil {
		return err
	}
	a.port.Admin = direction(on)
	return nil
}

func (a *act) tell(what string) {
	if a.say != nil {
		a.say("port " + a.port.Name + " " + what)
	}
}

// result reads the port once more, by the index at which it was changed.
func (a *act) result(ctx context.Context, err error) (outofband.Seen, bool, error) {
	if err == nil && a.changed {
		var port Port
		if port, err = a.s.Find(ctx, outofband.ByIndex, strconv.Itoa(a.port.Index)); err == nil {
			a.port = port
		}
	}
	return see(a.want, a.port, err), a.changed, err
}

// Alone refuses a port that leads to more than the machine it was found by.
func (d *device) Alone(ctx context.Context, index int, by, value string) error {
	ctx, done, err := d.take(ctx)
	defer done()
	if err != nil {
		return err
	}
	mac, err := parseMAC(value)
	if err != nil {
		return err
	}
	why, err := d.stranger(ctx, index, mac)
	if err == nil && why == "" {
		why, err = d.crowded(ctx, index)
	}
	if err != nil || why == "" {
		return err
	}
	return fault.Refused("port %d of switch %s, found by %s %s, leads to more than one machine: %s; if it is the right one, select it by name", index, d.name, by, value, why)
}
