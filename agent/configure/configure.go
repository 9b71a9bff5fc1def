package configure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/link"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/unit"
	"github.com/steelyard/steelyard/protocol"
)

// Successors makes the identity of the agent that the written system runs; see link.Link.
type Successors interface {
	Successor(ctx context.Context) (link.Succession, error)
}

// Run configures the system on a disk. What it did and what a person should look at is in the result; the error is
// refused where the system could never report, and unavailable where trying again may help.
func Run(ctx context.Context, disks driver.Disks, disk protocol.DiskRef, w Wish, program string, from Successors) (done, warnings []string, err error) {
	if w.MAC == "" {
		w.MAC = uplink()
	}
	var o outcome
	if err := o.run(ctx, disks, disk, w, program, from); err != nil {
		return nil, nil, fmt.Errorf("configure the system on disk %s: %w", driver.Describe(disk), err)
	}
	return o.done, o.warnings, nil
}

// outcome is what is told about the work.
type outcome struct{ done, warnings []string }

func (o *outcome) did(format string, args ...any) {
	o.done = append(o.done, fmt.Sprintf(format, args...))
}

func (o *outcome) warn(format string, args ...any) {
	o.warnings = append(o.warnings, fmt.Sprintf(format, args...))
}

// run looks at the table, lets it grow, configures what is in it, and asks the disk once more who it is.
func (o *outcome) run(ctx context.Context, disks driver.Disks, want protocol.DiskRef, w Wish, program string, from Successors) error {
	next, err := from.Successor(ctx)
	if err != nil {
		return fmt.Errorf("get an identity for the installed system: %w", err)
	}
	w.UserData = next.UserData
	path, number, t, err := o.prepare(ctx, disks, want, w)
	if err != nil {
		return err
	}
	if w.OSFamily != "windows" {
		if err := o.linux(ctx, path, number, t, w, program, next.Record); err != nil {
			return err
		}
	}
	return o.finish(ctx, disks, want, w)
}

// located is a disk that has a path in /dev.
type located interface {
	Path() string
	Number() string
}

// prepare works on the disk as a whole, while nobody else may open it.
func (o *outcome) prepare(ctx context.Context, disks driver.Disks, want protocol.DiskRef, w Wish) (path, number string, t *table, err error) {
	dev, err := driver.Open(ctx, disks, want, driver.Write)
	if err != nil {
		return "", "", nil, err
	}
	defer func() { err = errors.Join(err, dev.Close()) }()
	at, ok := dev.(located)
	if !ok || at.Path() == "" {
		return "", "", nil, fault.Refused("it is no block device")
	}
	sector, err := sectorOf(filepath.Base(at.Path()))
	if err != nil {
		return "", "", nil, err
	}
	if t, err = readTable(dev, want.SizeBytes, sector); err != nil {
		return "", "", nil, err
	}
	if w.OSFamily == "windows" {
		err = o.windows(dev, t, w)
	} else {
		err = o.extend(dev, t)
	}
	return at.Path(), at.Number(), t, errors.Join(err, dev.Sync())
}

// extend lets the last partition grow, when a root could be on it.
func (o *outcome) extend(dev driver.Disk, t *table) error {
	p := t.last()
	before := p.size
	if _, ok := identify(dev, *p); !ok {
		o.warn("the last partition of the image, number %d, holds no ext4, xfs or btrfs and keeps its size", p.number)
		t.holds = "it holds no file system that grows"
	}
	if err := t.grow(dev, 0); err != nil {
		return err
	}
	switch {
	case p.size > before:
		o.did("partition %d grew from %s to %s", p.number, unit.Bytes(before).SI(), unit.Bytes(p.size).SI())
	case t.holds != "" && len(o.warnings) == 0:
		o.warn("the last partition keeps its size: %s", t.holds)
	}
	return nil
}

// linux mounts the root and writes into it.
func (o *outcome) linux(ctx context.Context, path, number string, t *table, w Wish, program string, record link.Record) (err error) {
	d, err := openDevice(path, number)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close(ctx)) }()
	if err := d.partitions(t.parts); err != nil {
		return err
	}
	m, root, err := o.root(d, t)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.detach()) }()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := o.apply(root, w, Agent{Program: program, Record: record}); err != nil {
		return err
	}
	o.fstab(root, names(blocks{d.file}, t))
	return nil
}

// blocks reads a device that is in use, through the kernel's cache.
type blocks struct{ *os.File }

// root finds the partition with the system, mounts it and lets the file system fill it.
func (o *outcome) root(d *device, t *table) (*mount, tree, error) {
	var looked []string
	for _, p := range t.parts {
		fs, ok := identify(blocks{d.file}, p)
		if !ok {
			continue
		}
		m, err := d.mount(p, fs.kind)
		if err != nil {
			looked = append(looked, fmt.Sprintf("partition %d: %v", p.number, err))
			continue
		}
		root, ok := m.system()
		if !ok {
			looked = append(looked, fmt.Sprintf("partition %d has %s without a system", p.number, fs.kind))
			if err := m.detach(); err != nil {
				return nil, tree{}, err
			}
			continue
		}
		o.did("%s on partition %d (%s)", root.systemName(), p.number, fs.kind)
		o.fill(m, fs, p)
		return m, root, nil
	}
	if len(looked) == 0 {
		return nil, tree{}, fault.Refused("no partition of the image has ext4, xfs or btrfs on it")
	}
	return nil, tree{}, fault.Refused("no partition of the image has a Linux system (etc/os-release) that can be mounted: %s", strings.Join(looked, "; "))
}

// fill grows the file system. That it could not is no reason to give up: it is as large as the image made it.
func (o *outcome) fill(m *mount, fs filesystem, p partition) {
	before := m.size
	switch err := m.grow(fs, p.size); {
	case err != nil:
		o.warn("the root file system keeps its size: %v", err)
	case m.size > before:
		o.did("root file system grew from %s to %s", unit.Bytes(before).SI(), unit.Bytes(m.size).SI())
	}
}

// finish asks the disk who it is, now that nobody holds it, and lets the firmware know of the system.
func (o *outcome) finish(ctx context.Context, disks driver.Disks, want protocol.DiskRef, w Wish) error {
	dev, err := driver.Open(ctx, disks, want, driver.Write)
	if err != nil {
		return err
	}
	at := dev.(located) // it was in prepare
	sector, err := sectorOf(filepath.Base(at.Path()))
	if err == nil {
		var t *table
		if t, err = readTable(dev, want.SizeBytes, sector); err == nil {
			o.boot(dev, t, w)
		}
	}
	return errors.Join(err, dev.Sync(), dev.Close())
}
