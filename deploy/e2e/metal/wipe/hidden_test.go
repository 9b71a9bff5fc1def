package wipe

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/erase"
	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// all is how often the secret is on a disk that nobody touched.
const all = size / len(secret)

// untouched looks from outside.
func untouched(t *testing.T, disks ...qemu.Disk) {
	t.Helper()
	for _, d := range disks {
		if n := left(t, d); n != all {
			t.Errorf("of disk %s %d of %d are left", d.Serial, n, all)
		}
	}
}

// TestB45_AControllerThatComposesVolumesFailsClosed: a MegaRAID controller shows a volume and hides the disk. Others show
// theirs, and nothing is held against them.
func TestB45_AControllerThatComposesVolumesFailsClosed(t *testing.T) {
	if qemu.Inside() {
		m := machine(t)
		hidden, err := m.Hidden(t.Context())
		t.Log(hidden, err)
		if err != nil || len(hidden) != 1 || !strings.Contains(hidden[0], "megaraid_sas") || !strings.Contains(hidden[0], "HBA or JBOD mode") {
			t.Errorf("hidden: %q %v", hidden, err)
		}
		if out, err := run(t, m); !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "megaraid_sas") || len(out) == 0 {
			t.Errorf("%v %+v", err, out)
		}
		return
	}
	volume := filled(t, "megasas", "RV1", "")
	jbod := filled(t, "megasas,use_jbod=on", "RJ1", "")
	hba := filled(t, "mptsas1068", "RH1", "")
	jbod.Device, hba.Device = "wwn=0x5000c50000000001", "wwn=0x5000c50000000002"
	qemu.RunTest(t, qemu.Machine{Disks: []qemu.Disk{volume, jbod, hba}})
	untouched(t, volume, jbod, hba)
}

// spaces are the namespaces of one NVMe drive; those of which the name says so are attached to nothing.
func spaces(t *testing.T, names ...string) (qemu.Machine, []qemu.Disk) {
	t.Helper()
	m := qemu.Machine{Extra: []string{"-device", "nvme-subsys,id=drive", "-device", "nvme,id=controller,serial=NV1,subsys=drive"}}
	var list []qemu.Disk
	for i, name := range names {
		d := filled(t, "nvme", name, "")
		options := ""
		if strings.HasPrefix(name, "loose") {
			options = ",detached=on"
		}
		m.Extra = append(m.Extra, "-drive", fmt.Sprintf("file=%s,format=raw,if=none,id=space%d", d.File, i+1),
			"-device", fmt.Sprintf("nvme-ns,drive=space%d,bus=controller,nsid=%[1]d%s", i+1, options))
		list = append(list, d)
	}
	return m, list
}

// wait waits inside the machine for so many disks.
func wait(t *testing.T, pattern string, n int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if list, _ := filepath.Glob(pattern); len(list) >= n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("there are no %d of %s", n, pattern)
		}
	}
}

// TestB45_EveryNamespaceIsErased: they have one serial number, and each is a disk of its own.
func TestB45_EveryNamespaceIsErased(t *testing.T) {
	if qemu.Inside() {
		wait(t, "/sys/block/nvme*n*", 2)
		m := machine(t)
		list, err := m.List(t.Context())
		if err != nil || len(list) != 2 {
			t.Fatal(list, err)
		}
		out, err := erase.Run(t.Context(), m, protocol.Permit{ID: "permit", Disks: list}, &job{})
		if err != nil {
			t.Error(err)
		}
		for _, e := range out {
			t.Log(e.Disk, e.Method, "|", outcomes(e))
			if !e.Proven || e.VerifiedBytes != size {
				t.Errorf("%+v", e)
			}
		}
		return
	}
	m, list := spaces(t, "first", "second")
	qemu.RunTest(t, m)
	for _, d := range list {
		if n := left(t, d); n != 0 {
			t.Errorf("the secret is left %d times in %s", n, d.Serial)
		}
	}
}

// TestB45_ANamespaceThatIsAttachedToNothingFailsClosed.
func TestB45_ANamespaceThatIsAttachedToNothingFailsClosed(t *testing.T) {
	if qemu.Inside() {
		wait(t, "/sys/block/nvme*n*", 1)
		out, err := run(t, machine(t))
		if !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "namespace 2 of nvme0") || len(out) != 1 {
			t.Errorf("%v %+v", err, out)
		}
		return
	}
	m, list := spaces(t, "first", "loose")
	qemu.RunTest(t, m)
	untouched(t, list...)
}
