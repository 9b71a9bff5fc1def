package simulate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/steelyard/steelyard/agent/driver/fake"
	"github.com/steelyard/steelyard/agent/execute"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/agent/install"
	"github.com/steelyard/steelyard/agent/journal"
	"github.com/steelyard/steelyard/agent/link"
	"github.com/steelyard/steelyard/agent/simulate/profile"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/pause"
	"github.com/steelyard/steelyard/protocol"
)

// agent is one simulated machine with its agent. It outlives its own deaths: identity, journal and disks stay.
type agent struct {
	fleet   *fleet
	number  int
	manners manners
	power   *power
	state   link.State
	journal *journal.Journal
	started time.Time
	died    sync.Once // in the first installation

	make    sync.Once
	machine *fake.Machine

	usage *usage      // what it tells of use; nil before the first life
	parts []part.Part // what it carries for customers; nil before the first life
}

// run lives until ctx ends, once for each time that the machine is started.
func (a *agent) run(ctx context.Context) error {
	defer a.power.forget()
	boot := time.Duration(0)
	for {
		l, err := a.power.start(ctx)
		if err != nil {
			return nil
		}
		err = a.live(l, boot)
		why := context.Cause(l)
		a.power.over()
		if err != nil || ctx.Err() != nil {
			return err
		}
		boot = a.fleet.opt.BootTime
		if errors.Is(why, errDied) {
			boot = 5*time.Second + rand.N(15*time.Second)
		}
	}
}

// live runs one process of the agent, from the start of its machine to its end.
func (a *agent) live(l *life, boot time.Duration) error {
	if pause.For(l, boot) != nil {
		return nil
	}
	a.started = time.Now()
	options := link.Options{
		Controllers: a.fleet.opt.Controllers, Join: a.fleet.opt.Join, State: a.state,
		Source: a, Environment: protocol.EnvSimulated, AgentVersion: a.fleet.opt.Version,
		BootID: a.bootID(), Capabilities: execute.Capabilities(protocol.EnvSimulated),
		Logger: a.fleet.opt.Logger, Dial: l.cord.through(a.manners.dial),
		InventoryEvery: time.Hour, // it never changes
	}
	end, err := a.carry(l, &options)
	if err != nil {
		return err
	}
	defer end()
	images := &fetcher{}
	hands := execute.New(a.journal, a.deeds(a.spoiled(images)), a.fleet.opt.Logger)
	defer hands.Close()
	options.Executor = hands
	session, err := link.New(options)
	if err != nil {
		return err
	}
	images.Link = session
	return session.Run(l)
}

// fetcher stands in for a link that is not made yet; nothing is fetched before it runs.
type fetcher struct{ *link.Link }

func (a *agent) bootID() string {
	_, _, starts := a.power.state()
	return fmt.Sprintf("simulated-%x-%d-%d", a.fleet.boot, a.number, starts)
}

// spoiled gives the download the agent's faults.
func (a *agent) spoiled(from install.Fetcher) install.Fetcher {
	if a.manners.slow {
		from = throttled{from}
	}
	if a.manners.dieInstall {
		from = dying{from, func() { a.power.restart(errDied) }, &a.died}
	}
	return from
}

// deeds are the real ones, with the machine made at the first of them, and only so many of the
// process at once; switching takes no time and waits for nobody.
func (a *agent) deeds(images install.Fetcher) map[string]execute.Deed {
	all := map[string]execute.Deed{}
	for kind := range execute.Deeds(protocol.EnvSimulated, nil, nil) {
		do := func(ctx context.Context, job *execute.Job) error {
			return execute.Deeds(protocol.EnvSimulated, a.hands(), images)[kind](ctx, job)
		}
		if kind != protocol.CommandPowerOff && kind != protocol.CommandReboot {
			do = a.fleet.inTurn(do)
		}
		all[kind] = do
	}
	return all
}

// inTurn waits for a place before the deed.
func (f *fleet) inTurn(do execute.Deed) execute.Deed {
	return func(ctx context.Context, job *execute.Job) error {
		select {
		case f.turn <- struct{}{}:
			defer func() { <-f.turn }()
		case <-ctx.Done():
			return ctx.Err()
		}
		return do(ctx, job)
	}
}

// eraseTime is how long overwriting a disk takes.
const eraseTime = 4 * time.Second

func (a *agent) hands() *fake.Machine {
	a.make.Do(func() {
		m := fake.New(a.inventory, a.fleet.pages)
		m.Pace = 0.3
		m.Boot, m.Switch = a.bootID, a.turn
		inv := a.inventory()
		for i, d := range m.All() {
			d.BytesPerSec = speed(inv.Disks[i])
			d.ZeroPerSec = max(d.Ref.SizeBytes/uint64(eraseTime/time.Second), 1)
		}
		if a.manners.failingDisk {
			spoil(m.Disk(len(inv.Disks) - 1))
		}
		if a.manners.slow {
			m.Pace = 2
		}
		a.machine = m
	})
	return a.machine
}

// turn is what the agent does to its own machine.
func (a *agent) turn(reboot bool) error {
	if reboot {
		a.power.restart(errReboot)
	} else {
		a.power.turnOff(errOff)
	}
	return nil
}

// speed is what a disk of the kind reads, in bytes a second.
func speed(d hardware.Disk) uint64 {
	switch {
	case d.Type == hardware.DiskNVMe:
		return 2_500_000_000
	case d.Rotational:
		return 180_000_000
	default:
		return 500_000_000
	}
}

func (a *agent) inventory() hardware.Inventory {
	inv := profile.Generate(a.fleet.opt.Seed, a.number)
	if a.manners.failingDisk {
		s := inv.Disks[len(inv.Disks)-1].SMART
		s.Passed, s.PendingSectors, s.ReallocatedSectors = false, 184, 912
	}
	return inv
}

// Inventory implements link.Source.
func (a *agent) Inventory(context.Context) hardware.Inventory { return a.inventory() }
