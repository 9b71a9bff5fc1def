package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/unit"
)

// glance is how often something that is followed is looked at.
const glance = time.Second

// watching says whether and how long to follow what was started.
type watching struct {
	wait    bool
	timeout time.Duration
}

func addWatching(c *cobra.Command, w *watching) {
	if w.wait { // a command that does nothing else
		c.Flags().DurationVar(&w.timeout, "timeout", 0, "give up after that long; what is watched goes on")
		return
	}
	c.Flags().BoolVarP(&w.wait, "wait", "w", false, "show how far it is until it ended")
	c.Flags().DurationVar(&w.timeout, "timeout", 0, "with --wait: give up after that long; what was started goes on")
}

// bound ends ctx after the time that was given, if any.
func (w *watching) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if w.timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, w.timeout)
}

// followOrder shows an order until its service is active. It fails if the order
// does.
func (p *program) followOrder(ctx context.Context, id string, w watching) error {
	ctx, cancel := w.bound(ctx)
	defer cancel()
	return p.follow(ctx, "/v1/orders/"+url.PathEscape(id), func(r record) (bool, error) {
		switch r.text("state") {
		case order.Fulfilled:
			return true, nil
		case order.Failed, order.Canceled:
			return true, fault.Refused("order %s %s: %s", r.text("id"), r.text("state"), r.text("message"))
		}
		return false, nil
	}, func(ctx context.Context, api *client.Client, r record) []stage {
		if r.text("operation") == "" {
			return nil
		}
		a, err := api.Get(ctx, "/v1/operations/"+url.PathEscape(r.text("operation")), nil)
		if err != nil {
			return nil // shown again at the next glance
		}
		op, err := decode(a.Body)
		if err != nil {
			return nil
		}
		return stagesOf(op)
	})
}

// followOperation shows an operation until it ended. It fails unless it was done.
func (p *program) followOperation(ctx context.Context, id string, w watching) error {
	ctx, cancel := w.bound(ctx)
	defer cancel()
	return p.follow(ctx, "/v1/operations/"+url.PathEscape(id), operationEnded, operationStages)
}

// watchOperation is followOperation where what came of it is printed by the caller.
func (p *program) watchOperation(ctx context.Context, id string, w watching) error {
	ctx, cancel := w.bound(ctx)
	defer cancel()
	api, err := p.api()
	if err != nil {
		return err
	}
	d := p.display()
	defer d.close()
	_, err = p.look(ctx, api, "/v1/operations/"+url.PathEscape(id), d, operationEnded, operationStages)
	return err
}

func operationEnded(r record) (bool, error) {
	state := r.text("state")
	if state == operation.Done || !operation.Final(state) {
		return operation.Final(state), nil
	}
	return true, fault.Refused("operation %s %s: %s", r.text("id"), state, r.text("message"))
}

func operationStages(_ context.Context, _ *client.Client, r record) []stage { return stagesOf(r) }

// follow looks at an object until ended says so, and prints it as it then is: the
// answer with -o json, else its outcome in one line.
func (p *program) follow(ctx context.Context, path string, ended func(record) (bool, error),
	stages func(context.Context, *client.Client, record) []stage,
) error {
	api, err := p.api()
	if err != nil {
		return err
	}
	d := p.display()
	last, outcome := p.look(ctx, api, path, d, ended, stages)
	d.close()
	if len(last.Body) > 0 && p.json() {
		p.raw(p.out, last.Body)
	} else if outcome == nil {
		p.finished(ctx, last)
	}
	return outcome
}

func (p *program) look(ctx context.Context, api *client.Client, path string, d display, ended func(record) (bool, error),
	stages func(context.Context, *client.Client, record) []stage,
) (client.Answer, error) {
	for {
		a, err := api.Get(ctx, path, nil)
		if err != nil {
			if ctx.Err() != nil {
				err = stopped(path, ctx.Err())
			}
			return a, err
		}
		r, err := decode(a.Body)
		if err != nil {
			return a, err
		}
		over, outcome := ended(r)
		if over { // the last steps came before the end
			d.show("", stages(ctx, api, r))
			d.show(r.text("state")+tail(r.text("message")), nil)
			return a, outcome
		}
		d.show(r.text("state")+tail(r.text("message")), stages(ctx, api, r))
		if err := p.pause(ctx, glance); err != nil {
			return a, stopped(path, err)
		}
	}
}

func stopped(path string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fault.Unavailable("it did not end in the time that was given; it goes on without you: %s", path)
	}
	return err
}

func (p *program) finished(ctx context.Context, a client.Answer) {
	r, err := decode(a.Body)
	if err != nil {
		return // it was decoded before
	}
	p.table([]string{"ID", "STATE", "SERVER", "SERVICE"}, [][]string{{r.text("id"), r.text("state"), p.nameOf(ctx, "server", r.text("server")), r.text("service")}})
}

// stagesOf are the steps of an operation; the current one carries the progress
// that the agent told last.
func stagesOf(op record) []stage {
	steps := op.list("steps")
	stages := make([]stage, len(steps))
	for i, step := range steps {
		stages[i] = stage{name: step.text("name"), state: step.text("state"), note: first(step.text("fault.message"), step.text("detail"))}
		stages[i].progress(record{"p": step.at("progress")})
		if whole64(op, "current") == int64(i) && op.at("progress") != nil {
			stages[i].progress(record{"p": op.at("progress")})
		}
	}
	return append(stages, partsOf(op)...)
}

// partsOf are the things that the current step does side by side, such as the disks of an erase, if there are several.
func partsOf(op record) (stages []stage) {
	list := op.list("progress.parts")
	if len(list) < 2 {
		return nil
	}
	for _, r := range list {
		s := stage{name: "  " + r.text("name"), state: "running"}
		r["unit"] = op.at("progress.unit")
		s.progress(record{"p": map[string]any(r)})
		if s.total > 0 && s.done >= s.total {
			s.state = "done"
		}
		stages = append(stages, s)
	}
	return stages
}

func (s *stage) progress(r record) {
	if r.at("p") == nil {
		return
	}
	s.done, s.total, s.bytes = whole64(r, "p.done"), whole64(r, "p.total"), r.text("p.unit") == "bytes"
	s.note = first(s.note, r.text("p.note"))
	if left := whole64(r, "p.remaining_seconds"); left > 0 {
		s.note += fmt.Sprintf(", %s/s, %s left", s.amount(whole64(r, "p.rate_per_second")), time.Duration(left)*time.Second)
	}
}

func (s *stage) amount(n int64) string {
	if s.bytes {
		return unit.Bytes(n).SI()
	}
	return strconv.FormatInt(n, 10)
}
