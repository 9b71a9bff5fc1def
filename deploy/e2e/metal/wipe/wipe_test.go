package wipe

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/collect"
	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/driver/linux"
	"github.com/steelyard/steelyard/agent/erase"
	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

const (
	secret = "the last tenant's customer list "
	size   = 24 << 20
)

// filled makes a disk that is full of the secret.
func filled(t *testing.T, bus, serial, options string) qemu.Disk {
	t.Helper()
	d := qemu.NewDisk(t, bus, serial, size)
	d.Options = options
	if err := os.WriteFile(d.File, bytes.Repeat([]byte(secret), size/len(secret)), 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

// left counts what is left of the secret on a disk, from outside.
func left(t *testing.T, d qemu.Disk) int {
	t.Helper()
	raw, err := os.ReadFile(d.File)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(raw, []byte(secret))
}

// machine is the one that the test runs in.
func machine(t *testing.T) *linux.Machine {
	t.Helper()
	c := collect.New(collect.Options{Smartctl: os.DevNull})
	return linux.New(linux.Options{Inventory: c.Inventory, Disks: func(ctx context.Context) []hardware.Disk {
		inv := c.Inventory(ctx)
		return inv.Disks
	}})
}

// job is an erase.Job in memory.
type job struct {
	mu   sync.Mutex
	note []byte
}

func (*job) Report(uint64, uint64, string, string) {}
func (*job) Parts(func() []protocol.Part)          {}
func (*job) Final(time.Duration) func()            { return func() {} }
func (*job) UsePermit(string, time.Time) error     { return nil }

func (j *job) Remember(note any) (err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.note, err = json.Marshal(note)
	return err
}

func (j *job) Recall(note any) (bool, error) {
	if j.note == nil {
		return false, nil
	}
	return true, json.Unmarshal(j.note, note)
}

// run erases every disk of the machine.
func run(t *testing.T, m *linux.Machine) (map[string]protocol.Erasure, error) {
	t.Helper()
	list, err := m.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := erase.Run(t.Context(), m, protocol.Permit{ID: "permit", Disks: list}, &job{})
	found := map[string]protocol.Erasure{}
	for _, e := range out {
		found[e.Disk.Serial] = e
		text, _ := json.MarshalIndent(e, "", " ")
		t.Logf("%s", text)
	}
	return found, err
}

// outcomes are what was tried and what came of it, in one line.
func outcomes(e protocol.Erasure) string {
	var list []string
	for _, a := range e.Attempts {
		list = append(list, a.Method+": "+a.Outcome)
	}
	return strings.Join(list, "; ")
}

// TestB45_DisksOfEveryKindAreErased by what their drives have, or by hand.
func TestB45_DisksOfEveryKindAreErased(t *testing.T) {
	if qemu.Inside() {
		out, err := run(t, machine(t))
		if err != nil || len(out) != 5 {
			t.Fatalf("%d disks: %v", len(out), err)
		}
		for serial, e := range out {
			if !e.Proven || e.VerifiedBytes != size {
				t.Errorf("%s: %+v", serial, e)
			}
			t.Log(serial, e.Method, "|", outcomes(e))
		}
		return
	}
	m := qemu.Machine{Disks: []qemu.Disk{
		filled(t, "nvme", "NV1", ""), filled(t, "nvme", "NV2", "discard=unmap"), filled(t, "virtio", "VD1", ""), filled(t, "scsi", "SC1", ""), filled(t, "sata", "SA1", ""),
	}}
	erasedOutside(t, m)
}

// told is a machine whose disks have one more rung, which comes first.
type told struct {
	*linux.Machine
	rungs map[string]driver.Rung // by serial
}

func (m told) Open(ctx context.Context, name string, mode driver.Mode) (driver.Disk, error) {
	d, err := m.Machine.Open(ctx, name, mode)
	if err != nil {
		return nil, err
	}
	ref, err := d.Identify(ctx)
	if err != nil {
		return nil, err
	}
	return toldDisk{d, m.rungs[ref.Serial]}, nil
}

type toldDisk struct {
	driver.Disk
	rung driver.Rung
}

func (d toldDisk) Rungs(context.Context) ([]driver.Rung, error) { return []driver.Rung{d.rung}, nil }

// by makes a rung of programs that other people wrote. A program that fails is a rung that fails.
func by(t *testing.T, method string, commands ...string) driver.Rung {
	return driver.Rung{Method: method, Run: func(ctx context.Context, _ func(float64)) error {
		for _, c := range commands {
			words := strings.Fields(c)
			out, err := exec.CommandContext(ctx, "/bin/"+words[0], words[1:]...).CombinedOutput()
			t.Logf("%s: %v\n%s", c, err, out)
			if err != nil {
				return err
			}
		}
		return nil
	}}
}

// device is the path of the disk with a serial number.
func device(t *testing.T, m *linux.Machine, serial string) string {
	t.Helper()
	list, err := m.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range list {
		if ref.Serial == serial {
			return "/dev/" + ref.Name
		}
	}
	t.Fatalf("no disk %s in %+v", serial, list)
	return ""
}

// TestB45_ADriveThatLiesIsCaught: commands that return success and leave the data are named so, and the disk is
// overwritten.
func TestB45_ADriveThatLiesIsCaught(t *testing.T) {
	if qemu.Inside() {
		m := machine(t)
		format, sanitize, virtio := device(t, m, "SC1"), device(t, m, "SC2"), device(t, m, "VD1")
		lies := told{m, map[string]driver.Rung{
			"SC1": by(t, "scsi format", "sg_format --format --quick --wait "+format),
			"SC2": by(t, "scsi sanitize: overwrite", "sg_sanitize --overwrite --zero --quick --wait "+sanitize),
			"VD1": by(t, "discard alone", "blkdiscard --force "+virtio),
		}}
		caught(t, lies)
		return
	}
	erasedOutside(t, qemu.Machine{
		Disks:    []qemu.Disk{filled(t, "scsi", "SC1", ""), filled(t, "scsi", "SC2", ""), filled(t, "virtio", "VD1", "")},
		Programs: []string{"sg_format", "sg_sanitize", "blkdiscard"},
	})
}

// TestB45_ASATADriveThatLiesIsCaught, and answers no reads for two minutes afterwards.
func TestB45_ASATADriveThatLiesIsCaught(t *testing.T) {
	if qemu.Inside() {
		m := machine(t)
		disk := device(t, m, "SA1")
		caught(t, told{m, map[string]driver.Rung{
			"SA1": by(t, "ata security erase", "hdparm --user-master u --security-set-pass p "+disk, "hdparm --user-master u --security-erase p "+disk),
		}})
		return
	}
	erasedOutside(t, qemu.Machine{Disks: []qemu.Disk{filled(t, "sata", "SA1", "")}, Programs: []string{"hdparm"}})
}

// caught erases every disk and wants the first thing that was tried to be found out.
func caught(t *testing.T, lies told) {
	t.Helper()
	list, err := lies.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := erase.Run(t.Context(), lies, protocol.Permit{ID: "permit", Disks: list}, &job{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range out {
		t.Log(e.Disk.Serial, e.Method, "|", outcomes(e))
		if !e.Proven || e.Attempts[0].Outcome != protocol.AttemptClaimed || e.Method != "discard + overwrite noise + zero" || e.VerifiedBytes != size {
			t.Errorf("%+v", e)
		}
	}
}

// erasedOutside runs the test in the machine and looks for the secret in what is left.
func erasedOutside(t *testing.T, m qemu.Machine) {
	t.Helper()
	qemu.Need(t, m.Programs...)
	qemu.RunTest(t, m)
	for _, d := range m.Disks {
		if n := left(t, d); n != 0 {
			t.Errorf("the secret is left %d times on %s", n, d.Serial)
		}
	}
}

// TestB45_OneDiskThatFailsIsNotProven: a sector that cannot be written or read, and a disk that cannot be written
// at all; the others are erased.
func TestB45_OneDiskThatFailsIsNotProven(t *testing.T) {
	if qemu.Inside() {
		out, err := run(t, machine(t))
		if !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "3 of 4 disks") {
			t.Errorf("%v", err)
		}
		for serial, says := range map[string]string{"VD1": "write at byte", "SC1": "read", "VD2": "read-only"} {
			if e := out[serial]; e.Proven || !strings.Contains(e.Error, says) {
				t.Errorf("%s: %+v", serial, e)
			}
		}
		if e := out["NV1"]; !e.Proven {
			t.Errorf("%+v", e)
		}
		return
	}
	good := filled(t, "nvme", "NV1", "")
	readOnly := filled(t, "virtio", "VD2", "readonly=on")
	qemu.RunTest(t, qemu.Machine{Disks: []qemu.Disk{
		filled(t, "virtio", "VD1", "").Failing("write", 20000), filled(t, "scsi", "SC1", "").Failing("read", 30000), readOnly, good,
	}})
	if left(t, good) != 0 || left(t, readOnly) != size/len(secret) {
		t.Error("the good disk is not empty, or the read-only one was written")
	}
}

// swapping is a job that does something in the middle of an erase.
type swapping struct {
	job
	once   sync.Once
	middle func()
}

func (j *swapping) Report(done, total uint64, _, _ string) {
	if done > total/4 {
		j.once.Do(j.middle)
	}
}

// TestB44_AnotherDiskIsNotTouched: in the middle of an erase the disk is pulled out, and another one comes in its
// place.
func TestB44_AnotherDiskIsNotTouched(t *testing.T) {
	const ours, theirs = "VD1", "VD2"
	if qemu.Inside() {
		m := machine(t)
		pull := func(serial string) {
			dir, err := filepath.EvalSymlinks("/sys/block/" + filepath.Base(device(t, m, serial)) + "/device")
			if err != nil {
				t.Fatal(err)
			}
			for !strings.Contains(filepath.Base(dir), ":") { // up to the PCI function
				dir = filepath.Dir(dir)
			}
			if err := os.WriteFile(dir+"/remove", []byte("1"), 0); err != nil {
				t.Error(err)
			}
		}
		first := filepath.Base(device(t, m, ours))
		pull(theirs) // it comes later
		list, err := m.List(t.Context())
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		j := &swapping{middle: func() {
			pull(ours)
			if err := os.WriteFile("/sys/bus/pci/rescan", []byte("1"), 0); err != nil {
				t.Error(err)
			}
		}}
		out, err := erase.Run(t.Context(), m, protocol.Permit{ID: "permit", Disks: list}, j)
		t.Logf("%v %+v", err, out)
		if err == nil || out[0].Proven {
			t.Error("proven although the disk was gone")
		}
		now, err := m.List(t.Context())
		t.Log(first, now, err)
		if len(now) != 2 {
			t.Errorf("the disks did not come back: %+v", now)
		}
		return
	}
	m := qemu.Machine{Disks: []qemu.Disk{filled(t, "virtio", theirs, ""), filled(t, "virtio", ours, "throttling.bps-write=6291456")}}
	qemu.RunTest(t, m)
	if n := left(t, m.Disks[0]); n != size/len(secret) {
		t.Errorf("of the other disk %d of %d are left", n, size/len(secret))
	}
	if n := left(t, m.Disks[1]); n == 0 || n == size/len(secret) {
		t.Errorf("of the disk that was pulled %d are left: it was not in the middle", n)
	}
}
