package outofband

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/outofband/power"
	"github.com/steelyard/steelyard/controller/outofband/switchport"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
)

// softFor is how long a system may take to shut down in good order before its power is taken away.
const softFor = 5 * time.Minute

// Devices reaches the real ones, with the credentials that the fleet keeps sealed.
type Devices struct {
	ring   *seal.Ring
	intake *intake.Intake
	log    *slog.Logger
}

// NewDevices opens nothing yet.
func NewDevices(ring *seal.Ring, in *intake.Intake, log *slog.Logger) *Devices {
	return &Devices{ring: ring, intake: in, log: log}
}

// Power logs in to a management controller. A certificate that nobody accepted is noted, for a
// person to compare.
func (d *Devices) Power(ctx context.Context, bmc outofband.BMC) (Power, error) {
	var password logging.Secret
	if bmc.Remote() {
		var err error
		if password, err = seal.BMCPassword.Open(d.ring, bmc.Server, &bmc); err != nil {
			return nil, err
		}
	}
	c, err := power.Open(ctx, power.Target{
		Driver: bmc.Driver, Address: bmc.Address, System: bmc.System, Username: bmc.Username,
		Password: string(password), MAC: bmc.MAC, AllowWeak: bmc.AllowWeak, Pin: bmc.Pin,
	})
	var unknown *power.UnknownCertificate
	if errors.As(err, &unknown) {
		if err := d.intake.SawCertificate(ctx, bmc.Server, bmc.Address, unknown.SHA256); err != nil {
			d.log.Warn("a certificate cannot be noted", "server", bmc.Server, "error", err)
		}
		return nil, fault.Refused("the management controller of server %s shows a certificate that nobody accepted; compare it and accept it: steelyard server bmc approve-pin", bmc.Server)
	}
	if err != nil {
		return nil, err
	}
	return machine{c}, nil
}

type machine struct{ power.Controller }

func (m machine) TurnOn(ctx context.Context, boot string, say func(string)) (bool, error) {
	var from power.Boot // as it boots by itself
	if boot == operation.BootRAM {
		from = power.Boot{Device: power.BootNetwork, Once: true}
	}
	return power.TurnOn(ctx, m.Controller, from, say)
}

func (m machine) TurnOff(ctx context.Context, hard bool, say func(string)) (bool, error) {
	return power.TurnOff(ctx, m.Controller, hard, softFor, say)
}

// Switch opens a network switch.
func (d *Devices) Switch(ctx context.Context, sw outofband.Switch) (Switch, error) {
	target, err := d.target(sw)
	if err != nil {
		return nil, err
	}
	s, err := switchport.Open(ctx, target)
	if err != nil {
		return nil, err
	}
	return ports{s}, nil
}

// target opens the secrets that the version of a switch has, and no others.
func (d *Devices) target(sw outofband.Switch) (t switchport.Target, err error) {
	t = switchport.Target{Address: sw.Address, Version: sw.Version, Username: sw.Username, AuthProtocol: sw.AuthProtocol, PrivProtocol: sw.PrivProtocol}
	if sw.Version == outofband.SNMPv2c {
		community, err := seal.SwitchCommunity.Open(d.ring, sw.ID, &sw)
		t.Community = string(community)
		return t, err
	}
	auth, err := seal.SwitchAuthPassword.Open(d.ring, sw.ID, &sw)
	if err != nil {
		return t, err
	}
	priv, err := seal.SwitchPrivPassword.Open(d.ring, sw.ID, &sw)
	t.AuthPassword, t.PrivPassword = string(auth), string(priv)
	return t, err
}

type ports struct{ switchport.Switch }

func (p ports) Enable(ctx context.Context, port outofband.Port, vlan int, say func(string)) (outofband.Seen, bool, error) {
	return switchport.Enable(ctx, p.Switch, port, vlan, say)
}

func (p ports) Shut(ctx context.Context, port outofband.Port, say func(string)) (outofband.Seen, bool, error) {
	return switchport.Shut(ctx, p.Switch, port, say)
}

func (p ports) Look(ctx context.Context, port outofband.Port) (outofband.Seen, outofband.Counters, error) {
	return switchport.Look(ctx, p.Switch, port)
}
