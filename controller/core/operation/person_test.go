package operation

import (
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/protocol"
)

// switching is an operation of one step of power, and the input of a server that is switched by a driver and whose agent is away.
func switching(command, boot, driver string) (Operation, Input) {
	op := New("opn-1", Power, "srv-1", 7, time.Hour, Params{Action: PowerOn}, t0)
	op.Steps = []Step{power(command, command, &PowerAct{Boot: boot})}
	return op, Input{Driver: driver}
}

func TestX4_AnAgentThatMayComeBackIsAwaitedBeforeAPersonIsAsked(t *testing.T) {
	for _, c := range []struct {
		command, driver string
		waits           bool
	}{
		{CommandPowerOn, "", true},
		{CommandPowerOn, outofband.DriverAgent, true},
		{CommandPowerOn, outofband.DriverManual, true}, // it is on when its agent reports
		{CommandPowerOn, outofband.DriverWOL, false},
		{CommandPowerOn, outofband.DriverIPMI, false},
		{CommandPowerOff, outofband.DriverAgent, true},
		{CommandPowerOff, outofband.DriverWOL, true},
		{CommandPowerOff, outofband.DriverManual, false}, // a person is asked in any case
		{CommandPowerOff, outofband.DriverIPMI, false},
		{CommandBootDisk, outofband.DriverAgent, true},
		{CommandBootDisk, outofband.DriverManual, false},
	} {
		op, in := switching(c.command, BootDisk, c.driver)
		in.Awaited = t0.Add(time.Minute)
		first := Next(op, in, t0)
		if (first.Verb == Advance) != c.waits || (first.Op.Steps[0].State == StepPending) != c.waits {
			t.Errorf("%s by %q: %s, the step is %s", c.command, c.driver, first.Verb, first.Op.Steps[0].State)
			continue
		}
		if !c.waits {
			continue
		}
		if d := Next(first.Op, in, t0.Add(time.Second)); d.Verb != None || !d.Until.Equal(in.Awaited) {
			t.Errorf("%s by %q: a moment later %s until %s", c.command, c.driver, d.Verb, d.Until)
		}
		if d := Next(first.Op, in, in.Awaited); d.Verb != Send {
			t.Errorf("%s by %q: when it did not come, %s", c.command, c.driver, d.Verb)
		}
	}
}

func TestX4_NoPersonIsNeededForWhatTheAgentDoesOrShowsToBeDone(t *testing.T) {
	const relieved, waits = StepPending, StepSent
	for _, c := range []struct {
		name, command, boot, driver, environment string
		rebooted, asked                          bool
		first, then                              string // state of the step when the agent is there, and after what follows
	}{
		{"it was on all the time", CommandPowerOn, BootDisk, outofband.DriverAgent, protocol.EnvInstalled, false, true, relieved, StepNothing},
		{"a person turned it on and said nothing", CommandPowerOn, BootDisk, outofband.DriverManual, protocol.EnvInstalled, true, true, relieved, StepNothing},
		{"it is in memory already", CommandPowerOn, BootRAM, outofband.DriverManual, protocol.EnvRAM, true, true, relieved, StepNothing},
		{"its own system can lead it into memory", CommandPowerOn, BootRAM, outofband.DriverAgent, protocol.EnvInstalled, true, true, relieved, StepSent},
		{"nothing but a person can", CommandPowerOn, BootRAM, outofband.DriverManual, protocol.EnvInstalled, true, true, waits, StepSent},
		{"the agent turns it off", CommandPowerOff, "", outofband.DriverAgent, protocol.EnvRAM, false, true, relieved, StepSent},
		{"nothing but a person turns it off", CommandPowerOff, "", outofband.DriverManual, protocol.EnvRAM, false, true, waits, StepSent},
		{"it was started from its disk", CommandBootDisk, BootDisk, outofband.DriverManual, protocol.EnvInstalled, true, true, StepDone, StepDone},
		{"and the agent need not do so again", CommandBootDisk, BootDisk, outofband.DriverAgent, protocol.EnvInstalled, true, true, StepDone, StepDone},
		{"it is still in memory", CommandBootDisk, BootDisk, outofband.DriverManual, protocol.EnvRAM, false, true, waits, StepSent},
		{"it came back into memory", CommandBootDisk, BootDisk, outofband.DriverAgent, protocol.EnvRAM, true, true, relieved, StepSent},
		{"the person has answered", CommandPowerOff, "", outofband.DriverAgent, protocol.EnvRAM, false, false, waits, StepSent},
	} {
		op, in := switching(c.command, c.boot, c.driver)
		sent := Next(op, in, t0)
		if sent.Verb != Send {
			t.Fatalf("%s: %s", c.name, sent.Verb)
		}
		asked := ByPerson(sent.Op, t0)
		in.Asked, in.Connected, in.Environment, in.Rebooted = c.asked, true, c.environment, c.rebooted
		d := Next(asked, in, t0.Add(time.Minute))
		if got := d.Op.Steps[0]; got.State != c.first {
			t.Errorf("%s: the step is %s, want %s", c.name, got.State, c.first)
		}
		if c.first == waits {
			continue
		}
		in.Asked = false
		last := Next(d.Op, in, t0.Add(time.Minute)).Op.Steps[0]
		if last.State != c.then || last.State == StepSent && (last.CommandID == asked.Steps[0].CommandID || last.Tries() != 1) {
			t.Errorf("%s: then it is %s, want %s, by command %s after %s, tried %d times", c.name, last.State, c.then, last.CommandID, asked.Steps[0].CommandID, last.Tries())
		}
	}
}
