package wipe

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/driver/ata"
	"github.com/steelyard/steelyard/agent/erase"
	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// own is a drive of the test's own: an ATA drive behind a translation as a SAS controller has it, or a SCSI drive.
type own struct {
	mu     sync.Mutex
	serial string
	ata    bool
	bytes  []byte // all of it
	shown  int    // of that, bytes that it shows
	made   int    // bytes that an overlay says it was made with; 0: there is none

	lies     bool // it says that it is empty and is not
	frozen   bool
	enabled  bool // a password is set
	locked   bool
	prepared bool
	password [32]byte

	sanitize byte // the service action that it has; 0: none
	glances  int  // how often it says that it is not over yet
	asked    []byte
}

func newOwn(serial string, isATA bool) *own {
	d := &own{serial: serial, ata: isATA, bytes: bytes.Repeat([]byte(secret), ownSize/len(secret)), shown: ownSize}
	return d
}

const ownSize = 4 << 20

func (d *own) left() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return bytes.Count(d.bytes, []byte(secret))
}

var (
	invalid = []byte{0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0}
	aborted = []byte{0x72, 0x0B, 0, 0, 0, 0, 0, 14, 9, 12, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x51}
	again   = []byte{0x70, 0, 2, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x04, 0x1B, 0, 0x80, 0x40, 0}
)

// answer is the drive's commander.
func (d *own) answer(cdb, data []byte) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	be := binary.BigEndian
	switch cdb[0] {
	case 0x00, 0x35, 0x91, 0x1B, 0x1E: // ready, flush, start, lock
		return nil
	case 0x03:
		copy(data, []byte{0x70, 0, 0, 0, 0, 0, 0, 10, 17: 0})
		if d.glances > 0 {
			d.glances--
			copy(data, again)
		}
		return nil
	case 0x12:
		return d.inquiry(cdb, data)
	case 0x1A, 0x5A: // mode sense: a header alone
		clear(data)
		data[0] = 3
		if cdb[0] == 0x5A {
			data[0], data[1] = 0, 6
		}
		return nil
	case 0x25:
		be.PutUint32(data, uint32(d.shown/512-1))
		be.PutUint32(data[4:], 512)
		return nil
	case 0x9E:
		clear(data)
		be.PutUint64(data, uint64(d.shown/512-1))
		be.PutUint32(data[8:], 512)
		return nil
	case 0x28, 0x2A:
		return d.move(cdb[0] == 0x2A, int(be.Uint32(cdb[2:]))*512, data)
	case 0x88, 0x8A:
		return d.move(cdb[0] == 0x8A, int(be.Uint64(cdb[2:]))*512, data)
	case 0x48:
		return d.sanitized(cdb)
	case 0x85:
		return d.taskfile(cdb, data)
	}
	return invalid
}

func (d *own) inquiry(cdb, data []byte) []byte {
	clear(data)
	if cdb[1]&1 == 0 {
		vendor := "TEST    "
		if d.ata {
			vendor = "ATA     "
		}
		copy(data, append([]byte{0, 0, 6, 2, 31, 0, 0, 2}, vendor+"OWN DRIVE       1.0 "...))
		return nil
	}
	switch cdb[2] {
	case 0x00:
		copy(data, []byte{0, 0, 0, 2, 0x00, 0x80})
	case 0x80:
		copy(data, append([]byte{0, 0x80, 0, byte(len(d.serial))}, d.serial...))
	default:
		return invalid
	}
	return nil
}

func (d *own) move(write bool, at int, data []byte) []byte {
	switch {
	case d.locked || at+len(data) > d.shown:
		return aborted
	case write:
		copy(d.bytes[at:], data)
	default:
		copy(data, d.bytes[at:])
	}
	return nil
}

