package diagnose

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/protocol"
)

// Report tells how far the work is; see execute.Job. It is called by several goroutines.
type Report func(done, total uint64, unit, note string)

// Run tests the machine. It fails only when ctx ends first: everything that is wrong with the
// machine is a check.
func Run(ctx context.Context, m driver.Machine, p Profile, report Report) (*protocol.Diagnosis, error) {
	report, stop := repeated(report)
	defer stop()
	d := &diagnosing{machine: m, profile: p, report: report}
	out := &protocol.Diagnosis{Profile: p.Name, StartedAt: time.Now().UTC()}
	err := d.run(ctx, out)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("diagnostics were stopped: %w", err)
	}
	if err != nil {
		return nil, err
	}
	out.Checks, out.EndedAt = d.checks, time.Now().UTC()
	return out, nil
}

// run takes the parts that disturb each other one after the other. What counts errors is read before and after.
func (d *diagnosing) run(ctx context.Context, out *protocol.Diagnosis) error {
	sensors, counters := d.machine.Sensors(ctx), d.machine.Counters(ctx)
	list, err := d.machine.List(ctx)
	if err != nil {
		d.failed("disks", "", fmt.Errorf("list them: %w", err))
	}
	for _, ref := range list {
		d.disks = append(d.disks, &disk{ref: ref})
	}
	d.total = d.steps()
	d.step("drives", func() { d.ask(ctx, func(k *disk, now driver.Drive) { k.before = now }) })
	d.step("processors", func() { d.cpu(ctx, d.profile.CPU) })
	d.step("memory", func() { d.memory(ctx) })
	if err := d.measure(ctx); err != nil {
		return err
	}
	if d.profile.Load > 0 {
		d.step("everything at once", func() { d.load(ctx) })
	}
	d.step("drives again", func() { d.ask(ctx, func(k *disk, now driver.Drive) { k.after = now }) })
	out.Inventory = d.machine.Inventory(ctx)
	d.step("network ports", func() { d.ports(ctx, out.Inventory.NICs, counters) })
	d.step("sensors", func() { d.sensors(sensors, d.machine.Sensors(ctx)) })
	d.step("management controller", func() { d.bmc(ctx, out) })
	for _, k := range d.disks {
		d.health(k)
	}
	return nil
}

// steps is how many steps there will be.
func (d *diagnosing) steps() uint64 {
	each := 3
	if d.profile.SelfTest {
		each++
	}
	n := 7 + each*len(d.disks)
	if d.profile.Load > 0 {
		n++
	}
	return uint64(n)
}

// diagnosing is one run.
type diagnosing struct {
	machine driver.Machine
	profile Profile
	report  Report
	total   uint64
	disks   []*disk

	mu      sync.Mutex
	done    uint64
	hottest map[string]driver.Temperature // under load, by name
	checks  []protocol.Check
}

func (d *diagnosing) step(note string, f func()) {
	d.mu.Lock()
	done := d.done
	d.mu.Unlock()
	d.report(done, d.total, "checks", "testing "+note)
	f()
	d.mu.Lock()
	d.done++
	done = d.done
	d.mu.Unlock()
	d.report(done, d.total, "checks", "testing "+note)
}

func (d *diagnosing) add(c protocol.Check) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.checks = append(d.checks, c)
}

// failed records a check that could not be run, although it should have been possible.
func (d *diagnosing) failed(name, part string, err error) {
	d.add(protocol.Check{Name: name, Part: part, Verdict: protocol.VerdictError, Detail: "the check could not be run: " + err.Error()})
}

// verdict is error, warning or ok, whichever holds first.
func verdict(isError, isWarning bool) string {
	switch {
	case isError:
		return protocol.VerdictError
	case isWarning:
		return protocol.VerdictWarning
	default:
		return protocol.VerdictOK
	}
}

// figure is a number without a limit.
func figure[N int | uint64 | float64](name string, value N, unit string) protocol.Figure {
	return protocol.Figure{Name: name, Value: float64(value), Unit: unit}
}

// against is a number that was compared with limit.
func against[N int | uint64 | float64](name string, value N, unit string, limit float64) protocol.Figure {
	return protocol.Figure{Name: name, Value: float64(value), Unit: unit, Limit: &limit}
}
