package ata

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/agent/driver/scsi"
)

func raw(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// TestPassThroughGolden compares with the table of ATA PASS-THROUGH (16) in SAT-4.
func TestPassThroughGolden(t *testing.T) {
	for name, c := range map[string]struct {
		cdb  []byte
		want string
	}{
		"identify":         {Taskfile{Command: cmdIdentify, Count: 1}.cdb(pioIn), "85080e00000001000000000000" + "00ec00"},
		"read native max":  {Taskfile{Command: cmdReadNativeMax, Device: lbaMode, Extended: true}.cdb(nonData), "85072000000000000000000000" + "402700"},
		"set max":          {Taskfile{Command: cmdSetMax, Device: lbaMode, Extended: true, Count: 1, LBA: 0x0000060504030201}.cdb(nonData), "8507200000" + "00010401050206" + "03" + "403700"},
		"set password":     {Taskfile{Command: cmdSetPassword, Count: 1}.cdb(pioOut), "850a0600000001000000000000" + "00f100"},
		"overlay identify": {Taskfile{Command: cmdDCO, Feature: 0xC2, Count: 1}.cdb(pioIn), "85080e00c20001000000000000" + "00b100"},
	} {
		if !bytes.Equal(c.cdb, raw(c.want)) {
			t.Errorf("%s: %x\nwant %s", name, c.cdb, c.want)
		}
	}
	if b := passwordBlock(2); b[0] != 2 || b[1] != 0 || string(b[2:2+len(Password)]) != Password || len(b) != 512 || len(Password) > 32 {
		t.Errorf("%x", b[:40])
	}
}

// fakeDrive is a drive with the security feature set, a host protected area and an overlay.
type fakeDrive struct {
	t                                   *testing.T
	supported, enhanced, frozen, locked bool
	password                            string
	sectors, native, made               uint64
	hpa, dco                            bool
	liar                                bool // the erase is claimed
	refuses                             bool // the erase is refused
	data                                string
	prepared                            bool
	took                                time.Duration
	powerLoss                           bool
}

func (f *fakeDrive) identity() []byte {
	b := make([]byte, sector)
	w := func(i int, v uint16) { binary.LittleEndian.PutUint16(b[2*i:], v) }
	w(83, 0x4000|1<<10|flag(f.dco, 11))
	w(82, flag(f.hpa, 10))
	binary.LittleEndian.PutUint64(b[200:], f.sectors)
	w(89, 0x8000|30)
	w(90, 15)
	w(128, flag(f.supported, 0)|flag(f.password != "", 1)|flag(f.locked, 2)|flag(f.frozen, 3)|flag(f.enhanced, 5))
	return b
}

func flag(on bool, bit int) uint16 {
	if on {
		return 1 << bit
	}
	return 0
}

// sense is an ATA status return descriptor.
func sense(status, code byte, lba uint64) []byte {
	b := append(raw("7201001d"+"0000000e"), 9, 12, 1, code, 0, 0, byte(lba>>24), byte(lba), byte(lba>>32), byte(lba>>8), byte(lba>>40), byte(lba>>16), 0x40, status)
	return b
}

func (f *fakeDrive) send(c scsi.Command) ([]byte, error) {
	ok, abort := sense(0x50, 0, 0), sense(0x51, 4, 0)
	given := ""
	if c.Direction == scsi.Out {
		given = strings.TrimRight(string(c.Data[2:34]), "\x00")
	}
	lba := uint64(c.CDB[8]) | uint64(c.CDB[10])<<8 | uint64(c.CDB[12])<<16 | uint64(c.CDB[7])<<24 | uint64(c.CDB[9])<<32 | uint64(c.CDB[11])<<40
	switch c.CDB[14] {
	case cmdIdentify:
		copy(c.Data, f.identity())
		return nil, nil
	case cmdReadNativeMax:
		return sense(0x50, 0, f.native-1), nil
	case cmdSetMax:
		f.sectors = lba + 1
		return ok, nil
	case cmdDCO:
		binary.LittleEndian.PutUint64(c.Data[6:], f.made-1)
		c.Data[510] = 0xA5
		var sum byte
		for _, x := range c.Data {
			sum += x
		}
		c.Data[511] = -sum
		return nil, nil
	case cmdSetPassword:
		if f.frozen || f.locked {
			return abort, nil
		}
		f.password = given
	case cmdUnlock, cmdDisablePassword:
		if given != f.password || f.frozen || c.CDB[14] == cmdDisablePassword && f.locked {
			return abort, nil
		}
		if f.locked = false; c.CDB[14] == cmdDisablePassword {
			f.password = ""
		}
	case cmdErasePrepare:
		f.prepared = true
	case cmdEraseUnit:
		if !f.prepared || given != f.password || f.refuses || f.locked {
			return abort, nil
		}
		if c.Timeout < 2*f.took {
			f.t.Errorf("the kernel would give up after %v", c.Timeout)
		}
		time.Sleep(f.took)
		if f.powerLoss {
			f.powerLoss, f.locked = false, true
			return nil, errors.New("the drive could not be reached")
		}
		if f.password = ""; !f.liar {
			f.data = ""
		}
	default:
		f.t.Errorf("command %02X", c.CDB[14])
	}
	return ok, nil
}

func TestB45_ASecurityEraseLeavesNoPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeDrive{t: t, supported: true, enhanced: true, took: 40 * time.Minute, data: "secret", sectors: 1000}
		list, err := Drive{Send: f.send}.Rungs()
		if err != nil || len(list) != 2 || list[0].Unfit != "" || list[1].Unfit != "" {
			t.Fatalf("%+v %v", list, err)
		}
		last := 0.0
		if err := list[1].Run(t.Context(), func(share float64) { last = share }); err != nil || f.data != "" || f.password != "" {
			t.Errorf("%v %+v", err, f)
		}
		if last < 0.6 || last > 0.7 { // 40 minutes of an hour
			t.Errorf("at the end it told %v", last)
		}
		f.refuses, f.data = true, "secret"
		if err := list[0].Run(t.Context(), func(float64) {}); err == nil || f.password != "" || f.data == "" {
			t.Errorf("a drive that refuses: %v %+v", err, f)
		}
	})
}

