package ata

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/steelyard/steelyard/agent/driver"
)

const lbaMode = 0x40 // of the device register

// Clipped compares what the drive shows with what it has; nil when it hides nothing that it tells of.
func (d Drive) Clipped() (*driver.Clip, error) {
	id, err := d.Identify()
	if err != nil {
		return nil, err
	}
	native, err := d.native(id)
	if err != nil {
		return nil, err
	}
	if native > id.Sectors {
		c := &driver.Clip{By: "a host protected area", Bytes: (native - id.Sectors) * id.SectorSize}
		if id.Security.Locked {
			c.Stays = "the drive is locked"
		}
		return c, nil
	}
	made, err := d.made(id)
	if err != nil || made <= max(native, id.Sectors) {
		return nil, err
	}
	return &driver.Clip{
		By: "a device configuration overlay", Bytes: (made - max(native, id.Sectors)) * id.SectorSize,
		Stays: "only the drive's maker's tools or hdparm --dco-restore take it away, before a power cycle",
	}, nil
}

// native is the number of sectors that a host protected area leaves to be found; 0 where the drive has no such thing.
func (d Drive) native(id Identity) (uint64, error) {
	t := Taskfile{Device: lbaMode, Extended: true}
	switch {
	case id.AMAX:
		t.Command = cmdAccessibleMax
	case id.HPA:
		t.Command = cmdReadNativeMax
	default:
		return 0, nil
	}
	got, err := d.do(t, nonData, nil, quick)
	if err != nil {
		return 0, fmt.Errorf("ask the drive for its native size: %w", err)
	}
	if got.LBA == 0 {
		return 0, errors.New("the drive does not tell its native size")
	}
	return got.LBA + 1, nil
}

// made is the number of sectors that the drive was made with; 0 where there is no overlay.
func (d Drive) made(id Identity) (uint64, error) {
	if !id.DCO {
		return 0, nil
	}
	b := make([]byte, sector)
	_, err := d.do(Taskfile{Command: cmdDCO, Feature: 0xC2, Count: 1}, pioIn, b, quick)
	var refused Refusal
	if errors.As(err, &refused) {
		return 0, nil // frozen by the firmware: it does not tell
	}
	if err != nil {
		return 0, fmt.Errorf("ask the drive for its configuration: %w", err)
	}
	return ParseOverlay(b)
}

// ParseOverlay reads the number of sectors out of a DEVICE CONFIGURATION IDENTIFY data structure.
func ParseOverlay(b []byte) (uint64, error) {
	if len(b) < sector {
		return 0, fmt.Errorf("the device configuration has %d bytes", len(b))
	}
	if b[510] == 0xA5 { // a checksum follows
		var sum byte
		for _, c := range b[:sector] {
			sum += c
		}
		if sum != 0 {
			return 0, errors.New("the device configuration has a wrong checksum")
		}
	}
	last := binary.LittleEndian.Uint64(b[6:]) & (1<<48 - 1)
	if last == 0 {
		return 0, nil
	}
	return last + 1, nil
}

// Unclip gives a host protected area back, for good.
func (d Drive) Unclip() error {
	id, err := d.Identify()
	if err != nil {
		return err
	}
	native, err := d.native(id)
	if err != nil || native <= id.Sectors {
		return err
	}
	t := Taskfile{Device: lbaMode, Extended: true, LBA: native - 1, Command: cmdSetMax, Count: 1} // count bit 0: also after a power cycle
	if id.AMAX {
		t.Command, t.Feature, t.Count = cmdAccessibleMax, 1, 0
	} else if _, err := d.do(Taskfile{Device: lbaMode, Extended: true, Command: cmdReadNativeMax}, nonData, nil, quick); err != nil {
		return err // SET MAX is taken only right after it
	}
	if _, err := d.do(t, nonData, nil, quick); err != nil {
		return fmt.Errorf("set the drive to its native size: %w", err)
	}
	return nil
}
