package diagnose

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/bmc"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// lossWarning is the part of echo requests that may get lost, in percent: gateways answer them when they have time.
const lossWarning = 5

// ports compares each link with the best that the port can do. A port without a cable is no
// fault; that all of them are without one is.
func (d *diagnosing) ports(ctx context.Context, nics []hardware.NIC, before map[string]driver.Counters) {
	now := d.machine.Counters(ctx)
	for _, n := range nics {
		d.add(port(n))
		old, ok := before[n.Name]
		if c, still := now[n.Name]; ok && still {
			d.add(traffic(n, old, c))
		}
		if n.Link && d.profile.Echoes > 0 {
			d.add(d.gateway(ctx, n))
		}
	}
	linked := slices.ContainsFunc(nics, func(n hardware.NIC) bool { return n.Link })
	if len(nics) > 0 && !linked {
		d.add(protocol.Check{Name: "network", Verdict: protocol.VerdictError, Value: "no link", Limit: "one port with a link", Detail: "plug a cable in, or look at the switch"})
	}
}

func port(n hardware.NIC) protocol.Check {
	c := protocol.Check{Name: "nic " + n.Name + " link", Part: n.PermanentMAC, Verdict: protocol.VerdictOK, Detail: "MAC " + n.PermanentMAC}
	switch {
	case !n.Link:
		c.Value = "no link"
	case n.SpeedMbps <= 0 || n.MaxMbps <= 0:
		c.Value = "link, speed not known"
	default:
		c.Value, c.Limit = fmt.Sprintf("%d Mbit/s", n.SpeedMbps), fmt.Sprintf("%d Mbit/s", n.MaxMbps)
		c.Verdict = verdict(false, n.SpeedMbps < n.MaxMbps)
		c.Figures = []protocol.Figure{against("speed", n.SpeedMbps, "Mbit/s", float64(n.MaxMbps))}
	}
	return c
}

// framesPerError is how many frames have to pass for one that may be damaged: 1000BASE-T may damage one bit in 10^10 (IEEE 802.3,
// 40.1), that is one long frame in 800,000, and every kind that came after it fewer.
const framesPerError = 100_000

// traffic tells what went wrong on a port since the start, of the frames since the start. Frames that were dropped in good order, had a
// wrong length, or came faster than the machine took them, are told, and no more: a switch sends what nobody asked for.
func traffic(n hardware.NIC, before, now driver.Counters) protocol.Check {
	grew := func(a, b uint64) uint64 {
		if b < a {
			return 0
		}
		return b - a
	}
	frames, damaged, excused := grew(before.Frames, now.Frames), grew(before.Damaged, now.Damaged), grew(before.Excused, now.Excused)
	failed, dropped, changes := grew(before.Errors, now.Errors), grew(before.Dropped, now.Dropped), grew(before.Changes, now.Changes)
	failed -= min(failed, excused) // many drivers count them as errors
	most := frames / framesPerError
	c := protocol.Check{
		Name: "nic " + n.Name + " errors", Part: n.PermanentMAC, Verdict: verdict(false, failed > most || damaged > most || changes > 0),
		Value: fmt.Sprintf("%d errors, %d damaged frames, %d changes of the link, %d of a wrong length or missed, %d dropped in %d frames during the test", failed, damaged, changes, excused, dropped, frames),
		Limit: fmt.Sprintf("%d errors (one in %d frames), no change of the link", most, framesPerError),
		Figures: []protocol.Figure{
			against("errors", failed, "frames", float64(most)), against("damaged", damaged, "frames", float64(most)), against("link changes", changes, "times", 0),
			figure("wrong length or missed", excused, "frames"), figure("dropped", dropped, "frames"), figure("passed", frames, "frames"),
		},
	}
	if c.Verdict != protocol.VerdictOK {
		c.Detail = "look at the cable, the optics and the port of the switch"
	}
	return c
}

