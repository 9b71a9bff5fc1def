package switchport

import (
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/outofband/switchport/snmpsim"
	"github.com/steelyard/steelyard/pkg/fault"
)

// set writes with net-snmp's own client.
func (r rack) set(t *testing.T, oid, kind, value string) {
	t.Helper()
	program(t, "snmpset", "snmp")
	command(t, "ip", "netns", "exec", r.sw, "env", "MIBS=", "snmpset", "-v2c", "-c", "private", switchIP, oid, kind, value)
}

// setAlias writes with net-snmp's own client where it is installed.
func setAlias(t *testing.T, sw *snmpsim.Switch, port int, alias string) {
	t.Helper()
	d := dial(t, serve(t, sw.Tree), "private")
	if err := d.set(within(t, 10*time.Second), "name a port", pdu(ifAlias, sw.Index(port), alias)); err != nil {
		t.Fatal(err)
	}
}

// wrong credentials are told apart, and none of them is in the error.
func wrong(t *testing.T, r rack, good Target) {
	for name, change := range map[string]func(*Target){
		"user":          func(t *Target) { t.Username = "nobody99" },
		"auth password": func(t *Target) { t.AuthPassword = "notthisone1" },
		"auth protocol": func(t *Target) { t.AuthProtocol = "SHA" },
		"priv password": func(t *Target) { t.PrivPassword = "notthatone2" },
	} {
		target := good
		change(&target)
		d := r.open(t, target)
		_, err := d.Find(within(t, 6*time.Second), outofband.ByName, "p1")
		// A wrong privacy password only makes the request unreadable, which may be met with silence.
		if name != "priv password" {
			isKind(t, err, fault.KindDenied)
		} else if err == nil {
			t.Error("a wrong privacy password was accepted")
		}
		for _, secret := range []string{good.AuthPassword, good.PrivPassword, target.AuthPassword, target.PrivPassword} {
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%s: a secret is in the error: %v", name, err)
			}
		}
	}
}

func noVLANs(t *testing.T, d *device) {
	t.Helper()
	p, err := d.Find(within(t, 20*time.Second), outofband.ByName, "p2")
	if err != nil || p.VLAN != 0 {
		t.Fatalf("%+v, %v", p, err)
	}
	isKind(t, d.SetVLAN(within(t, 20*time.Second), p.Index, 66), fault.KindRefused)
	_, changed, err := Enable(within(t, 20*time.Second), d, outofband.Port{By: outofband.ByName, Value: "p2"}, 66, nil)
	isKind(t, err, fault.KindRefused)
	if changed {
		t.Error("a port was changed although its VLAN cannot be set")
	}
}
