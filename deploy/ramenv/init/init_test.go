package main

import (
	"bytes"
	"encoding/binary"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

func TestTheCommandLineIsReadAndWhatIsWrongIsTold(t *testing.T) {
	w, wrong := parse("console=ttyS0 quiet steelyard.controller=10.0.0.1:7443,[fd00::1]:7443 steelyard.mac=52-54-00-AA-00-01 steelyard.mode=rescue steelyard.console=ttyS1,9600 steelyard.token=t")
	want := wish{Controllers: []string{"10.0.0.1:7443", "[fd00::1]:7443"}, MAC: "52:54:00:aa:00:01", Mode: "rescue", Console: "ttyS1,9600"}
	if !reflect.DeepEqual(w, want) || wrong != nil || !w.overIPv6() {
		t.Errorf("%+v %v", w, wrong)
	}
	if w.environment() != "rescue" || (wish{}).environment() != "ram" || (wish{Mode: "other"}).environment() != "ram" {
		t.Errorf("the agent is told that this is %s", w.environment())
	}
	w, wrong = parse("steelyard.controller=nonsense,10.0.0.1:7443,:1 steelyard.mac=xx")
	if len(wrong) != 3 || !reflect.DeepEqual(w.Controllers, []string{"10.0.0.1:7443"}) || w.overIPv6() {
		t.Errorf("%+v %v", w, wrong)
	}
}

// TestB34_WhatTheFormerSystemToldOfItsNetworkIsUsed whole or not at all.
func TestB34_WhatTheFormerSystemToldOfItsNetworkIsUsed(t *testing.T) {
	w, wrong := parse("steelyard.mac=52:54:00:aa:00:01 steelyard.address=10.77.0.7/24 steelyard.gateway=10.77.0.254 steelyard.vlan=40")
	if wrong != nil || w.VLAN != 40 {
		t.Errorf("%+v %v", w, wrong)
	}
	s := fixed(w.Address, w.Gateway)
	if s.String() != "10.77.0.7/24, router 10.77.0.254" || s.Length != forever || len(s.Routes) != 1 || s.Routes[0].To.String() != "0.0.0.0/0" {
		t.Errorf("%v %+v", s, s)
	}
	w, wrong = parse("steelyard.address=2001:db8::7/64 steelyard.gateway=fe80::1")
	if s := fixed(w.Address, w.Gateway); wrong != nil || s.Address.String() != "2001:db8::7/64" || s.Routes[0].To.String() != "::/0" || !s.Router.Equal(net.ParseIP("fe80::1")) {
		t.Errorf("%v %+v", wrong, s)
	}
	for _, line := range []string{
		"steelyard.address=10.77.0.7", "steelyard.address=0.0.0.0/24", "steelyard.address=127.0.0.1/8", "steelyard.address=224.0.0.1/4", "steelyard.address=10.77.0.7/24 steelyard.gateway=x", "steelyard.gateway=x steelyard.address=10.77.0.7/24",
		"steelyard.address=10.77.0.7/24 steelyard.vlan=0", "steelyard.address=10.77.0.7/24 steelyard.vlan=4095", "steelyard.address=10.77.0.7/24 steelyard.vlan=x",
	} {
		if w, wrong := parse(line); len(wrong) != 1 || w.Address.IsValid() || w.VLAN != 0 {
			t.Errorf("%s: %+v %v", line, w, wrong)
		}
	}
}

func TestX9_TheTokenLeavesTheCommandLine(t *testing.T) {
	value, rest := token("quiet steelyard.token=syj1.id.secret.aa  panic=-1 steelyard.token=syj1.id.second.aa\n")
	if value != "syj1.id.second.aa" || strings.Contains(rest, "secret") || strings.Contains(rest, "second") || !strings.Contains(rest, "panic=-1") {
		t.Errorf("%q %q", value, rest)
	}
	if value, rest := token("quiet"); value != "" || rest != "quiet\n" {
		t.Errorf("%q %q", value, rest)
	}
}

func answer(t *testing.T, with ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	t.Helper()
	a, err := dhcpv4.New(append([]dhcpv4.Modifier{dhcpv4.WithYourIP(net.IPv4(10, 77, 0, 20)), dhcpv4.WithNetmask(net.CIDRMask(24, 32)), dhcpv4.WithLeaseTime(600)}, with...)...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestADHCPAnswerBecomesSettings(t *testing.T) {
	router, dns := net.IPv4(10, 77, 0, 1), net.IPv4(10, 77, 0, 2)
	s := settingsOf(answer(t, dhcpv4.WithRouter(router), dhcpv4.WithDNS(dns, router), dhcpv4.WithOption(dhcpv4.OptDomainName("rack.example"))))
	if s.String() != "10.77.0.20/24, router 10.77.0.1, names from 10.77.0.2 and 10.77.0.1" || s.Length != 10*time.Minute || s.Domain != "rack.example" || len(s.Routes) != 1 {
		t.Errorf("%v %+v", s, s)
	}
	_, all, _ := net.ParseCIDR("0.0.0.0/0")
	_, near, _ := net.ParseCIDR("10.78.0.0/16")
	s = settingsOf(answer(t, dhcpv4.WithRouter(dns), dhcpv4.WithOption(dhcpv4.OptClasslessStaticRoute(&dhcpv4.Route{Dest: all, Router: router}, &dhcpv4.Route{Dest: near, Router: net.IPv4zero}))))
	if len(s.Routes) != 2 || !s.Router.Equal(router) || s.Routes[1].Through != nil {
		t.Errorf("classless routes win over the router: %+v", s)
	}
	s = settingsOf(answer(t, dhcpv4.WithOption(dhcpv4.OptDomainName("a b\nnameserver 6.6.6.6"))))
	if s.Domain != "" || !strings.Contains(s.String(), "no router") {
		t.Errorf("a hostile domain or no router: %+v", s)
	}
}

func TestAnswersThatHelpNobodyAreRefused(t *testing.T) {
	if err := usable(answer(t)); err != nil {
		t.Error(err)
	}
	for name, a := range map[string]*dhcpv4.DHCPv4{
		"no address":  answer(t, dhcpv4.WithYourIP(net.IPv4zero)),
		"multicast":   answer(t, dhcpv4.WithYourIP(net.IPv4(224, 0, 0, 1))),
		"loopback":    answer(t, dhcpv4.WithYourIP(net.IPv4(127, 0, 0, 1))),
		"empty mask":  answer(t, dhcpv4.WithNetmask(net.CIDRMask(0, 32))),
		"torn mask":   answer(t, dhcpv4.WithNetmask(net.IPMask{255, 0, 255, 0})),
		"short lease": answer(t, dhcpv4.WithLeaseTime(1)),
	} {
		if usable(a) == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// What strangers send never ends the program, and what is taken as usable can be set.
func FuzzADHCPAnswer(f *testing.F) {
	f.Add([]byte{})
	a, _ := dhcpv4.New(dhcpv4.WithYourIP(net.IPv4(10, 0, 0, 1)), dhcpv4.WithNetmask(net.CIDRMask(8, 32)), dhcpv4.WithRouter(net.IPv4(10, 0, 0, 2)))
	f.Add(a.ToBytes())
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := dhcpv4.FromBytes(raw)
		if err != nil || usable(a) != nil {
			return
		}
		s := settingsOf(a)
		if s.Address.IP.To4() == nil || s.String() == "" || strings.ContainsAny(s.Domain, " \n") {
			t.Errorf("%+v", s)
		}
		for _, r := range s.Routes {
			if r.To == nil {
				t.Error("a route to nowhere")
			}
		}
	})
}

func TestTheCardThatWasBootedFromIsAskedFirst(t *testing.T) {
	a, b := card{Name: "eth0", MAC: "52:54:00:00:00:01", Carrier: true}, card{Name: "eth1", MAC: "52:54:00:00:00:02"}
	both := []card{a, b}
	for _, c := range []struct {
		mac   string
		since time.Duration
		want  []card
	}{
		{"", 0, both}, {b.MAC, 0, []card{b}}, {b.MAC, headStart + 1, both}, {"52:54:00:00:00:03", 0, nil}, {"52:54:00:00:00:03", headStart + 1, both},
	} {
		got := chosen(both, c.mac, c.since)
		if len(got) != len(c.want) || len(got) > 0 && got[0] != c.want[0] {
			t.Errorf("%q after %v: %v", c.mac, c.since, got)
		}
	}
	text := waitingFor(both, map[string]bool{"eth0": true}, "52:54:00:00:00:03")
	for _, part := range []string{"eth0 (52:54:00:00:00:01): no DHCP server answers", "No cable or no link: eth1", "52:54:00:00:00:03) is not seen"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q lacks %q", text, part)
		}
	}
	if text := waitingFor(nil, nil, ""); !strings.Contains(text, "no network card") {
		t.Error(text)
	}
}

func TestTheAgentsLogBecomesWords(t *testing.T) {
	for line, want := range map[string]string{
		`{"time":"x","level":"INFO","msg":"session","server":"srv-1","approval":"pending","controller":"10.0.0.1:7443"}`: "Connected to controller 10.0.0.1:7443 as server srv-1. A person has to approve this machine now: steelyard server approve srv-1",
		`{"msg":"session","server":"srv-1","approval":"approved","controller":"c"}`:                                      "Connected to controller c as server srv-1. Waiting for orders.",
		`{"msg":"no session","error":"dial: refused.","next_attempt_in":"2s"}`:                                           "Controller not reached: dial: refused. Next attempt in 2s.",
		`{"msg":"disk erased","level":"INFO","time":"x","disk":"N1"}`:                                                    "Agent: disk erased, disk N1",
		`{"msg":"agent started"}`: "",
		"plain words":             "plain words",
	} {
		if got := plain(line); got != want {
			t.Errorf("%s\n got %q\nwant %q", line, got, want)
		}
	}
	var said []string
	relay(strings.NewReader("a\n"+strings.Repeat("x", 1<<20)+"\nb\n"), func(_ string, args ...any) { said = append(said, args[0].(string)) })
	if len(said) < 2 || said[0] != "a" || said[len(said)-1] != "b" {
		t.Errorf("after a line without end: %d lines", len(said))
	}
}

func TestNobodyElseSteersTheTerminal(t *testing.T) {
	if got := strings.Map(printable, "a\x1b[2J\nb\u009bc\x7f ü"); got != "a[2J bc ü" {
		t.Errorf("%q", got)
	}
}

func TestThePowerButtonIsTold(t *testing.T) {
	event := func(kind, code uint16, value uint32) []byte {
		raw := make([]byte, eventBytes)
		binary.LittleEndian.PutUint16(raw[16:], kind)
		binary.LittleEndian.PutUint16(raw[18:], code)
		binary.LittleEndian.PutUint32(raw[20:], value)
		return raw
	}
	all := bytes.NewReader(bytes.Join([][]byte{event(0, 0, 0), event(1, 30, 1), event(1, keyPower, 0), event(1, keyPower, 1)}, nil))
	for i, want := range []bool{false, false, false, true} {
		if got, err := powerKey(all); err != nil || got != want {
			t.Errorf("event %d: %v %v", i, got, err)
		}
	}
	if _, err := powerKey(all); err == nil {
		t.Error("events without end")
	}
}

func TestAMachineIsNamedByItsSerialNumber(t *testing.T) {
	const mac = "52:54:00:aa:00:01"
	for serial, want := range map[string]string{
		"CZ3 0422/Q": "cz3-0422-q", "": "ram-525400aa0001", "To be filled by O.E.M.": "ram-525400aa0001", "1234567890": "ram-525400aa0001",
		"0000000": "ram-525400aa0001", "None": "ram-525400aa0001", "..": "ram-525400aa0001", strings.Repeat("a1", 50): strings.Repeat("a1", 24),
	} {
		if got := hostName(serial, mac); got != want {
			t.Errorf("%q is named %q, not %q", serial, got, want)
		}
	}
	if got := hostName("", ""); got != "ram" {
		t.Errorf("without anything: %q", got)
	}
}