func (d *own) sanitized(cdb []byte) []byte {
	action := cdb[1] & 0x1F
	if d.sanitize == 0 || action != d.sanitize {
		return invalid
	}
	d.asked = append(d.asked, action)
	d.glances = 2
	switch {
	case d.lies:
	case action == 3: // crypto erase
		_, _ = rand.Read(d.bytes)
	default:
		clear(d.bytes)
	}
	return nil
}

// taskfile answers ATA PASS-THROUGH (16).
func (d *own) taskfile(cdb, data []byte) []byte {
	if !d.ata {
		return invalid
	}
	command := cdb[14]
	switch command {
	case 0xEC:
		d.identify(data)
		return nil
	case 0x27: // read native max
		return registers(uint64(len(d.bytes)/512 - 1))
	case 0x37: // set max
		d.shown = len(d.bytes)
		return registers(uint64(d.shown/512 - 1))
	case 0xB1: // device configuration identify
		if d.made == 0 {
			return aborted
		}
		clear(data)
		binary.LittleEndian.PutUint64(data[6:], uint64(d.made/512-1))
		return nil
	case 0xF3:
		d.prepared = true
		return registers(0)
	case 0xF1, 0xF2, 0xF4, 0xF6:
		return d.secure(command, data)
	}
	return aborted
}

func (d *own) secure(command byte, data []byte) []byte {
	d.asked = append(d.asked, command)
	same := len(data) == 512 && bytes.Equal(d.password[:], data[2:34])
	switch {
	case d.frozen || len(data) != 512, command != 0xF1 && !same, command == 0xF1 && d.enabled, command == 0xF4 && !d.prepared:
		return aborted
	case command == 0xF1:
		copy(d.password[:], data[2:34])
		d.enabled = true
	case command == 0xF2:
		d.locked = false
	case command == 0xF4:
		if !d.lies {
			clear(d.bytes[:d.shown])
		}
		d.enabled, d.locked = false, false
	default:
		d.enabled = false
	}
	return nil
}

func (d *own) identify(b []byte) {
	le := binary.LittleEndian
	clear(b)
	word := func(i int, v uint16) { le.PutUint16(b[2*i:], v) }
	word(82, 1<<10|1<<1) // host protected area, security
	word(83, 1<<14|1<<10)
	if d.made > 0 {
		word(83, 1<<14|1<<11|1<<10)
	}
	word(89, 1) // two minutes
	word(90, 1)
	le.PutUint64(b[200:], uint64(d.shown/512))
	s := uint16(1 | 1<<5)
	for bit, set := range map[int]bool{1: d.enabled, 2: d.locked, 3: d.frozen} {
		if set {
			s |= 1 << bit
		}
	}
	word(128, s)
}

// registers is the answer of a command that moves no data: the ATA status return descriptor.
func registers(lba uint64) []byte {
	b := []byte{0x72, 1, 0, 0x1D, 0, 0, 0, 14, 9, 12, 1, 0, 0, 0, byte(lba >> 24), byte(lba), byte(lba >> 32), byte(lba >> 8), byte(lba >> 40), byte(lba >> 16), 0x40, 0x50}
	return b
}

