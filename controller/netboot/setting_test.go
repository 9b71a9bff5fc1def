package netboot

import (
	"net/url"
	"testing"

	"github.com/steelyard/steelyard/pkg/fault"
)

func TestInterfacesAreReadOrRefusedInWords(t *testing.T) {
	got, err := ParseInterfaces([]string{"eth1=dhcp:10.77.0.100-10.77.0.200,gateway=10.77.0.1,dns=10.77.0.1,dns=10.77.0.2", "eno1.20=proxy"})
	if err != nil || len(got) != 2 || got[0].First.String() != "10.77.0.100" || got[0].Last.String() != "10.77.0.200" ||
		got[0].Gateway.String() != "10.77.0.1" || len(got[0].DNS) != 2 || got[1].Mode != modeProxy || got[1].Name != "eno1.20" {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, text := range []string{
		"", "eth1", "eth1=", "=proxy", "eth1=relay", "eth1=proxy:1", "eth1=dhcp", "eth1=dhcp:10.0.0.5", "eth1=dhcp:10.0.0.5-10.0.0.4", "eth1=dhcp:fe80::1-fe80::2",
		"eth1=dhcp:10.0.0.5-10.0.0.6,router=1.2.3.4", "eth1=dhcp:10.0.0.5-10.0.0.6,gateway=x", "eth1=dhcp:10.0.0.5-10.0.0.6,gateway=10.0.0.1,gateway=10.0.0.2",
		"eth 1=proxy", "eth1\nuser=root=proxy", "an-interface-name-too-long=proxy", "../x=proxy", "eth1=dhcp:0.0.0.0-10.0.0.1", "eth1=dhcp:10.0.0.1-224.0.0.1",
	} {
		if i, err := ParseInterface(text); !fault.Is(err, fault.KindInvalid) {
			t.Errorf("%q is %+v, %v", text, i, err)
		}
	}
	if _, err := ParseInterfaces([]string{"eth1=proxy", "eth1=proxy"}); !fault.Is(err, fault.KindInvalid) {
		t.Errorf("one interface twice: %v", err)
	}
	for _, text := range []string{"", "8081", ":", ":0", ":http", "name:80", "10.0.0.1:99999"} {
		if _, _, err := splitHTTP(text); !fault.Is(err, fault.KindInvalid) {
			t.Errorf("--netboot-http %q: %v", text, err)
		}
	}
}

// FuzzInterface: no text makes a configuration with a line of its own.
func FuzzInterface(f *testing.F) {
	f.Add("eth1=dhcp:10.77.0.100-10.77.0.200,gateway=10.77.0.1,dns=10.77.0.1")
	f.Add("eth1\nport=53=proxy")
	f.Fuzz(func(t *testing.T, text string) {
		i, err := ParseInterface(text)
		if err != nil {
			return
		}
		if !interfaceName.MatchString(i.Name) || i.Mode == modeDHCP && (!i.First.Is4() || i.First.Zone() != "" || i.Last.Less(i.First)) {
			t.Errorf("%q is %+v", text, i)
		}
	})
}

// FuzzMachine: what firmware sends is refused or harmless.
func FuzzMachine(f *testing.F) {
	f.Add("mac=52:54:00:aa:00:01&uuid=11111111-2222-3333-4444-555555555501&buildarch=x86_64&platform=efi&serial=SN1")
	f.Add("mac=52-54-00-aa-00-01&uuid=ffffffff-ffff-ffff-ffff-ffffffffffff&serial=%0aexit")
	f.Add("mac=ff:ff:ff:ff:ff:ff")
	f.Fuzz(func(t *testing.T, query string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		m, err := machineOf(q)
		if err != nil {
			return
		}
		if len(m.MAC) != 17 || len(m.UUID) != 0 && len(m.UUID) != 36 || len(m.Serial) > maxParameter || len(m.keys()) == 0 {
			t.Errorf("%q is %+v", query, m)
		}
	})
}

func TestFirmwareFillsInNonsense(t *testing.T) {
	for query, ok := range map[string]bool{
		"mac=52:54:00:AA:00:01": true, "mac=52-54-00-aa-00-01": true, "": false, "mac=": false, "mac=00:00:00:00:00:00": false,
		"mac=01:00:5e:00:00:01": false, "mac=52:54:00:aa:00:01:02:03": false, "mac=${netX/mac}": false,
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		m, err := machineOf(q)
		if (err == nil) != ok || ok && m.MAC != "52:54:00:aa:00:01" {
			t.Errorf("%q is %+v, %v", query, m, err)
		}
	}
	q := url.Values{"mac": {"52:54:00:aa:00:01"}, "uuid": {"03000200-0400-0500-0006-000700080009"}, "serial": {"To be filled by O.E.M."}}
	if m, err := machineOf(q); err != nil || m.UUID != "" || m.Serial != "" {
		t.Errorf("placeholders: %+v, %v", m, err)
	}
}
