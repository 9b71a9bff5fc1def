package app

import (
	"context"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
	"github.com/steelyard/steelyard/pkg/pause"
	"github.com/steelyard/steelyard/pkg/simulated"
)

// Pauses between two rounds of wiring: short while servers join, long when none did.
const (
	wireSoon = 200 * time.Millisecond
	wireLate = 10 * time.Second
)

func uuidKey(uuid string) string { return strings.ToLower(uuid) }

// wire records switches, and for each simulated server that joins its management controller
// and its port, until all have them.
func (d *fleetOnOneMachine) wire(ctx context.Context) error {
	select {
	case <-d.hall.known:
	case <-ctx.Done():
		return ctx.Err()
	}
	switches, err := d.hallSwitches(ctx)
	if err != nil {
		return err
	}
	done := map[string]bool{}
	for wait := wireSoon; ; wait = min(2*wait, wireLate) {
		before := len(done)
		for i := range store.Servers.Items(d.Store.Snapshot()) {
			m, ours := d.hall.machines[uuidKey(i.Value.Identity.UUID)]
			if ours && !done[m.UUID] && d.wireServer(ctx, i.Value, m, switches[m.Number/portsPerSwitch]) {
				done[m.UUID] = true
			}
		}
		if len(done) == len(d.hall.machines) {
			return nil
		}
		if len(done) > before {
			wait = wireSoon
		}
		if err := pause.For(ctx, wait); err != nil {
			return err
		}
	}
}

// hallSwitches records the switches and gives their ids.
func (d *fleetOnOneMachine) hallSwitches(ctx context.Context) (ids []string, err error) {
	location, err := d.location(ctx)
	if err != nil {
		return nil, err
	}
	for i, r := range d.hall.racks {
		want := intake.SwitchDraft{
			Name: r.name, Location: location, Driver: outofband.SwitchSNMP, Address: d.hall.plan.Switches[i], Version: outofband.SNMPv2c,
			Community: logging.Secret(d.hall.plan.Community), QuarantineVLAN: quarantineVLAN, Simulator: playedBySNMP,
		}
		id, err := d.hallSwitch(ctx, want)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (d *fleetOnOneMachine) hallSwitch(ctx context.Context, want intake.SwitchDraft) (string, error) {
	for i := range store.Switches.Items(d.Store.Snapshot()) {
		if i.Value.Name != want.Name {
			continue
		}
		if i.Value.Address == want.Address && !d.hall.fresh {
			return i.ID, nil
		}
		_, _, err := d.Intake.EditSwitch(ctx, access.System, i.ID, i.ModRev, func(now intake.SwitchDraft) (intake.SwitchDraft, error) {
			now.Address, now.Community = want.Address, want.Community
			return now, nil
		})
		return i.ID, err
	}
	s, _, err := d.Intake.CreateSwitch(ctx, access.System, want)
	return s.ID, err
}

// wireServer records how one server is reached. What a person recorded is left alone. It reports
// whether there is no more to do.
func (d *fleetOnOneMachine) wireServer(ctx context.Context, s *fleet.Server, m simulated.Machine, swi string) bool {
	if s.Approval == fleet.Retired {
		return true
	}
	err := d.wirePower(ctx, s, m)
	if err == nil {
		err = d.wirePort(ctx, s, m, swi)
	}
	if fault.Is(err, fault.KindInvalid) { // a person arranged it otherwise
		d.log.Warn("a simulated server is not connected to its simulated devices", "server", s.ID, "error", err)
		return true
	}
	return err == nil
}

func (d *fleetOnOneMachine) wirePower(ctx context.Context, s *fleet.Server, m simulated.Machine) error {
	want := d.hall.controllerOf(m)
	had, there := store.BMCs.View(d.Store, s.ID)
	if there && had.Simulator == "" {
		return nil
	}
	same := there && had.Driver == want.Driver && had.Address == want.Address && had.System == want.System && had.Pin == want.Pin && had.Simulator == want.Simulator
	if same && !d.hall.fresh {
		return nil
	}
	_, err := d.Intake.SetBMC(ctx, access.System, s.ID, 0, want)
	return err
}

// controllerOf says how a machine's management controller is reached.
func (h *hall) controllerOf(m simulated.Machine) intake.BMCDraft {
	want := intake.BMCDraft{Username: hallUser, Password: logging.Secret(h.plan.Password)}
	if m.Number < len(h.plan.IPMI) {
		want.Driver, want.Address, want.Simulator = outofband.DriverIPMI, h.plan.IPMI[m.Number], playedByIPMI
		return want
	}
	want.Driver, want.Address, want.System = outofband.DriverRedfish, "https://"+h.plan.Redfish, m.Serial
	want.Pin, want.Simulator = h.pin, playedByRedfish
	return want
}

func (d *fleetOnOneMachine) wirePort(ctx context.Context, s *fleet.Server, m simulated.Machine, swi string) error {
	port := intake.PortDraft{Switch: swi, By: outofband.ByAlias, Value: portOf(m.Number), VLAN: customerVLAN}
	if had, there := store.Wirings.View(d.Store, s.ID); there && len(had.Ports) > 0 {
		return nil
	}
	_, err := d.Intake.SetPorts(ctx, access.System, s.ID, 0, intake.WiringDraft{Ports: []intake.PortDraft{port}})
	return err
}
