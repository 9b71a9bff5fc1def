package nvme

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"unsafe"

	"github.com/steelyard/steelyard/agent/driver"
)

// TestTheCommandIsLaidOutAsTheKernelWantsIt compares with struct nvme_passthru_cmd of linux/nvme_ioctl.h.
func TestTheCommandIsLaidOutAsTheKernelWantsIt(t *testing.T) {
	c := Command{
		Opcode: 0x84, Flags: 1, Namespace: 0x01020304, CDW2: 2, CDW3: 3, Metadata: 0x1112131415161718, Address: 0x2122232425262728,
		MetadataLen: 0x31, DataLen: 0x41, CDW10: 10, CDW11: 11, CDW12: 12, CDW13: 13, CDW14: 14, CDW15: 15, TimeoutMS: 0x51, Result: 0x61,
	}
	got := unsafe.Slice((*byte)(unsafe.Pointer(&c)), unsafe.Sizeof(c))
	want, _ := hex.DecodeString("84010000" + "04030201" + "02000000" + "03000000" + "1817161514131211" + "2827262524232221" +
		"31000000" + "41000000" + "0a000000" + "0b000000" + "0c000000" + "0d000000" + "0e000000" + "0f000000" + "51000000" + "61000000")
	if len(want) != 72 || !bytes.Equal(got, want) {
		t.Errorf("%x\nwant %x", got, want)
	}
	if size := uint32(Ioctl) >> 16 & 0x3FFF; size != 72 {
		t.Errorf("the request is for %d bytes", size)
	}
}

func TestIdentifyGolden(t *testing.T) {
	b := make([]byte, page)
	copy(b[4:24], "S4NX0N000001        ")
	binary.LittleEndian.PutUint16(b[256:], canFormat|canManage)
	binary.LittleEndian.PutUint64(b[280:], 960197124096)
	binary.LittleEndian.PutUint64(b[296:], 4096)
	binary.LittleEndian.PutUint32(b[328:], canBlock|canCrypto)
	binary.LittleEndian.PutUint32(b[516:], 32)
	b[524] = fnaCrypto | erasesAll
	c, err := ParseController(b)
	want := Controller{Serial: "S4NX0N000001", OACS: canFormat | canManage, Total: 960197124096, Free: 4096, Sanicap: canBlock | canCrypto, MaxSpace: 32, FNA: fnaCrypto | erasesAll}
	if err != nil || c != want {
		t.Errorf("%+v %v", c, err)
	}
	n := make([]byte, page)
	binary.LittleEndian.PutUint64(n, 1000)
	n[26] = 0x11 | 1<<5 // format 17, extended metadata
	n[29] = 0x0A        // protection type 2, first bytes
	n[128+4*17+2] = 12
	ns, err := ParseNamespace(n)
	if err != nil || ns.Blocks != 1000 || ns.Format != 17 || ns.Block != 4096 {
		t.Errorf("%+v %v", ns, err)
	}
	if w := ns.formatWord(sesUserData); w != 1|1<<4|2<<5|1<<8|1<<9|1<<12 {
		t.Errorf("format word %#x", w)
	}
}

// fakeDrive answers admin commands as a drive does.
type fakeDrive struct {
	controller Controller
	spaces     []uint32 // allocated
	active     []uint32
	log        Sanitize
	steps      int // glances until a sanitize is over
	ends       int // its state then
	sent       []Command
	refuse     map[uint8]Status
}

func (f *fakeDrive) send(c *Command, data []byte) error {
	f.sent = append(f.sent, *c)
	if s, ok := f.refuse[c.Opcode]; ok {
		return s
	}
	le := binary.LittleEndian
	switch c.Opcode {
	case opIdentify:
		switch c.CDW10 {
		case cnsController:
			le.PutUint16(data[256:], f.controller.OACS)
			le.PutUint32(data[328:], f.controller.Sanicap)
			data[524] = f.controller.FNA
		case cnsNamespace:
			data[128+2] = 9
		case cnsActive, cnsAllocated:
			list := f.active
			if c.CDW10 == cnsAllocated {
				list = f.spaces
			}
			for i, id := range list {
				le.PutUint32(data[4*i:], id)
			}
		}
	case opGetLog:
		if f.log.State == sanitizeRunning {
			if f.steps--; f.steps < 0 {
				f.log.State = f.ends
			}
		}
		le.PutUint16(data, 32768)
		data[2] = byte(f.log.State)
		le.PutUint32(data[4:], f.log.Action)
	case opSanitize:
		f.log = Sanitize{State: sanitizeRunning, Action: c.CDW10 & 7}
	}
	return nil
}

func fit(list []driver.Rung) (names []string) {
	for _, r := range list {
		if r.Unfit == "" {
			names = append(names, r.Method)
		}
	}
	return names
}

