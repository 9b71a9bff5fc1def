package metal

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
	"github.com/steelyard/steelyard/deploy/e2e/metal/rack"
)

// TestB43_AMachineStartsFromTheNetwork with nothing but its firmware: it gets an address, iPXE, kernel and memory image and a boot token from
// a real controller, becomes pending, and comes back as the same server when it is started again.
func TestB43_AMachineStartsFromTheNetwork(t *testing.T) {
	for name, row := range map[string]struct {
		firmware qemu.Firmware
		plain    bool     // the firmware's own PXE, and iPXE by TFTP
		extra    []string // for QEMU
	}{"BIOS": {qemu.BIOS, false, nil}, "UEFI": {qemu.UEFI, true, nil}, "UEFI by HTTP": {qemu.UEFI, true, withoutPXE}} {
		t.Run(name, func(t *testing.T) {
			c, m := bare(t, row.firmware, "dhcp:10.77.0.100-10.77.0.200")
			m.NICs[0].Plain, m.Extra = row.plain, row.extra
			id := boots(t, c, m)
			c.must("POST", "/v1/servers/"+id+"/approve", object{"reason": "it is ours"}, nil)
			if again := boots(t, c, m); again != id {
				t.Errorf("it came back as %s, not as %s", again, id)
			}
			var s struct {
				Approval   string
				Quarantine any
			}
			c.must("GET", "/v1/servers/"+id, nil, &s)
			if s.Approval != "approved" || s.Quarantine != nil {
				t.Errorf("after its second start it is %s, quarantine %v", s.Approval, s.Quarantine)
			}
			var tokens struct {
				Items []struct {
					Kind string
					Uses int
				}
			}
			c.must("GET", "/v1/tokens?kind=boot", nil, &tokens)
			if len(tokens.Items) != 2 || tokens.Items[0].Uses != 1 || tokens.Items[1].Uses != 1 {
				t.Errorf("boot tokens: %+v", tokens.Items)
			}
			if tftp := sentByTFTP.MatchString(c.out.String()); tftp != (row.plain && row.extra == nil) {
				t.Errorf("a file was sent by TFTP: %v", tftp)
			}
			if text := c.out.String(); strings.Contains(text, "syj1.") || strings.Contains(text, "steelyard.token") {
				t.Error("the controller's log holds a boot token (rule X9)")
			}
		})
	}
}

// sentByTFTP is how dnsmasq tells it.
var sentByTFTP = regexp.MustCompile(`sent \S+ to 10\.77\.0\.`)

// withoutPXE switches the firmware's PXE off, so that it starts by HTTP (OVMF, OvmfPkg/README).
var withoutPXE = []string{"-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=n", "-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n"}

// TestB43_ARejectedMachineStartsItsDisk: its BIOS comes back from iPXE, and a token is not made for it.
func TestB43_ARejectedMachineStartsItsDisk(t *testing.T) {
	c, m := bare(t, qemu.BIOS, "dhcp:10.77.0.100-10.77.0.200")
	m.Disks[0] = qemu.NewDisk(t, "virtio", "VD1", 64<<20)
	if err := os.WriteFile(m.Disks[0].File, bootSector("STARTED FROM ITS DISK\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	id := boots(t, c, m)
	c.must("POST", "/v1/servers/"+id+"/reject", object{"reason": "it is not ours"}, nil)
	machine := qemu.Start(t, m)
	if err := machine.WaitLine("STARTED FROM ITS DISK", patience); err != nil {
		t.Fatal(err)
	}
	var tokens struct{ Items []any }
	c.must("GET", "/v1/tokens?kind=boot", nil, &tokens)
	if len(tokens.Items) != 1 {
		t.Errorf("%d boot tokens; only its first start was into the RAM environment", len(tokens.Items))
	}
}

// TestB43_AMachineStartsBesideAnotherDHCPServer that gives its address and knows nothing of the controller.
func TestB43_AMachineStartsBesideAnotherDHCPServer(t *testing.T) {
	for name, firmware := range map[string]qemu.Firmware{"BIOS": qemu.BIOS, "UEFI": qemu.UEFI} {
		t.Run(name, func(t *testing.T) {
			c, m := bare(t, firmware, "proxy")
			m.NICs[0].Plain = firmware == qemu.UEFI
			c.site()
			boots(t, c, m)
		})
	}
}

// site is a namespace on the rack's bridge with a DHCP server of its own.
func (c *controller) site() {
	c.t.Helper()
	ns := c.rack.Name + "-site"
	for _, line := range []string{
		"netns add " + ns, "-n " + c.rack.Name + " link add site0 type veth peer name eth0 netns " + ns, "-n " + c.rack.Name + " link set site0 master " + rack.Bridge + " up",
		"-n " + ns + " addr add 10.77.0.2/24 dev eth0", "-n " + ns + " link set eth0 up",
	} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			c.t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
	c.t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
	launch(c.t, exec.Command("ip", "netns", "exec", ns, "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", "--interface=eth0", "--bind-interfaces",
		"--dhcp-range=10.77.0.50,10.77.0.60,1h", "--dhcp-leasefile="+filepath.Join(c.t.TempDir(), "leases"), "--log-dhcp"))
}

// bare is a controller that machines of a rack start from, and a machine with nothing on it.
func bare(t *testing.T, firmware qemu.Firmware, netboot string) (*controller, qemu.Machine) {
	t.Helper()
	dir := environment(t)
	r := rack.New(t)
	c := newController(t, r, "--netboot", rack.Bridge+"="+netboot, "--ramenv", dir, "--log-level", "debug")
	return c, qemu.Machine{
		Firmware: firmware, Memory: 768, NetNS: r.Name,
		Identity: qemu.Identity{Manufacturer: "ACME", Product: "P1", Serial: "SN1", UUID: "11111111-2222-3333-4444-555555555501", Board: "B1", Chassis: "C1"},
		Disks:    []qemu.Disk{qemu.NewDisk(t, "nvme", "NV1", 64<<20)},
		NICs:     []qemu.NIC{{MAC: "52:54:00:77:00:01", Tap: r.Port("tap0"), Boot: 1}},
	}
}

// bootSector is a disk whose first sector writes a text to the first serial port, and waits.
func bootSector(text string) []byte {
	disk := make([]byte, 1<<20)
	code := []byte{0xba, 0xf8, 0x03} // mov dx, 0x3f8
	for _, c := range []byte(text) {
		code = append(code, 0xb0, c, 0xee) // mov al, c; out dx, al
	}
	copy(disk, append(code, 0xf4, 0xeb, 0xfd)) // hlt, for ever
	disk[510], disk[511] = 0x55, 0xaa
	return disk
}

// boots starts the machine until its agent is connected, switches it off hard, and returns which server it is.
func boots(t *testing.T, c *controller, m qemu.Machine) (id string) {
	t.Helper()
	const line = "agent connected"
	before := strings.Count(c.out.String(), line)
	machine := qemu.Start(t, m)
	defer machine.Kill()
	eventually(t, "the machine's agent is connected", func() bool {
		if machine.Over() {
			screen, _ := os.ReadFile(machine.Console())
			t.Fatalf("the machine went off: %s", screen)
		}
		return strings.Count(c.out.String(), line) > before
	})
	var list struct{ Items []struct{ ID string } }
	c.must("GET", "/v1/servers?all=true", nil, &list)
	if len(list.Items) != 1 {
		t.Fatalf("the fleet is %+v", list.Items)
	}
	return list.Items[0].ID
}
