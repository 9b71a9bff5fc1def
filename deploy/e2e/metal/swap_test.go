package metal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/outofband/power/machine"
	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
)

// TestB44_B45_WhatIsSwappedInTheMiddleOfAnEraseIsNotErased: while one server is erased the power of the rack fails, somebody
// exchanges parts of it with a server that is a customer's, and switches both on again. Not a byte of the customer's is lost, whatever a
// person who has not looked tells the controller to do, and the operation says what it met.
func TestB44_B45_WhatIsSwappedInTheMiddleOfAnEraseIsNotErased(t *testing.T) {
	h := newHouse(t)
	mine := &life{house: h, t: t, last: time.Now(), server: swappable(t, h, "mine", 1)}
	hers := &life{house: h, t: t, last: time.Now(), server: swappable(t, h, "hers", 2)}
	hers.disk = hers.server.m.Disks[0]
	t.Cleanup(func() { t.Log(strings.Join(append(mine.phases, hers.phases...), ", ")) })
	mine.server.Start(machine.Network)
	hers.server.Start(machine.Network)
	hers.known = hers.admit(hers.server)
	hers.id = hers.known.ID
	hers.used()
	mine.id = mine.approve(mine.server) // not before: both fit the order exactly, and the one that is free for longer gets it (rule B28a)
	mine.known = mine.ready(mine.id)
	mine.over("both are there")
	r := &rackOfTwo{h: h, mine: mine, hers: hers}
	// Nobody else turns her server on meanwhile (rule B28).
	h.must("PUT", "/v1/servers/"+hers.id+"/maintenance", object{"reason": "the rack is rebuilt"}, nil)

	op := r.cutInErase()
	r.fill()
	before := r.sums()
	mine.server.m.Disks, hers.server.m.Disks = hers.server.m.Disks, mine.server.m.Disks
	r.on()
	r.heldBy(op, hers.disk.Serial)
	r.untouched(before, "after the disks were swapped")
	h.must("POST", "/v1/operations/"+op+"/retry", object{"reason": "did not look"}, nil)
	r.heldBy(op, hers.disk.Serial)
	h.must("POST", "/v1/operations/"+op+"/cancel", object{"reason": "did not look"}, nil)
	r.ended(op)
	again := r.erase()
	r.heldBy(again, "is known in server "+hers.known.Name)
	r.untouched(before, "after a person asked for all of it three times")
	mine.over("disks swapped")

	// Put back, everything goes on.
	r.off()
	mine.server.m.Disks, hers.server.m.Disks = hers.server.m.Disks, mine.server.m.Disks
	r.on()
	hers.answers()
	h.must("POST", "/v1/operations/"+again+"/cancel", object{"reason": "the disks are back"}, nil)
	r.ended(again)
	h.find(mine.known.Name)
	h.must("POST", "/v1/servers/"+mine.id+"/commission", object{"reason": "the disks are back"}, nil)
	mine.ready(mine.id)
	mine.over("put back")

	op = r.cutInErase()
	r.fill()
	before = r.sums()
	mac, other := &mine.server.m.NICs[0].MAC, &hers.server.m.NICs[0].MAC
	*mac, *other = *other, *mac
	mine.server.Start(machine.Network)
	r.heldBy(op, *mac)
	r.untouched(before, "after the network cards were swapped")
	hers.server.Start(machine.Network) // her own system, which writes to its own disk
	eventually(t, "her system runs with the other card", func() bool { return strings.Contains(hers.server.screen(), "login:") })
	if now := r.sums(); now[1] != before[1] || !onDisk(t, hers.disk, letter(hers.host)) {
		t.Error("her disks were written to")
	}
	mine.over("cards swapped")
}

// swappable is a machine with a disk for the system and one for data, the same ones in each.
func swappable(t *testing.T, h *house, name string, n int) *server {
	t.Helper()
	disks := []qemu.Disk{qemu.NewDisk(t, "virtio", "SYS-"+name, 512<<20), qemu.NewDisk(t, "virtio", "DATA-"+name, 64<<20)}
	return newServer(t, h.rack, n, qemu.Machine{Memory: 768, Disks: disks, Identity: acme(name, n)})
}

