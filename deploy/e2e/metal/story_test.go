package metal

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/outofband/power/machine"
	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
)

// acme is a machine of this name as its firmware describes it; n tells it from the others of a rack.
func acme(name string, n int) qemu.Identity {
	return qemu.Identity{
		Manufacturer: "ACME", Product: "P1", Serial: "SN-" + name, UUID: fmt.Sprintf("11111111-2222-3333-4444-5555555555%02x", n),
		Board: "B-" + name, Chassis: "C-" + name,
	}
}

// TestB43_B45_AServerIsFoundInstalledUsedTakenBackAndWiped is the life of two machines that had nothing on them: side by side in
// one rack, with other disks, boot programs of their network cards, and firmware. Each tariff gets exactly its own.
func TestB43_B45_AServerIsFoundInstalledUsedTakenBackAndWiped(t *testing.T) {
	h := newHouse(t)
	lives := map[string]*life{}
	for n, m := range map[int]struct {
		bus      string
		firmware qemu.Firmware
		nic      qemu.NIC
	}{
		1: {"nvme", qemu.UEFI, qemu.NIC{Plain: true}}, // the firmware's own PXE
		2: {"sata", qemu.BIOS, qemu.NIC{}},            // iPXE in the card; the e1000s of QEMU call every short frame an error, which keeps a server from being available
	} {
		disk := qemu.NewDisk(t, m.bus, "DISK-"+m.bus, 640<<20)
		lives[m.bus] = &life{disk: disk, server: newServer(t, h.rack, n, qemu.Machine{
			Memory: 768, Firmware: m.firmware, Disks: []qemu.Disk{disk}, NICs: []qemu.NIC{m.nic}, Identity: acme(m.bus, n),
		})}
	}
	t.Cleanup(func() {
		for bus, l := range lives {
			t.Logf("%s: %s", bus, strings.Join(l.phases, ", "))
		}
	})
	for _, bus := range slices.Sorted(maps.Keys(lives)) {
		t.Run(bus, func(t *testing.T) {
			t.Parallel()
			l := lives[bus]
			l.house, l.t, l.last = h.as(t), t, time.Now()
			l.found()
			l.used()
			l.stopped()
			if bus == "nvme" {
				l.rescued()
			}
			l.takenBack()
			t.Logf("started from %v", l.server.startedFrom())
		})
	}
}

// life is that of one server, and what each phase of it took.
type life struct {
	*house
	t      *testing.T
	server *server
	disk   qemu.Disk

	id                     string // of the server, for who looks from beside
	known                  known
	service, address, host string
	last                   time.Time
	phases                 []string
}

func (l *life) over(phase string) {
	now := time.Now()
	l.phases = append(l.phases, fmt.Sprintf("%s %.0f s", phase, now.Sub(l.last).Seconds()))
	l.last = now
}

// found: from an empty machine to a server that can be ordered.
func (l *life) found() {
	l.t.Helper()
	l.server.Start(machine.Network)
	l.house.find(l.server.Name)
	l.over("found")
	l.known = l.admit(l.server)
	l.over("commissioned")
}

// used: ordered, and the customer's letter is on the disk.
func (l *life) used() {
	l.t.Helper()
	l.service, l.address = l.order(l.known)
	l.over("ordered to active")
	l.host = strings.ToLower(l.known.Name) + ".example.net"
	l.answers()
	eventually(l.t, "the customer's letter is on the disk", func() bool { return onDisk(l.t, l.disk, letter(l.host)) })
}

func (l *life) answers() {
	l.t.Helper()
	eventually(l.t, "the customer's system answers at "+l.address, func() bool { return pings(l.rack, l.address) })
}

// stopped: unpaid, and paid. The server is switched as its service is (rules B28, B29).
func (l *life) stopped() {
	l.t.Helper()
	l.last = time.Now()
	l.must("POST", "/v1/services/"+l.service+"/stop", object{"reason": "unpaid"}, nil)
	l.serviceIs(l.service, "stopped")
	if pings(l.rack, l.address) {
		l.t.Error("a stopped service answers (rule B31)")
	}
	l.poweredAs(machine.Off)
	l.over("stop")
	l.must("POST", "/v1/services/"+l.service+"/resume", object{"reason": "paid"}, nil)
	l.serviceIs(l.service, "active")
	l.answers()
	l.poweredAs(machine.On)
	l.over("resume")
}

// poweredAs waits until the machine is on or off, and its management controller told so.
func (l *life) poweredAs(state string) {
	l.t.Helper()
	eventually(l.t, "the server is "+state, func() bool {
		var k known
		status, _ := l.try("GET", "/v1/servers/"+l.known.ID, nil, &k)
		return status == 200 && k.Power.State == state && l.server.Power() == state
	})
}

// rescued: started from memory for the customer, and from the disk again.
func (l *life) rescued() {
	l.t.Helper()
	l.last = time.Now()
	l.rescue(l.known, l.service, l.address, letter(l.host))
	l.over("rescue")
}

// takenBack: deleted, wiped with proof, and available again.
func (l *life) takenBack() {
	l.t.Helper()
	l.last = time.Now()
	l.must("POST", "/v1/services/"+l.service+"/delete", object{"reason": "moved out"}, nil)
	deleted := l.latest(l.known.ID, "delete")
	l.done(deleted)
	if onDisk(l.t, l.disk, letter(l.host)) {
		l.t.Error("the customer's letter is still on the disk")
	}
	l.certified(deleted, l.disk)
	eventually(l.t, "the server is available again", func() bool {
		var k known
		status, _ := l.try("GET", "/v1/servers/"+l.known.ID, nil, &k)
		return status == 200 && k.Available
	})
	l.over("delete")
}
