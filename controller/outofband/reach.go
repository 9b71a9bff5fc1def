package outofband

import (
	"context"

	"github.com/steelyard/steelyard/controller/core/outofband"
)

// Reach opens devices. Every method of what it opens ends with its context.
type Reach interface {
	Power(ctx context.Context, bmc outofband.BMC) (Power, error)
	Switch(ctx context.Context, sw outofband.Switch) (Switch, error)
}

// Power is one machine's management controller. Status is outofband.On, Off or Unknown.
// TurnOn and TurnOff make it true, however it was, and return when it is; boot is operation.BootDisk or
// BootRAM. say tells a person what is waited for.
type Power interface {
	Status(ctx context.Context) (string, error)
	TurnOn(ctx context.Context, boot string, say func(string)) (changed bool, err error)
	TurnOff(ctx context.Context, hard bool, say func(string)) (changed bool, err error)
	Inventory(ctx context.Context) (outofband.Chassis, error)
	Close() error
}

// Switch is one network switch. Enable and Shut make it true and return when it is read
// back; vlan 0 leaves it alone.
type Switch interface {
	Enable(ctx context.Context, p outofband.Port, vlan int, say func(string)) (outofband.Seen, bool, error)
	Shut(ctx context.Context, p outofband.Port, say func(string)) (outofband.Seen, bool, error)
	Look(ctx context.Context, p outofband.Port) (outofband.Seen, outofband.Counters, error)
	Close() error
}
