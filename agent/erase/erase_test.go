package erase

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/driver/drivertest"
	"github.com/steelyard/steelyard/agent/driver/fake"
	"github.com/steelyard/steelyard/agent/driver/linux"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// job is a Job in memory.
type job struct {
	mu      sync.Mutex
	note    []byte
	permits []string
	last    uint64
	total   uint64
	refuse  error
	finals  int
	parts   func() []protocol.Part
}

func (j *job) Report(done, total uint64, _, _ string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last, j.total = max(j.last, done), total
}

func (j *job) Parts(ask func() []protocol.Part) { j.parts = ask }

func (j *job) Final(time.Duration) func() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.finals++
	return func() {}
}

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

func (j *job) UsePermit(id string, _ time.Time) error {
	j.permits = append(j.permits, id)
	return j.refuse
}

const tenant = "the last tenant's secrets "

// machine has disks of the given sizes, full of what a tenant left at both ends.
func machine(sizes ...uint64) (*fake.Machine, protocol.Permit) {
	inv := hardware.Inventory{Simulated: true}
	for i, size := range sizes {
		letter := string(rune('a' + i))
		inv.Disks = append(inv.Disks, hardware.Disk{Name: "sd" + letter, Serial: "F" + letter, SizeBytes: size})
	}
	m := fake.New(func() hardware.Inventory { return inv }, fake.NewPages())
	p := permit()
	p.Disks = nil
	for i, d := range inv.Disks {
		left := bytes.Repeat([]byte(tenant), 8000)
		m.Disk(i).Fill(0, left)
		m.Disk(i).Fill(int64(d.SizeBytes)-int64(len(left)), left)
		p.Disks = append(p.Disks, driver.Ref(d))
	}
	return m, p
}

func TestB45_EveryDiskIsProvenEmpty(t *testing.T) {
	m, p := machine(8<<20, 16<<20+8192, 480_103_981_056)
	j := &job{}
	out, err := Run(t.Context(), m, p, j)
	if err != nil || len(out) != 3 {
		t.Fatalf("%v %+v", err, out)
	}
	for i, e := range out {
		if !e.Proven || e.Disk != p.Disks[i] || e.Method != "discard + overwrite zero" || e.VerifiedBytes != proofBytes(e.TotalBytes) || e.Error != "" {
			t.Errorf("%+v", e)
		}
		if m.Disk(i).Kept() != 0 {
			t.Errorf("disk %d is not empty", i)
		}
	}
	if j.last != j.total || len(j.permits) != 1 {
		t.Errorf("progress %d of %d, permits %v", j.last, j.total, j.permits)
	}
}

func TestB45_BuffersOverwriteWhereTheDiskCannot(t *testing.T) {
	m, p := machine(40<<20 + 4096)
	m.Disk(0).NoZero, m.Disk(0).NoDiscard = true, true
	out, err := Run(t.Context(), m, p, &job{})
	if err != nil || out[0].Method != "overwrite zero" || m.Disk(0).Kept() != 0 {
		t.Errorf("%v %+v, %d pages are left", err, out, m.Disk(0).Kept())
	}
}

// TestB45_FailsClosed breaks one of three disks in every way that a disk can break.
func TestB45_FailsClosed(t *testing.T) {
	for _, c := range []struct {
		what  string
		spoil func(*fake.Disk)
		says  string
	}{
		{"it lies", func(d *fake.Disk) { d.Lies = true }, "something is left"},
		{"it dies in the middle", func(d *fake.Disk) {
			d.Fault = func(op fake.Op, off, n int64) error {
				if op == fake.OpWrite && off+n > 5<<20 {
					return syscall.EIO
				}
				return nil
			}
		}, "input/output error"},
		{"it dies while it is read back", func(d *fake.Disk) {
			d.Fault = func(op fake.Op, off, _ int64) error {
				if op == fake.OpRead && off > 5<<20 {
					return syscall.EIO
				}
				return nil
			}
		}, "read at byte"},
		{"its cache does not flush", func(d *fake.Disk) {
			d.Fault = func(op fake.Op, _, _ int64) error {
				if op == fake.OpSync {
					return syscall.EIO
				}
				return nil
			}
		}, "flush"},
		{"it is read-only", func(d *fake.Disk) { d.ReadOnly = true }, "read-only"},
		{"it is mounted", func(d *fake.Disk) { d.InUse = "sdb1 is mounted on /" }, "mounted"},
		{"it is full", func(d *fake.Disk) {
			d.Fault = func(op fake.Op, _, _ int64) error {
				if op == fake.OpWrite {
					return syscall.ENOSPC
				}
				return nil
			}
		}, "no space"},
	} {
		m, p := machine(8<<20, 8<<20, 8<<20)
		c.spoil(m.Disk(1))
		out, err := Run(t.Context(), m, p, &job{})
		if !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "1 of 3 disks") || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		if out[1].Proven || !strings.Contains(out[1].Error, c.says) || !out[0].Proven || !out[2].Proven {
			t.Errorf("%s: %+v", c.what, out)
		}
	}
}