// TestB45_ADriveThatLostItsPowerIsUnlockedAndErasedAgain: the password is known.
func TestB45_ADriveThatLostItsPowerIsUnlockedAndErasedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeDrive{t: t, supported: true, enhanced: true, data: "secret", powerLoss: true}
		list, _ := Drive{Send: f.send}.Rungs()
		f.locked = false
		if err := list[0].Run(t.Context(), func(float64) {}); err == nil {
			t.Fatal("the power was lost")
		}
		f.password, f.locked = Password, true // as the drive comes back
		list, err := Drive{Send: f.send}.Rungs()
		if err != nil || f.locked || f.password != "" || list[0].Unfit != "" {
			t.Fatalf("it stays locked: %+v %v", f, err)
		}
		if err := list[0].Run(t.Context(), func(float64) {}); err != nil || f.data != "" || f.password != "" {
			t.Errorf("%v %+v", err, f)
		}
		f.password, f.locked = "somebody else's", true
		if list, err = (Drive{Send: f.send}).Rungs(); err != nil || !strings.Contains(list[0].Unfit, "not this program's") || !f.locked {
			t.Errorf("another's password: %+v %v", list, err)
		}
	})
}

func TestB45_AFrozenDriveSaysWhy(t *testing.T) {
	f := &fakeDrive{t: t, supported: true, frozen: true}
	list, err := Drive{Send: f.send}.Rungs()
	if err != nil || !strings.Contains(list[0].Unfit, "frozen") || !strings.Contains(list[1].Unfit, "frozen") {
		t.Errorf("%+v %v", list, err)
	}
	f = &fakeDrive{t: t, supported: true}
	if list, _ = (Drive{Send: f.send}).Rungs(); list[0].Unfit == "" || list[1].Unfit != "" {
		t.Errorf("without the enhanced one: %+v", list)
	}
}

func TestB45_WhatADriveHidesIsFoundAndGivenBack(t *testing.T) {
	f := &fakeDrive{t: t, hpa: true, dco: true, sectors: 1000, native: 1000, made: 1000}
	d := Drive{Send: f.send}
	if clip, err := d.Clipped(); err != nil || clip != nil {
		t.Errorf("a drive that hides nothing: %+v %v", clip, err)
	}
	f.native, f.made = 1500, 1500
	clip, err := d.Clipped()
	if err != nil || clip == nil || clip.Bytes != 500*512 || clip.Stays != "" || !strings.Contains(clip.By, "host protected area") {
		t.Fatalf("%+v %v", clip, err)
	}
	if err := d.Unclip(); err != nil || f.sectors != 1500 {
		t.Errorf("%v, %d sectors", err, f.sectors)
	}
	f.made = 2000
	clip, err = d.Clipped()
	if err != nil || clip == nil || clip.Bytes != 500*512 || clip.Stays == "" || !strings.Contains(clip.By, "overlay") {
		t.Errorf("%+v %v", clip, err)
	}
}

func FuzzIdentity(f *testing.F) {
	d := &fakeDrive{supported: true, sectors: 1 << 30, hpa: true}
	f.Add(d.identity())
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if id, err := ParseIdentity(b); err == nil && (id.Security.Time < 0 || id.Security.EnhancedTime > 48*24*time.Hour*2) {
			t.Errorf("%+v", id)
		}
		if n, err := ParseOverlay(b); err == nil && n > 1<<48 {
			t.Errorf("%d sectors", n)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add(byte(cmdIdentify), sense(0x50, 0, 99)[8:])
	f.Fuzz(func(t *testing.T, command byte, b []byte) {
		if len(b) < 14 {
			return
		}
		if a, err := answer(command, b); err == nil && a.LBA >= 1<<48 {
			t.Errorf("%+v", a)
		}
	})
}
