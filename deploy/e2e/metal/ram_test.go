package metal

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
	"github.com/steelyard/steelyard/deploy/e2e/metal/rack"
	"github.com/steelyard/steelyard/deploy/ramenv/assemble"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// ramenv is the built environment, made once.
var ramenv = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	dir := filepath.Join(scratch, "ramenv")
	_, err := assemble.Build(ctx, assemble.Options{Out: dir, Cache: qemu.Cache(), Version: "metal-test", Tell: func(string, ...any) {}})
	return dir, err
})

// environment builds what a machine is booted into, or skips.
func environment(t *testing.T) string {
	t.Helper()
	qemu.Need(t, "depmod", "ip", "dnsmasq")
	dir, err := ramenv()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// addresses runs dnsmasq as the rack's DHCP server.
func addresses(t *testing.T, r *rack.Rack) {
	t.Helper()
	p := launch(t, r.Command("dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", "--interface="+rack.Bridge, "--bind-interfaces",
		"--dhcp-range=10.77.0.100,10.77.0.200,2m", "--dhcp-leasefile="+filepath.Join(t.TempDir(), "leases"), "--dhcp-authoritative", "--log-dhcp"))
	eventually(t, "the DHCP server is up", func() bool { return p.over() || strings.Contains(p.out.String(), "sockets bound exclusively") })
	if p.over() {
		t.Fatal(p.out.String())
	}
}

// TestTheRAMEnvironmentFindsItsController boots the built environment the way a boot server would, with a join token
// on the command line, and looks at what the controller then knows of the machine.
func TestTheRAMEnvironmentFindsItsController(t *testing.T) {
	dir := environment(t)
	for name, firmware := range map[string]qemu.Firmware{"BIOS": qemu.BIOS, "UEFI": qemu.UEFI} {
		t.Run(name, func(t *testing.T) {
			r := rack.New(t)
			addresses(t, r)
			c := newController(t, r)
			var token struct{ Secret string }
			c.must("POST", "/v1/tokens", object{"kind": "join", "name": "metal"}, &token)
			const mac = "52:54:00:77:00:01"
			m := qemu.Machine{
				Firmware: firmware, Memory: 768, NetNS: r.Name,
				Identity: qemu.Identity{Manufacturer: "ACME", Product: "P1", Serial: "SN-" + name, UUID: "11111111-2222-3333-4444-555555555501", Board: "B1", Chassis: "C1"},
				Disks:    []qemu.Disk{qemu.NewDisk(t, "nvme", "NV1", 64<<20), qemu.NewDisk(t, "sata", "SA1", 96<<20)},
				NICs:     []qemu.NIC{{MAC: "52:54:00:77:00:09", Model: "e1000", Tap: r.Port("tap1")}, {MAC: mac, Model: "e1000e", Tap: r.Port("tap0")}},
				Kernel:   filepath.Join(dir, assemble.KernelFile), Initrd: filepath.Join(dir, assemble.InitrdFile),
				Append: "console=ttyS0 quiet panic=-1 steelyard.controller=" + agents + " steelyard.token=" + token.Secret + " steelyard.mac=" + mac,
			}
			machine := qemu.Start(t, m)
			var servers struct {
				Items []struct {
					ID, Approval, Environment string
					Online                    bool
				}
			}
			eventually(t, "the agent is connected", func() bool {
				if machine.Over() {
					t.Fatal("the machine went off")
				}
				c.try("GET", "/v1/servers?all=true", nil, &servers)
				return len(servers.Items) == 1
			})
			if err := machine.WaitLine("has to approve this machine now", patience); err != nil {
				t.Fatal(err)
			}
			inventoryIs(t, c, servers.Items[0].ID, m)
			screen, err := os.ReadFile(machine.Console())
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range []string{"serial number SN-" + name, "nvme0n1 (0.1 GB)", "Network: eth1 (" + mac + ") has 10.77.0.", "connecting to " + agents} {
				if !strings.Contains(string(screen), part) {
					t.Errorf("the screen does not tell %q", part)
				}
			}
			if strings.Contains(string(screen), token.Secret) || strings.Contains(string(screen), strings.Split(token.Secret, ".")[2]) {
				t.Error("the screen shows the token (rule X9)")
			}
		})
	}
}

// inventoryIs compares what the controller knows of a server with how the machine was made.
func inventoryIs(t *testing.T, c *controller, id string, m qemu.Machine) {
	t.Helper()
	var s struct {
		Name, Approval, Environment string
		Inventory                   hardware.Inventory
	}
	c.must("GET", "/v1/servers/"+id, nil, &s)
	if s.Approval != "pending" || s.Environment != protocol.EnvRAM || s.Name != strings.ToLower(m.Identity.Serial) {
		t.Errorf("server %q is %s in environment %s", s.Name, s.Approval, s.Environment)
	}
	i := s.Inventory.Identity
	if i.UUID != m.Identity.UUID || i.SystemSerial != m.Identity.Serial || i.BoardSerial != m.Identity.Board || i.ChassisSerial != m.Identity.Chassis || len(i.MACs) != len(m.NICs) {
		t.Errorf("identity %+v", i)
	}
	for _, n := range m.NICs {
		if !slices.Contains(i.MACs, n.MAC) {
			t.Errorf("the card %s is not in %v", n.MAC, i.MACs)
		}
	}
	kinds := map[string]string{}
	for _, d := range s.Inventory.Disks {
		kinds[d.Serial] = string(d.Type)
		if d.SMART == nil || !d.SMART.Passed {
			t.Errorf("the health of disk %s is %+v", d.Serial, d.SMART)
		}
	}
	for _, d := range m.Disks {
		if kinds[d.Serial] != d.Bus {
			t.Errorf("disk %s is %q, not %s", d.Serial, kinds[d.Serial], d.Bus)
		}
	}
	want := map[qemu.Firmware]string{qemu.BIOS: "bios", qemu.UEFI: "uefi"}[m.Firmware]
	if got := s.Inventory.Firmware.BootMode; string(got) != want {
		t.Errorf("started by %s, not %s", got, want)
	}
}
