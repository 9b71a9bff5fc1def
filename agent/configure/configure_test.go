package configure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/driver/drivertest"
	"github.com/steelyard/steelyard/agent/driver/linux"
	"github.com/steelyard/steelyard/agent/link"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run runs a program of the system.
func run(t *testing.T, stdin string, words ...string) string {
	t.Helper()
	path, err := exec.LookPath(words[0])
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + words[0])
	}
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	c := exec.Command(path, words[1:]...)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v: %s", words, err, out)
	}
	return strings.TrimSpace(string(out))
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// disk is a loop device that plays the disk of a machine.
type disk struct {
	t     *testing.T
	path  string
	disks driver.Disks
	ref   protocol.DiskRef

	whole, rootSize int64
}

func newDisk(t *testing.T, size int64, flags ...string) *disk {
	t.Helper()
	d := &disk{t: t, path: drivertest.Loop(t, size, flags...)}
	s, err := linux.OpenSandbox(0, d.path)
	ok(t, err)
	d.disks = linux.New(linux.Options{Sandbox: []*linux.SandboxDisk{s}})
	d.ref = protocol.DiskRef{Name: "sandbox-0", Serial: "sandbox-0", SizeBytes: uint64(size)}
	return d
}

// at attaches a part of the disk to a loop device of its own, for as long as do runs.
func (d *disk) at(start, size int64, do func(part string)) {
	d.t.Helper()
	part := run(d.t, "", "losetup", "--show", "-f", "-o", fmt.Sprint(start), "--sizelimit", fmt.Sprint(size), d.path)
	defer run(d.t, "", "losetup", "-d", part)
	do(part)
}

// inside mounts a part of the disk for as long as do runs.
func (d *disk) inside(start, size int64, do func(dir string)) {
	d.t.Helper()
	d.at(start, size, func(part string) {
		dir := d.t.TempDir()
		run(d.t, "", "mount", part, dir)
		defer run(d.t, "", "umount", dir)
		do(dir)
	})
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		ok(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if to, link := strings.CutPrefix(text, "-> "); link {
			ok(t, os.Symlink(to, path))
			continue
		}
		ok(t, os.WriteFile(path, []byte(text), 0o644))
	}
}

// system is the least that makes a tree a system with systemd-networkd.
func system() map[string]string {
	return map[string]string{
		"usr/lib/os-release":        "PRETTY_NAME=\"Test GNU/Linux 1\"\n",
		"etc/os-release":            "-> ../usr/lib/os-release",
		"usr/lib/systemd/systemd":   "",
		"etc/hosts":                 "127.0.0.1 localhost\n127.0.1.1 old\n",
		"etc/hostname":              "old\n",
		"etc/fstab":                 "LABEL=rootfs / ext4 defaults 0 1\n",
		"root/.ssh/authorized_keys": "ssh-ed25519 AAAA provider\n",
		"etc/systemd/system/multi-user.target.wants/systemd-networkd.service": "-> /lib/systemd/system/systemd-networkd.service",
	}
}

// names and keys of the tests' wish.
func wish() Wish {
	return Wish{
		Install: "op-1", Image: "test-1", OSFamily: "linux", Hostname: "web1.example.org", SSHKeys: []string{"ssh-ed25519 BBBB ann"},
		Controllers: []string{"192.0.2.1:8443", "192.0.2.2:8443"}, MAC: "52:54:00:AA:00:01",
		Network: &protocol.Network{MAC: "52:54:00:aa:00:01", Addresses: []string{"192.0.2.7/24", "2001:db8:0:7::5/64"}, Gateway4: "192.0.2.1", Gateway6: "2001:db8::1", DNS: []string{"192.0.2.53"}},
	}
}

type successor struct {
	userData string
	err      error
}

func (s successor) Successor(context.Context) (link.Succession, error) {
	return link.Succession{Record: link.Record{InstanceID: "ins-2", Key: []byte("key"), ServerID: "srv-1", Certificate: []byte("cert")}, UserData: s.userData}, s.err
}

// program is what plays the agent's own file.
func program(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "agent")
	ok(t, os.WriteFile(path, []byte("\x7fELF the agent"), 0o755))
	return path
}

// sizes of disk and image, bytes; xfs has no small ones.
func sizes(kind string) (whole, first int64) {
	if kind == "ext4" {
		return 260 << 20, 180 << 20
	}
	return 700 << 20, 400 << 20
}

// mayGrow tells whether this process may grow a mounted ext4: the kernel wants CAP_SYS_RESOURCE for it, which a container's
// root may lack. The virtual machine of TestB43_InAMachine has it.
func mayGrow(t *testing.T, kind string) bool {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	ok(t, err)
	_, rest, _ := strings.Cut(string(text), "CapEff:\t")
	caps, err := strconv.ParseUint(rest[:16], 16, 64)
	ok(t, err)
	return kind != "ext4" || caps&(1<<unix.CAP_SYS_RESOURCE) != 0
}