func TestB45_AllFailuresAreTold(t *testing.T) {
	m, p := machine(8<<20, 8<<20, 8<<20)
	for i := range 3 {
		m.Disk(i).Lies = true
	}
	_, err := Run(t.Context(), m, p, &job{})
	for _, serial := range []string{"Fa", "Fb", "Fc"} {
		if err == nil || !strings.Contains(err.Error(), serial) {
			t.Errorf("disk %s is not told: %v", serial, err)
		}
	}
}

// TestB44_NothingIsTouched proves that a doubt about one disk keeps all of them as they are.
func TestB44_NothingIsTouched(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(*fake.Machine, *protocol.Permit)
		says   string
	}{
		{"an unlisted disk", func(m *fake.Machine, p *protocol.Permit) { p.Disks = p.Disks[:1] }, "not listed"},
		{"a disk that is not here", func(m *fake.Machine, p *protocol.Permit) { m.Disk(1).Gone = true }, "has no disk"},
		{"a swapped disk", func(m *fake.Machine, p *protocol.Permit) { m.Disk(1).Ref.Serial = "other" }, "has no disk"},
		{"another size", func(m *fake.Machine, p *protocol.Permit) { p.Disks[1].SizeBytes++ }, "has no disk"},
		{"a name alone", func(m *fake.Machine, p *protocol.Permit) { p.Disks[1].Serial = "" }, "without serial"},
		{"a disk listed twice", func(m *fake.Machine, p *protocol.Permit) { p.Disks[1] = p.Disks[0] }, "listed twice"},
		{"a shared disk", func(m *fake.Machine, p *protocol.Permit) { m.Disk(1).Ref.Serial = "Fa" }, "shared"},
	} {
		m, p := machine(8<<20, 8<<20)
		c.change(m, &p)
		j := &job{}
		before := []int{m.Disk(0).Kept(), m.Disk(1).Kept()}
		out, err := Run(t.Context(), m, p, j)
		if !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.what, err)
		}
		if m.Disk(0).Kept() != before[0] || m.Disk(1).Kept() != before[1] || len(j.permits) != 0 {
			t.Errorf("%s: something was done", c.what)
		}
		if len(out) != len(p.Disks) || out[0].Proven || out[0].Error == "" {
			t.Errorf("%s: %+v", c.what, out)
		}
	}
}

func TestB44_ADiskSwappedAfterItWasOpenedIsNotTouched(t *testing.T) {
	m, p := machine(8 << 20)
	asked := 0
	d := m.Disk(0)
	d.Fault = func(op fake.Op, _, _ int64) error {
		if op == fake.OpIdentify {
			if asked++; asked == 1 {
				d.Change(func(d *fake.Disk) { d.Ref.Serial = "swapped" })
			}
		}
		return nil
	}
	before := d.Kept()
	out, err := Run(t.Context(), m, p, &job{})
	if err == nil || out[0].Proven || d.Kept() != before {
		t.Errorf("%v %+v", err, out)
	}
}

func TestB44_ASpentPermitErasesNothing(t *testing.T) {
	m, p := machine(8 << 20)
	before := m.Disk(0).Kept()
	out, err := Run(t.Context(), m, p, &job{refuse: fault.Refused("permit was used")})
	if !fault.Is(err, fault.KindRefused) || out[0].Proven || m.Disk(0).Kept() != before {
		t.Errorf("%v %+v", err, out)
	}
}

