package execute

import (
	"context"

	"github.com/steelyard/steelyard/protocol"
)

// Rescuer lets the customer of the machine in.
type Rescuer interface {
	Admit(c *protocol.RescueCommand) (how string, err error)
	Route() error
}

// Rescue is the deed of letting the customer in. The routes change when the controller has the answer, because its way here may end with that.
func Rescue(r Rescuer) Deed {
	return func(_ context.Context, job *Job) (err error) {
		job.Result.Detail, err = r.Admit(job.Command.Rescue)
		job.Later(func(context.Context) error { return r.Route() })
		return err
	}
}
