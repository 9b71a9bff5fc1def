package metal

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/outofband/power/ipmisim"
	"github.com/steelyard/steelyard/controller/outofband/power/machine"
	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
	"github.com/steelyard/steelyard/deploy/e2e/metal/rack"
)

// chassisCommand makes the test binary the chassis program of ipmi_sim.
const chassisCommand = "chassis-of-ipmi-sim"

// Credentials of the devices.
const (
	bmcUser, bmcPassword = "admin", "bmc-password"
	community            = "rack-private"
)

// server is a virtual machine with a management controller and a switch port.
type server struct {
	t      *testing.T
	rack   *rack.Rack
	Name   string
	BMC    string // its controller's address
	Port   string // of the switch
	m      qemu.Machine
	dir    string
	mu     sync.Mutex
	starts []string // what it was started from
	run    *qemu.Running
}

// newServer wires one; it is off. n tells it from the others of the rack. Its firmware keeps what it was told over all starts.
func newServer(t *testing.T, r *rack.Rack, n int, m qemu.Machine) *server {
	t.Helper()
	s := &server{
		t: t, rack: r, Name: strings.ToLower(m.Identity.Serial), m: m, dir: t.TempDir(),
		BMC: fmt.Sprintf("127.0.10.%d:6230", n), Port: r.Port(fmt.Sprintf("tap%d", n)),
	}
	s.m.NetNS, s.m.Reboots = r.Name, true
	s.m.Vars = filepath.Join(s.dir, "vars.fd")
	card := qemu.NIC{}
	if len(m.NICs) > 0 {
		card = m.NICs[0]
	}
	card.MAC, card.Tap = fmt.Sprintf("52:54:00:77:01:%02x", n), s.Port
	s.m.NICs = []qemu.NIC{card}
	t.Cleanup(func() {
		s.Stop(false)
		if t.Failed() {
			s.tellScreens()
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Enter(func() error { return ipmisim.Run(ctx, s.bmc()) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *server) bmc() ipmisim.Options {
	exe, err := os.Executable()
	if err != nil {
		s.t.Error(err)
	}
	return ipmisim.Options{
		Address: s.BMC, Username: bmcUser, Password: bmcPassword, Model: "P1", Serial: s.m.Identity.Serial, Machine: s,
		Chassis: []string{exe, chassisCommand}, Dir: filepath.Join(s.dir, "bmc"),
	}
}

// Power implements machine.Machine.
func (s *server) Power() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil || s.run.Over() {
		return machine.Off
	}
	return machine.On
}

// Start implements machine.Machine: the boot device of this start is the first in the firmware's list.
func (s *server) Start(boot string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run != nil && !s.run.Over() {
		return
	}
	m := s.m
	m.Disks, m.NICs = append([]qemu.Disk(nil), m.Disks...), append([]qemu.NIC(nil), m.NICs...)
	nic, disk := 1, 2
	if boot == machine.Disk {
		nic, disk = 9, 1
	}
	for i := range m.NICs {
		m.NICs[i].Boot = nic + i
	}
	for i := range m.Disks {
		m.Disks[i].Boot = disk + i
	}
	s.starts = append(s.starts, boot)
	dir, err := os.MkdirTemp("", "metal") // short: the path of a socket
	if err != nil {
		s.t.Error(err)
		return
	}
	s.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if s.run, err = qemu.Launch(m, dir); err != nil {
		s.t.Error(err)
	}
	s.t.Logf("%s starts from the %s", s.Name, boot)
}

// Stop implements machine.Machine.
func (s *server) Stop(orderly bool) {
	s.mu.Lock()
	run := s.run
	s.mu.Unlock()
	switch {
	case run == nil || run.Over():
	case orderly:
		_, _ = run.Monitor("system_powerdown", nil)
	default:
		run.Kill()
		s.t.Logf("%s is off", s.Name)
	}
}

// screen is what the present start of the machine has shown.
func (s *server) screen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil {
		return ""
	}
	raw, _ := os.ReadFile(s.run.Console())
	return string(raw)
}

func (s *server) tellScreens() {
	text := s.screen()
	s.t.Logf("the last screen of %s:\n%s", s.Name, text[max(0, len(text)-5000):])
}

// startedFrom lists the boot devices of all starts.
func (s *server) startedFrom() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.starts...)
}

// newSwitch runs net-snmp over the rack's bridge: its ports are those of the machines.
func newSwitch(t *testing.T, r *rack.Rack) {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "snmpd.conf")
	if err := os.WriteFile(config, []byte("agentaddress udp:"+rack.Address+":161\nrwcommunity "+community+" 10.77.0.0/24\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("snmpd")
	if err != nil {
		path = "/usr/sbin/snmpd"
	}
	p := launch(t, r.Command(path, "-f", "-LOw", "-C", "-c", config, "-p", filepath.Join(dir, "pid")), "MIBS=", "SNMP_PERSISTENT_DIR="+filepath.Join(dir, "kept"))
	time.Sleep(100 * time.Millisecond)
	if p.over() {
		t.Fatal(p.out.String())
	}
}

// pings asks the address from the rack.
func pings(r *rack.Rack, address string) bool {
	return r.Command("ping", "-c", "1", "-W", "1", "-n", address).Run() == nil
}
