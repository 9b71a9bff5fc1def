package metal

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
	"github.com/steelyard/steelyard/deploy/e2e/metal/rack"
	"github.com/steelyard/steelyard/deploy/e2e/metal/system"
)

// TestB34_AServerWithoutManagementControllerIsLedToItsEraseByKexec: its own Debian starts the RAM environment. There is no DHCP server and
// nothing to start from on the network, and the firmware would start the disk again. Its network is what the agent writes for a bond with a
// VLAN on it (rule B43), with an address on the bond too, by which it reaches its controller.
func TestB34_AServerWithoutManagementControllerIsLedToItsEraseByKexec(t *testing.T) {
	qemu.Need(t, system.Programs...)
	ram := environment(t)
	image, err := debian()
	if err != nil {
		t.Fatal(err)
	}
	r := rack.New(t)
	c := newController(t, r, "--ramenv", ram)
	var join struct{ Secret string }
	c.must("POST", "/v1/tokens", object{"kind": "join", "name": "metal"}, &join)
	disk := qemu.NewDisk(t, "virtio", "DISK-kexec", 512<<20)
	const address, one, two = "10.77.0.31", "52:54:00:77:02:01", "52:54:00:77:02:02"
	files := map[string]string{
		"etc/hostname":  "sn-kexec\n",
		"srv/join":      join.Secret + "\n",
		"srv/customer":  letter("sn-kexec") + "\n",
		onBond:          "[Network]\nAddress=" + address + "/24\nGateway=" + rack.Address + "\n",
		tellUnit:        "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'until ip -o address show dev vlan40 | grep -q 192.0.2.7/24; do sleep 0.2; done; ip -d -o link >/dev/ttyS0'\n",
		tellUnit + "+":  "",
		agentUnit:       "[Service]\nExecStart=/usr/local/bin/steelyard-agent run --controller " + agents + " --join-file /srv/join --state /var/lib/steelyard-agent\n",
		agentUnit + "+": "",
	}
	maps.Copy(files, bonded(t, one, two))
	moveIn(t, image, disk, files)
	disk.Boot = 1
	m := qemu.Start(t, qemu.Machine{
		Memory: 768, NetNS: r.Name, Reboots: true, Disks: []qemu.Disk{disk}, NICs: []qemu.NIC{{MAC: one, Tap: r.Port("tap1")}, {MAC: two, Tap: r.Port("tap2")}},
		Identity: qemu.Identity{Manufacturer: "ACME", Product: "P1", Serial: "SN-kexec", UUID: "11111111-2222-3333-4444-555555555531", Board: "B-kexec", Chassis: "C-kexec"},
	})
	screen := func() string {
		raw, err := os.ReadFile(m.Console())
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	t.Cleanup(func() {
		if t.Failed() {
			text := screen()
			t.Logf("the screen:\n%s", text[max(0, len(text)-8000):])
		}
	})
	h := &house{controller: c}
	k := h.find("sn-kexec")
	if k.Environment != "installed" || !onDisk(t, disk, letter("sn-kexec")) {
		t.Fatalf("it is in environment %s", k.Environment)
	}
	eventually(t, "the VLAN on the bond has its address", func() bool { return strings.Contains(screen(), "vlan40@bond0") })
	for _, part := range []string{"vlan40@bond0: ", "vlan protocol 802.1Q id 40", "bond mode active-backup ", " miimon 100 ", "permaddr " + two, "master bond0"} {
		if !strings.Contains(screen(), part) {
			t.Errorf("the network is not what was written: nothing tells %q", part)
		}
	}
	c.must("POST", "/v1/servers/"+k.ID+"/approve", object{"reason": "taken over"}, nil)
	h.done(h.latest(k.ID, "diagnose")) // it begins by itself
	var ask struct{ ID string }
	c.must("POST", "/v1/servers/"+k.ID+"/operations", object{"kind": "power", "params": object{"action": "boot-ram"}}, &ask)
	o := h.done(ask.ID)
	c.must("POST", "/v1/servers/"+k.ID+"/operations", object{"kind": "erase"}, &ask)
	h.done(ask.ID)
	if s := o.Steps[0]; s.Name != "power-on" || !strings.Contains(s.Detail, "by kexec") {
		t.Errorf("step %+v", s)
	}
	if onDisk(t, disk, letter("sn-kexec")) {
		t.Error("the customer's data is still on the disk")
	}
	if s := h.server(k.ID); s.Cleanliness != "clean" || s.Environment != "ram" {
		t.Errorf("%+v", s)
	}
	if text := screen(); !strings.Contains(text, "has "+address+"/24, router "+rack.Address+", as the system had that started this one") || strings.Contains(text, "syj1.") {
		t.Error("the screen does not tell of the address, or tells the token (rule X9)")
	}
	var tokens struct {
		Items []struct {
			CreatedBy string `json:"created_by"`
			Uses      int
		}
	}
	c.must("GET", "/v1/tokens?kind=boot", nil, &tokens)
	if len(tokens.Items) != 1 || tokens.Items[0].CreatedBy != "the agent at "+address || tokens.Items[0].Uses != 1 {
		t.Errorf("boot tokens: %+v", tokens.Items)
	}
}

const (
	onBond    = "etc/systemd/network/10-steelyard-bond.network.d/rack.conf"
	agentUnit = "etc/systemd/system/steelyard-agent.service"
	tellUnit  = "etc/systemd/system/tell.service"
)

// bonded are the files for systemd-networkd that the agent writes for a VLAN on a bond, for the cards of this machine. The rack speaks no
// LACP.
func bonded(t *testing.T, one, two string) map[string]string {
	t.Helper()
	raw, err := os.ReadFile("../../../agent/configure/testdata/bond-vlan.golden")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, part := range strings.Split("\n"+string(raw), "\n--- /") {
		head, text, _ := strings.Cut(part, "\n")
		if name, _, _ := strings.Cut(head, " "); strings.HasPrefix(name, "etc/systemd/network/") {
			files[name] = strings.NewReplacer("52:54:00:aa:00:01", one, "52:54:00:aa:00:02", two, "802.3ad", "active-backup").Replace(text + "\n")
		}
	}
	if len(files) != 6 {
		t.Fatalf("the agent writes %d files for systemd-networkd", len(files))
	}
	return files
}

// moveIn writes a system to a disk, with an agent and some files in it, through a loop device that is made for it here. A "+" behind a
// unit lets it start with the system.
func moveIn(t *testing.T, image string, disk qemu.Disk, files map[string]string) {
	t.Helper()
	run := func(name string, args ...string) string {
		out, err := exec.Command(name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	run("dd", "if="+image, "of="+disk.File, "bs=1M", "conv=notrunc,sparse", "status=none")
	loop := run("losetup", "--show", "-f", "-o", strconv.Itoa(system.Root), disk.File)
	defer run("losetup", "-d", loop)
	root := t.TempDir()
	run("mount", "-t", "ext4", loop, root)
	defer run("umount", root)
	programs, err := bin()
	if err != nil {
		t.Fatal(err)
	}
	run("cp", filepath.Join(programs, "steelyard-agent"), filepath.Join(root, "usr/local/bin/"))
	for name, text := range files {
		path := filepath.Join(root, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if unit, ok := strings.CutSuffix(path, "+"); ok {
			err = errors.Join(err, os.Symlink("../"+filepath.Base(unit), filepath.Join(filepath.Dir(unit), "multi-user.target.wants", filepath.Base(unit))))
		} else {
			err = errors.Join(err, os.WriteFile(path, []byte(text), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
