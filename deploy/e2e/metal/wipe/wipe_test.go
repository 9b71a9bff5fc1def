package wipe

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/collect"
	"github.com/steelyard/steelyard/agent/driver/linux"
	"github.com/steelyard/steelyard/agent/erase"
	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
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
func (*job) Final() func()                         { return func() {} }
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
	qemu.RunTest(t, m)
	for _, d := range m.Disks {
		if n := left(t, d); n != 0 {
			t.Errorf("the secret is left %d times on %s", n, d.Serial)
		}
	}
}
