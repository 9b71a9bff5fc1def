package simulate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/steelyard/steelyard/agent/driver/fake"
	"github.com/steelyard/steelyard/agent/execute"
	"github.com/steelyard/steelyard/agent/install"
	"github.com/steelyard/steelyard/agent/journal"
	"github.com/steelyard/steelyard/agent/link"
	"github.com/steelyard/steelyard/agent/simulate/profile"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/pause"
	"github.com/steelyard/steelyard/protocol"
)

// agent is one simulated agent. It outlives its own deaths: identity, journal and disks stay.
type agent struct {
	fleet   *fleet
	number  int
	manners manners
	state   link.State
	journal *journal.Journal
	started time.Time
	boots   int
	died    sync.Once // in the first installation

	make    sync.Once
	machine *fake.Machine
}

// run lives until ctx ends, coming back after each death.
func (a *agent) run(ctx context.Context) error {
	for {
		life, die := context.WithCancel(ctx)
		err := a.live(life, die)
		die()
		if err != nil || pause.For(ctx, 5*time.Second+rand.N(15*time.Second)) != nil {
			return err
		}
		a.boots++
		a.started = time.Now()
	}
}

// live runs one process of the agent, from start to death.
func (a *agent) live(ctx context.Context, die func()) error {
	images := &fetcher{}
	hands := execute.New(a.journal, a.deeds(a.spoiled(images, die)), a.fleet.opt.Logger)
	defer hands.Close()
	l, err := link.New(link.Options{
		Controllers: a.fleet.opt.Controllers, Join: a.fleet.opt.Join, State: a.state,
		Source: a, Executor: hands, Environment: protocol.EnvSimulated, AgentVersion: a.fleet.opt.Version,
		BootID: a.bootID(), Capabilities: execute.Capabilities(protocol.EnvSimulated),
		Logger: a.fleet.opt.Logger, Dial: a.manners.dial,
		InventoryEvery: time.Hour, // it never changes
	})
	if err != nil {
		return err
	}
	images.Link = l
	return l.Run(ctx)
}

// fetcher stands in for a link that is not made yet; nothing is fetched before it runs.
type fetcher struct{ *link.Link }

func (a *agent) bootID() string {
	return fmt.Sprintf("simulated-%x-%d-%d", a.fleet.boot, a.number, a.boots)
}

// spoiled gives the download the agent's faults.
func (a *agent) spoiled(from install.Fetcher, die func()) install.Fetcher {
	if a.manners.slow {
		from = throttled{from}
	}
	if a.manners.dieInstall {
		from = dying{from, die, &a.died}
	}
	return from
}

// deeds are the real ones, with the machine made at the first of them, and only so many of the
// process at once.
func (a *agent) deeds(images install.Fetcher) map[string]execute.Deed {
	all := map[string]execute.Deed{}
	for kind := range execute.Deeds(protocol.EnvSimulated, nil, nil) {
		all[kind] = func(ctx context.Context, job *execute.Job) error {
			select {
			case a.fleet.turn <- struct{}{}:
				defer func() { <-a.fleet.turn }()
			case <-ctx.Done():
				return ctx.Err()
			}
			return execute.Deeds(protocol.EnvSimulated, a.hands(), images)[kind](ctx, job)
		}
	}
	return all
}

// eraseTime is how long overwriting a disk takes.
const eraseTime = 4 * time.Second

func (a *agent) hands() *fake.Machine {
	a.make.Do(func() {
		m := fake.New(a.inventory, a.fleet.pages)
		m.Pace = 0.3
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
