package diagnose

import (
	"fmt"
	"slices"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// ports compares each link with the best that the port can do. A port without a cable is no
// fault; that all of them are without one is.
func (d *diagnosing) ports(nics []hardware.NIC) {
	for _, n := range nics {
		d.add(port(n))
	}
	linked := slices.ContainsFunc(nics, func(n hardware.NIC) bool { return n.Link })
	if len(nics) > 0 && !linked {
		d.add(protocol.Check{Name: "network", Verdict: protocol.VerdictError, Value: "no link", Limit: "one port with a link", Detail: "plug a cable in, or look at the switch"})
	}
}

func port(n hardware.NIC) protocol.Check {
	c := protocol.Check{Name: "nic " + n.Name + " link", Verdict: protocol.VerdictOK, Detail: "MAC " + n.PermanentMAC}
	switch {
	case !n.Link:
		c.Value = "no link"
	case n.SpeedMbps <= 0 || n.MaxMbps <= 0:
		c.Value = "link, speed not known"
	default:
		c.Value, c.Limit = fmt.Sprintf("%d Mbit/s", n.SpeedMbps), fmt.Sprintf("%d Mbit/s", n.MaxMbps)
		c.Verdict = verdict(false, n.SpeedMbps < n.MaxMbps)
	}
	return c
}

// sensors compares the hottest sensor with its own limits and names the management controller.
func (d *diagnosing) sensors(s driver.Sensors) {
	c := protocol.Check{Name: "temperature", Verdict: protocol.VerdictOK, Detail: "no sensor is readable here"}
	for i, t := range s.Temperatures {
		v := verdict(t.Critical > 0 && t.Celsius >= t.Critical, t.High > 0 && t.Celsius >= t.High)
		if i == 0 || worse(v, c.Verdict) {
			c.Verdict, c.Detail = v, t.Name
			c.Value, c.Limit = fmt.Sprintf("%.0f °C", t.Celsius), limit(t)
		}
	}
	d.add(c)
	bmc := protocol.Check{Name: "bmc", Verdict: protocol.VerdictOK, Value: "none seen from here"}
	if s.BMC {
		bmc.Value = "present"
	}
	d.add(bmc)
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