// slow bounds what the n-th disk writes in a second, from now on until the machine is started again.
func (s *server) slow(n int, bytes int64) error {
	s.mu.Lock()
	run := s.run
	s.mu.Unlock()
	_, err := run.Monitor("block_set_io_throttle", map[string]any{
		"device": fmt.Sprintf("drive%d", n), "bps": 0, "bps_rd": 0, "bps_wr": bytes, "iops": 0, "iops_rd": 0, "iops_wr": 0,
	})
	return err
}

// rackOfTwo are a server that is erased and a customer's.
type rackOfTwo struct {
	h          *house
	mine, hers *life
	data       []qemu.Disk // all of the customer's disks
}

// cutInErase begins an erase and cuts the power of both in the middle of it.
func (r *rackOfTwo) cutInErase() (operation string) {
	t := r.h.t
	t.Helper()
	for n := range 2 {
		if err := r.mine.server.slow(n, 8<<20); err != nil {
			t.Fatal(err)
		}
	}
	id := r.erase()
	eventually(t, "the erase is in the middle", func() bool {
		var o struct {
			Steps []struct {
				State    string
				Progress struct{ Done, Total uint64 }
			}
		}
		status, _ := r.h.try("GET", "/v1/operations/"+id, nil, &o)
		if status != 200 {
			return false
		}
		for _, s := range o.Steps {
			if s.State == "sent" && s.Progress.Total > 0 && s.Progress.Done > s.Progress.Total/20 {
				return true
			}
		}
		return false
	})
	r.off()
	return id
}

// erase asks for one by hand.
func (r *rackOfTwo) erase() (operation string) {
	r.h.t.Helper()
	var o struct{ ID string }
	r.h.must("POST", "/v1/servers/"+r.mine.id+"/operations", object{"kind": "erase"}, &o)
	return o.ID
}

func (r *rackOfTwo) ended(operation string) {
	r.h.t.Helper()
	eventually(r.h.t, "the operation is canceled", func() bool {
		var o op
		status, _ := r.h.try("GET", "/v1/operations/"+operation, nil, &o)
		return status == 200 && o.State == "canceled"
	})
}

func (r *rackOfTwo) off() {
	r.mine.server.Stop(false)
	r.hers.server.Stop(false)
}

// on switches both on. The network comes first, so that what the controller says is what they start.
func (r *rackOfTwo) on() {
	r.mine.server.Start(machine.Network)
	r.hers.server.Start(machine.Network)
}

// fill gives the customer's second disk data that nothing writes to.
func (r *rackOfTwo) fill() {
	t := r.h.t
	t.Helper()
	f, err := os.OpenFile(r.hers.server.m.Disks[1].File, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(f, rand.Reader, 64<<20); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	r.data = r.hers.server.m.Disks
}

// sums are those of the customer's disks, from outside.
func (r *rackOfTwo) sums() (list [2]string) {
	t := r.h.t
	t.Helper()
	for i, d := range r.data {
		f, err := os.Open(d.File)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, f); err != nil {
			t.Error(err)
		}
		_ = f.Close()
		list[i] = hex.EncodeToString(sum.Sum(nil))
	}
	return list
}

func (r *rackOfTwo) untouched(before [2]string, when string) {
	r.h.t.Helper()
	if now := r.sums(); now != before {
		r.h.t.Errorf("her disks are not what they were %s: %v, %v", when, before, now)
	}
}

// heldBy waits until the operation is held, with these words, and a person was told.
func (r *rackOfTwo) heldBy(operation, words string) {
	t := r.h.t
	t.Helper()
	var o op
	eventually(t, "the operation is held", func() bool {
		status, _ := r.h.try("GET", "/v1/operations/"+operation, nil, &o)
		return status == 200 && o.State == "held"
	})
	var list struct {
		Items []struct{ Operation, Body string }
	}
	r.h.must("GET", "/v1/tasks?state=open&server="+r.mine.id, nil, &list)
	told := false
	for _, k := range list.Items {
		told = told || k.Operation == operation && strings.Contains(k.Body, words)
	}
	if !strings.Contains(o.Message, words) || !told {
		t.Errorf("it is held without a word of %s: %s; tasks %+v", words, o.Message, list.Items)
	}
	t.Log(o.Message)
}
