package diagnose

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/protocol"
)

// Report tells how far the work is; see execute.Job.
type Report func(done, total uint64, unit, note string)

// Run tests the machine. It fails only when ctx ends first: everything that is wrong with the
// machine is a check.
func Run(ctx context.Context, m driver.Machine, p Profile, report Report) (*protocol.Diagnosis, error) {
	d := &diagnosing{machine: m, profile: p, report: report}
	out := &protocol.Diagnosis{Profile: p.Name, StartedAt: time.Now().UTC()}
	before := m.Sensors(ctx)
	list, err := m.List(ctx)
	if err != nil {
		d.failed("disks", fmt.Errorf("list them: %w", err))
	}
	d.total = uint64(4 + 2*len(list))
	d.step("processors", func() { d.cpu(ctx) })
	d.step("memory", func() { d.memory(ctx, before) })
	d.disks(ctx, list)
	out.Inventory = m.Inventory(ctx)
	d.step("network ports", func() { d.ports(out.Inventory.NICs) })
	d.step("sensors", func() { d.sensors(m.Sensors(ctx)) })
	d.health(out.Inventory.Disks, list)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("diagnostics were stopped: %w", err)
	}
	out.Checks, out.EndedAt = d.checks, time.Now().UTC()
	return out, nil
}

// diagnosing is one run.
type diagnosing struct {
	machine driver.Machine
	profile Profile
	report  Report
	total   uint64

	mu     sync.Mutex
	done   uint64
	checks []protocol.Check
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

// failed records a check that could not be run.
func (d *diagnosing) failed(name string, err error) {
	d.add(protocol.Check{Name: name, Verdict: protocol.VerdictError, Detail: "the check could not be run: " + err.Error()})
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

func (d *diagnosing) cpu(ctx context.Context) {
	r, err := d.machine.Stress(ctx, d.profile.CPU)
	if err != nil {
		d.failed("cpu", err)
		return
	}
	d.add(protocol.Check{
		Name:    "cpu",
		Verdict: verdict(r.Wrong > 0 || r.CPUs == 0 || r.Done == 0, false),
		Value:   fmt.Sprintf("%d of %d rounds wrong on %d processors", r.Wrong, r.Done, r.CPUs),
		Limit:   "0 wrong", Detail: r.Detail,
	})
}

// memory tests patterns, and then whether the error counters rose meanwhile.
func (d *diagnosing) memory(ctx context.Context, before driver.Sensors) {
	t, err := d.machine.TestMemory(ctx, d.profile.MemoryBytes, d.profile.Memory)
	if err != nil {
		d.failed("memory", err)
	} else {
		d.add(protocol.Check{
			Name: "memory", Verdict: verdict(t.Wrong > 0, false),
			Value: fmt.Sprintf("%d wrong words in %d MiB, %d patterns", t.Wrong, t.Bytes>>20, t.Passes),
			Limit: "0 wrong", Detail: t.Detail,
		})
	}
	now := d.machine.Sensors(ctx)
	if !now.ECC {
		d.add(protocol.Check{Name: "memory errors", Verdict: protocol.VerdictOK, Detail: "nothing counts memory errors here"})
		return
	}
	d.add(protocol.Check{
		Name:    "memory errors",
		Verdict: verdict(now.Uncorrected > 0 || now.Corrected > before.Corrected, now.Corrected > 0),
		Value:   fmt.Sprintf("%d corrected, %d uncorrected since boot", now.Corrected, now.Uncorrected),
		Limit:   "0 uncorrected, none during the test",
	})
}

// disks reads all of them side by side.
func (d *diagnosing) disks(ctx context.Context, list []protocol.DiskRef) {
	var wg sync.WaitGroup
	for _, ref := range list {
		wg.Go(func() {
			dev, err := driver.Open(ctx, d.machine, ref, driver.Read)
			if err != nil {
				d.step("disk "+ref.Name, func() { d.failed("disk "+ref.Name+" read", err) })
				return
			}
			d.step("disk "+ref.Name, func() { d.add(d.speed(ctx, dev, ref)) })
			d.step("disk "+ref.Name, func() { d.add(d.surface(ctx, dev, ref)) })
			if err := dev.Close(); err != nil && !errors.Is(err, context.Canceled) {
				d.failed("disk "+ref.Name+" close", err)
			}
		})
	}
	wg.Wait()
}