// TestB45_ProgressSurvivesARestart interrupts an erase and goes on: what was checkpointed
// is not overwritten again, and the proof covers the whole disk.
func TestB45_ProgressSurvivesARestart(t *testing.T) {
	const kept = 64 << 20
	const size = 3 * kept
	m, p := machine(size)
	d := m.Disk(0)
	d.NoZero, d.NoDiscard = true, true
	j := &job{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d.Fault = func(op fake.Op, off, _ int64) error {
		if op == fake.OpWrite && off >= kept+kept/2 {
			cancel()
		}
		return nil
	}
	if err := j.Remember(map[string]mark{key(p.Disks[0]): {Discarded: true, Written: kept}}); err != nil {
		t.Fatal(err)
	}
	if out, err := Run(ctx, m, p, j); !errors.Is(err, context.Canceled) || out[0].Proven {
		t.Fatalf("interrupted: %v %+v", err, out)
	}
	var marks map[string]mark
	if ok, err := j.Recall(&marks); err != nil || !ok {
		t.Fatal(err)
	}
	from, first := int64(marks[key(p.Disks[0])].Written), int64(size)
	var mu sync.Mutex
	d.Change(func(d *fake.Disk) {
		d.Fault = func(op fake.Op, off, _ int64) error {
			mu.Lock()
			defer mu.Unlock()
			if op == fake.OpWrite {
				first = min(first, off)
			}
			return nil
		}
	})
	out, err := Run(t.Context(), m, p, j)
	if first != from || first < kept {
		t.Errorf("went on at byte %d, not %d", first, from)
	}
	// The tenant's data at the start was not overwritten by this test's invented checkpoint: the
	// proof must see that.
	if err == nil || out[0].Proven || !strings.Contains(err.Error(), "something is left") {
		t.Errorf("a false checkpoint was believed: %v %+v", err, out)
	}
	j.note = nil
	if out, err = Run(t.Context(), m, p, j); err != nil || !out[0].Proven || d.Kept() != 0 {
		t.Errorf("from the start: %v %+v", err, out)
	}
}

// TestB45_LittleIsWrittenTwiceAfterAKill: one part in a hundred at most, on a disk that takes some minutes.
func TestB45_LittleIsWrittenTwiceAfterAKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, rate, kills = 1 << 30, 10 << 20, 3
		m, p := machine(size)
		d := m.Disk(0)
		d.NoZero, d.NoDiscard, d.BytesPerSec = true, true, rate
		j := &job{}
		var mu sync.Mutex
		written := 0
		for life := 1; ; life++ {
			ctx, cancel := context.WithCancel(t.Context())
			d.Change(func(d *fake.Disk) {
				d.Fault = func(op fake.Op, off, n int64) error {
					mu.Lock()
					defer mu.Unlock()
					if op == fake.OpWrite {
						if life <= kills && off > int64(life)*size/(kills+1)+int64(life)*3<<20 {
							cancel()
							return syscall.EIO // not written: the process is gone
						}
						written += int(n)
					}
					return nil
				}
			})
			out, err := Run(ctx, m, p, j)
			cancel()
			if life > kills {
				if err != nil || !out[0].Proven {
					t.Fatalf("%v %+v", err, out)
				}
				break
			}
			if err == nil {
				t.Fatal("nothing was killed")
			}
		}
		again := written - size
		t.Logf("%d MiB of %d written again after %d kills", again>>20, size>>20, kills)
		if again < 0 || again > kills*size/100 {
			t.Errorf("%d bytes were written again", again)
		}
	})
}

func TestB45_OneByteAnywhereIsFoundOnASmallDisk(t *testing.T) {
	for _, at := range []int64{0, 4095, 5 << 20, 8<<20 - 1} {
		m, p := machine(8 << 20)
		d := m.Disk(0)
		d.Forget()
		d.Lies = true
		d.Fill(at, []byte{1})
		if out, err := Run(t.Context(), m, p, &job{}); err == nil || out[0].Proven {
			t.Errorf("a byte at %d was not found: %+v", at, out)
		}
	}
}

func TestB45_TheConfidenceIsWhatItSays(t *testing.T) {
	miss := 1.0
	for range Samples {
		miss *= 1 - 0.001
	}
	if miss > 0.01 {
		t.Errorf("%d samples miss 0.1 %% with a chance of %.4f", Samples, miss)
	}
	list := places(1<<40, Samples, sampleBytes)
	for i, off := range list {
		if off < 0 || off+sampleBytes > 1<<40 || off%driver.Block != 0 || i > 0 && off < list[i-1] {
			t.Fatalf("sample %d at %d", i, off)
		}
	}
}

// TestB45_RealDisks erases a file and a loop device through the kernel.
func TestB45_RealDisks(t *testing.T) {
	for name, spec := range map[string]func(t *testing.T) string{
		"file": func(t *testing.T) string { return t.TempDir() + "/disk:24MiB" },
		"loop": func(t *testing.T) string { return drivertest.Loop(t, 24<<20) },
	} {
		t.Run(name, func(t *testing.T) {
			s, err := linux.OpenSandbox(0, spec(t))
			if err != nil {
				t.Fatal(err)
			}
			m := linux.New(linux.Options{Sandbox: []*linux.SandboxDisk{s}})
			p := permit()
			if p.Disks, err = m.List(t.Context()); err != nil {
				t.Fatal(err)
			}
			fill(t, m, p.Disks[0])
			out, err := Run(t.Context(), m, p, &job{})
			if err != nil || !out[0].Proven || out[0].VerifiedBytes != 24<<20 {
				t.Fatalf("%v %+v", err, out)
			}
			t.Log(out[0].Attempts)
		})
	}
}

func fill(t *testing.T, m driver.Disks, ref protocol.DiskRef) {
	t.Helper()
	d, err := driver.Open(t.Context(), m, ref, driver.Write)
	if err != nil {
		t.Fatal(err)
	}
	buf := driver.Buffer(1 << 20)
	copy(buf, bytes.Repeat([]byte(tenant), 40_000))
	for off := int64(0); off < int64(ref.SizeBytes); off += int64(len(buf)) {
		if _, err := d.WriteAt(buf, off); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		t.Fatal(err)
	}
}
