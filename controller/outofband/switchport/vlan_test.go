package switchport

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/outofband/switchport/snmpsim"
	"github.com/steelyard/steelyard/pkg/fault"
)

// untagged are the VLANs of which a bridge port is an untagged member.
func untagged(t *testing.T, sw *snmpsim.Switch, port int, vlans ...int) (in []int) {
	t.Helper()
	for _, v := range vlans {
		list, _ := sw.Get(dot1qVlanStaticUntaggedPorts + "." + strconv.Itoa(v))
		egress, _ := sw.Get(dot1qVlanStaticEgressPorts + "." + strconv.Itoa(v))
		if has(list.Data.([]byte), port) != has(egress.Data.([]byte), port) {
			t.Errorf("port %d is half a member of VLAN %d", port, v)
		}
		if has(list.Data.([]byte), port) {
			in = append(in, v)
		}
	}
	return in
}

// watched is a switch that notes what is done to it, and what it was like then.
type watched struct {
	Switch
	sw  *snmpsim.Switch
	log []string
}

func (w *watched) SetAdmin(ctx context.Context, index int, on bool) error {
	w.log = append(w.log, fmt.Sprintf("%s in VLAN %d", direction(on), w.sw.VLAN(index-100)))
	return w.Switch.SetAdmin(ctx, index, on)
}

func (w *watched) SetVLAN(ctx context.Context, index, vlan int) error {
	w.log = append(w.log, fmt.Sprintf("VLAN %d while up is %v", vlan, w.sw.Up(index-100)))
	return w.Switch.SetVLAN(ctx, index, vlan)
}

// A port is never up while it changes its VLAN (A10), and what is right is left alone.
func TestB33_AnEnabledPortIsNeverUpInAnotherVLAN(t *testing.T) {
	sw := snmpsim.NewSwitch("rack7", 10, time.Now, 66, 20)
	w := &watched{Switch: dial(t, serve(t, sw.Tree), "private"), sw: sw}
	port := outofband.Port{Switch: "sw1", By: outofband.ByName, Value: "port9", VLAN: 20}
	for _, step := range []struct {
		name    string
		act     func() (outofband.Seen, bool, error)
		changed bool
		log     []string
		vlan    int
		up      bool
	}{
		{"up in another", func() (outofband.Seen, bool, error) { return Enable(within(t, 10*time.Second), w, port, 66, nil) }, true, []string{"down in VLAN 1", "VLAN 66 while up is false", "up in VLAN 66"}, 66, true},
		{"right already", func() (outofband.Seen, bool, error) { return Enable(within(t, 10*time.Second), w, port, 66, nil) }, false, []string{"VLAN 66 while up is true"}, 66, true},
		{"any VLAN", func() (outofband.Seen, bool, error) { return Enable(within(t, 10*time.Second), w, port, 0, nil) }, false, nil, 66, true},
		{"shut", func() (outofband.Seen, bool, error) { return Shut(within(t, 10*time.Second), w, port, nil) }, true, []string{"down in VLAN 66"}, 66, false},
		{"shut in another", func() (outofband.Seen, bool, error) { return Enable(within(t, 10*time.Second), w, port, 20, nil) }, true, []string{"VLAN 20 while up is false", "up in VLAN 20"}, 20, true},
	} {
		w.log = nil
		seen, changed, err := step.act()
		if err != nil || changed != step.changed || seen.VLAN != step.vlan || sw.Up(9) != step.up || !slices.Equal(w.log, step.log) {
			t.Errorf("%s: %+v, changed %v, %q, %v", step.name, seen, changed, w.log, err)
		}
		if in := untagged(t, sw, 9, 1, 20, 66); !slices.Equal(in, []int{step.vlan}) {
			t.Errorf("%s: untagged member of %v", step.name, in)
		}
		if in := untagged(t, sw, 8, 1, 20, 66); !slices.Equal(in, []int{1}) {
			t.Errorf("%s: the neighbour is now in %v", step.name, in)
		}
	}
}

// An interrupted move is finished by the next one, also when the PVID is right already.
func TestB42_AMoveThatWasInterruptedIsFinished(t *testing.T) {
	sw := snmpsim.NewSwitch("rack7", 4, time.Now, 66)
	if err := sw.Put(dot1qPvid+".2", snmpsim.Value{Type: gosnmp.Gauge32, Data: uint32(66)}); err != nil {
		t.Fatal(err)
	}
	d := dial(t, serve(t, sw.Tree), "private")
	if _, _, err := Enable(within(t, 10*time.Second), d, outofband.Port{By: outofband.ByName, Value: "port2"}, 66, nil); err != nil {
		t.Fatal(err)
	}
	if in := untagged(t, sw, 2, 1, 66); !slices.Equal(in, []int{66}) {
		t.Errorf("untagged member of %v", in)
	}
}

