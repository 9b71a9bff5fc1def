package execute

import (
	"context"
	"strings"
	"time"

	"github.com/steelyard/steelyard/agent/configure"
	"github.com/steelyard/steelyard/agent/diagnose"
	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/erase"
	"github.com/steelyard/steelyard/agent/install"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Deeds are what an agent of an environment can do to a machine: everything, but on an
// installed system it writes to no disk, in a rescue it touches none, and in a sandbox the machine is not its own to switch off.
func Deeds(environment string, m driver.Machine, images install.Fetcher) map[string]Deed {
	d := deeds{environment, m, images}
	all := map[string]Deed{
		protocol.CommandDiagnose: d.diagnose,
		protocol.CommandConfirm:  d.confirm,
		protocol.CommandInspect:  d.inspect,
		protocol.CommandPowerOff: d.powerOff,
		protocol.CommandReboot:   d.reboot,
	}
	if environment == protocol.EnvSandbox {
		all[protocol.CommandPowerOff], all[protocol.CommandReboot] = leaveOn, leaveOn
	}
	if environment == protocol.EnvRAM || environment == protocol.EnvRescue { // what runs is nobody's system
		delete(all, protocol.CommandInspect)
	}
	if environment == protocol.EnvRescue { // the disks are the customer's, who is at them
		delete(all, protocol.CommandDiagnose)
		delete(all, protocol.CommandConfirm)
		return all
	}
	if environment != protocol.EnvInstalled {
		all[protocol.CommandErase] = d.erase
		all[protocol.CommandImage] = d.image
	}
	return all
}

// Capabilities are the names of Deeds in a Hello.
func Capabilities(environment string) []string {
	switch environment {
	case protocol.EnvInstalled:
		return []string{protocol.CanDiagnose, protocol.CanPower, protocol.CanInspect}
	case protocol.EnvRescue:
		return []string{protocol.CanRescue, protocol.CanPower}
	case protocol.EnvSandbox:
		return []string{protocol.CanDiagnose, protocol.CanErase, protocol.CanInstall, protocol.CanInspect}
	case protocol.EnvSimulated:
		return []string{protocol.CanDiagnose, protocol.CanErase, protocol.CanInstall, protocol.CanPower, protocol.CanInspect}
	}
	return []string{protocol.CanDiagnose, protocol.CanErase, protocol.CanInstall, protocol.CanPower}
}

type deeds struct {
	environment string
	machine     driver.Machine
	images      install.Fetcher
}

func (d deeds) diagnose(ctx context.Context, job *Job) error {
	name := ""
	if job.Command.Diagnose != nil {
		name = job.Command.Diagnose.Profile
	}
	p, err := diagnose.ProfileOf(name)
	if err != nil {
		return err
	}
	job.Result.Diagnosis, err = diagnose.Run(ctx, d.machine, p, job.Report)
	return err
}

func (d deeds) erase(ctx context.Context, job *Job) error {
	inv := d.machine.Inventory(ctx)
	permit, err := erase.Verify(erase.Standing{
		SigningKey: job.SigningKey(), Environment: d.environment, Command: job.Command,
		Epoch: job.Epoch(), Identity: inv.Identity, Now: time.Now(),
	})
	if err != nil {
		return err
	}
	job.Result.Erasures, err = erase.Run(ctx, d.machine, permit, job)
	return err
}

func (d deeds) image(ctx context.Context, job *Job) error {
	m, err := install.Verify(job.SigningKey(), job.Command.Image)
	if err != nil {
		return err
	}
	job.Result.Written, err = install.Run(ctx, d.machine, d.images, m, job.Command.Image.Disk, job)
	if err != nil || d.environment != protocol.EnvRAM {
		return err // a simulated machine or a sandbox has no system that could start
	}
	return d.configure(ctx, job, m)
}

// Home is what the agent of a written system needs to know of the agent that writes it.
type Home interface {
	configure.Successors
	Controllers() []string
}

// configure makes the written system that of this server.
func (d deeds) configure(ctx context.Context, job *Job, m protocol.ImageManifest) error {
	home, ok := d.images.(Home)
	if !ok {
		return fault.Internal("this agent cannot give a system an identity")
	}
	c, w := job.Command.Image, job.Result.Written
	wish := configure.Wish{
		Install: job.Command.Operation, Image: m.Name, OSFamily: m.OSFamily, Hostname: c.Hostname, SSHKeys: c.SSHKeys,
		Network: c.Network, Controllers: home.Controllers(),
	}
	job.Report(2*m.RawBytes, 2*m.RawBytes, "bytes", "configuring the system")
	var err error
	w.Configured, w.Warnings, err = configure.Run(ctx, d.machine, c.Disk, wish, "/proc/self/exe", home)
	job.Result.Detail = strings.Join(w.Configured, "; ")
	if len(w.Warnings) > 0 {
		job.Result.Detail += ". Look at this: " + strings.Join(w.Warnings, "; ")
	}
	return err
}

func (d deeds) confirm(ctx context.Context, job *Job) (err error) {
	job.Result.Written, err = install.Confirm(ctx, d.machine, job.Command.Confirm, job)
	return err
}
