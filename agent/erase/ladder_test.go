package erase

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/driver/fake"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// way makes a rung of a fake drive.
func way(method string, scrambles bool, run func() error) driver.Rung {
	return driver.Rung{Method: method, Scrambles: scrambles, Run: func(_ context.Context, tell func(float64)) error {
		tell(0.5)
		return run()
	}}
}

func outcomes(e protocol.Erasure) (list []string) {
	for _, a := range e.Attempts {
		list = append(list, a.Method+": "+a.Outcome)
	}
	return list
}

// TestB45_TheLadder gives one disk each kind of drive.
func TestB45_TheLadder(t *testing.T) {
	const block, crypto = "nvme sanitize: block erase", "nvme sanitize: crypto erase"
	nothing := func() error { return nil }
	for _, c := range []struct {
		what     string
		rungs    func(d *fake.Disk) []driver.Rung
		method   string
		outcomes []string
	}{
		{
			"an honest drive", func(d *fake.Disk) []driver.Rung {
				return []driver.Rung{way(block, false, func() error { d.Forget(); return nil })}
			}, block, []string{block + ": proven"},
		},
		{
			"one that lacks the best", func(d *fake.Disk) []driver.Rung {
				return []driver.Rung{
					{Method: crypto, Unfit: "the drive does not have it"},
					way(crypto+" too", true, func() error { return fmt.Errorf("%w: no", driver.ErrUnsupported) }),
					way(block, false, func() error { d.Forget(); return nil }),
				}
			}, block, []string{crypto + ": not available", crypto + " too: not available", block + ": proven"},
		},
		{
			"one whose command fails", func(*fake.Disk) []driver.Rung {
				return []driver.Rung{way(block, false, func() error { return syscall.EIO })}
			}, "discard + overwrite zero", []string{block + ": failed", "discard: done", "discard + overwrite zero: proven"},
		},
		{
			"one that claims and leaves the data", func(d *fake.Disk) []driver.Rung {
				return []driver.Rung{way(block, false, nothing), way("never tried", false, func() error { t.Error("a liar is asked again"); return nil })}
			}, "discard + overwrite noise + zero", []string{block + ": claimed, not proven", "discard: done", "discard + overwrite noise + zero: proven"},
		},
		{
			"one that empties all but the end", func(d *fake.Disk) []driver.Rung {
				return []driver.Rung{way(block, false, func() error {
					d.Forget()
					d.Fill(8<<20-9, []byte("leftovers"))
					return nil
				})}
			}, "discard + overwrite noise + zero", []string{block + ": claimed, not proven", "discard: done", "discard + overwrite noise + zero: proven"},
		},
		{
			"one that throws its key away", func(d *fake.Disk) []driver.Rung {
				return []driver.Rung{way(crypto, true, func() error { d.Scramble(); return nil })}
			}, crypto + " + discard", []string{crypto + ": done", crypto + " + discard: proven"},
		},
		{
			"one that says so", func(d *fake.Disk) []driver.Rung {
				return []driver.Rung{way(crypto, true, nothing)}
			}, "discard + overwrite noise + zero", []string{crypto + ": claimed, not proven", "discard: done", "discard + overwrite noise + zero: proven"},
		},
		{
			"one whose noise stays after a discard", func(d *fake.Disk) []driver.Rung {
				d.NoDiscard = true
				return []driver.Rung{way(crypto, true, func() error { d.Scramble(); return nil }), way(block, false, func() error { d.Forget(); return nil })}
			}, block, []string{crypto + ": done", block + ": proven"},
		},
	} {
		t.Run(c.what, func(t *testing.T) {
			m, p := machine(8 << 20)
			d := m.Disk(0)
			rungs := c.rungs(d)
			d.SelfErase = func() ([]driver.Rung, error) { return rungs, nil }
			j := &job{}
			out, err := Run(t.Context(), m, p, j)
			if err != nil || !out[0].Proven || d.Kept() != 0 || out[0].Method != c.method || out[0].VerifiedBytes != 8<<20 {
				t.Fatalf("%v %+v, %d pages are left", err, out, d.Kept())
			}
			if got := outcomes(out[0]); !slices.Equal(got, c.outcomes) {
				t.Errorf("%q\nwant %q", got, c.outcomes)
			}
			if j.last != j.total {
				t.Errorf("progress %d of %d", j.last, j.total)
			}
			if j.finals == 0 && out[0].Method != "" && !strings.Contains(c.what, "lacks") {
				t.Error("it did not say that it cannot be interrupted")
			}
		})
	}
}

