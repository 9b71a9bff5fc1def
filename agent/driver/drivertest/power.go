package drivertest

import (
	"context"
	"errors"
	"testing"

	"github.com/steelyard/steelyard/agent/driver"
)

// Switched is a machine that notes what would have been done to it.
type Switched struct {
	Machine driver.Power
	Done    func() []string // what was done, oldest first: "off" and "reboot"
	Fail    func(error)     // from now on the machine does not do what it is told, and says why
}

// RunPower is the suite that every machine passes that can be switched; open makes a fresh one for each part. No
// machine is ever switched by it: what is tested is a machine in memory, or the real one with its last step replaced.
func RunPower(t *testing.T, open func(t *testing.T) Switched) {
	for _, part := range []struct {
		name string
		run  func(*testing.T, Switched)
	}{
		{"ItIsToldOnce", toldOnce},
		{"AnEndedContextSwitchesNothing", endedSwitchesNothing},
		{"AFailureIsTold", failureIsTold},
		{"X5_ABootKeepsItsName", bootKeepsItsName},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, open(t)) })
	}
}

func did(t *testing.T, s Switched, want ...string) {
	t.Helper()
	got := s.Done()
	if len(got) != len(want) {
		t.Fatalf("done: %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("done: %v, want %v", got, want)
		}
	}
}

func toldOnce(t *testing.T, s Switched) {
	did(t, s)
	if err := s.Machine.Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	did(t, s, "reboot")
	if err := s.Machine.PowerOff(t.Context()); err != nil {
		t.Fatal(err)
	}
	did(t, s, "reboot", "off")
}

func endedSwitchesNothing(t *testing.T, s Switched) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, turn := range []func(context.Context) error{s.Machine.PowerOff, s.Machine.Reboot} {
		if err := turn(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("with an ended context: %v", err)
		}
	}
	did(t, s)
}

func failureIsTold(t *testing.T, s Switched) {
	broken := errors.New("the button is stuck")
	s.Fail(broken)
	for _, turn := range []func(context.Context) error{s.Machine.PowerOff, s.Machine.Reboot} {
		if err := turn(t.Context()); !errors.Is(err, broken) {
			t.Errorf("a failure: %v", err)
		}
	}
}

func bootKeepsItsName(t *testing.T, s Switched) {
	if first := s.Machine.BootID(); first == "" || s.Machine.BootID() != first {
		t.Errorf("the boot is %q and then %q", first, s.Machine.BootID())
	}
}
