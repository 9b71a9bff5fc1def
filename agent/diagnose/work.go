package diagnose

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/protocol"
)

// slowClock is the part of their base clock that processors must keep under load; what they lose below is heat, power
// supply or a setting of the firmware.
const slowClock = 0.8

// cpu works the processors for a while.
func (d *diagnosing) cpu(ctx context.Context, span time.Duration) {
	r, err := d.machine.Stress(ctx, span)
	if err != nil {
		d.failed("cpu", "", err)
		return
	}
	d.add(judgeCPU("cpu", r))
}

func judgeCPU(name string, r driver.Rounds) protocol.Check {
	slow := r.BaseMHz > 0 && r.SlowestMHz > 0 && float64(r.SlowestMHz) < slowClock*float64(r.BaseMHz)
	c := protocol.Check{
		Name:    name,
		Verdict: verdict(r.Wrong > 0 || r.CPUs == 0 || r.Done == 0, r.Throttled > 0 || slow),
		Value:   fmt.Sprintf("%d of %d rounds wrong on %d processors", r.Wrong, r.Done, r.CPUs),
		Limit:   "0 wrong, no throttling", Detail: r.Detail,
		Figures: []protocol.Figure{against("wrong", r.Wrong, "rounds", 0), figure("rounds", r.Done, "rounds"), against("throttled", r.Throttled, "times", 0)},
	}
	if r.SlowestMHz > 0 {
		c.Figures = append(c.Figures, figure("slowest clock", r.SlowestMHz, "MHz"))
	}
	if r.Throttled > 0 {
		c.Detail = join(c.Detail, fmt.Sprintf("they slowed down %d times for heat: look at fans, air and heat sinks", r.Throttled))
	}
	if slow {
		c.Detail = join(c.Detail, fmt.Sprintf("one ran at %d MHz under load, its base clock is %d MHz", r.SlowestMHz, r.BaseMHz))
	}
	return c
}

// memory makes one pass with all patterns over as much memory as the profile and its time allow.
func (d *diagnosing) memory(ctx context.Context) {
	t, err := d.machine.TestMemory(ctx, d.profile.MemoryBytes, d.profile.Memory, 1, d.filled)
	if err != nil {
		d.failed("memory", "", err)
		return
	}
	d.add(judgeMemory("memory", t))
}

func (d *diagnosing) filled(pass int, done, total uint64) {
	d.report(done, total, "bytes", fmt.Sprintf("testing memory, pass %d", pass))
}

func judgeMemory(name string, t driver.Tested) protocol.Check {
	c := protocol.Check{
		Name: name, Verdict: verdict(t.Wrong > 0, false), Limit: "0 wrong", Detail: t.Detail,
		Value:   fmt.Sprintf("%d wrong words in %d MiB", t.Wrong, t.Bytes>>20),
		Figures: []protocol.Figure{against("wrong", t.Wrong, "words", 0), figure("tested", t.Bytes>>20, "MiB"), figure("passes", t.Passes, "passes")},
	}
	if t.Bytes < t.Of {
		c.Detail = join(c.Detail, fmt.Sprintf("%d MiB were to be tested; the time was over", t.Of>>20))
	}
	return c
}

// load is the burn-in: processors and memory in turn, all disks all the time.
func (d *diagnosing) load(ctx context.Context) {
	over, cancel := context.WithTimeout(ctx, d.profile.Load)
	defer cancel()
	start := time.Now()
	var reading sync.WaitGroup
	for _, k := range d.disks {
		reading.Go(func() { k.loaded, k.loadedErr = d.readAround(over, k) })
	}
	var rounds driver.Rounds
	var tested driver.Tested
	var failed error
	for over.Err() == nil && failed == nil {
		failed = d.loadOnce(over, start, &rounds, &tested)
	}
	if failed != nil && over.Err() == nil {
		d.failed("load", "", failed)
	}
	cancel()
	reading.Wait()
	d.add(judgeCPU("cpu load", rounds))
	d.add(judgeMemory("memory load", tested))
	for _, k := range d.disks {
		d.add(judgeLoad(k, time.Since(start)))
	}
}

// loadOnce is one round; what came of it is added up.
func (d *diagnosing) loadOnce(over context.Context, start time.Time, rounds *driver.Rounds, tested *driver.Tested) error {
	tell := func(note string) {
		d.report(uint64(min(time.Since(start), d.profile.Load)/time.Second), uint64(d.profile.Load/time.Second), "seconds", note)
	}
	tell("burn-in: processors")
	r, err := d.machine.Stress(over, min(loadRound, d.profile.Load/2))
	if err != nil {
		return err
	}
	rounds.CPUs, rounds.Done, rounds.Wrong, rounds.Throttled = r.CPUs, rounds.Done+r.Done, rounds.Wrong+r.Wrong, rounds.Throttled+r.Throttled
	rounds.Detail, rounds.BaseMHz = first(rounds.Detail, r.Detail), r.BaseMHz
	if r.SlowestMHz > 0 && (rounds.SlowestMHz == 0 || r.SlowestMHz < rounds.SlowestMHz) {
		rounds.SlowestMHz = r.SlowestMHz
	}
	d.feel(d.machine.Sensors(over))
	tell("burn-in: memory")
	t, err := d.machine.TestMemory(over, d.profile.MemoryBytes, min(loadRound, d.profile.Load/2), 0, func(int, uint64, uint64) { tell("burn-in: memory") })
	if over.Err() != nil {
		err = nil // its time is over; what was tested counts
	}
	tested.Bytes, tested.Of = max(tested.Bytes, t.Bytes), max(tested.Of, t.Of)
	tested.Passes, tested.Wrong, tested.Detail = tested.Passes+t.Passes, tested.Wrong+t.Wrong, first(tested.Detail, t.Detail)
	d.feel(d.machine.Sensors(over))
	return err
}

// feel remembers how hot it was under load.
func (d *diagnosing) feel(s driver.Sensors) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.hottest == nil {
		d.hottest = map[string]driver.Temperature{}
	}
	for _, t := range s.Temperatures {
		if old, ok := d.hottest[t.Name]; !ok || t.Celsius > old.Celsius {
			d.hottest[t.Name] = t
		}
	}
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// join makes one text of two that may be empty.
func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}