// TestB45_ADriveThatDropsZerosIsFound: it lies about its own erase and about every write that follows.
func TestB45_ADriveThatDropsZerosIsFound(t *testing.T) {
	m, p := machine(8 << 20)
	d := m.Disk(0)
	d.SelfErase = func() ([]driver.Rung, error) {
		return []driver.Rung{way("ata security erase: normal", false, func() error {
			d.Change(func(d *fake.Disk) { d.Lies = true })
			return nil
		})}, nil
	}
	out, err := Run(t.Context(), m, p, &job{})
	if !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "does not keep what is written") || out[0].Proven {
		t.Errorf("%v %+v", err, out)
	}
}

// TestB45_WhatRunsInTheDriveIsPickedUp: the agent goes away while the drive erases itself, and comes back.
func TestB45_WhatRunsInTheDriveIsPickedUp(t *testing.T) {
	const method = "nvme sanitize: block erase"
	m, p := machine(8 << 20)
	d := m.Disk(0)
	started, running := 0, false
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d.SelfErase = func() ([]driver.Rung, error) {
		r := driver.Rung{Method: method, Running: running}
		r.Run = func(ctx context.Context, _ func(float64)) error {
			if !r.Running {
				started++
				running = true
				cancel() // the agent is stopped
				<-ctx.Done()
				return ctx.Err()
			}
			d.Forget() // the drive has come to the end
			return nil
		}
		return []driver.Rung{{Method: "nvme sanitize: crypto erase", Unfit: "the drive does not have it"}, r}, nil
	}
	j := &job{}
	if out, err := Run(ctx, m, p, j); !errors.Is(err, context.Canceled) || out[0].Proven {
		t.Fatalf("interrupted: %v %+v", err, out)
	}
	out, err := Run(t.Context(), m, p, j)
	if err != nil || !out[0].Proven || out[0].Method != method || started != 1 {
		t.Fatalf("%v %+v, started %d times", err, out, started)
	}
	want := []string{"nvme sanitize: crypto erase: not available", method + ": continued", method + ": proven"}
	if got := outcomes(out[0]); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestB45_ACommandThatKillsTheMachineIsGivenUp: each time the drive is told, the machine is gone.
func TestB45_ACommandThatKillsTheMachineIsGivenUp(t *testing.T) {
	m, p := machine(8 << 20)
	d := m.Disk(0)
	j := &job{}
	for range mostBegun {
		ctx, cancel := context.WithCancel(t.Context())
		d.SelfErase = func() ([]driver.Rung, error) {
			return []driver.Rung{way("nvme format: user data erase", false, func() error { cancel(); return syscall.EIO })}, nil
		}
		if _, err := Run(ctx, m, p, j); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	d.SelfErase = func() ([]driver.Rung, error) {
		return []driver.Rung{way("nvme format: user data erase", false, func() error { t.Error("once more"); return nil })}, nil
	}
	out, err := Run(t.Context(), m, p, j)
	if err != nil || !out[0].Proven || out[0].Method != "discard + overwrite zero" || !slices.Contains(outcomes(out[0]), "nvme format: user data erase: failed") {
		t.Errorf("%v %+v", err, out)
	}
}

// TestB45_ADriveMayNeedTimeToAnswerAgain: reads fail for a minute after the erase.
func TestB45_ADriveMayNeedTimeToAnswerAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, p := machine(8 << 20)
		d := m.Disk(0)
		var until time.Time
		d.SelfErase = func() ([]driver.Rung, error) {
			return []driver.Rung{way("ata security erase: enhanced", false, func() error {
				d.Forget()
				until = time.Now().Add(time.Minute)
				return nil
			})}, nil
		}
		d.Fault = func(op fake.Op, _, _ int64) error {
			if op == fake.OpRead && time.Now().Before(until) {
				return syscall.EIO
			}
			return nil
		}
		out, err := Run(t.Context(), m, p, &job{})
		if err != nil || out[0].Method != "ata security erase: enhanced" {
			t.Errorf("%v %+v", err, out)
		}
		until = time.Now().Add(time.Hour) // and one that answers no more
		m2, p2 := machine(8 << 20)
		m2.Disk(0).SelfErase, m2.Disk(0).Fault = d.SelfErase, func(op fake.Op, _, _ int64) error {
			if op == fake.OpRead && !until.IsZero() {
				return syscall.EIO
			}
			return nil
		}
		if out, err := Run(t.Context(), m2, p2, &job{}); err == nil || out[0].Proven {
			t.Errorf("a drive that cannot be read: %+v", out)
		}
	})
}