// image makes a disk with a table, an EFI system partition and a root, as large as an image of 400 MiB would leave it.
func image(t *testing.T, label, kind string, files map[string]string, flags ...string) *disk {
	t.Helper()
	whole, first := sizes(kind)
	d := newDisk(t, whole, flags...)
	d.whole, d.rootSize = whole, first-rootAt-2048*512
	esp, root := "U", "L"
	if label == "dos" {
		esp, root = "ef", "83"
	}
	table := fmt.Sprintf("label: %s\nunit: sectors\nstart=2048, size=65536, type=%s\nstart=67584, size=%d, type=%s\n", label, esp, d.rootSize/512, root)
	small := filepath.Join(t.TempDir(), "small") // sfdisk sees a disk as large as the image
	ok(t, os.WriteFile(small, nil, 0o600))
	ok(t, os.Truncate(small, first))
	run(t, table, "sfdisk", "-q", small)
	run(t, "", "dd", "if="+small, "of="+d.path, "bs=1M", "conv=notrunc", "status=none")
	d.at(rootAt, d.rootSize, func(part string) {
		switch kind {
		case "ext4":
			run(t, "", "mkfs.ext4", "-q", "-b", "4096", "-L", "rootfs", part)
		case "xfs":
			run(t, "", "mkfs.xfs", "-q", "-f", "-L", "rootfs", part)
		case "btrfs":
			run(t, "", "mkfs.btrfs", "-q", "-f", "-L", "rootfs", part)
		}
	})
	d.inside(rootAt, d.rootSize, func(dir string) { write(t, dir, files) })
	return d
}

const rootAt = 67584 * 512

func (d *disk) configure(w Wish) (done, warnings string, err error) {
	a, b, err := Run(d.t.Context(), d.disks, d.ref, w, program(d.t), successor{userData: w.UserData})
	return strings.Join(a, "\n"), strings.Join(b, "\n"), err
}

// grown is what the root has after it grew: all of the disk but for the end of the table.
func (d *disk) grown() int64 { return (d.whole-34*512)/mib*mib - rootAt }

func TestB43_TheSystemIsGrownAndConfigured(t *testing.T) {
	for _, c := range []struct{ label, kind string }{{"gpt", "ext4"}, {"gpt", "xfs"}, {"gpt", "btrfs"}, {"dos", "ext4"}} {
		t.Run(c.label+" "+c.kind, func(t *testing.T) {
			d := image(t, c.label, c.kind, system())
			done, warnings, err := d.configure(wish())
			ok(t, err)
			for _, want := range []string{"Test GNU/Linux 1 on partition 2 (" + c.kind + ")", "partition 2 grew from", "host name web1.example.org", "network for systemd-networkd", "agent of server srv-1"} {
				if !strings.Contains(done, want) {
					t.Errorf("not told: %s\n%s", want, done)
				}
			}
			grows := mayGrow(t, c.kind)
			if strings.Contains(done, "root file system grew from") != grows {
				t.Errorf("growth, possible %v: %s", grows, done)
			}
			expected := "this machine starts by a BIOS, and the image has no boot loader for it"
			if !grows {
				expected = "the root file system keeps its size: grow ext4: operation not permitted\n" + expected
			}
			if warnings != expected {
				t.Errorf("warnings: %s", warnings)
			}
			d.looks(c.label, grows)
			again, _, err := d.configure(wish())
			ok(t, err)
			if strings.Contains(again, "grew") {
				t.Errorf("it grew twice: %s", again)
			}
			d.looks(c.label, grows)
		})
	}
}