// gateway sends echo requests out of the port. One that never answers may be told not to, and is not held against the port.
func (d *diagnosing) gateway(ctx context.Context, n hardware.NIC) protocol.Check {
	c := protocol.Check{Name: "nic " + n.Name + " gateway", Part: n.PermanentMAC, Verdict: protocol.VerdictOK}
	e, err := d.machine.Gateway(ctx, n.Name, d.profile.Echoes)
	switch {
	case errors.Is(err, driver.ErrUnsupported):
		c.Detail = notTested + "no gateway is reached by this port"
		return c
	case err != nil:
		c.Detail = notTested + err.Error()
		return c
	case e.Received == 0:
		c.Detail = notTested + "gateway " + e.Gateway + " answers no echo requests"
		return c
	}
	loss := 100 * float64(e.Sent-e.Received) / float64(max(e.Sent, 1))
	c.Value = fmt.Sprintf("%d of %d lost, median %s, slowest %s", e.Sent-e.Received, e.Sent, short(e.Median), short(e.Worst))
	c.Limit, c.Detail = fmt.Sprintf("≤ %d %% lost", lossWarning), "gateway "+e.Gateway
	c.Verdict = verdict(false, loss > lossWarning)
	c.Figures = []protocol.Figure{against("loss", loss, "%", lossWarning), figure("round trip", e.Median.Seconds()*1e3, "ms")}
	return c
}

// sensors compares temperatures and fans with the sensors' own limits, and error counters with what they were before.
func (d *diagnosing) sensors(before, now driver.Sensors) {
	d.feel(before)
	d.feel(now)
	d.add(d.temperature(now))
	if len(now.Fans) > 0 {
		d.add(fans(now.Fans))
	}
	d.errors(before, now)
	if now.Checked {
		d.add(machineChecks(before, now))
	}
}

// temperature judges each sensor at its highest, and tells of the worst one.
func (d *diagnosing) temperature(now driver.Sensors) protocol.Check {
	c := protocol.Check{Name: "temperature", Verdict: protocol.VerdictOK, Detail: notTested + "no sensor is readable here"}
	for i, t := range now.Temperatures {
		t.Celsius = max(t.Celsius, d.hottest[t.Name].Celsius)
		v := verdict(t.Critical > 0 && t.Celsius >= t.Critical, t.High > 0 && t.Celsius >= t.High)
		if i == 0 || worse(v, c.Verdict) {
			c.Verdict, c.Detail, c.Part = v, t.Name, t.Name
			c.Value, c.Limit = fmt.Sprintf("%.0f °C", t.Celsius), limit(t)
		}
		if len(c.Figures) < protocol.MaxFigures {
			c.Figures = append(c.Figures, figure(t.Name, t.Celsius, "°C"))
		}
	}
	c.Part = ""
	return c
}

func fans(list []driver.Fan) protocol.Check {
	c := protocol.Check{Name: "fans", Verdict: protocol.VerdictOK, Value: fmt.Sprintf("%d turn", len(list)), Limit: "each above its own limit"}
	for _, f := range list {
		if f.Alarm || f.RPM < f.Least {
			c.Verdict = protocol.VerdictWarning
			c.Detail = join(c.Detail, fmt.Sprintf("%s turns at %.0f rpm, its limit is %.0f", f.Name, f.RPM, f.Least))
		}
		if len(c.Figures) < protocol.MaxFigures {
			c.Figures = append(c.Figures, figure(f.Name, f.RPM, "rpm"))
		}
	}
	return c
}