// TestB44_TheDiskIsAskedWhoItIsBeforeEachCommand: it was swapped between two of them.
func TestB44_TheDiskIsAskedWhoItIsBeforeEachCommand(t *testing.T) {
	m, p := machine(8 << 20)
	d := m.Disk(0)
	d.SelfErase = func() ([]driver.Rung, error) {
		return []driver.Rung{
			way("first", false, func() error {
				d.Change(func(d *fake.Disk) { d.Ref.Serial = "swapped" })
				d.Fill(0, bytes.Repeat([]byte("another server's "), 1000))
				return syscall.EIO
			}),
			way("second", false, func() error { t.Error("the wrong disk was erased"); d.Forget(); return nil }),
		}, nil
	}
	d.Fault = func(op fake.Op, off, _ int64) error {
		if (op == fake.OpWrite || op == fake.OpDiscard) && d.Ref.Serial == "swapped" {
			t.Errorf("%s of the wrong disk at %d", op, off)
		}
		return nil
	}
	if out, err := Run(t.Context(), m, p, &job{}); err == nil || out[0].Proven || !strings.Contains(err.Error(), "is now") {
		t.Errorf("%v %+v", err, out)
	}
}

// TestB45_WhatIsHiddenFailsClosed: volumes, namespaces and hidden ends keep everything as it is.
func TestB45_WhatIsHiddenFailsClosed(t *testing.T) {
	for _, c := range []struct {
		what string
		hide func(*fake.Machine)
		says string
	}{
		{"disks behind a RAID controller", func(m *fake.Machine) {
			m.Hides = []string{"the disks behind RAID controller 0000:3b:00.0 (megaraid_sas) are not visible"}
		}, "RAID controller"},
		{"a namespace", func(m *fake.Machine) { m.Hides = []string{"namespace 2 of nvme0 exists and is attached to nothing"} }, "namespace 2"},
		{"an overlay", func(m *fake.Machine) {
			m.Disk(1).Clip = &driver.Clip{By: "a device configuration overlay", Bytes: 4 << 20, Stays: "only hdparm takes it away"}
		}, "only hdparm"},
		{"a protected area beside an overlay", func(m *fake.Machine) {
			m.Disk(0).Clip = &driver.Clip{By: "a device configuration overlay", Bytes: 4 << 20, Stays: "only hdparm takes it away"}
			m.Disk(1).Clip = &driver.Clip{By: "a host protected area", Bytes: 4 << 20}
		}, "was given back"},
	} {
		m, p := machine(8<<20, 8<<20)
		c.hide(m)
		before := []int{m.Disk(0).Kept(), m.Disk(1).Kept()}
		j := &job{}
		out, err := Run(t.Context(), m, p, j)
		if !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), c.says) || out[0].Proven || len(j.permits) != 0 {
			t.Errorf("%s: %v %+v", c.what, err, out)
		}
		if m.Disk(0).Kept() != before[0] || m.Disk(1).Kept() != before[1] {
			t.Errorf("%s: something was done", c.what)
		}
	}
}

