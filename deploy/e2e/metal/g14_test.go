//go:build bench

package metal

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/outofband/power/machine"
	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
)

// rounds of ours and of the floor, in turns.
const rounds = 3

// TestG14OrderToActive measures, for the bench, how long a machine that is off needs from its order until its service is active, and
// how long the same machine needs for what no controller can spare it: a kernel and a copy of the image, then the system's
// own start from the disk. It writes seconds as JSON into the file that STEELYARD_BENCH_OUT names.
func TestG14OrderToActive(t *testing.T) {
	h := newHouse(t)
	image, err := debian()
	if err != nil {
		t.Fatal(err)
	}
	m := qemu.Machine{Memory: 768, Disks: []qemu.Disk{qemu.NewDisk(t, "nvme", "DISK-nvme", 640<<20)}, Identity: acme("bench", 1)}
	s := newServer(t, h.rack, 1, m)
	s.Start(machine.Network)
	k := h.admit(s)
	var tariff struct{ ID string }
	h.must("POST", "/v1/tariffs", object{"name": "bench", "configuration": k.Configuration, "modules": []string{h.module}}, &tariff)
	var took struct{ Ours, Own, Floor []float64 }
	var seen []string
	h.life14(k, tariff.ID, &seen) // counts for nothing: the machine was on
	floor14(t, m, image)
	for range rounds {
		ours, own := h.life14(k, tariff.ID, &seen)
		took.Ours, took.Own, took.Floor = append(took.Ours, ours), append(took.Own, own), append(took.Floor, floor14(t, m, image))
		t.Logf("%+v", took)
	}
	raw, err := json.Marshal(took)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(os.Getenv("STEELYARD_BENCH_OUT"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// life14 orders, and takes back. own is the time that was spent neither in firmware and kernels nor at the disk; seen are the operations of lives before.
func (h *house) life14(k known, tariff string, seen *[]string) (ours, own float64) {
	h.t.Helper()
	began := time.Now()
	var o struct{ ID, Service string }
	h.must("POST", "/v1/orders", object{"tariff": tariff, "image": h.image, "customer": "ann", "hostname": "bench.example.net"}, &o)
	install := h.latest(k.ID, "install", *seen...)
	h.done(install)
	h.serviceIs(o.Service, "active")
	ours = time.Since(began).Seconds()
	var op struct {
		Steps []struct {
			Name       string
			StartedAt  time.Time `json:"started_at"`
			FinishedAt time.Time `json:"finished_at"`
		}
	}
	h.must("GET", "/v1/operations/"+install, nil, &op)
	own = ours
	for _, step := range op.Steps {
		switch step.Name {
		case "await-agent", "image", "await-system":
			own -= step.FinishedAt.Sub(step.StartedAt).Seconds()
		}
	}
	h.must("POST", "/v1/services/"+o.Service+"/delete", object{"reason": "measured"}, nil)
	deleted := h.latest(k.ID, "delete", *seen...)
	h.done(deleted)
	*seen = append(*seen, install, deleted)
	eventually(h.t, "the server is available again", func() bool { return h.server(k.ID).Available })
	return ours, own
}

// floor14 copies the image with dd in a machine that has nothing else to do, and starts the system.
func floor14(t *testing.T, m qemu.Machine, image string) float64 {
	t.Helper()
	disk := qemu.NewDisk(t, "nvme", "FLOOR", 640<<20)
	defer os.Remove(disk.File)
	began := time.Now()
	copying := m
	copying.Disks = []qemu.Disk{{Bus: "virtio", Serial: "IMAGE", File: image, Options: "readonly=on"}, disk}
	copying.Programs = []string{"dd"}
	if r := qemu.RunInside(t, copying, "/usr/bin/dd", "if=/dev/vda", "of=/dev/nvme0n1", "bs=1M", "oflag=direct", "conv=fsync"); r.Status != 0 {
		t.Fatal(r.Output)
	}
	disk.Boot = 1
	starting := m
	starting.Disks = []qemu.Disk{disk}
	running := qemu.Start(t, starting)
	defer running.Kill()
	if err := running.WaitLine("login:", patience); err != nil {
		t.Fatal(err)
	}
	return time.Since(began).Seconds()
}
