package execute

import (
	"context"
	"time"

	"github.com/steelyard/steelyard/agent/diagnose"
	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/erase"
	"github.com/steelyard/steelyard/agent/install"
	"github.com/steelyard/steelyard/protocol"
)

// Deeds are what an agent of an environment can do to a machine: everything, but on an
// installed system it writes to no disk, and in a sandbox the machine is not its own to switch off.
func Deeds(environment string, m driver.Machine, images install.Fetcher) map[string]Deed {
	d := deeds{environment, m, images}
	all := map[string]Deed{
		protocol.CommandDiagnose: d.diagnose,
		protocol.CommandConfirm:  d.confirm,
		protocol.CommandPowerOff: d.powerOff,
		protocol.CommandReboot:   d.reboot,
	}
	if environment == protocol.EnvSandbox {
		all[protocol.CommandPowerOff], all[protocol.CommandReboot] = leaveOn, leaveOn
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
		return []string{protocol.CanDiagnose, protocol.CanPower}
	case protocol.EnvSandbox:
		return []string{protocol.CanDiagnose, protocol.CanErase, protocol.CanInstall}
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
	return err
}

func (d deeds) confirm(ctx context.Context, job *Job) (err error) {
	job.Result.Written, err = install.Confirm(ctx, d.machine, job.Command.Confirm, job)
	return err
}