// TestB45_WhatDrivesSayOfThemselvesIsTestedOnTheKernelsOwnWay: ATA security erase and SCSI sanitize by the agent's own commands, of
// drives that are honest and of those that lie; a host protected area and an overlay.
func TestB45_WhatDrivesSayOfThemselvesIsTestedOnTheKernelsOwnWay(t *testing.T) {
	if !qemu.Inside() {
		qemu.RunTest(t, qemu.Machine{Modules: []string{"target_core_user", "tcm_loop"}})
		return
	}
	honest, liar, frozen, cut, foreign, clipped := newOwn("HONEST", true), newOwn("LIAR", true), newOwn("FROZEN", true), newOwn("CUT", true), newOwn("FOREIGN", true), newOwn("CLIPPED", true)
	liar.lies, frozen.frozen = true, true
	cut.enabled, cut.locked = true, true // an erase of ours lost its power
	copy(cut.password[:], ata.Password)
	foreign.enabled = true
	copy(foreign.password[:], "somebody else's")
	clipped.shown -= 1 << 20
	clipped.made = ownSize + 4<<20
	overwrite, block, crypto := newOwn("OVERWRITE", false), newOwn("BLOCK", false), newOwn("CRYPTO", false)
	overwrite.sanitize, block.sanitize, crypto.sanitize = 1, 2, 3
	block.lies = true
	drives := []*own{honest, liar, frozen, cut, foreign, clipped, overwrite, block, crypto}
	for i, d := range drives {
		attach(t, i, strings.ToLower(d.serial), d.shown, d.answer)
	}
	wait(t, "/sys/block/sd*", len(drives))
	m := machine(t)
	pass := func() ([]protocol.Erasure, error) {
		list, err := m.List(t.Context())
		if err != nil || len(list) != len(drives) {
			t.Fatal(list, err)
		}
		began := time.Now()
		out, err := erase.Run(t.Context(), m, protocol.Permit{ID: "permit", Disks: list}, &job{})
		t.Log(time.Since(began), err)
		for _, e := range out {
			t.Log(e.Disk, e.EndedAt.Sub(e.StartedAt), e.Method, "|", e.Regained, e.Attempts)
		}
		return out, err
	}

	out, err := pass() // the protected area goes
	regained := uint64(0)
	for _, e := range out {
		regained += e.Regained
	}
	if !fault.Is(err, fault.KindUnavailable) || regained != 1<<20 || !strings.Contains(err.Error(), "host protected area") {
		t.Errorf("a protected area: %v, regained %d", err, regained)
	}
	if _, err = pass(); !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "hdparm --dco-restore") {
		t.Errorf("an overlay: %v", err)
	}
	for _, d := range drives {
		if n := d.left(); n != ownSize/len(secret) {
			t.Errorf("something was done to %s: %d left", d.serial, n)
		}
	}
	clipped.mu.Lock()
	clipped.made = 0
	clipped.mu.Unlock()

	if out, err = pass(); err != nil {
		t.Error(err)
	}
	const enhanced, byHand, afterLie = "ata security erase: enhanced", "overwrite zero", "overwrite noise + zero"
	want := map[string]struct{ method, outcomes, says string }{
		"HONEST":    {enhanced, enhanced + ": proven", ""},
		"LIAR":      {afterLie, enhanced + ": claimed, not proven", "something is left"},
		"FROZEN":    {byHand, enhanced + ": not available", "frozen"},
		"CUT":       {enhanced, enhanced + ": proven", ""},
		"FOREIGN":   {byHand, enhanced + ": not available", "not this program's"},
		"CLIPPED":   {enhanced, enhanced + ": proven", ""},
		"OVERWRITE": {"scsi sanitize: overwrite", "scsi sanitize: overwrite: proven", ""},
		"BLOCK":     {afterLie, "scsi sanitize: block erase: claimed, not proven", "something is left"},
		"CRYPTO":    {byHand, "scsi sanitize: crypto erase: done", "all of 128 remembered pieces have changed"},
	}
	for _, e := range out {
		w := want[e.Disk.Serial]
		if !e.Proven || e.VerifiedBytes != ownSize || e.Method != w.method || !strings.Contains(outcomes(e), w.outcomes) {
			t.Errorf("%s: %s | %s", e.Disk.Serial, e.Method, outcomes(e))
		}
		told := ""
		for _, a := range e.Attempts {
			told += a.Detail + "\n"
		}
		if !strings.Contains(told, w.says) {
			t.Errorf("%s says nothing of %q:\n%s", e.Disk.Serial, w.says, told)
		}
	}
	for _, d := range drives {
		if n := d.left(); n != 0 || d.locked || d.enabled && d != foreign {
			t.Errorf("%s: the secret is left %d times, locked %v, password %v", d.serial, n, d.locked, d.enabled)
		}
	}
}
