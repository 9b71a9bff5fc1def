package outofband

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Limits of credentials, in bytes.
const (
	MaxIPMIUsername = 16 // IPMI 2.0, section 22.28
	MaxIPMIPassword = 20 // IPMI 2.0, section 22.30
	MaxCredential   = 255
	maxSystem       = 128
)

var drivers = []string{DriverIPMI, DriverRedfish, DriverWOL, DriverAgent, DriverManual}

// Remote reports whether the driver logs in somewhere.
func (b BMC) Remote() bool { return b.Driver == DriverIPMI || b.Driver == DriverRedfish }

// Normal is b with its addresses in the form that is stored; one that is wrong stays
// as it is.
func (b BMC) Normal() BMC {
	if host, port, err := b.endpoint(); err == nil {
		switch b.Driver {
		case DriverIPMI:
			b.Address = joinAddress(host, port, PortIPMI)
		case DriverWOL:
			b.Address = joinAddress(host, port, PortWOL)
		case DriverRedfish:
			if strings.Contains(host, ":") && port == PortRedfish {
				host = "[" + host + "]"
			}
			b.Address = "https://" + joinURL(host, port)
		}
	}
	if mac, err := ParseMAC(b.MAC); err == nil {
		b.MAC = mac
	}
	return b
}

func joinURL(host string, port uint16) string {
	if port == PortRedfish {
		return host
	}
	return joinAddress(host, port, 0)
}

// Place is where the controller is, whatever is spoken there: two servers with one
// place would be one machine. "" is nowhere. A host name and its address are two places.
func (b BMC) Place() string {
	host, port, err := b.endpoint()
	standard := map[string]uint16{DriverIPMI: PortIPMI, DriverRedfish: PortRedfish}[b.Driver]
	if err != nil || standard == 0 {
		return ""
	}
	if port == standard {
		return host
	}
	return joinAddress(host, port, 0)
}

func (b BMC) endpoint() (host string, port uint16, err error) {
	switch b.Driver {
	case DriverRedfish:
		return splitURL(b.Address)
	case DriverWOL:
		return SplitAddress(b.Address, PortWOL)
	}
	return SplitAddress(b.Address, PortIPMI)
}

// Check records every field that is wrong by itself. The password is not among
// them: see [CheckPassword].
func (b BMC) Check(c *fault.Check) {
	if !slices.Contains(drivers, b.Driver) {
		c.Add("driver", "is %.40q; use %s", b.Driver, strings.Join(drivers, ", "))
		return
	}
	needs(c, b.Driver, "address", b.Address, b.Remote() || b.Driver == DriverWOL, func() {
		if _, _, err := b.endpoint(); err != nil {
			c.Add("address", "%v", err)
		}
	})
	needs(c, b.Driver, "username", b.Username, b.Remote(), func() {
		most := map[string]int{DriverIPMI: MaxIPMIUsername, DriverRedfish: MaxCredential}[b.Driver]
		checkText(c, "username", b.Username, most)
	})
	needs(c, b.Driver, "mac", b.MAC, b.Driver == DriverWOL, func() {
		if _, err := ParseMAC(b.MAC); err != nil {
			c.Add("mac", "%v", err)
		}
	})
	if b.System != "" {
		needs(c, b.Driver, "system", b.System, b.Driver == DriverRedfish, func() { checkText(c, "system", b.System, maxSystem) })
	}
	c.Require(!b.AllowWeak || b.Driver == DriverIPMI, "allow_weak", "is for the cipher suites of driver %s only", DriverIPMI)
	checkSimulator(c, b.Simulator)
}

// maxName is the longest name that people give, in bytes.
const maxName = 400

// needs checks a field that the driver needs, and refuses it where nothing would use it.
func needs(c *fault.Check, driver, field, value string, needed bool, check func()) {
	switch {
	case needed:
		check()
	case value != "":
		c.Add(field, "means nothing to driver %s; leave it out", driver)
	}
}

func checkText(c *fault.Check, field, value string, most int) {
	printable := !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError })
	c.Require(value != "" && len(value) <= most && printable, field, "is empty, longer than %d bytes, or not printable", most)
}

func checkSimulator(c *fault.Check, name string) {
	if name != "" {
		checkText(c, "simulator", strings.TrimSpace(name), maxName)
	}
}

// CheckPassword records a password that the driver cannot use. It is never shown.
func CheckPassword(c *fault.Check, driver, password string) {
	most := MaxCredential
	if driver == DriverIPMI {
		most = MaxIPMIPassword
	}
	c.Require(len(password) <= most, "password", "is longer than the %d bytes that driver %s has", most, driver)
	c.Require(!strings.ContainsRune(password, 0), "password", "holds a zero byte")
}

// SameTarget reports whether a stored password of b may be used for after: it would go to the same
// place, as the same user.
func (b BMC) SameTarget(after BMC) bool {
	return b.Driver == after.Driver && b.Address == after.Address && b.Username == after.Username
}

// SameMachine reports whether b and after reach the same machine.
func (b BMC) SameMachine(after BMC) bool {
	return b.Driver == after.Driver && b.Address == after.Address && b.System == after.System && b.MAC == after.MAC
}