// looks compares what is on the disk with the wish, through other programs than ours.
func (d *disk) looks(label string, grows bool) {
	t := d.t
	t.Helper()
	size := d.grown()
	if label == "dos" {
		size = d.whole - rootAt
	}
	table := run(t, "", "sfdisk", "--dump", d.path)
	if !strings.Contains(table, fmt.Sprintf("size=%12d", size/512)) {
		t.Errorf("the root is not of %d sectors:\n%s", size/512, table)
	}
	if label == "gpt" {
		if said := run(t, "", "sgdisk", "--verify", d.path); !strings.Contains(said, "No problems found") {
			t.Errorf("sgdisk: %s", said)
		}
	}
	d.inside(rootAt, size, func(dir string) {
		var st unix.Statfs_t
		ok(t, unix.Statfs(dir, &st))
		if got := int64(st.Blocks) * st.Bsize; grows && got < size*85/100 {
			t.Errorf("the file system has %d of %d bytes", got, size)
		}
		for name, want := range map[string]string{
			"etc/hostname":                               "web1.example.org\n",
			"etc/hosts":                                  "127.0.0.1 localhost\n127.0.1.1\tweb1.example.org web1\n",
			"root/.ssh/authorized_keys":                  "ssh-ed25519 AAAA provider\nssh-ed25519 BBBB ann\n",
			"usr/local/sbin/steelyard-agent":             "\x7fELF the agent",
			"etc/steelyard/agent.env":                    "STEELYARD_CONTROLLER=192.0.2.1:8443,192.0.2.2:8443\n",
			"etc/systemd/network/10-steelyard.network":   wish().networkd()[0].text,
			"etc/resolv.conf":                            "nameserver 192.0.2.53\n",
			"etc/systemd/system/steelyard-agent.service": unitText,
		} {
			if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
				t.Errorf("/%s holds %q, not %q (%v)", name, got, want, err)
			}
		}
		if to, err := os.Readlink(filepath.Join(dir, "etc/systemd/system/multi-user.target.wants/steelyard-agent.service")); err != nil || to != "/etc/systemd/system/steelyard-agent.service" {
			t.Errorf("the unit is not enabled: %s %v", to, err)
		}
		rec, found, err := link.Dir(filepath.Join(dir, agentState)).Load()
		if err != nil || !found || rec.InstanceID != "ins-2" || string(rec.Key) != "key" {
			t.Errorf("identity: %+v %v", rec, err)
		}
		st2, err := os.Stat(filepath.Join(dir, agentState, link.StateFile))
		if err != nil || st2.Mode().Perm() != 0o600 {
			t.Errorf("others may read the identity: %v %v", st2, err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*/.*steelyard-new")); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
}

// TestB43_AHostileImageReachesNothingOutsideOfItself has links in every place that is written to.
func TestB43_AHostileImageReachesNothingOutsideOfItself(t *testing.T) {
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	ok(t, os.WriteFile(secret, []byte("untouched"), 0o600))
	before, err := os.ReadFile("/etc/hostname")
	ok(t, err)
	up := strings.Repeat("../", 20)
	for what, c := range map[string]struct {
		files map[string]string // "" takes a file away
		fails string            // "" the system is configured all the same
	}{
		"a file that is a link":            {map[string]string{"etc/hostname": "-> " + secret}, ""},
		"a file that is a link upwards":    {map[string]string{"etc/hostname": "-> " + up + secret}, ""},
		"hosts that are the host's":        {map[string]string{"etc/hosts": "-> /etc/shadow"}, ""},
		"keys that are a link":             {map[string]string{"root/.ssh/authorized_keys": "-> " + secret}, ""},
		"a directory that is a link":       {map[string]string{"root/.ssh": "-> " + outside}, "root/.ssh"},
		"a directory that leads upwards":   {map[string]string{"var/lib/steelyard-agent": "-> " + up + outside}, ""},
		"the program's place leads away":   {map[string]string{"usr/local": "-> " + outside}, "usr/local/sbin"},
		"a directory in place of a file":   {map[string]string{"etc/hostname/x": ""}, ""},
		"a name of ours that exists":       {map[string]string{"etc/.hostname.steelyard-new": "-> " + secret}, ""},
		"a unit that is masked":            {map[string]string{agentUnit: "-> /dev/null"}, ""},
		"a system without systemd":         {map[string]string{"usr/lib/systemd/systemd": ""}, "no systemd"},
		"a file where a directory belongs": {map[string]string{"etc/systemd/network": "file"}, "etc/systemd/network"},
	} {
		t.Run(what, func(t *testing.T) {
			files := system()
			for name, text := range c.files {
				for other := range files {
					if other == name || strings.HasPrefix(other, name+"/") || strings.HasPrefix(name, other+"/") {
						delete(files, other)
					}
				}
				if text != "" {
					files[name] = text
				}
			}
			d := image(t, "gpt", "ext4", files)
			_, _, err := d.configure(wish())
			if c.fails == "" && err != nil || c.fails != "" && (!fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), c.fails)) {
				t.Errorf("%v; expected %q", err, c.fails)
			}
			d.free()
		})
	}
	after, err := os.ReadFile("/etc/hostname")
	ok(t, err)
	if got, err := os.ReadFile(secret); err != nil || string(got) != "untouched" || string(after) != string(before) {
		t.Errorf("something outside of the image was written: %q %q %v", got, after, err)
	}
	if list, _ := os.ReadDir(outside); len(list) != 1 {
		t.Errorf("something outside of the image was made: %v", list)
	}
}

// free fails while anything holds the disk.
func (d *disk) free() {
	d.t.Helper()
	dev, err := driver.Open(d.t.Context(), d.disks, d.ref, driver.Write)
	if err != nil {
		d.t.Errorf("the disk is still held: %v", err)
		return
	}
	ok(d.t, dev.Close())
	if left, _ := filepath.Glob("/sys/block/" + filepath.Base(d.path) + "/loop*p*"); len(left) > 0 {
		d.t.Errorf("the kernel still knows partitions: %v", left)
	}
	if left, _ := filepath.Glob("/dev/.steelyard-*"); len(left) > 0 {
		d.t.Errorf("nodes are left: %v", left)
	}
}

func TestB43_WhatIsWrongWithAnImageIsSaid(t *testing.T) {
	for what, c := range map[string]struct {
		spoil func(t *testing.T, d *disk)
		said  string
	}{
		"no table":      {func(_ *testing.T, d *disk) { d.poke(510, 0, 0) }, "no partition table"},
		"a torn table":  {func(_ *testing.T, d *disk) { d.poke(1024+32, 0xFF) }, "checksum"},
		"a torn header": {func(_ *testing.T, d *disk) { d.poke(512+40, 0xFF) }, "checksum"},
		"no system": {func(t *testing.T, d *disk) {
			d.inside(rootAt, d.rootSize, func(dir string) { ok(t, os.RemoveAll(dir+"/etc")); ok(t, os.RemoveAll(dir+"/usr")) })
		}, "without a system"},
		"a damaged system": {func(_ *testing.T, d *disk) { d.poke(rootAt+1024+4, 0xFF, 0xFF, 0xFF, 0xFF) }, "cannot mount|mount the ext4"},
		"no file system":   {func(_ *testing.T, d *disk) { d.poke(rootAt+1024+56, 0, 0) }, "no partition of the image has"},
		"no room for the agent": {func(t *testing.T, d *disk) {
			d.inside(rootAt, d.rootSize, func(dir string) {
				f, err := os.Create(dir + "/big")
				ok(t, err)
				for _, err := f.Write(make([]byte, mib)); err == nil; _, err = f.Write(make([]byte, mib)) {
				}
				for _, err := f.Write(make([]byte, 4096)); err == nil; _, err = f.Write(make([]byte, 4096)) {
				}
				_ = f.Close()
			})
			d.full() // and no room to grow
		}, "is full"},
	} {
		t.Run(what, func(t *testing.T) {
			d := image(t, "gpt", "ext4", system())
			c.spoil(t, d)
			_, _, err := d.configure(wish())
			found := false
			for _, said := range strings.Split(c.said, "|") {
				found = found || err != nil && strings.Contains(err.Error(), said)
			}
			if !found || !fault.Is(err, fault.KindRefused) {
				t.Errorf("%v; expected %q", err, c.said)
			}
			d.free()
		})
	}
}

// poke changes bytes of the disk.
func (d *disk) poke(at int64, b ...byte) {
	f, err := os.OpenFile(d.path, os.O_RDWR, 0)
	ok(d.t, err)
	_, err = f.WriteAt(b, at)
	ok(d.t, errors.Join(err, f.Sync(), f.Close()))
}

// full gives the rest of the disk to a third partition, so that the root cannot grow.
func (d *disk) full() {
	run(d.t, "", "sgdisk", "-e", "-n", "3:0:0", d.path)
}

func TestB43_ASuccessorThatCannotBeHadIsWorthAnotherTry(t *testing.T) {
	d := image(t, "gpt", "ext4", system())
	_, _, err := Run(t.Context(), d.disks, d.ref, wish(), program(t), successor{err: fault.Unavailable("no controller answers")})
	if !fault.Is(err, fault.KindUnavailable) {
		t.Errorf("%v", err)
	}
	d.free()
	if _, _, err := d.configure(wish()); err != nil {
		t.Error(err)
	}
}

func TestB43_CloudInitGetsASeed(t *testing.T) {
	files := system()
	files["usr/bin/cloud-init"] = ""
	d := image(t, "gpt", "ext4", files)
	w := wish()
	w.UserData = "#!/bin/sh\necho hello\n"
	done, _, err := d.configure(w)
	ok(t, err)
	if !strings.Contains(done, "NoCloud") {
		t.Errorf("told: %s", done)
	}
	d.inside(rootAt, d.grown(), func(dir string) {
		for _, f := range w.seed() {
			if got, err := os.ReadFile(filepath.Join(dir, f.name)); err != nil || string(got) != f.text {
				t.Errorf("%s: %q %v", f.name, got, err)
			}
		}
		if got, err := os.ReadFile(dir + "/etc/hostname"); err != nil || string(got) != "old\n" {
			t.Errorf("cloud-init is told, and was anticipated: %q %v", got, err)
		}
		var rec link.Record
		text, err := os.ReadFile(filepath.Join(dir, agentState, link.StateFile))
		ok(t, err)
		ok(t, json.Unmarshal(text, &rec))
	})
}