// errors tells what the memory controllers counted, and on which modules.
func (d *diagnosing) errors(before, now driver.Sensors) {
	if !now.ECC {
		d.add(protocol.Check{Name: "memory errors", Verdict: protocol.VerdictOK, Detail: notTested + "nothing counts memory errors here"})
		return
	}
	c := protocol.Check{
		Name:    "memory errors",
		Verdict: verdict(now.Uncorrected > 0 || now.Corrected > before.Corrected, now.Corrected > 0),
		Value:   fmt.Sprintf("%d corrected, %d uncorrected since boot", now.Corrected, now.Uncorrected),
		Limit:   "0 uncorrected, none during the test",
		Figures: []protocol.Figure{against("corrected", now.Corrected, "errors", 0), against("uncorrected", now.Uncorrected, "errors", 0)},
	}
	for _, m := range now.DIMMs {
		if m.Corrected+m.Uncorrected > 0 {
			c.Detail = join(c.Detail, fmt.Sprintf("module %s: %d corrected, %d uncorrected", m.Label, m.Corrected, m.Uncorrected))
		}
	}
	d.add(c)
}

// machineChecks tells what the processors counted.
func machineChecks(before, now driver.Sensors) protocol.Check {
	return protocol.Check{
		Name: "machine checks",
		Verdict: verdict(now.MachineChecks > before.MachineChecks,
			now.MachineChecks > 0 || now.Deferred > before.Deferred),
		Value:   fmt.Sprintf("%d exceptions, %d corrected or deferred errors since boot", now.MachineChecks, now.Deferred),
		Limit:   "0 exceptions, nothing during the test",
		Figures: []protocol.Figure{against("exceptions", now.MachineChecks, "errors", 0), figure("corrected", now.Deferred, "errors")},
	}
}

// bmc asks the management controller from inside.
func (d *diagnosing) bmc(ctx context.Context, out *protocol.Diagnosis) {
	c := protocol.Check{Name: "bmc", Verdict: protocol.VerdictOK, Value: "none seen from here"}
	b, err := d.machine.BMC(ctx)
	switch {
	case errors.Is(err, driver.ErrUnsupported):
	case err != nil:
		c.Verdict, c.Value, c.Limit = protocol.VerdictWarning, "no answer", "it answers"
		c.Detail = err.Error() + "; take the machine off its supply for a minute, and look at the module ipmi_si"
	default:
		c.Value, c.Part, c.Limit = "firmware "+b.Firmware+", IPMI "+b.IPMI, b.MAC, "it answers and passed its own test"
		c.Detail = fmt.Sprintf("maker %d", b.Manufacturer)
		out.BMCAddresses = b.Addresses
		if len(b.Addresses) > 0 {
			c.Value += ", address " + strings.Join(b.Addresses, ", ")
		}
		if b.SelfTest != "" {
			c.Verdict, c.Detail = protocol.VerdictWarning, join("its own test found "+b.SelfTest, c.Detail)
		}
	}
	d.add(c)
	if len(b.Sensors) > 0 {
		d.add(chassis(b.Sensors))
	}
}

// chassis judges what the management controller measures, by its own thresholds: supplies, voltages, air, fans.
func chassis(list []bmc.Sensor) protocol.Check {
	c := protocol.Check{Name: "bmc sensors", Verdict: protocol.VerdictOK, Value: fmt.Sprintf("%d read", len(list)), Limit: "each within its own thresholds"}
	for _, s := range list {
		if v := verdict(s.State == bmc.StateCritical, s.State == bmc.StateWarning); v != protocol.VerdictOK {
			c.Detail = join(c.Detail, strings.TrimSpace(fmt.Sprintf("%s is at %.4g %s (%s)", s.Name, s.Value, s.Unit, s.State)))
			if worse(v, c.Verdict) {
				c.Verdict = v
			}
		}
		if len(c.Figures) < protocol.MaxFigures {
			c.Figures = append(c.Figures, figure(s.Name, s.Value, s.Unit))
		}
	}
	return c
}

var order = []string{protocol.VerdictOK, protocol.VerdictWarning, protocol.VerdictError}

func worse(a, b string) bool { return slices.Index(order, a) > slices.Index(order, b) }

func limit(t driver.Temperature) string {
	switch {
	case t.High > 0:
		return fmt.Sprintf("%.0f °C", t.High)
	case t.Critical > 0:
		return fmt.Sprintf("%.0f °C", t.Critical)
	default:
		return ""
	}
}
