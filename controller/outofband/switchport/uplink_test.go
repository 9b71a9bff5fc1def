package switchport

import (
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/outofband/switchport/snmpsim"
	"github.com/steelyard/steelyard/pkg/fault"
)

// A port that leads to more than one machine is not shut because one of them was heard there.
func TestB31_AnUplinkIsNotShutByAConclusion(t *testing.T) {
	mac := func(n byte) [6]byte { return [6]byte{0, 0x16, 0x3e, 1, 2, n} }
	sw := snmpsim.NewSwitch("rack7", 8, time.Now)
	sw.Learn(2, 1, mac(2)) // a server with a bridge of its own for its guests
	sw.Hear(2, mac(2), "server2", true)
	for n := range byte(MaxAddresses - 1) {
		sw.Learn(2, 1, [6]byte{2, 0, 0, 0, 2, n})
	}
	sw.Learn(3, 1, mac(3)) // another switch says who it is
	sw.Hear(3, mac(33), "switch3", true)
	for n := range byte(MaxAddresses + 1) { // another switch keeps silent
		sw.Learn(4, 1, [6]byte{2, 0, 0, 0, 4, n})
	}
	sw.Learn(4, 1, mac(4))
	sw.Learn(5, 1, mac(5)) // one address, two ports
	sw.Learn(6, 20, mac(5))
	sw.Learn(0, 1, mac(7)) // learned, but the switch does not know where
	d := dial(t, serve(t, sw.Tree), "private")
	for _, c := range []struct {
		by, value string
		kind      fault.Kind
		says      string
		port      int
	}{
		{outofband.ByMAC, "00:16:3e:01:02:02", "", "", 2},
		{outofband.ByLLDP, "00:16:3e:01:02:02", "", "", 2},
		{outofband.ByMAC, "00:16:3e:01:02:03", fault.KindRefused, "switch3", 3},
		{outofband.ByMAC, "00:16:3e:01:02:04", fault.KindRefused, "more than 16", 4},
		{outofband.ByMAC, "00:16:3e:01:02:05", fault.KindConflict, "port5 (index 105), port6 (index 106)", 5},
		{outofband.ByMAC, "00:16:3e:01:02:07", fault.KindNotFound, "by name", 7},
		{outofband.ByName, "port3", "", "", 3}, // the operator's own word
		{outofband.ByIndex, "104", "", "", 4},
	} {
		p := outofband.Port{Switch: "sw1", By: c.by, Value: c.value}
		seen, _, err := Shut(within(t, 20*time.Second), d, p, nil)
		if err == nil != (c.kind == "") || err != nil && (!fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s %s: %v, want %s", c.by, c.value, err, c.kind)
		}
		if (c.kind == "") == sw.Up(c.port) {
			t.Errorf("%s %s: port %d is up: %v", c.by, c.value, c.port, sw.Up(c.port))
		}
		if c.kind != "" && seen.Error == "" {
			t.Errorf("%s %s: what was seen has no error", c.by, c.value)
		}
		if _, _, err := Enable(within(t, 20*time.Second), d, outofband.Port{By: outofband.ByIndex, Value: "10" + string(rune('0'+c.port))}, 0, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// A port that is shut hears nothing; what was seen of it names it.
func TestB32a_AShutPortIsFoundAgain(t *testing.T) {
	p := outofband.Port{Switch: "sw1", By: outofband.ByMAC, Value: "00:16:3e:01:02:02", VLAN: 7}
	for _, c := range []struct {
		port outofband.Port
		last outofband.Seen
		want outofband.Port
	}{
		{p, outofband.Seen{Switch: "sw1", Port: "ge-0/0/2"}, outofband.Port{Switch: "sw1", By: outofband.ByName, Value: "ge-0/0/2", VLAN: 7}},
		{p, outofband.Seen{}, p},
		{p, outofband.Seen{Switch: "sw2", Port: "ge-0/0/2"}, p},
		{outofband.Port{Switch: "sw1", By: outofband.ByAlias, Value: "x"}, outofband.Seen{Switch: "sw1", Port: "ge-0/0/2"}, outofband.Port{Switch: "sw1", By: outofband.ByAlias, Value: "x"}},
	} {
		if got := Remembered(c.port, c.last); got != c.want {
			t.Errorf("%+v after %+v is %+v", c.port, c.last, got)
		}
	}
}

func TestTwoPortsWithOneAliasAreAConflict(t *testing.T) {
	sw := snmpsim.NewSwitch("rack7", 4, time.Now)
	setAlias(t, sw, 1, "web7")
	setAlias(t, sw, 3, "web7")
	d := dial(t, serve(t, sw.Tree), "private")
	_, _, err := Shut(within(t, 10*time.Second), d, outofband.Port{By: outofband.ByAlias, Value: "web7"}, nil)
	isKind(t, err, fault.KindConflict)
	if err == nil || !strings.Contains(err.Error(), "port1 (index 101), port3 (index 103)") {
		t.Error(err)
	}
	if !sw.Up(1) || !sw.Up(3) {
		t.Error("one of the two was shut")
	}
}

func TestTargetsAreChecked(t *testing.T) {
	v3 := Target{Address: "10.0.0.1", Version: "3", Username: "u", AuthProtocol: "SHA-256", AuthPassword: "longenough", PrivProtocol: "AES-256", PrivPassword: "longenough"}
	for name, c := range map[string]struct {
		target Target
		fields string
	}{
		"v2c":          {Target{Address: "sw1.example.org:1161", Version: "2c", Community: "c"}, ""},
		"v6":           {Target{Address: "[2001:db8::1]:161", Version: "2c", Community: "c"}, ""},
		"v6 bare":      {Target{Address: "2001:db8::1", Version: "2c", Community: "c"}, ""},
		"v3":           {v3, ""},
		"noAuthNoPriv": {Target{Address: "10.0.0.1", Version: "3", Username: "u"}, "auth auth_password priv priv_password"},
		"authNoPriv":   {Target{Address: "10.0.0.1", Version: "3", Username: "u", AuthProtocol: "SHA", AuthPassword: "longenough"}, "priv priv_password"},
		"weak":         {Target{Address: "10.0.0.1", Version: "3", Username: "u", AuthProtocol: "MD5", AuthPassword: "longenough", PrivProtocol: "DES", PrivPassword: "short"}, "auth priv priv_password"},
		"v1":           {Target{Address: "10.0.0.1", Version: "1", Community: "c"}, "version"},
		"nothing":      {Target{}, "address version"},
		"community":    {Target{Address: "10.0.0.1", Version: "2c", Community: strings.Repeat("x", 128)}, "community"},
		"port":         {Target{Address: "10.0.0.1:99999", Version: "2c", Community: "c"}, "address"},
		"address":      {Target{Address: "a b", Version: "2c", Community: "c"}, "address"},
	} {
		var check fault.Check
		c.target.Check(&check)
		var got []string
		if f := fault.From(check.Err("x")); f != nil {
			for _, field := range f.Fields {
				got = append(got, field.Name)
			}
		}
		if strings.Join(got, " ") != c.fields {
			t.Errorf("%s: %v, want %s", name, got, c.fields)
		}
	}
	if _, err := Open(t.Context(), Target{Address: "x y", Version: "2c", Community: "hush-hush"}); err == nil || strings.Contains(err.Error(), "hush-hush") {
		t.Errorf("opened a wrong target, or told its secret: %v", err)
	}
}
