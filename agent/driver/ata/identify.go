package ata

import (
	"encoding/binary"
	"fmt"
	"time"
)

// Identity is what IDENTIFY DEVICE says about erasing.
type Identity struct {
	Sectors    uint64
	SectorSize uint64 // logical, bytes
	HPA        bool   // host protected area feature set
	AMAX       bool   // accessible max address configuration, its successor
	DCO        bool   // device configuration overlay
	Security   Security
}

// Security is word 128 and the times of words 89 and 90.
type Security struct {
	Supported, Enabled, Locked, Frozen, Expired, Enhanced bool
	Time, EnhancedTime                                    time.Duration // the drive's own estimates; 0 not told
}

// ParseIdentity reads the 512 bytes of IDENTIFY DEVICE.
func ParseIdentity(b []byte) (Identity, error) {
	if len(b) < sector {
		return Identity{}, fmt.Errorf("the identity has %d bytes", len(b))
	}
	w := func(i int) uint16 { return binary.LittleEndian.Uint16(b[2*i:]) }
	if w(0)&0x8000 != 0 {
		return Identity{}, fmt.Errorf("the identity is none of an ATA disk")
	}
	id := Identity{
		Sectors: uint64(w(60)) | uint64(w(61))<<16, SectorSize: sector,
		HPA: valid(w(83)) && w(82)&(1<<10) != 0, DCO: valid(w(83)) && w(83)&(1<<11) != 0, AMAX: valid(w(119)) && w(119)&(1<<8) != 0,
	}
	if valid(w(83)) && w(83)&(1<<10) != 0 { // 48-bit addresses
		id.Sectors = binary.LittleEndian.Uint64(b[200:])
	}
	if valid(w(106)) && w(106)&(1<<12) != 0 {
		id.SectorSize = 2 * (uint64(w(117)) | uint64(w(118))<<16)
	}
	s := w(128)
	id.Security = Security{
		Supported: s&1 != 0, Enabled: s&2 != 0, Locked: s&4 != 0, Frozen: s&8 != 0, Expired: s&16 != 0, Enhanced: s&32 != 0,
		Time: eraseTime(w(89)), EnhancedTime: eraseTime(w(90)),
	}
	return id, nil
}

// valid tells whether a word is filled in: bit 15 clear, bit 14 set.
func valid(w uint16) bool { return w&0xC000 == 0x4000 }

// eraseTime reads a word in units of two minutes, in the short or the extended format.
func eraseTime(w uint16) time.Duration {
	if w&0x8000 != 0 {
		return time.Duration(w&0x7FFF) * 2 * time.Minute
	}
	return time.Duration(w&0xFF) * 2 * time.Minute
}

// Identify asks the drive who it is.
func (d Drive) Identify() (Identity, error) {
	b := make([]byte, sector)
	if _, err := d.do(Taskfile{Command: cmdIdentify, Count: 1}, pioIn, b, quick); err != nil {
		return Identity{}, fmt.Errorf("identify the drive: %w", err)
	}
	return ParseIdentity(b)
}
