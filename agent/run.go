package main

import (
	"context"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/steelyard/steelyard/agent/app"
	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/simulate"
	"github.com/steelyard/steelyard/pkg/version"
	"github.com/steelyard/steelyard/protocol"
)

func runAgent(ctx context.Context, args []string, _, errs io.Writer) error {
	fs := flags("run", errs)
	var w wire
	var disks list
	w.add(fs)
	state := fs.String("state", "/var/lib/steelyard-agent", "`DIR` that keeps identity and journal")
	environment := fs.String("environment", protocol.EnvInstalled, "what this machine is in: `installed`, ram, rescue or sandbox")
	fs.Var(&disks, "sandbox-disk", "`FILE[:SIZE]` or loop device that plays a disk, in a sandbox; made when missing (64MiB)")
	hosting := fs.Bool("hosting", false, "carry customers' accounts: this machine is a hosting node (see docs/nodes.md)")
	after := fs.Bool("after-stdin", false, "begin when standard input ends: whoever starts the agent is still at work on this machine")
	if err := parse(fs, args); err != nil {
		return err
	}
	join, err := w.token()
	if err != nil {
		return err
	}
	if *after {
		awaitEnd(ctx, os.Stdin)
	}
	if !strings.EqualFold(*environment, protocol.EnvInstalled) { // a guest on somebody's system stays small
		driver.SpareProcessors()
	}
	return app.Run(ctx, app.Options{
		Controllers: w.controllers, Join: join, State: *state, Environment: strings.ToLower(*environment),
		SandboxDisks: disks, Hosting: *hosting, Version: version.Version, Logger: w.logger(errs),
	})
}

// awaitEnd waits until a reader ends, or ctx.
func awaitEnd(ctx context.Context, r io.Reader) {
	over := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, r)
		close(over)
	}()
	select {
	case <-over:
	case <-ctx.Done():
	}
}

func runSimulation(ctx context.Context, args []string, _, errs io.Writer) error {
	fs := flags("simulate", errs)
	var w wire
	w.add(fs)
	count := fs.Int("count", 10, "`N`umber of agents")
	seed := fs.Uint64("seed", 1, "`NUMBER` that the hardware is invented from; the same one gives the same fleet")
	faults := fs.String("fault", "", "`SHARES` of the fleet that misbehave, for example slow=0.05,flapping=0.02,failing-disk=0.03,die-install=0.01")
	state := fs.String("state", "", "`DIR` that keeps the identities; none keeps them in memory")
	control := fs.String("control", "", "path of a `SOCKET` by which machines are switched on and off; none makes no socket")
	hosting := fs.Int("hosting", 0, "`N`umber of agents that can carry customers' accounts, in memory")
	boot := fs.Int("boot-seconds", 2, "`SECONDS` from the start of a machine to its agent")
	if err := parse(fs, args); err != nil {
		return err
	}
	join, err := w.token()
	if err != nil {
		return err
	}
	shares, err := simulate.ParseFaults(*faults)
	if err != nil {
		return err
	}
	debug.SetGCPercent(50) // thousands of small idle agents: memory matters more than a collection
	return simulate.Run(ctx, simulate.Options{
		Count: *count, Hosting: *hosting, Seed: *seed, Faults: shares, Controllers: w.controllers, Join: join,
		State: *state, Control: *control, BootTime: time.Duration(*boot) * time.Second, Version: version.Version, Logger: w.logger(errs),
	})
}
