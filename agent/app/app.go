package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/steelyard/steelyard/agent/collect"
	"github.com/steelyard/steelyard/agent/driver/linux"
	"github.com/steelyard/steelyard/agent/execute"
	"github.com/steelyard/steelyard/agent/journal"
	"github.com/steelyard/steelyard/agent/link"
	"github.com/steelyard/steelyard/agent/rescue"
	"github.com/steelyard/steelyard/agent/shell"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// Options say how the agent reaches its controllers and what it may touch.
type Options struct {
	Controllers  []string // host:port
	Join         string   // join token; needed until the agent has enrolled
	State        string   // directory of identity and journal, made when missing
	Environment  string   // protocol.EnvInstalled, EnvRAM, EnvRescue or EnvSandbox
	SandboxDisks []string // FILE[:SIZE], in a sandbox only
	Hosting      bool     // carry customers' accounts; protocol.EnvInstalled only
	Version      string
	Logger       *slog.Logger
}

// check tells everything that is wrong with the options.
func (o Options) check() error {
	var c fault.Check
	c.Require(len(o.Controllers) > 0, "controller", "is missing: give host:port")
	for _, address := range o.Controllers {
		c.Require(strings.Contains(address, ":"), "controller", "%q is not host:port", address)
	}
	c.Require(o.State != "", "state", "is missing: give a directory that survives restarts")
	switch o.Environment {
	case protocol.EnvInstalled, protocol.EnvRAM, protocol.EnvRescue:
		c.Require(len(o.SandboxDisks) == 0, "sandbox-disk", "is for --environment sandbox only")
	case protocol.EnvSandbox:
	default:
		c.Add("environment", "%q is none of installed, ram, rescue, sandbox", o.Environment)
	}
	c.Require(!o.Hosting || o.Environment == protocol.EnvInstalled, "hosting", "is for an installed system, not for one that is %s", o.Environment)
	return c.Err("the agent cannot start")
}

// Run runs the agent until ctx ends, and then returns nil. Faults: invalid for options that cannot
// work, conflict when another agent uses the state directory, and the reason when the
// controller refuses the enrolment for good.
func Run(ctx context.Context, o Options) error {
	if err := o.check(); err != nil {
		return err
	}
	if err := os.MkdirAll(o.State, 0o700); err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	j, err := journal.Open(filepath.Join(o.State, "journal"))
	if err != nil {
		return err
	}
	defer func() {
		if err := j.Close(); err != nil {
			o.Logger.Error("cannot close the journal", "error", err)
		}
	}()
	disks, err := sandbox(o)
	if err != nil {
		return err
	}
	source, err := newSource(disks, linux.NewSwitch(o.Environment))
	if err != nil {
		return err
	}
	defer source.close()
	return source.listening(ctx, o.Logger, func(ctx context.Context) error {
		return serve(ctx, o, j, source)
	})
}

// serve keeps the session and does the commands.
func serve(ctx context.Context, o Options, j *journal.Journal, source *source) error {
	images := &home{controllers: o.Controllers}
	deeds := execute.Deeds(o.Environment, source.machine, images)
	if o.Environment == protocol.EnvRescue {
		r := rescue.New(rescue.Options{Dir: o.State, Logger: o.Logger})
		deeds[protocol.CommandRescue] = execute.Rescue(r)
		defer inBackground(ctx, r.Run)()
	}
	counted, endPorts, err := openPorts(ctx, o, source.machine.BootID())
	if err != nil {
		return err
	}
	defer endPorts()
	node, tell, end, err := openHosting(ctx, o, counted)
	if err != nil {
		return err
	}
	defer end()
	if tell == nil && counted != nil {
		tell, end = reportPorts(ctx, o, counted)
		defer end()
	}
	hands := execute.New(j, tidy(deeds), o.Logger)
	defer hands.Close()
	options := link.Options{
		Controllers: o.Controllers, Join: o.Join, State: link.Dir(o.State),
		Source: source, Executor: hands, Environment: o.Environment, AgentVersion: o.Version,
		BootID: source.machine.BootID(), Capabilities: execute.Capabilities(o.Environment), Logger: o.Logger,
		Shell: console(o.Environment),
	}
	if node != nil { // a nil *Node is no nil Host
		options.Host, options.Capabilities = node, append(slices.Clone(options.Capabilities), protocol.CanHost)
	}
	if tell != nil {
		options.Meter, options.Capabilities = tell, append(slices.Clone(options.Capabilities), protocol.CanMeter)
	}
	l, err := link.New(options)
	if err != nil {
		return err
	}
	images.Link = l
	o.Logger.Info("agent started", "version", o.Version, "environment", o.Environment, "state", o.State)
	return l.Run(ctx)
}

// inBackground starts run; the answer ends it and waits for it.
func inBackground(ctx context.Context, run func(context.Context)) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() { run(ctx) })
	return func() {
		cancel()
		work.Wait()
	}
}

// console opens the shell of the RAM environment. On every other system there is none for anybody: it is a customer's, or is
// shared with others.
func console(environment string) func(rows, cols int) (link.Shell, error) {
	if environment != protocol.EnvRAM {
		return nil
	}
	variables := []string{"PATH=/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/tmp", "TERM=xterm", `PS1=\h:\w# `}
	return func(rows, cols int) (link.Shell, error) {
		return shell.Open([]string{"/bin/sh"}, variables, "/", rows, cols)
	}
}

// tidy gives the buffers of each deed back to the system when it is over.
func tidy(deeds map[string]execute.Deed) map[string]execute.Deed {
	for kind, deed := range deeds {
		deeds[kind] = func(ctx context.Context, job *execute.Job) error {
			defer debug.FreeOSMemory()
			return deed(ctx, job)
		}
	}
	return deeds
}

// home stands in for a link that is not made yet; nothing is asked of it before it runs.
type home struct {
	*link.Link
	controllers []string
}

var (
	_ execute.Home      = (*home)(nil)
	_ execute.Entrances = (*home)(nil)
)

// Controllers are those that the agent of a written system is told.
func (h *home) Controllers() []string { return h.controllers }

// sandbox prepares the sandbox disks; nil outside a sandbox.
func sandbox(o Options) ([]*linux.SandboxDisk, error) {
	if o.Environment != protocol.EnvSandbox {
		return nil, nil
	}
	disks := []*linux.SandboxDisk{} // not nil: a sandbox without disks has none
	for n, spec := range o.SandboxDisks {
		d, err := linux.OpenSandbox(n, spec)
		if err != nil {
			return nil, err
		}
		disks = append(disks, d)
	}
	return disks, nil
}

// Inventory reads the machine, or a copy of one below root, once.
func Inventory(ctx context.Context, root string) hardware.Inventory {
	return collect.New(collect.Options{Root: root}).Inventory(ctx)
}
