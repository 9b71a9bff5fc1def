// Package powertest is what every way of switching a machine must do, as one suite:
// run over real daemons and simulators alike.
package powertest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/outofband/power"
	"github.com/steelyard/steelyard/controller/outofband/power/machine"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Delay is how long machines of the suite take for a change.
const Delay = 300 * time.Millisecond

// starting is how long a daemon may take until it answers.
const starting = 10 * time.Second

// Rig is one management controller under test with the machine behind it.
type Rig struct {
	Target  power.Target
	Machine *machine.Slow // with Delay
	Boot    []string      // devices that the controller has
	Serial  string        // that the inventory shows
}

// Run runs the suite. Each test gets a fresh rig, with a machine that is off.
func Run(t *testing.T, rig func(t *testing.T) Rig) {
	tests := map[string]func(*testing.T, context.Context, Rig, power.Controller){
		"StatusTellsTheTruth":                 testStatus,
		"B34_TurnOnBootsFromTheNetworkOnce":   testBootOnce,
		"B34_TurnOnIsANoOpWhenOn":             testOnAgain,
		"B39_TurnOffIsOrderlyFirst":           testOrderly,
		"B39_ADeafSystemIsTakenThePower":      testDeaf,
		"B39_HardOffAsksNobody":               testHard,
		"B39_TurnOffIsANoOpWhenOff":           testOffAgain,
		"AControllerThatDoesNothingIsNamed":   testDead,
		"InventoryHasIdentitySensorsFirmware": testInventory,
		"ManySessionsOneAfterTheOther":        testSessions,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			r := rig(t)
			test(t, ctx, r, Open(t, ctx, r.Target))
		})
	}
	t.Run("X9_AWrongPasswordIsRefused", func(t *testing.T) { testPassword(t, rig(t)) })
}

