package diagnose

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/smart"
	"github.com/steelyard/steelyard/protocol"
)

// Limits of what a drive says of itself; docs/diagnostics.md tells where they come from.
const (
	wearWarning = 90  // percent of the endurance that the vendor gave
	wearError   = 100 // percent
	spareRoom   = 10  // points above the drive's own threshold
	lostWarning = 1   // sectors or media errors
	lostError   = 100
	warmHDD     = 60 // °C, where the drive does not tell its own limit
	warmSSD     = 80
	slowerLink  = 0.99 // of the best rate
	notTested   = "not tested: "
)

// health judges what the drive said before and after it was tested.
func (d *diagnosing) health(k *disk) {
	d.add(k.smart())
	if k.after.Health != nil && k.after.Health.Celsius > 0 {
		d.add(k.temperature())
	}
	if k.after.Link.Now != "" {
		d.add(k.link())
	}
}

// smart is the drive's own summary.
func (k *disk) smart() protocol.Check {
	c := protocol.Check{Name: k.name("smart"), Part: k.part(), Verdict: protocol.VerdictOK, Detail: "serial " + k.ref.Serial}
	h := k.after.Health
	if h == nil {
		h = k.before.Health
	}
	if h == nil {
		c.Detail = join(c.Detail, notTested+first(k.after.Silent, "the drive's own summary was not read"))
		return c
	}
	last, tested := h.LastTest()
	lost, reported, cables := h.Lost(), has(h.Reported), rose(k.before.Health, h, func(h *smart.Health) *uint64 { return h.CRCErrors })
	grew := rose(k.before.Health, h, func(h *smart.Health) *uint64 { n := h.Lost(); return &n })
	worn := h.Spare >= 0 && h.SpareLimit >= 0 && h.Spare < h.SpareLimit+spareRoom && h.Spare < 100
	c.Verdict = verdict(
		!h.Passed || len(h.Failing) > 0 || h.Wear >= wearError || lost >= lostError || grew > 0 || tested && last.Failed,
		h.Wear >= wearWarning || worn || lost >= lostWarning || reported > 0 || cables > 0)
	c.Value, c.Limit = words(h), fmt.Sprintf("passed, wear < %d %%, nothing lost", wearWarning)
	c.Detail = join(c.Detail, strings.Join(h.Failing, ", "))
	if tested && last.Failed {
		c.Detail = join(c.Detail, fmt.Sprintf("its %s self-test at %d hours ended with: %s", strings.ToLower(last.Kind), last.Hours, last.Result))
	}
	if grew > 0 {
		c.Detail = join(c.Detail, fmt.Sprintf("%d more sectors were lost during the test", grew))
	}
	if cables > 0 {
		c.Detail = join(c.Detail, fmt.Sprintf("%d transfers were damaged during the test: look at the cable and the backplane", cables))
	} else if n := has(h.CRCErrors); n > 0 {
		c.Detail = join(c.Detail, fmt.Sprintf("%d damaged transfers since it was made, none during the test", n))
	}
	c.Figures = figures(h)
	return c
}

// rose is how much a counter grew between two looks.
func rose(before, after *smart.Health, count func(*smart.Health) *uint64) uint64 {
	if before == nil || after == nil {
		return 0
	}
	a, b := count(before), count(after)
	if a == nil || b == nil || *b < *a {
		return 0
	}
	return *b - *a
}

func has(n *uint64) uint64 {
	if n == nil {
		return 0
	}
	return *n
}

// words is the summary for a person; what the drive does not tell is left out.
func words(h *smart.Health) string {
	parts := []string{"passed"}
	if !h.Passed {
		parts[0] = "failed"
	}
	if h.Wear >= 0 {
		parts = append(parts, fmt.Sprintf("wear %d %%", h.Wear))
	}
	if h.Spare >= 0 {
		parts = append(parts, fmt.Sprintf("spare %d %%", h.Spare))
	}
	for _, n := range counts(h) {
		if n.count != nil && (n.always || *n.count > 0) {
			parts = append(parts, fmt.Sprintf("%d %s", *n.count, n.name))
		}
	}
	return strings.Join(parts, ", ")
}

