package ata

import (
	"fmt"
	"time"

	"github.com/steelyard/steelyard/agent/driver/scsi"
)

// Commands.
const (
	cmdReadNativeMax    = 0x27 // EXT
	cmdSetMax           = 0x37 // EXT
	cmdAccessibleMax    = 0x78 // feature 0 get native, 1 set
	cmdDCO              = 0xB1 // feature C2h identify
	cmdIdentify         = 0xEC
	cmdSetPassword      = 0xF1
	cmdUnlock           = 0xF2
	cmdErasePrepare     = 0xF3
	cmdEraseUnit        = 0xF4
	cmdDisablePassword  = 0xF6
	sector              = 512
	quick               = 30 * time.Second
	passThrough16       = 0x85
	descriptorATA       = 0x09
	statusErr, statusDF = 0x01, 0x20
)

// protocols of ATA PASS-THROUGH.
const (
	nonData = 3
	pioIn   = 4
	pioOut  = 5
)

// Taskfile is a command, or its answer.
type Taskfile struct {
	Feature, Count uint16
	LBA            uint64 // 48 bits
	Device         byte
	Command        byte
	Extended       bool // 48-bit command
}

// cdb is the ATA PASS-THROUGH (16) of a command. data is the number of bytes; their count goes into Count.
func (t Taskfile) cdb(protocol byte) []byte {
	b := make([]byte, 16)
	b[0], b[1] = passThrough16, protocol<<1
	switch protocol {
	case nonData:
		b[2] = 0x20 // CK_COND: answer with the registers
	case pioIn:
		b[2] = 0x0E // from the drive, counted in blocks of 512 in Count
	case pioOut:
		b[2] = 0x06
	}
	if t.Extended {
		b[1] |= 1
		b[3], b[5] = byte(t.Feature>>8), byte(t.Count>>8)
		b[7], b[9], b[11] = byte(t.LBA>>24), byte(t.LBA>>32), byte(t.LBA>>40)
	}
	b[4], b[6] = byte(t.Feature), byte(t.Count)
	b[8], b[10], b[12] = byte(t.LBA), byte(t.LBA>>8), byte(t.LBA>>16)
	b[13], b[14] = t.Device, t.Command
	return b
}

// Refusal is an answer with an error bit.
type Refusal struct {
	Command, Status, Code byte
}

func (r Refusal) Error() string {
	if r.Code&0x04 != 0 {
		return fmt.Sprintf("the drive aborts command %02Xh", r.Command)
	}
	return fmt.Sprintf("the drive answers command %02Xh with status %02Xh, error %02Xh", r.Command, r.Status, r.Code)
}

// Drive is a disk that commands can be sent to.
type Drive struct {
	Send scsi.Send
}

// do sends a command and returns the registers where the drive answers with them.
func (d Drive) do(t Taskfile, protocol byte, data []byte, timeout time.Duration) (Taskfile, error) {
	c := scsi.Command{CDB: t.cdb(protocol), Data: data, Timeout: timeout, Direction: scsi.None}
	switch protocol {
	case pioIn:
		c.Direction = scsi.In
	case pioOut:
		c.Direction = scsi.Out
	}
	raw, err := d.Send(c)
	if err != nil {
		return Taskfile{}, err
	}
	if raw == nil {
		return Taskfile{}, nil
	}
	s, err := scsi.ParseSense(raw)
	if err != nil {
		return Taskfile{}, err
	}
	if a := s.Descriptor(descriptorATA); len(a) >= 14 {
		return answer(t.Command, a)
	}
	if s.Key == scsi.KeyNone || s.Key == scsi.KeyRecovered {
		return Taskfile{}, nil
	}
	return Taskfile{}, s
}

// answer reads the ATA status return descriptor.
func answer(command byte, a []byte) (Taskfile, error) {
	if a[13]&(statusErr|statusDF) != 0 {
		return Taskfile{}, Refusal{Command: command, Status: a[13], Code: a[3]}
	}
	t := Taskfile{Count: uint16(a[5]), Device: a[12], Extended: a[2]&1 != 0}
	t.LBA = uint64(a[7]) | uint64(a[9])<<8 | uint64(a[11])<<16
	if t.Extended {
		t.Count |= uint16(a[4]) << 8
		t.LBA |= uint64(a[6])<<24 | uint64(a[8])<<32 | uint64(a[10])<<40
	}
	return t, nil
}
