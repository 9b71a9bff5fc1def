package install

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/configure"
	"github.com/steelyard/steelyard/agent/driver/drivertest"
	"github.com/steelyard/steelyard/agent/driver/linux"
	"github.com/steelyard/steelyard/agent/install"
	"github.com/steelyard/steelyard/agent/link"
	"github.com/steelyard/steelyard/controller/authority"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/gateway"
	"github.com/steelyard/steelyard/controller/gateway/gatewaytest"
	"github.com/steelyard/steelyard/controller/image"
	"github.com/steelyard/steelyard/controller/image/build"
	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
	"github.com/steelyard/steelyard/deploy/e2e/metal/rack"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// patience is how long anything may take on a busy machine.
const patience = 8 * time.Minute

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

// debian is the example image. It is built once for each recipe, and kept.
func debian(t *testing.T) string {
	t.Helper()
	qemu.Need(t, "mmdebstrap", "sfdisk", "mkfs.ext4", "mkfs.vfat", "mcopy", "extlinux", "grub-mkimage")
	recipe, err := os.ReadFile("../../../../controller/image/build/build.go")
	ok(t, err)
	file := filepath.Join(filepath.Dir(qemu.Cache()), "image", fmt.Sprintf("%s-%.6x.raw.zst", build.Debian12, sha256.Sum256(recipe)))
	if _, err := os.Stat(file); err == nil {
		return file
	}
	ok(t, os.MkdirAll(filepath.Dir(file), 0o755))
	ok(t, build.Run(t.Context(), build.Options{Name: build.Debian12, Output: file, Tell: func(now string) { t.Log(now) }}))
	return file
}

// agentProgram builds the agent as it is released.
func agentProgram(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "steelyard-agent")
	c := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", file, "github.com/steelyard/steelyard/agent")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return file
}

// controller is a real gateway in a rack, over records in memory.
type controller struct {
	fleet  *gatewaytest.Fleet
	token  string
	images *image.Store
}

const address = rack.Address + ":7443"

func newController(t *testing.T, r *rack.Rack) *controller {
	t.Helper()
	a, err := authority.Open(t.TempDir())
	ok(t, err)
	c := &controller{fleet: gatewaytest.New(), token: a.JoinToken("tok-1", "s3cret")}
	c.fleet.AddToken("s3cret", 10)
	c.fleet.Approve = true
	c.images, err = image.Open(t.TempDir(), a.Sign)
	ok(t, err)
	g, err := gateway.New(gateway.Options{Authority: a, Certificate: a.ServerCertificate(rack.Address), Directory: c.fleet, Intake: c.fleet, Presence: c.fleet, Images: c.images, Replica: "r1"})
	ok(t, err)
	var ln net.Listener
	ok(t, r.Enter(func() (err error) { ln, err = net.Listen("tcp", address); return err }))
	background(t, func(ctx context.Context) error { return g.Run(ctx, ln) })
	return c
}

