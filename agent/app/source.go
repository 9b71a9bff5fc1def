package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"

	"golang.org/x/sync/errgroup"

	"github.com/steelyard/steelyard/agent/collect"
	"github.com/steelyard/steelyard/agent/collect/lldp"
	"github.com/steelyard/steelyard/agent/driver/linux"
	"github.com/steelyard/steelyard/pkg/hardware"
)

// source is the link.Source of a real machine.
type source struct {
	machine *linux.Machine
	sampler *collect.Sampler
	ports   *lldp.Listener
}

func newSource(sandbox []*linux.SandboxDisk, power *linux.Switch) (*source, error) {
	sampler, err := collect.NewSampler("")
	if err != nil {
		return nil, fmt.Errorf("open the kernel's counters: %w", err)
	}
	ports := lldp.New(ethernetPorts)
	all := collect.New(collect.Options{Neighbour: ports.Neighbour})
	// The disks alone, for the last look before a disk is touched: no smartctl, which
	// may take seconds and says nothing about who a disk is.
	bare := collect.New(collect.Options{Smartctl: filepath.Join(os.DevNull, "none")})
	return &source{
		sampler: sampler, ports: ports,
		machine: linux.New(linux.Options{
			Inventory: all.Inventory,
			Disks: func(ctx context.Context) []hardware.Disk {
				inv := bare.Inventory(ctx)
				return inv.Disks
			},
			Sandbox: sandbox,
			Switch:  power,
		}),
	}, nil
}

// ethernetPorts names the ports that a neighbour may be heard on: those with a device behind them.
func ethernetPorts() []string {
	list, _ := filepath.Glob("/sys/class/net/*/device")
	names := make([]string, len(list))
	for i, path := range list {
		names[i] = filepath.Base(filepath.Dir(path))
	}
	return names
}

// listening runs work while the ports are listened on, and stops listening after it.
func (s *source) listening(ctx context.Context, log *slog.Logger, work func(context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	ctx, stop := context.WithCancel(ctx)
	g.Go(func() error {
		if err := s.ports.Run(ctx); err != nil && ctx.Err() == nil {
			log.Warn("switch ports are not heard", "error", err)
		}
		return nil
	})
	g.Go(func() error {
		defer stop()
		return work(ctx)
	})
	return g.Wait()
}

// Inventory implements link.Source. Reading a machine takes some megabytes for a moment, every
// few minutes; they are given back at once, because the agent is a guest.
func (s *source) Inventory(ctx context.Context) hardware.Inventory {
	defer debug.FreeOSMemory()
	return s.machine.Inventory(ctx)
}

// Sample implements link.Source.
func (s *source) Sample(to *hardware.Sample) error { return s.sampler.Sample(to) }

func (s *source) close() { _ = s.sampler.Close() }
