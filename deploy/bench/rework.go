package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/driver/linux"
	"github.com/steelyard/steelyard/agent/erase"
	"github.com/steelyard/steelyard/agent/journal"
	"github.com/steelyard/steelyard/protocol"
)

// Part of G12: what an erase writes twice when its process is killed (kill -9) and started again. The disk is slowed down to one whose erase takes some
// minutes: on a faster one there would be nothing to see, and a slower one loses a smaller part.

const (
	reworkRate  = 12 << 20 // bytes a second
	reworkKills = 3
)

func measureRework(ctx context.Context, b *bench, dev string) error {
	kept := filepath.Join(b.dir, "journal")
	before, err := writtenTo(dev)
	if err != nil {
		return err
	}
	for life := range reworkKills + 1 {
		c, err := spawn(ctx, nil, "erase", dev, kept)
		if err != nil {
			return err
		}
		if life == reworkKills {
			err := c.ask(nil, "wait")
			c.stop()
			if err != nil {
				return err
			}
			break
		}
		// Anywhere between two checkpoints: the parts are no multiples of anything.
		err = until(ctx, func() (bool, error) {
			now, err := writtenTo(dev)
			return now-before > int64(life+1)*wipeBytes*10/43, err
		})
		_ = c.cmd.Process.Kill()
		c.stop()
		if err != nil {
			return err
		}
	}
	now, err := writtenTo(dev)
	if err != nil {
		return err
	}
	again := 100 * float64(now-before-wipeBytes) / wipeBytes / reworkKills
	b.add(Row{Goal: "G12", Name: "written twice after a kill, of a disk that takes 85 s", Ours: again, Unit: "%"}.oursAtMost(1))
	return nil
}

// until asks again and again.
func until(ctx context.Context, ok func() (bool, error)) error {
	for {
		if done, err := ok(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// writtenTo is what was written to a device since it was attached, in bytes, as the kernel counts it.
func writtenTo(dev string) (int64, error) {
	raw, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(dev), "stat"))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(raw))
	if len(fields) < 7 {
		return 0, fmt.Errorf("the statistics of %s are %q", dev, raw)
	}
	sectors, err := strconv.ParseInt(fields[6], 10, 64)
	return sectors * 512, err
}

// eraseChild erases a device as an agent does that has a journal; "wait" answers when it is over.
func eraseChild(args []string) (any, func([]string) (any, error), error) {
	dev, file := args[0], args[1]
	s, err := linux.OpenSandbox(0, dev)
	if err != nil {
		return nil, nil, err
	}
	m := linux.New(linux.Options{Sandbox: []*linux.SandboxDisk{s}})
	list, err := m.List(context.Background())
	if err != nil {
		return nil, nil, err
	}
	j, err := journal.Open(file)
	if err != nil {
		return nil, nil, err
	}
	if _, err := j.Receive(protocol.Command{ID: "bench", Kind: protocol.CommandErase}); err != nil {
		return nil, nil, err
	}
	over := make(chan error, 1)
	go func() {
		_, err := erase.Run(context.Background(), slow{m}, protocol.Permit{ID: "bench", Disks: list}, &kept{j})
		over <- err
	}()
	return nil, func([]string) (any, error) { return nil, <-over }, nil
}

// kept is an erase.Job whose notes are in a journal.
type kept struct{ *journal.Journal }

func (k *kept) Remember(note any) error         { return k.Note("bench", note) }
func (k *kept) Recall(note any) (bool, error)   { return k.Journal.Recall("bench", note) }
func (*kept) Report(_, _ uint64, _, _ string)   {}
func (*kept) Parts(func() []protocol.Part)      {}
func (*kept) Final(time.Duration) func()        { return func() {} }
func (*kept) UsePermit(string, time.Time) error { return nil }

// slow is a machine whose disk takes its time to write, and has no discard.
type slow struct{ *linux.Machine }

func (s slow) Open(ctx context.Context, name string, mode driver.Mode) (driver.Disk, error) {
	d, err := s.Machine.Open(ctx, name, mode)
	return &slowDisk{Disk: d}, err
}

type slowDisk struct {
	driver.Disk
	mu   sync.Mutex
	next time.Time // when it has done what it was given
}

func (*slowDisk) Discard(int64, int64) error { return driver.ErrUnsupported }

func (d *slowDisk) WriteAt(b []byte, at int64) (int, error) {
	d.mu.Lock()
	if now := time.Now(); d.next.Before(now) {
		d.next = now
	}
	d.next = d.next.Add(time.Duration(len(b)) * time.Second / reworkRate)
	wait := time.Until(d.next)
	d.mu.Unlock()
	time.Sleep(wait)
	return d.Disk.WriteAt(b, at)
}