// background runs work until the test ends; it must then return nil.
func background(t *testing.T, work func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- work(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// installer is the session of the agent that installs, as the RAM environment has it.
func (c *controller) installer(t *testing.T, r *rack.Rack) *link.Link {
	t.Helper()
	l, err := link.New(link.Options{
		Controllers: []string{address}, Join: c.token, State: &link.Memory{}, Source: machine{}, Executor: idle{}, Environment: protocol.EnvRAM, BootID: "ram",
		Capabilities: []string{protocol.CanInstall}, Logger: slog.New(slog.DiscardHandler),
		Dial: func(ctx context.Context, to string) (net.Conn, error) { return r.Dial(ctx, "tcp", to) },
	})
	ok(t, err)
	background(t, func(ctx context.Context) error {
		_ = l.Run(ctx) // ends when the system takes its place
		return nil
	})
	eventually(t, "the installing agent is connected", func() bool { return len(c.fleet.Present()) == 1 })
	return l
}

// machine is what the installing agent says that it is on.
type machine struct{}

func (machine) Inventory(context.Context) hardware.Inventory {
	return hardware.Inventory{Identity: hardware.Identity{UUID: "11111111-2222-3333-4444-555555555501"}}
}
func (machine) Sample(*hardware.Sample) error { return nil }

// idle has no commands: the test does what they would.
type idle struct{}

func (idle) Attach(protocol.Welcome)                 {}
func (idle) Execute(protocol.Command)                {}
func (idle) Cancel(protocol.Cancel)                  {}
func (idle) Running() string                         { return "" }
func (idle) Unacked() []protocol.Result              { return nil }
func (idle) Acked(string)                            {}
func (idle) Progress() (p protocol.Progress, _ bool) { return p, false }
func (idle) Changed() <-chan struct{}                { return nil }

// job has nobody to tell.
type job struct{}

func (job) Report(uint64, uint64, string, string) {}
func (job) Remember(any) error                    { return nil }
func (job) Recall(any) (bool, error)              { return false, nil }

const mac = "52:54:00:77:00:01"

// TestB43_AWrittenDebianReportsByItself writes the example image, starts a machine from the disk, and waits for the
// agent that was put into it: boot loader, kernel, network and identity are right when it is there.
func TestB43_AWrittenDebianReportsByItself(t *testing.T) {
	file, program := debian(t), agentProgram(t)
	for name, firmware := range map[string]qemu.Firmware{"BIOS": qemu.BIOS, "UEFI": qemu.UEFI} {
		t.Run(name, func(t *testing.T) {
			r := rack.New(t)
			c := newController(t, r)
			path := c.install(t, r, file, program)
			m := qemu.Start(t, qemu.Machine{
				Firmware: firmware, Memory: 768, NetNS: r.Name,
				Identity: qemu.Identity{Manufacturer: "ACME", Product: "P1", Serial: "SN1", UUID: "11111111-2222-3333-4444-555555555501"},
				Disks:    []qemu.Disk{{Bus: "nvme", Serial: "NV1", File: path, Boot: 1}},
				NICs:     []qemu.NIC{{MAC: "52:54:00:77:00:09", Model: "e1000", Tap: r.Port("tap1"), Plain: true}, {MAC: mac, Tap: r.Port("tap0"), Plain: true}},
			})
			eventually(t, "the installed system is connected", func() bool {
				if m.Over() {
					t.Fatal("the machine went off")
				}
				for id := range c.fleet.Present() {
					if s, known := c.fleet.Server(id); known && s.Environment == protocol.EnvInstalled {
						rep, told := c.fleet.Reported(id)
						return told && rep.Inventory.Identity.UUID != "" && s.Approval == fleet.Approved
					}
				}
				return false
			})
			if !strings.Contains(screen(t, m), "web1 login:") {
				eventually(t, "it asks for a login by its name", func() bool { return strings.Contains(screen(t, m), "web1 login:") })
			}
		})
	}
}

func screen(t *testing.T, m *qemu.Running) string {
	t.Helper()
	text, err := os.ReadFile(m.Console())
	ok(t, err)
	return string(text)
}

// install does what an image command does in memory, on a loop device over the file that becomes the machine's disk.
func (c *controller) install(t *testing.T, r *rack.Rack, file, program string) (path string) {
	t.Helper()
	f, err := os.Open(file)
	ok(t, err)
	defer func() { _ = f.Close() }()
	img, err := c.images.Import(t.Context(), f, image.Meta{Name: build.Debian12, OSFamily: "linux", Format: image.Zstd})
	ok(t, err)
	const size = 4 << 30
	loop := drivertest.Loop(t, size, "--direct-io=on")
	s, err := linux.OpenSandbox(0, loop)
	ok(t, err)
	disks := linux.New(linux.Options{Sandbox: []*linux.SandboxDisk{s}})
	ref := protocol.DiskRef{Name: "disk", Serial: "sandbox-0", SizeBytes: size}
	l := c.installer(t, r)
	if _, err := install.Run(t.Context(), disks, l, img.ImageManifest, ref, job{}); err != nil {
		t.Fatal(err)
	}
	done, warnings, err := configure.Run(t.Context(), disks, ref, configure.Wish{
		Install: "op-1", Image: img.Name, OSFamily: "linux", Hostname: "web1.example.org", SSHKeys: []string{"ssh-ed25519 AAAA ann"}, Controllers: []string{address},
		Network: &protocol.Network{MAC: mac, Addresses: []string{"10.77.0.20/24"}, Gateway4: rack.Address},
	}, program, l)
	t.Logf("done: %s\nwarnings: %s", strings.Join(done, "; "), strings.Join(warnings, "; "))
	ok(t, err)
	backing, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(loop), "loop/backing_file"))
	ok(t, err)
	return strings.TrimSpace(string(backing))
}

