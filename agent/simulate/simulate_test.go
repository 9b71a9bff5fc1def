package simulate

import (
	"context"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/driver/fake"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
)

func TestParseFaults(t *testing.T) {
	got, err := ParseFaults("slow=0.05, flapping=0.02,failing-disk=1,die-install=0")
	if err != nil || got != (Faults{0.05, 0.02, 1, 0}) {
		t.Errorf("%+v %v", got, err)
	}
	if got, err := ParseFaults(""); err != nil || got != (Faults{}) {
		t.Errorf("none: %+v %v", got, err)
	}
	for _, bad := range []string{"slow", "slow=2", "slow=-1", "slow=NaN", "rusty=0.1", "slow=x"} {
		if _, err := ParseFaults(bad); !fault.Is(err, fault.KindInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestFaultsHitTheirShareAndTheSameServers(t *testing.T) {
	f := Faults{Slow: 0.1, FailingDisk: 0.02, Flapping: 1}
	slow, failing := 0, 0
	for i := range 10_000 {
		m := f.of(3, i)
		if m != f.of(3, i) || !m.flapping || m.dieInstall {
			t.Fatalf("agent %d: %+v", i, m)
		}
		if m.slow {
			slow++
		}
		if m.failingDisk {
			failing++
		}
	}
	if slow < 850 || slow > 1150 || failing < 140 || failing > 260 {
		t.Errorf("%d slow, %d failing of 10,000", slow, failing)
	}
}

func newAgent(i int, f Faults) *agent {
	fl := &fleet{opt: Options{Seed: 1, Faults: f}, pages: fake.NewPages(), turn: make(chan struct{}, heavy)}
	return fl.agent(i)
}

func TestU5_SimulatedCountersNeverFall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent(7, Faults{})
		var last, now hardware.Sample
		for range 500 {
			time.Sleep(10 * time.Second)
			if err := a.Sample(&now); err != nil {
				t.Fatal(err)
			}
			if now.CPUUserMs < last.CPUUserMs || now.UptimeSec <= last.UptimeSec || now.Load1 <= 0 || now.MemAvail > now.MemTotal ||
				len(last.Interfaces) > 0 && now.Interfaces[0].RxBytes < last.Interfaces[0].RxBytes {
				t.Fatalf("from %+v to %+v", last, now)
			}
			last = now
			last.Interfaces = append([]hardware.Interface(nil), now.Interfaces...)
		}
	})
}

func TestSamplesCostNothing(t *testing.T) {
	a := newAgent(7, Faults{})
	var s hardware.Sample
	_ = a.Sample(&s)
	if n := testing.AllocsPerRun(100, func() { _ = a.Sample(&s) }); n > 0 {
		t.Errorf("%v allocations a sample", n)
	}
}

func TestTheInventoryIsTheMachine(t *testing.T) {
	a := newAgent(7, Faults{FailingDisk: 1})
	inv := a.Inventory(context.Background())
	if !inv.Simulated || !reflect.DeepEqual(inv, a.hands().Inventory(context.Background())) {
		t.Error("report and machine differ")
	}
	list, err := a.hands().List(context.Background())
	if err != nil || len(list) != len(inv.Disks) {
		t.Fatalf("%d disks of %d: %v", len(list), len(inv.Disks), err)
	}
	for _, d := range inv.Disks {
		if _, err := driver.Find(list, driver.Ref(d)); err != nil {
			t.Error(err)
		}
	}
	if last := inv.Disks[len(inv.Disks)-1]; last.SMART.Passed {
		t.Error("the failing disk says that it is healthy")
	}
}

func TestSimulationRefusesNonsense(t *testing.T) {
	for _, n := range []int{0, -1, 1 << 30} {
		if err := Run(context.Background(), Options{Count: n}); !fault.Is(err, fault.KindInvalid) {
			t.Errorf("%d agents: %v", n, err)
		}
	}
}
