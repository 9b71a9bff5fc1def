package netboot

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/ipv6"

	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// TestX4_DnsmasqIsStartedAgain when somebody ends it.
func TestX4_DnsmasqIsStartedAgain(t *testing.T) {
	program(t, "dnsmasq", "dnsmasq-base")
	ns := cable(t, "prov0", "10.77.0.1/24")
	n := serve(t, newWorld(t).options(ramenv(t, "k", "i"), "prov0=dhcp:10.77.0.100-10.77.0.200"))
	await(t, "dnsmasq started", func() bool { return n.dhcp.pid.Load() != 0 })
	before, err := ask(t, ns)
	must(t, err)
	first := n.dhcp.pid.Load()
	must(t, syscall.Kill(int(first), syscall.SIGKILL))
	await(t, "another dnsmasq", func() bool { return n.dhcp.pid.Load() != 0 && n.dhcp.pid.Load() != first })
	after, err := ask(t, ns)
	must(t, err)
	if n.Stats().Restarts != 1 || !after.ACK.YourIPAddr.Equal(before.ACK.YourIPAddr) {
		t.Errorf("%d restarts; the machine had %s and has %s", n.Stats().Restarts, before.ACK.YourIPAddr, after.ACK.YourIPAddr)
	}
	if leases, err := os.ReadFile(filepath.Join(n.opt.Dir, "leases")); err != nil || !bytes.Contains(leases, []byte(clientMAC)) {
		t.Errorf("leases: %s, %v", leases, err)
	}
}

// TestX4_ADnsmasqThatOutlivedItsControllerIsEnded: both would answer, from one file of leases.
func TestX4_ADnsmasqThatOutlivedItsControllerIsEnded(t *testing.T) {
	path := program(t, "dnsmasq", "dnsmasq-base")
	ns := cable(t, "prov0", "10.77.0.1/24")
	o := newWorld(t).options(ramenv(t, "k", "i"), "prov0=dhcp:10.77.0.100-10.77.0.200")
	killed, err := Open(t.Context(), o)
	must(t, err)
	killed.Close()
	child(t, path, "--keep-in-foreground", "--conf-file="+killed.dhcp.config)
	if _, err := ask(t, ns); err != nil {
		t.Fatal(err)
	}
	n := serve(t, o)
	await(t, "our own dnsmasq", func() bool { return n.dhcp.pid.Load() != 0 })
	if _, err := ask(t, ns); err != nil || n.Stats().Restarts != 0 {
		t.Errorf("%v; %d restarts", err, n.Stats().Restarts)
	}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	must(t, err)
	if ours := slices.DeleteFunc(dirs, func(dir string) bool { return !n.dhcp.isOurs(dir) }); len(ours) != 1 {
		t.Errorf("%v run with one configuration: both would answer", ours)
	}
}

// TestX6_APersonIsToldWhoHoldsThePort, with one task, and not any more when it runs.
func TestX6_APersonIsToldWhoHoldsThePort(t *testing.T) {
	program(t, "dnsmasq", "dnsmasq-base")
	cable(t, "prov0", "10.77.0.1/24")
	thief, err := net.ListenPacket("udp4", "0.0.0.0:67")
	must(t, err)
	defer thief.Close()
	w := newWorld(t)
	n := serve(t, w.options(ramenv(t, "k", "i"), "prov0=dhcp:10.77.0.100-10.77.0.200"))
	open := func() (bodies []string) {
		for i := range store.Tasks.Items(w.store.Snapshot()) {
			if i.Value.State == "open" {
				bodies = append(bodies, i.Value.Body)
			}
		}
		return bodies
	}
	await(t, "a task", func() bool { return len(open()) > 0 })
	self, err := os.ReadFile("/proc/self/comm")
	must(t, err)
	if list := open(); len(list) != 1 || !strings.Contains(list[0], "UDP port 67 is held by "+strings.TrimSpace(string(self))+" (process ") {
		t.Errorf("tasks: %q", list)
	}
	n.trouble(t.Context(), "")
	if list := open(); len(list) != 0 {
		t.Errorf("open when it runs again: %q", list)
	}
}

// TestX4_WhatDnsmasqSaysIsBounded: it is kept for the error that a person reads.
func TestX4_WhatDnsmasqSaysIsBounded(t *testing.T) {
	v := &voice{log: slog.New(slog.DiscardHandler)}
	for range 100 {
		if n, err := v.Write(bytes.Repeat([]byte("x"), 1000)); n != 1000 || err != nil {
			t.Fatal(n, err)
		}
	}
	if len(v.rest) > maxLine || len(v.last()) > maxLine {
		t.Errorf("%d and %d bytes are kept", len(v.rest), len(v.last()))
	}
	_, _ = v.Write([]byte("\n\nfailed to bind\n"))
	if v.last() != "failed to bind" {
		t.Errorf("%q", v.last())
	}
	d := &dnsmasq{}
	if err := d.explain("x", errors.New("exit status 2")); err.Error() != "exit status 2: x" {
		t.Error(err)
	}
}