// TestB45_AProtectedAreaIsErasedWithTheNextPermit: the drive gives its end back, and the permit that names the whole covers it.
func TestB45_AProtectedAreaIsErasedWithTheNextPermit(t *testing.T) {
	m, p := machine(8 << 20)
	d := m.Disk(0)
	d.Clip = &driver.Clip{By: "a host protected area", Bytes: 4 << 20}
	out, err := Run(t.Context(), m, p, &job{})
	if !fault.Is(err, fault.KindUnavailable) || out[0].Regained != 4<<20 {
		t.Fatalf("it is not asked for anew: %v %+v", err, out)
	}
	d.Fill(11<<20, []byte("hidden"))
	if _, err := Run(t.Context(), m, p, &job{}); err == nil {
		t.Fatal("the old permit names another disk")
	}
	p.Disks[0].SizeBytes = 12 << 20
	if out, err = Run(t.Context(), m, p, &job{}); err != nil || !out[0].Proven || d.Kept() != 0 {
		t.Errorf("%v %+v", err, out)
	}
}

// TestB45_OnlySoManyDisksOfABusAtATime, and the drives of another bus do not wait for them.
func TestB45_OnlySoManyDisksOfABusAtATime(t *testing.T) {
	sizes := make([]uint64, perBus+4)
	for i := range sizes {
		sizes[i] = 1 << 20
	}
	m, p := machine(sizes...)
	m.Buses = map[string]string{}
	var mu sync.Mutex
	var now, most atomic.Int32
	in := map[string]bool{}
	for i, ref := range p.Disks {
		if m.Buses[ref.Name] = "0000:01:00.0"; i >= perBus+3 {
			m.Buses[ref.Name] = "0000:02:00.0"
		}
		d := m.Disk(i)
		d.NoZero, d.NoDiscard = true, true
		d.Fault = func(op fake.Op, off, n int64) error {
			if m.Buses[ref.Name] != "0000:01:00.0" || op != fake.OpWrite && op != fake.OpRead {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			if !in[ref.Serial] && op == fake.OpWrite {
				in[ref.Serial] = true
				most.Store(max(most.Load(), now.Add(1)))
			}
			if op == fake.OpRead && off+n == 1<<20 && in[ref.Serial] {
				now.Add(-1)
			}
			return nil
		}
	}
	out, err := Run(t.Context(), m, p, &job{})
	if err != nil || len(out) != len(sizes) {
		t.Fatal(err)
	}
	if most.Load() > perBus {
		t.Errorf("%d disks of one bus at a time", most.Load())
	}
}

// TestB45_ProgressTellsEachDisk with its rate and what is left.
func TestB45_ProgressTellsEachDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, p := machine(64<<20, 64<<20)
		for i := range 2 {
			d := m.Disk(i)
			d.NoZero, d.NoDiscard, d.BytesPerSec = true, true, uint64(i+1)<<20
		}
		j := &job{}
		done := make(chan error, 1)
		go func() { _, err := Run(t.Context(), m, p, j); done <- err }()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		j.parts()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		for i, part := range j.parts() {
			rate := uint64(i+1) << 20
			if part.Rate < rate*8/10 || part.Rate > rate*12/10 || part.Total != 128<<20 || part.Note != "overwriting" || !strings.Contains(part.Name, p.Disks[i].Serial) {
				t.Errorf("%+v", part)
			}
			if left := (part.Total - part.Done) / rate; part.Left < left*8/10 || part.Left > left*13/10 {
				t.Errorf("%d s left, said to be %d", left, part.Left)
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestB45_WhatNoDiskShowsIsNamed: an NVMe drive may have capacity in no namespace, which a sanitize alone reaches.
func TestB45_WhatNoDiskShowsIsNamed(t *testing.T) {
	for _, whole := range []bool{false, true} {
		m, p := machine(8 << 20)
		d := m.Disk(0)
		d.Free = 3 << 30
		d.SelfErase = func() ([]driver.Rung, error) {
			r := way("by itself", false, func() error { d.Forget(); return nil })
			r.Whole = whole
			return []driver.Rung{r}, nil
		}
		out, err := Run(t.Context(), m, p, &job{})
		if want := map[bool]uint64{false: 3 << 30}[whole]; err != nil || !out[0].Proven || out[0].Unallocated != want {
			t.Errorf("%v %+v", err, out)
		}
	}
}