func TestVLANsThatCannotBeSetAreRefused(t *testing.T) {
	sw := snmpsim.NewSwitch("rack7", 4, time.Now, 66)
	d := dial(t, serve(t, sw.Tree), "private")
	isKind(t, d.SetVLAN(within(t, 10*time.Second), 102, 0), fault.KindInvalid)
	isKind(t, d.SetVLAN(within(t, 10*time.Second), 102, 4095), fault.KindInvalid)
	isKind(t, d.SetVLAN(within(t, 10*time.Second), 999, 66), fault.KindRefused)
	err := d.SetVLAN(within(t, 10*time.Second), 102, 77)
	isKind(t, err, fault.KindRefused)
	if !strings.Contains(err.Error(), "no VLAN 77") {
		t.Error(err)
	}
	// The port stays shut when the move fails after that: nobody sees the wrong VLAN.
	_, changed, err := Enable(within(t, 10*time.Second), d, outofband.Port{By: outofband.ByName, Value: "port2"}, 77, nil)
	isKind(t, err, fault.KindRefused)
	if !changed || sw.Up(2) || sw.VLAN(2) != 1 {
		t.Errorf("changed %v, up %v, VLAN %d", changed, sw.Up(2), sw.VLAN(2))
	}
}

// A switch that has only PVIDs, and manages members by itself.
func TestVLANOfASwitchWithoutStaticVLANs(t *testing.T) {
	sw := snmpsim.NewSwitch("rack7", 4, time.Now, 66)
	for _, v := range []string{"1", "66"} {
		sw.Delete(dot1qVlanStaticEgressPorts + "." + v)
		sw.Delete(dot1qVlanStaticUntaggedPorts + "." + v)
	}
	d := dial(t, serve(t, sw.Tree), "private")
	if err := d.SetVLAN(within(t, 10*time.Second), 102, 66); err != nil || sw.VLAN(2) != 66 {
		t.Errorf("VLAN %d, %v", sw.VLAN(2), err)
	}
}

// Two ports of one switch move at once: the bitmap of members is shared, and neither
// change may undo the other.
func TestMovesOfOneSwitchDoNotUndoEachOther(t *testing.T) {
	sw := snmpsim.NewSwitch("rack7", 24, time.Now, 66)
	address := serve(t, sw.Tree)
	var all sync.WaitGroup
	for p := 1; p <= 12; p++ {
		d := dial(t, address, "private")
		all.Go(func() {
			if err := d.SetVLAN(within(t, 30*time.Second), sw.Index(p), 66); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for p := 1; p <= 24; p++ {
		want := 1
		if p <= 12 {
			want = 66
		}
		if in := untagged(t, sw, p, 1, 66); !slices.Equal(in, []int{want}) || sw.VLAN(p) != want {
			t.Errorf("port %d is in %v", p, in)
		}
	}
}

// Recorded switches with Q-BRIDGE take a port into a VLAN that they have.
func TestRecordedSwitchesMovePorts(t *testing.T) {
	for _, walk := range []string{
		"hpe-procurve-516733-b21", "dlink-des3200", "bdcom-s5612", "arista-dcs-7150s-52-cl", "ruijie-s5750-24gt12sfp", "dcrs-5980-28t-dc", "h3c-e528-2",
	} {
		t.Run(walk, func(t *testing.T) {
			t.Parallel()
			d := dial(t, serve(t, recorded(t, walk+".snmprec.bz2")), "private")
			ports, err := d.Ports(within(t, time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			lists, err := d.vlans(within(t, time.Minute))
			if err != nil || len(lists) < 2 {
				t.Fatalf("%d VLANs, %v", len(lists), err)
			}
			port := ports[slices.IndexFunc(ports, func(p Port) bool { return p.VLAN > 0 })]
			target := 0
			for id := range lists {
				if target == 0 && id != port.VLAN {
					target = id
				}
			}
			if err := d.SetVLAN(within(t, time.Minute), port.Index, target); err != nil {
				t.Fatal(err)
			}
			p, err := d.Find(within(t, time.Minute), outofband.ByIndex, strconv.Itoa(port.Index))
			if err != nil || p.VLAN != target {
				t.Errorf("VLAN %d, %v; want %d", p.VLAN, err, target)
			}
		})
	}
}