// TestX13_WrongSettingsAreToldBeforeAnythingIsServed, each with what to do.
func TestX13_WrongSettingsAreToldBeforeAnythingIsServed(t *testing.T) {
	program(t, "dnsmasq", "dnsmasq-base")
	cable(t, "prov0", "10.77.0.1/24")
	w := newWorld(t)
	for setting, words := range map[string]string{
		"nosuch0=proxy":                                          `no network interface "nosuch0"; it has lo, prov0`,
		"prov0=dhcp:10.99.0.100-10.99.0.200":                     "ip address add 10.99.0.99/24 dev prov0",
		"prov0=dhcp:10.77.0.1-10.77.0.200":                       "holds its own address",
		"prov0=dhcp:10.77.0.100-10.77.0.200,gateway=10.77.0.150": "holds the gateway",
		"prov0=dhcp:10.77.0.100-10.77.0.200,gateway=10.78.0.1":   "is not in the network",
	} {
		if _, err := Open(t.Context(), w.options(t.TempDir(), setting)); !fault.Is(err, fault.KindInvalid) || !strings.Contains(errText(err), words) {
			t.Errorf("%s: %v, want %q", setting, err, words)
		}
	}
	o := w.options(t.TempDir(), "prov0=proxy")
	o.IPXE = t.TempDir()
	if _, err := Open(t.Context(), o); !fault.Is(err, fault.KindInvalid) || !strings.Contains(err.Error(), "apt-get install ipxe") {
		t.Errorf("without iPXE: %v", err)
	}
	command(t, "ip", "link", "set", "prov0", "down")
	if _, err := Open(t.Context(), w.options(t.TempDir(), "prov0=proxy")); !strings.Contains(errText(err), "ip link set prov0 up") {
		t.Errorf("a link that is down: %v", err)
	}
	if _, err := find([]string{"/no/such/dnsmasq"}); !strings.Contains(errText(err), "apt-get install dnsmasq-base") {
		t.Errorf("without dnsmasq: %v", err)
	}
	o = w.options(t.TempDir())
	if _, err := Open(t.Context(), o); !fault.Is(err, fault.KindInvalid) {
		t.Errorf("neither an interface nor an address: %v", err)
	}
	o.HTTP = "127.73.1.1:" + testPort
	n, err := Open(t.Context(), o) // for a site whose own DHCP server names this address
	must(t, err)
	n.Close()
}

// TestB43_MachinesNeedNotWaitForARouter: who asks for one is told at once that there is none.
func TestB43_MachinesNeedNotWaitForARouter(t *testing.T) {
	program(t, "ip", "iproute2")
	ns := cable(t, "prov0", "10.77.0.1/24")
	link, err := net.InterfaceByName("prov0")
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() {
		if err := advertise(ctx, place{Interface: Interface{Name: "prov0"}, Index: link.Index}); err != nil {
			t.Error(err)
		}
	})
	inside(t, ns, func() {
		conn, err := net.ListenPacket("ip6:ipv6-icmp", "::")
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		pc := ipv6.NewPacketConn(conn)
		far, err := net.InterfaceByName("eth0")
		if err = errors.Join(err, pc.SetMulticastHopLimit(255), pc.SetMulticastInterface(far)); err != nil {
			t.Error(err)
			return
		}
		buf := make([]byte, 1500)
		for range 100 { // a link needs a moment to find that its own address is free
			_, _ = conn.WriteTo([]byte{133, 0, 0, 0, 0, 0, 0, 0}, &net.IPAddr{IP: net.ParseIP("ff02::2"), Zone: "eth0"})
			_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
			n, from, err := conn.ReadFrom(buf)
			if err != nil || buf[0] != 134 {
				continue
			}
			want := append([]byte{134, 0, buf[2], buf[3]}, emptyAdvert[4:]...)
			if a := from.(*net.IPAddr); !bytes.Equal(buf[:n], want) || !a.IP.IsLinkLocalUnicast() {
				t.Errorf("% x from %v", buf[:n], from)
			}
			return
		}
		t.Error("nobody said that there is no router")
	})
}

var _ Intake = (*intake.Intake)(nil)