// Open opens a controller that may still be starting, and closes it with the test.
func Open(t *testing.T, ctx context.Context, target power.Target) power.Controller {
	t.Helper()
	give := time.Now().Add(starting)
	for {
		c, err := power.Open(ctx, target)
		if err == nil {
			t.Cleanup(func() {
				if err := c.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			return c
		}
		if !fault.Is(err, fault.KindUnavailable) || time.Now().After(give) {
			t.Fatalf("open: %v", err)
		}
		time.Sleep(50 * time.Millisecond) // a daemon of somebody else is starting
	}
}

func silent(string) {}

func state(t *testing.T, ctx context.Context, c power.Controller, want string) {
	t.Helper()
	got, err := c.Status(ctx)
	if err != nil || got != want {
		t.Fatalf("status %s, %v; want %s", got, err, want)
	}
}

func turnOn(t *testing.T, ctx context.Context, c power.Controller, boot power.Boot, want bool) {
	t.Helper()
	changed, err := power.TurnOn(ctx, c, boot, silent)
	if err != nil || changed != want {
		t.Fatalf("turn on: changed %v, %v; want %v", changed, err, want)
	}
}

func turnOff(t *testing.T, ctx context.Context, c power.Controller, hard bool, grace time.Duration, want bool) {
	t.Helper()
	changed, err := power.TurnOff(ctx, c, hard, grace, silent)
	if err != nil || changed != want {
		t.Fatalf("turn off: changed %v, %v; want %v", changed, err, want)
	}
}

func testStatus(t *testing.T, ctx context.Context, r Rig, c power.Controller) {
	state(t, ctx, c, outofband.Off)
	if err := c.On(ctx); err != nil {
		t.Fatal(err)
	}
	if now, err := c.Status(ctx); err != nil || now == outofband.On && r.Machine.Power() != machine.On {
		t.Fatalf("status %s, %v before the machine is on", now, err)
	}
	if _, err := power.TurnOn(ctx, c, power.Boot{}, silent); err != nil { // IPMI still says off: it is asked twice
		t.Fatal(err)
	}
	state(t, ctx, c, outofband.On)
	if got := r.Machine.Boots(); len(got) != 1 {
		t.Fatalf("started %d times", len(got))
	}
}

func testBootOnce(t *testing.T, ctx context.Context, r Rig, c power.Controller) {
	turnOn(t, ctx, c, power.Boot{Device: power.BootNetwork, Once: true}, true)
	turnOff(t, ctx, c, true, 0, true)
	turnOn(t, ctx, c, power.Boot{}, true)
	turnOff(t, ctx, c, true, 0, true)
	turnOn(t, ctx, c, power.Boot{Device: power.BootDisk, Once: true}, true)
	if got := r.Machine.Boots(); len(got) != 3 || got[0] != machine.Network || got[1] != machine.Disk || got[2] != machine.Disk {
		t.Fatalf("booted from %v", got)
	}
}

func testOnAgain(t *testing.T, ctx context.Context, r Rig, c power.Controller) {
	turnOn(t, ctx, c, power.Boot{}, true)
	turnOn(t, ctx, c, power.Boot{Device: power.BootNetwork, Once: true}, false)
	if got := r.Machine.Boots(); len(got) != 1 {
		t.Fatalf("booted from %v", got)
	}
	turnOff(t, ctx, c, true, 0, true)
	turnOn(t, ctx, c, power.Boot{}, true)
	if got := r.Machine.Boots(); got[1] != machine.Disk {
		t.Fatalf("a no-op left a boot device behind: %v", got)
	}
}

func testOrderly(t *testing.T, ctx context.Context, _ Rig, c power.Controller) {
	turnOn(t, ctx, c, power.Boot{}, true)
	var heard []string
	changed, err := power.TurnOff(ctx, c, false, 20*time.Second, func(s string) { heard = append(heard, s) })
	if err != nil || !changed || len(heard) != 1 {
		t.Fatalf("changed %v, %v, said %q", changed, err, heard)
	}
	state(t, ctx, c, outofband.Off)
}

func testDeaf(t *testing.T, ctx context.Context, r Rig, c power.Controller) {
	r.Machine.Deafen()
	turnOn(t, ctx, c, power.Boot{}, true)
	var heard []string
	changed, err := power.TurnOff(ctx, c, false, 2*time.Second, func(s string) { heard = append(heard, s) })
	if err != nil || !changed || len(heard) != 3 {
		t.Fatalf("changed %v, %v, said %q", changed, err, heard)
	}
	state(t, ctx, c, outofband.Off)
}

func testHard(t *testing.T, ctx context.Context, r Rig, c power.Controller) {
	r.Machine.Deafen()
	turnOn(t, ctx, c, power.Boot{}, true)
	turnOff(t, ctx, c, true, time.Hour, true)
	state(t, ctx, c, outofband.Off)
}

func testOffAgain(t *testing.T, ctx context.Context, _ Rig, c power.Controller) {
	turnOff(t, ctx, c, false, time.Hour, false)
}

func testDead(t *testing.T, ctx context.Context, r Rig, c power.Controller) {
	r.Machine.Kill()
	short, cancel := context.WithCancel(ctx)
	defer cancel()
	changed, err := power.TurnOn(short, impatient{c, cancel}, power.Boot{}, silent)
	if !changed || !fault.Is(err, fault.KindUnavailable) || !contains(err, "did nothing") {
		t.Fatalf("changed %v, %v", changed, err)
	}
}

// impatient ends the wait at the first look after the power was turned on.
type impatient struct {
	power.Controller
	stop func()
}

func (i impatient) Status(ctx context.Context) (string, error) {
	return i.Controller.Status(context.WithoutCancel(ctx))
}

func (i impatient) On(ctx context.Context) error {
	err := i.Controller.On(ctx)
	i.stop()
	return err
}

func testInventory(t *testing.T, ctx context.Context, r Rig, c power.Controller) {
	turnOn(t, ctx, c, power.Boot{}, true)
	got, err := c.Inventory(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got.Serial != r.Serial || got.Firmware == "" || got.Manufacturer == "" || got.UUID == "" || got.At.IsZero() {
		t.Fatalf("got %+v", got)
	}
	units := map[string]float64{}
	for _, s := range got.Sensors {
		units[s.Unit] = s.Value
		if s.Name == "" || s.State != "ok" {
			t.Errorf("sensor %+v", s)
		}
	}
	if units["°C"] < 20 || units["°C"] > 90 || units["rpm"] < 1000 {
		t.Fatalf("sensors %+v", got.Sensors)
	}
}

func testSessions(t *testing.T, ctx context.Context, r Rig, c power.Controller) {
	for range 40 { // more than a controller has at a time
		c, err := power.Open(ctx, r.Target)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	state(t, ctx, c, outofband.Off) // the one that stayed open
}

func testPassword(t *testing.T, r Rig) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	Open(t, ctx, r.Target)
	wrong := r.Target
	wrong.Password = "not-the-secret"
	c, err := power.Open(ctx, wrong)
	if c != nil || !fault.Is(err, fault.KindRefused) || contains(err, wrong.Password) || contains(err, r.Target.Password) {
		t.Fatalf("got %v, %v", c, err)
	}
}

func contains(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }
