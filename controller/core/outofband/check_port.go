package outofband

import (
	"math"
	"strconv"
	"strings"

	"github.com/steelyard/steelyard/pkg/fault"
)

// MaxPorts is the most ports of one server.
const MaxPorts = 16

var selectors = []string{ByName, ByAlias, ByIndex, ByMAC, ByLLDP}

// Normal is p with its value in the form that is stored; a wrong one stays as it is.
func (p Port) Normal() Port {
	switch p.By {
	case ByMAC, ByLLDP:
		if mac, err := ParseMAC(p.Value); err == nil {
			p.Value = mac
		}
	case ByIndex:
		if n, err := strconv.Atoi(p.Value); err == nil {
			p.Value = strconv.Itoa(n)
		}
	default:
		p.Value = strings.TrimSpace(p.Value)
	}
	return p
}

// Name says which port it is, the same for the same selector: "<switch>/<by>/<value>".
func (p Port) Name() string { return p.Switch + "/" + p.By + "/" + p.Value }

// Check records what is wrong with the port by itself; field is the name of its
// entry ("ports[0]").
func (p Port) Check(c *fault.Check, field string) {
	c.Require(p.Switch != "", field+".switch", "is empty; name the switch")
	c.Require(0 <= p.VLAN && p.VLAN <= MaxVLAN, field+".vlan", "is %d; give 1 to %d, or 0 to leave the VLAN alone", p.VLAN, MaxVLAN)
	if !oneOf(c, field+".by", p.By, selectors) {
		return
	}
	switch p.By {
	case ByMAC, ByLLDP:
		if _, err := ParseMAC(p.Value); err != nil {
			c.Add(field+".value", "%v", err)
		}
	case ByIndex:
		n, err := strconv.Atoi(p.Value)
		c.Require(err == nil && 1 <= n && n <= math.MaxInt32, field+".value", "is %.40q; an ifIndex is a whole number from 1", p.Value)
	default:
		checkText(c, field+".value", p.Value, MaxCredential)
	}
}

// CheckVLAN records a service VLAN that does not go with the switch: a port that was put into
// quarantine must have a VLAN to come back to.
func (p Port) CheckVLAN(c *fault.Check, field string, s Switch) {
	switch {
	case s.QuarantineVLAN == 0:
	case p.VLAN == 0:
		c.Add(field+".vlan", "is not given; switch %s has quarantine VLAN %d, so say in which VLAN the port is in service", s.Name, s.QuarantineVLAN)
	case p.VLAN == s.QuarantineVLAN:
		c.Add(field+".vlan", "is the quarantine VLAN of switch %s; give the one in service", s.Name)
	}
}