// TestB43_TheRootFillsTheDiskOfAMachine configures a written system on an NVMe disk inside a machine whose kernel reads partition
// tables itself, and looks at the file system from outside.
func TestB43_TheRootFillsTheDiskOfAMachine(t *testing.T) {
	const start, rootBlocks, size = 33 << 20, 36 << 10, 400 << 20
	if qemu.Inside() {
		inside(t, size)
		return
	}
	qemu.Need(t, "sfdisk", "mkfs.ext4", "e2fsck", "dumpe2fs")
	disk := qemu.NewDisk(t, "nvme", "NV1", size)
	root := filepath.Join(t.TempDir(), "root")
	for name, text := range map[string]string{"etc/os-release": "PRETTY_NAME=Test\n", "usr/lib/systemd/systemd": "", "etc/fstab": "LABEL=root / ext4 defaults 0 1\n"} {
		ok(t, os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755))
		ok(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o644))
	}
	script := "label: gpt\nstart=1MiB, size=32MiB, type=U\nstart=33MiB, type=L\n"
	run(t, "truncate", "-s", "180M", disk.File)
	run(t, "sh", "-c", "echo '"+script+"' | PATH=$PATH:/usr/sbin:/sbin sfdisk -q "+disk.File)
	run(t, "mkfs.ext4", "-q", "-F", "-b", "4096", "-L", "root", "-E", fmt.Sprint("offset=", start), "-d", root, disk.File, fmt.Sprint(rootBlocks))
	run(t, "truncate", "-s", fmt.Sprint(size), disk.File)
	qemu.RunTest(t, qemu.Machine{Disks: []qemu.Disk{disk}})
	part := filepath.Join(t.TempDir(), "part")
	run(t, "dd", "if="+disk.File, "of="+part, "bs=1M", "skip=33", "conv=sparse", "status=none")
	run(t, "e2fsck", "-fn", part)
	if said := run(t, "dumpe2fs", "-h", part); !strings.Contains(said, fmt.Sprint("Block count:              ", ((size-33*512)/(1<<20)*(1<<20)-start)/4096)) {
		t.Errorf("the file system does not fill its partition:\n%s", said)
	}
}

func inside(t *testing.T, size uint64) {
	disks := linux.New(linux.Options{Disks: func(context.Context) []hardware.Disk {
		return []hardware.Disk{{Name: "nvme0n1", Serial: "NV1", SizeBytes: size, Type: hardware.DiskNVMe}}
	}})
	for _, grows := range []bool{true, false} { // again changes nothing
		done, warnings, err := configure.Run(t.Context(), disks, protocol.DiskRef{Name: "nvme0n1", Serial: "NV1", SizeBytes: size}, configure.Wish{
			Install: "op-1", Image: "test", OSFamily: "linux", Hostname: "web1", Controllers: []string{address},
		}, "/proc/self/exe", successor{})
		t.Logf("done: %s\nwarnings: %s", strings.Join(done, "; "), strings.Join(warnings, "; "))
		ok(t, err)
		for _, what := range []string{"partition 2 grew", "root file system grew"} {
			if strings.Contains(strings.Join(done, "; "), what) != grows {
				t.Errorf("%s: %v is wrong", what, !grows)
			}
		}
	}
}

type successor struct{}

func (successor) Successor(context.Context) (link.Succession, error) {
	return link.Succession{Record: link.Record{InstanceID: "ins-2", ServerID: "srv-1"}}, nil
}

func run(t *testing.T, words ...string) string {
	t.Helper()
	c := exec.Command(words[0], words[1:]...)
	if _, err := exec.LookPath(words[0]); err != nil {
		c = exec.Command("/usr/sbin/"+words[0], words[1:]...)
	}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v: %s", words, err, out)
	}
	return string(out)
}
