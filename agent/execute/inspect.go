package execute

import (
	"context"
	"fmt"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/inspect"
)

// inspect tells what is on the running system that customers may have left there.
func (d deeds) inspect(ctx context.Context, job *Job) (err error) {
	known := map[string]bool{}
	if c := job.Command.Inspect; c != nil {
		for _, key := range c.Known {
			known[key] = true
		}
	}
	if m, ok := d.machine.(driver.Inspector); ok {
		job.Result.Inspection, err = m.Inspect(ctx, known)
	} else {
		job.Result.Inspection, err = inspect.Run(ctx, inspect.Options{Known: known, Report: job.Report})
	}
	if err != nil {
		return err
	}
	count, fresh := 0, 0
	for _, s := range job.Result.Inspection.Subjects {
		count, fresh = count+s.Count, fresh+s.Count-s.Known
	}
	job.Result.Detail = fmt.Sprintf("found %d things, %d of them were not there before", count, fresh)
	return nil
}
