package outofband

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/pkg/fault"
)

func TestX13_AddressesAreReadInOneForm(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.5": "10.0.0.5|623", "10.0.0.5:6230": "10.0.0.5|6230", "BMC7.Example.NET.": "bmc7.example.net|623", "bmc7:1": "bmc7|1",
		"2001:DB8::1": "2001:db8::1|623", "[2001:db8:0::1]": "2001:db8::1|623", "[2001:db8::1]:99": "2001:db8::1|99", "::ffff:10.0.0.5": "10.0.0.5|623",
		"127.0.0.1:9": "127.0.0.1|9",
	} {
		host, port, err := SplitAddress(text, 623)
		if got := joinAddress(host, port, 0); err != nil || got != joinAddress(strings.Split(want, "|")[0], atoi(strings.Split(want, "|")[1]), 0) {
			t.Errorf("%q is %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "10.0.0", "10.0.0.300", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "fe80::1%eth0", "[fe80::1%25eth0]:623", "host:0", "host:65536", "host:", "host:x",
		":623", "a b", "a_b", "-a", "user@host", "http://host", "host/path", "[10.0.0.5]", "[host]:1", "2001:db8::1:99999", "[2001:db8::1", "1.2", "x.123",
		strings.Repeat("a", 400), "host\n", "hö",
	} {
		if host, port, err := SplitAddress(text, 623); err == nil {
			t.Errorf("%q is taken for %s port %d", text, host, port)
		}
	}
}

func atoi(s string) (n uint16) {
	for _, d := range s {
		n = n*10 + uint16(d-'0')
	}
	return n
}

func fieldsOf(check func(c *fault.Check)) (names []string) {
	var c fault.Check
	check(&c)
	err := c.Err("x")
	if err == nil {
		return nil
	}
	for _, f := range fault.From(err).Fields {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func TestX13_EveryWrongFieldOfAManagementControllerIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		b    BMC
		want string
	}{
		"ipmi":               {BMC{Driver: DriverIPMI, Address: "10.0.0.5", Username: "root"}, ""},
		"ipmi of nothing":    {BMC{Driver: DriverIPMI}, "address username"},
		"ipmi of everything": {BMC{Driver: DriverIPMI, Address: "a b", Username: strings.Repeat("x", 17), MAC: "x", System: "1", Simulator: " "}, "address mac simulator system username"},
		"redfish":            {BMC{Driver: DriverRedfish, Address: "https://10.0.0.5/", Username: "root", System: "1"}, ""},
		"redfish in clear":   {BMC{Driver: DriverRedfish, Address: "http://10.0.0.5", Username: "root"}, "address"},
		"redfish with path":  {BMC{Driver: DriverRedfish, Address: "https://10.0.0.5/redfish/v1", Username: "root"}, "address"},
		"redfish with user":  {BMC{Driver: DriverRedfish, Address: "https://u:p@10.0.0.5", Username: "root"}, "address"},
		"redfish, no scheme": {BMC{Driver: DriverRedfish, Address: "10.0.0.5", Username: "root", AllowWeak: true}, "address allow_weak"},
		"wol":                {BMC{Driver: DriverWOL, Address: "10.0.0.255", MAC: "02-00-00-00-00-01"}, ""},
		"wol of a group":     {BMC{Driver: DriverWOL, Address: "10.0.0.255:7", MAC: "01:00:5e:00:00:01", Username: "x"}, "mac username"},
		"agent":              {BMC{Driver: DriverAgent}, ""},
		"agent with address": {BMC{Driver: DriverAgent, Address: "x"}, "address"},
		"unknown":            {BMC{Driver: "ilo"}, "driver"},
	} {
		if got := strings.Join(fieldsOf(c.b.Check), " "); got != c.want {
			t.Errorf("%s: %q is named, not %q", name, got, c.want)
		}
	}
	if got := fieldsOf(func(c *fault.Check) { CheckPassword(c, DriverIPMI, strings.Repeat("x", 21)) }); len(got) != 1 {
		t.Error("an IPMI password of 21 bytes was accepted")
	}
}

func TestX5_OneManagementControllerHasOnePlace(t *testing.T) {
	same := []BMC{
		{Driver: DriverIPMI, Address: "10.0.0.5"},
		{Driver: DriverIPMI, Address: "10.0.0.5:623"},
		{Driver: DriverIPMI, Address: "::ffff:10.0.0.5"},
		{Driver: DriverRedfish, Address: "https://10.0.0.5"},
		{Driver: DriverRedfish, Address: "https://10.0.0.5:443/"},
	}
	for _, b := range same {
		if b.Place() != "10.0.0.5" || b.Normal().Place() != "10.0.0.5" {
			t.Errorf("%s %s is at %q", b.Driver, b.Address, b.Place())
		}
	}
	for _, b := range []BMC{{Driver: DriverIPMI, Address: "10.0.0.5:6230"}, {Driver: DriverIPMI, Address: "10.0.0.6"}, {Driver: DriverWOL, Address: "10.0.0.5"}, {Driver: DriverManual}} {
		if b.Place() == "10.0.0.5" {
			t.Errorf("%s %s is at %q", b.Driver, b.Address, b.Place())
		}
	}
	for in, want := range map[string]string{"https://[2001:DB8::1]:443/": "https://[2001:db8::1]", "https://[2001:db8::1]:8443": "https://[2001:db8::1]:8443", "https://BMC.example.net:443": "https://bmc.example.net", "https://10.0.0.5:99/": "https://10.0.0.5:99"} {
		if got := (BMC{Driver: DriverRedfish, Address: in}).Normal().Address; got != want {
			t.Errorf("%s is stored as %s, not %s", in, got, want)
		}
	}
	if got := (BMC{Driver: DriverIPMI, Address: "2001:db8::1"}).Normal().Address; got != "[2001:db8::1]:623" {
		t.Errorf("a bare IPv6 address is stored as %s", got)
	}
}

func TestX13_EveryWrongFieldOfASwitchIsNamed(t *testing.T) {
	v2 := Switch{Name: "sw1", Driver: SwitchSNMP, Address: "10.0.0.1", Version: SNMPv2c}
	v3 := Switch{Name: "sw1", Driver: SwitchSNMP, Address: "10.0.0.1:1161", Version: SNMPv3, Username: "steelyard", AuthProtocol: "SHA-256", PrivProtocol: "AES", QuarantineVLAN: 4094}
	for name, c := range map[string]struct {
		s    Switch
		want string
	}{
		"2c": {v2, ""}, "3": {v3, ""}, "manual": {Switch{Name: "sw1", Driver: SwitchManual}, ""},
		"nothing":         {Switch{}, "driver"},
		"snmp of nothing": {Switch{Name: "x", Driver: SwitchSNMP}, "address version"},
		"2c with a user":  {func() Switch { s := v2; s.Username, s.AuthProtocol, s.PrivProtocol = "x", "SHA", "AES"; return s }(), "auth priv username"},
		"3 with MD5": {func() Switch {
			s := v3
			s.AuthProtocol, s.PrivProtocol, s.QuarantineVLAN = "MD5", "DES", 4095
			return s
		}(), "auth priv quarantine_vlan"},
		"3 without a user":  {func() Switch { s := v3; s.Username, s.AuthProtocol, s.PrivProtocol = "", "", ""; return s }(), "auth priv username"},
		"1":                 {func() Switch { s := v2; s.Version, s.QuarantineVLAN = "1", -1; return s }(), "quarantine_vlan version"},
		"manual, with snmp": {Switch{Name: "sw1", Driver: SwitchManual, Address: "10.0.0.1", Version: "2c"}, "address version"},
	} {
		if got := strings.Join(fieldsOf(c.s.Check), " "); got != c.want {
			t.Errorf("%s: %q is named, not %q", name, got, c.want)
		}
	}
	if len(fieldsOf(func(c *fault.Check) { CheckSNMPPassword(c, "auth_password", "7 bytes") })) != 1 {
		t.Error("a password of 7 bytes was accepted (RFC 3414)")
	}
}

func TestX13_EveryWrongFieldOfAPortIsNamed(t *testing.T) {
	for _, p := range []Port{
		{Switch: "swi-1", By: ByName, Value: "Gi1/0/7"},
		{Switch: "swi-1", By: ByIndex, Value: "10107", VLAN: 12},
		{Switch: "swi-1", By: ByMAC, Value: "0200.0000.0001"},
		{Switch: "swi-1", By: ByLLDP, Value: "02:00:00:00:00:01"},
		{Switch: "swi-1", By: ByAlias, Value: "srv 7, eth0"},
	} {
		if got := fieldsOf(func(c *fault.Check) { p.Normal().Check(c, "p") }); got != nil {
			t.Errorf("%+v: %v", p, got)
		}
	}
	for _, p := range []Port{
		{Switch: "swi-1", By: ByName},
		{Switch: "swi-1", By: ByIndex, Value: "0"},
		{Switch: "swi-1", By: ByIndex, Value: "2147483648"},
		{Switch: "swi-1", By: ByMAC, Value: "Gi1"},
		{Switch: "swi-1", By: "number", Value: "1"},
		{By: ByName, Value: "x"},
		{Switch: "swi-1", By: ByName, Value: "x", VLAN: 4095},
		{Switch: "swi-1", By: ByLLDP, Value: "ff:ff:ff:ff:ff:ff"},
	} {
		if got := fieldsOf(func(c *fault.Check) { p.Normal().Check(c, "p") }); len(got) != 1 {
			t.Errorf("%+v: %v", p, got)
		}
	}
	if a, b := (Port{Switch: "s", By: ByMAC, Value: "02-00-00-00-00-0A"}).Normal(), (Port{Switch: "s", By: ByMAC, Value: "0200.0000.000a"}).Normal(); a.Name() != b.Name() {
		t.Errorf("one address has two names: %s, %s", a.Name(), b.Name())
	}
	q := Switch{Name: "sw1", QuarantineVLAN: 99}
	for vlan, ok := range map[int]bool{0: false, 99: false, 100: true} {
		if got := fieldsOf(func(c *fault.Check) { Port{VLAN: vlan}.CheckVLAN(c, "p", q) }); (got == nil) != ok {
			t.Errorf("VLAN %d: %v", vlan, got)
		}
	}
}

// Whatever is accepted is stored in a form that is accepted again, and stays in one place.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"10.0.0.5", "[2001:db8::1]:623", "host:1", "https://host:443/", "https://[::1]", "a:b:c", "::ffff:1.2.3.4", "https://u@h", "%", "[", "x.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, driver := range []string{DriverIPMI, DriverRedfish, DriverWOL} {
			b := BMC{Driver: driver, Address: text}
			host, port, err := b.endpoint()
			if err != nil {
				continue
			}
			if _, ip := netip.ParseAddr(host); port == 0 || strings.ContainsAny(host, "/@?#%[] \n") || ip != nil && strings.Contains(host, ":") {
				t.Fatalf("%s %q is host %q port %d", driver, text, host, port)
			}
			n := b.Normal()
			again, samePort, err := n.endpoint()
			if err != nil || again != host || samePort != port || n.Normal().Address != n.Address || n.Place() != b.Place() {
				t.Fatalf("%s %q is stored as %q, which is %q %d, %v", driver, text, n.Address, again, samePort, err)
			}
		}
	})
}

func FuzzPort(f *testing.F) {
	f.Add("mac", "0200.0000.0001")
	f.Add("index", "007")
	f.Add("name", " Gi1/0/1 ")
	f.Fuzz(func(t *testing.T, by, value string) {
		p := Port{Switch: "swi-1", By: by, Value: value}.Normal()
		if fieldsOf(func(c *fault.Check) { p.Check(c, "p") }) == nil && p.Normal() != p {
			t.Fatalf("%q becomes %q becomes %q", value, p.Value, p.Normal().Value)
		}
	})
}
