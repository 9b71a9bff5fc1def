package metal

import (
	"os"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
	"github.com/steelyard/steelyard/deploy/e2e/metal/rack"
)

// TestB43_AMachineStartsFromTheNetwork with nothing but its firmware: it gets an address, iPXE, kernel and memory image and a boot token from
// a real controller, becomes pending, and comes back as the same server when it is started again.
func TestB43_AMachineStartsFromTheNetwork(t *testing.T) {
	dir := environment(t)
	for name, row := range map[string]struct {
		firmware qemu.Firmware
		plain    bool // the firmware's own PXE, and iPXE by TFTP
	}{"BIOS": {qemu.BIOS, false}, "UEFI": {qemu.UEFI, true}} {
		t.Run(name, func(t *testing.T) {
			r := rack.New(t)
			c := newController(t, r, "--netboot", rack.Bridge+"=dhcp:10.77.0.100-10.77.0.200", "--ramenv", dir, "--log-level", "debug")
			m := qemu.Machine{
				Firmware: row.firmware, Memory: 768, NetNS: r.Name,
				Identity: qemu.Identity{Manufacturer: "ACME", Product: "P1", Serial: "SN-" + name, UUID: "11111111-2222-3333-4444-555555555501", Board: "B1", Chassis: "C1"},
				Disks:    []qemu.Disk{qemu.NewDisk(t, "nvme", "NV1", 64<<20)},
				NICs:     []qemu.NIC{{MAC: "52:54:00:77:00:01", Tap: r.Port("tap0"), Boot: 1, Plain: row.plain}},
			}
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
			if text := c.out.String(); strings.Contains(text, "syj1.") || strings.Contains(text, "steelyard.token") {
				t.Error("the controller's log holds a boot token (rule X9)")
			}
		})
	}
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