type counted struct {
	name   string
	unit   string
	count  *uint64
	always bool // told even when it is 0
}

func counts(h *smart.Health) []counted {
	return []counted{
		{"reallocated", "sectors", h.Reallocated, true},
		{"pending", "sectors", h.Pending, true},
		{"uncorrectable", "sectors", h.Uncorrectable, false},
		{"media errors", "errors", h.MediaErrors, true},
		{"reported errors", "errors", h.Reported, false},
		{"cable errors", "errors", h.CRCErrors, false},
		{"power-on hours", "h", h.Hours, false},
	}
}

func figures(h *smart.Health) []protocol.Figure {
	var list []protocol.Figure
	if h.Wear >= 0 {
		list = append(list, against("wear", h.Wear, "%", wearWarning))
	}
	if h.Spare >= 0 {
		list = append(list, against("spare", h.Spare, "%", float64(max(h.SpareLimit, 0))))
	}
	for _, n := range counts(h) {
		if n.count != nil {
			list = append(list, figure(n.name, *n.count, n.unit))
		}
	}
	return list
}

// temperature is the drive's, the higher one of before and after.
func (k *disk) temperature() protocol.Check {
	h := k.after.Health
	now := h.Celsius
	if k.before.Health != nil {
		now = max(now, k.before.Health.Celsius)
	}
	warm, whose := h.WarmCelsius, "its own limit"
	if warm == 0 {
		warm, whose = warmSSD, "our limit; it tells none"
		if k.after.Kind == driver.KindHDD || h.Rotates {
			warm = warmHDD
		}
	}
	c := protocol.Check{
		Name: k.name("temperature"), Part: k.part(), Value: fmt.Sprintf("%d °C", now), Limit: fmt.Sprintf("< %d °C", warm),
		Verdict: verdict(h.HotCelsius > warm && now >= h.HotCelsius, now >= warm || h.TooWarm), Detail: join("serial "+k.ref.Serial, whose),
		Figures: []protocol.Figure{against("temperature", now, "°C", float64(warm))},
	}
	if h.WorstCelsius > 0 {
		c.Detail = join(c.Detail, fmt.Sprintf("it was never above %d °C", h.WorstCelsius))
		c.Figures = append(c.Figures, figure("highest ever", h.WorstCelsius, "°C"))
	}
	return c
}

// link compares what the drive is attached by with the best that it can do.
func (k *disk) link() protocol.Check {
	l := k.after.Link
	c := protocol.Check{Name: k.name("link"), Part: k.part(), Verdict: protocol.VerdictOK, Value: l.Now, Limit: l.Best, Detail: "serial " + k.ref.Serial}
	if l.NowRate > 0 && l.BestRate > 0 {
		c.Verdict = verdict(false, l.NowRate < slowerLink*l.BestRate)
		c.Figures = []protocol.Figure{against("link", l.NowRate, "MB/s", l.BestRate)}
	} else {
		c.Detail = join(c.Detail, "not compared: the slot does not tell what it can do")
	}
	return c
}

// selfTest lets the drive test itself. Where it cannot, nothing is held against it.
func (d *diagnosing) selfTest(ctx context.Context, k *disk) protocol.Check {
	c := protocol.Check{Name: k.name("self-test"), Part: k.part(), Verdict: protocol.VerdictOK, Limit: "passed", Detail: "serial " + k.ref.Serial}
	if k.before.Health == nil {
		c.Detail = join(c.Detail, notTested+k.before.Silent)
		return c
	}
	t, err := d.machine.SelfTest(ctx, k.ref, func(int) {})
	switch {
	case errors.Is(err, smart.ErrNoTest), errors.Is(err, smart.ErrSilent):
		c.Detail = join(c.Detail, notTested+err.Error())
	case err != nil:
		c.Detail = join(c.Detail, "not tested, because it could not be started or followed: "+err.Error())
	default:
		c.Value, c.Verdict = t.Result, verdict(t.Failed, false)
	}
	return c
}