// TestB45_WhatADriveHasIsTriedBestFirst, and nothing that would touch another namespace.
func TestB45_WhatADriveHasIsTriedBestFirst(t *testing.T) {
	one := []uint32{1}
	for _, c := range []struct {
		what  string
		drive fakeDrive
		want  []string
	}{
		{"everything", fakeDrive{controller: Controller{OACS: canFormat, Sanicap: 7, FNA: fnaCrypto}, spaces: one, active: one}, []string{
			"nvme sanitize: crypto erase", "nvme sanitize: block erase", "nvme sanitize: overwrite", "nvme format: crypto erase", "nvme format: user data erase",
		}},
		{"format alone", fakeDrive{controller: Controller{OACS: canFormat}, spaces: one, active: one}, []string{"nvme format: user data erase"}},
		{"nothing", fakeDrive{spaces: one, active: one}, nil},
		{"two namespaces", fakeDrive{controller: Controller{OACS: canFormat | canManage, Sanicap: 7}, spaces: []uint32{1, 2}, active: one}, []string{"nvme format: user data erase"}},
		{"two namespaces that are formatted together", fakeDrive{controller: Controller{OACS: canFormat | canManage, Sanicap: 7, FNA: formatsAll}, spaces: []uint32{1, 2}, active: []uint32{1, 2}}, nil},
		{"one that runs", fakeDrive{controller: Controller{OACS: canFormat, Sanicap: 7}, spaces: one, active: one, log: Sanitize{State: sanitizeRunning, Action: actOverwrite}, steps: 9}, []string{
			"nvme sanitize: overwrite", "nvme sanitize: crypto erase", "nvme sanitize: block erase", "nvme format: user data erase",
		}},
	} {
		list, err := Drive{Send: c.drive.send}.Rungs(1)
		if err != nil || !slices.Equal(fit(list), c.want) {
			t.Errorf("%s: %q %v", c.what, fit(list), err)
		}
	}
}

func TestB45_ASanitizeIsWaitedForAndPickedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeDrive{controller: Controller{Sanicap: canBlock}, spaces: []uint32{1}, active: []uint32{1}, steps: 5, ends: sanitizeDone}
		list, err := Drive{Send: f.send}.Rungs(1)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		told := 0
		err = list[0].Run(ctx, func(share float64) {
			if share != 0.5 {
				t.Errorf("share %v", share)
			}
			if told++; told == 2 {
				cancel() // the agent goes away
			}
		})
		if !errors.Is(err, context.Canceled) || told != 2 {
			t.Fatalf("%v after %d", err, told)
		}
		list, err = Drive{Send: f.send}.Rungs(1)
		if err != nil || !list[0].Running {
			t.Fatalf("it is not picked up: %+v %v", list, err)
		}
		if err := list[0].Run(t.Context(), func(float64) {}); err != nil {
			t.Error(err)
		}
		started := 0
		for _, c := range f.sent {
			if c.Opcode == opSanitize {
				started++
				if c.CDW10 != actBlock|unrestricted {
					t.Errorf("word %#x", c.CDW10)
				}
			}
		}
		if started != 1 {
			t.Errorf("started %d times", started)
		}
	})
}

func TestB45_ASanitizeThatFailsSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeDrive{controller: Controller{Sanicap: canOverwrite}, spaces: []uint32{1}, active: []uint32{1}, steps: 1, ends: sanitizeFailed}
		list, _ := Drive{Send: f.send}.Rungs(1)
		if err := list[0].Run(t.Context(), func(float64) {}); err == nil {
			t.Error("a failed sanitize is taken for a success")
		}
		if last := f.sent[len(f.sent)-1]; last.Opcode != opSanitize || last.CDW10 != actExitFailure {
			t.Errorf("the drive is left in its failure: %+v", last)
		}
		f = &fakeDrive{controller: Controller{Sanicap: canBlock}, spaces: []uint32{1}, active: []uint32{1}, refuse: map[uint8]Status{opSanitize: 0x4000 | StatusInvalidOpcode}}
		list, _ = Drive{Send: f.send}.Rungs(1)
		if err := list[0].Run(t.Context(), func(float64) {}); !errors.Is(err, driver.ErrUnsupported) {
			t.Errorf("a drive without it: %v", err)
		}
	})
}

func TestB45_ALooseNamespaceIsFound(t *testing.T) {
	f := &fakeDrive{controller: Controller{OACS: canManage}, spaces: []uint32{1, 2, 7}, active: []uint32{1, 7}}
	loose, err := Drive{Send: f.send}.Loose(f.controller)
	if err != nil || fmt.Sprint(loose) != "[2]" {
		t.Errorf("%v %v", loose, err)
	}
}

func FuzzStructures(f *testing.F) {
	f.Add(make([]byte, page))
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = ParseController(b)
		if n, err := ParseNamespace(b); err == nil && n.formatWord(sesCrypto)>>14 != 0 {
			t.Errorf("format word %#x", n.formatWord(sesCrypto))
		}
		if s, err := ParseSanitize(b); err == nil && (s.Share < 0 || s.Share >= 1 || s.State > 7) {
			t.Errorf("%+v", s)
		}
		if list := ParseList(b); len(list) > page/4 || slices.Contains(list, 0) {
			t.Errorf("%d ids", len(list))
		}
	})
}
