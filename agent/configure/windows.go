package configure

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/pkg/fault"
)

// basicData is the GPT type of a partition that Windows shows, as stored.
var basicData = [16]byte{0xA2, 0xA0, 0xD0, 0xEB, 0xE5, 0xB9, 0x33, 0x44, 0x87, 0xC0, 0x68, 0xB6, 0xB7, 0x26, 0x99, 0xC7}

// fat16 is its MBR type.
const fat16 = 0x0E

// windows gives the disk a partition for cloudbase-init, at its end. The system's own partition is extended by
// cloudbase-init, which knows NTFS.
func (o *outcome) windows(dev driver.Disk, t *table, w Wish) error {
	p, err := t.driveAt(dev)
	if err != nil {
		return err
	}
	serial := make([]byte, 4)
	_, _ = rand.Read(serial)
	whole := driver.Buffer(driveBytes)
	copy(whole, drive(w.configDrive(), binary.LittleEndian.Uint32(serial)))
	if _, err := dev.WriteAt(whole, int64(p.start)); err != nil {
		return fmt.Errorf("write the config drive: %w", err)
	}
	o.did("config drive for cloudbase-init on partition %d", p.number)
	o.warn("Windows has no agent of ours: a person has to say that the system is up")
	return t.write(dev)
}

// driveAt is the partition that an earlier try made, or a new one.
func (t *table) driveAt(dev driver.Disk) (partition, error) {
	for _, p := range t.parts {
		if f, err := openFAT(dev, p); err == nil && p.size == driveBytes && f.label == "CONFIG-2" {
			return p, nil
		}
	}
	p := partition{start: (t.room() - driveBytes) / mib * mib, size: driveBytes, kind: basicData, mbrKind: fat16}
	if t.last().end() > p.start || p.end() > t.room() {
		return p, fault.Refused("the image leaves no room for a config drive of %d MiB at the end of the disk", driveBytes/mib)
	}
	slots := 4
	if t.gpt != nil {
		slots = len(t.gpt.entries) / int(t.gpt.each)
		_, _ = rand.Read(p.id[:])
	}
	for p.number = 1; slices.ContainsFunc(t.parts, func(o partition) bool { return o.number == p.number }); p.number++ {
	}
	if p.number > slots {
		return p, fault.Refused("the partition table of the image has no place for a config drive")
	}
	t.parts = append(t.parts, p)
	return p, nil
}
