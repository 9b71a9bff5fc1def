package execute

import (
	"context"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// leaveOn is what a sandbox does about its machine.
func leaveOn(context.Context, *Job) error {
	return fault.Refused("this agent shares its machine; it is not switched off")
}

func (d deeds) powerOff(_ context.Context, job *Job) error {
	now := d.machine.BootID()
	if job.restarted(now) {
		return fault.Unavailable("the machine was started again since command %s was made; it is not switched off twice for it", job.Command.ID)
	}
	job.Result.Detail = "the machine switches off"
	return job.Then(now, d.machine.PowerOff)
}

// reboot starts the machine again. Where that shall lead is prepared as well as the machine can; a machine that cannot
// still starts again, because its own boot order may be right.
func (d deeds) reboot(ctx context.Context, job *Job) error {
	now := d.machine.BootID()
	if job.restarted(now) {
		job.Result.Detail = "the machine was started again already"
		return nil
	}
	job.Result.Detail = "the machine starts again"
	if job.Command.Into != protocol.IntoRAM {
		return job.Then(now, d.machine.Reboot)
	}
	way := d.enter(ctx, job)
	job.Result.Detail += ", " + way.how
	return job.Then(now, way.do)
}

// restarted tells whether the machine is in another boot than the one that the command is meant for,
// by the controller or by an earlier promise.
func (j *Job) restarted(now string) bool {
	promised := j.journal.Promised(j.Command.ID)
	return j.Command.Boot != "" && j.Command.Boot != now || promised != "" && promised != now
}
