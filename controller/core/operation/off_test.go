package operation

import (
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/protocol"
)

// sentTo takes op to where the step is sent, or waits.
func sentTo(t *testing.T, op Operation, in Input, name string) Operation {
	t.Helper()
	for range 60 {
		d := Next(op, in, t0)
		op, in.Result = d.Op, nil
		if op.Current < len(op.Steps) && op.Steps[op.Current].Name == name && (d.Verb == Send || d.Verb == None) {
			return op
		}
		if d.Verb == Send {
			in.Result = &protocol.Result{Command: op.Steps[op.Current].CommandID}
		}
	}
	t.Fatalf("step %s is never reached: %+v", name, op)
	return op
}

// wakes tells what an operation does from here while the server is off, until it waits.
func wakes(op Operation, in Input) (sent []string, last Operation) {
	for range 30 {
		d := Next(op, in, t0.Add(time.Minute))
		op, in.Result = d.Op, nil
		switch d.Verb {
		case Send:
			sent = append(sent, op.Steps[op.Current].Name)
			in.Off = false // its power is on, or what was seen is older
			in.Result = &protocol.Result{Command: op.Steps[op.Current].CommandID}
			if op.Steps[op.Current].Hand == HandAgent {
				return sent, op
			}
		case None, Hold, Close:
			return sent, op
		}
	}
	return sent, op
}

// TestB42_AServerThatWasTurnedOffIsTurnedOnAgain whatever the step: nobody waits until its time is over.
func TestB42_AServerThatWasTurnedOffIsTurnedOnAgain(t *testing.T) {
	ipmi := Input{Connected: true, Environment: protocol.EnvRAM, Driver: outofband.DriverIPMI, Ports: 1, Free: true}
	for _, c := range []struct{ kind, step, sent string }{
		{Erase, "erase", "power-on"},
		{Diagnose, "diagnose", "power-on"},
		{Install, "image", "power-on"},
		{Install, "await-system", "boot-disk"},
		{Delete, "erase", "power-on"},
		{Delete, "diagnose", "power-on"},
	} {
		t.Run(c.kind+"/"+c.step, func(t *testing.T) {
			there := ipmi
			op := sentTo(t, New("opn-1", c.kind, "srv-1", 7, time.Hour, Params{Capable: true}, t0), there, c.step)
			there.Connected, there.Environment, there.Off = false, "", true
			sent, last := wakes(op, there)
			if strings.Join(sent, " ") != c.sent || last.State != Running {
				t.Fatalf("off in step %s of %s: sent %v, %s: %s", c.step, c.kind, sent, last.State, last.Message)
			}
			back := ipmi
			if c.step == "await-system" {
				back.Environment, back.System = protocol.EnvInstalled, true
			}
			if d := Next(last, back, t0.Add(2*time.Minute)); d.Verb == None || d.Op.State == Held {
				t.Errorf("when its agent is back: %s, %s", d.Verb, d.Op.Message)
			}
		})
	}
}

func TestB42_AServerThatIsTurnedOffWhileItStartsIsStartedAgain(t *testing.T) {
	in := Input{Driver: outofband.DriverIPMI}
	op := sentTo(t, New("opn-1", Delete, "srv-1", 7, time.Hour, Params{}, t0), in, "await-agent")
	in.Off = true
	if sent, last := wakes(op, in); strings.Join(sent, " ") != "power-on" || last.Steps[last.Current].Name != "await-agent" {
		t.Errorf("sent %v, then %+v", sent, last.Steps[last.Current])
	}
}

// TestB30_DiagnosticsCutNoCustomerOff: what was begun beside his system is not continued without it.
func TestB30_DiagnosticsCutNoCustomerOff(t *testing.T) {
	in := Input{Connected: true, Environment: protocol.EnvInstalled, Driver: outofband.DriverIPMI}
	op := sentTo(t, New("opn-1", Diagnose, "srv-1", 7, time.Hour, Params{Capable: true}, t0), in, "diagnose")
	in.Connected, in.Environment, in.Off = false, "", true
	if sent, _ := wakes(op, in); strings.Contains(strings.Join(sent, " "), "power-on") {
		t.Errorf("sent %v", sent)
	}
}

// TestB44_DoubtsAboutTheMachineHoldWhatWorksOnIt at once, with a sentence that says why.
func TestB44_DoubtsAboutTheMachineHoldWhatWorksOnIt(t *testing.T) {
	there := Input{Connected: true, Environment: protocol.EnvRAM, Driver: outofband.DriverIPMI}
	for _, c := range []struct{ kind, step string }{{Erase, "erase"}, {Install, "image"}, {Delete, "await-agent"}, {Delete, "erase"}} {
		in := there
		in.Connected = c.step != "await-agent"
		op := sentTo(t, New("opn-1", c.kind, "srv-1", 7, time.Hour, Params{Capable: true}, t0), in, c.step)
		in.Connected, in.Doubt = false, "it is in quarantine: its card is in another machine"
		if d := Next(op, in, t0); d.Verb != Hold || !strings.Contains(d.Op.Message, "its card is in another machine") {
			t.Errorf("%s of %s: %s, %s", c.step, c.kind, d.Verb, d.Op.Message)
		}
	}
}

// TestB42_AServerThatDoesNotComeIsStartedOnceMore before a person is asked: the agent that was there when it was left on may have gone since.
func TestB42_AServerThatDoesNotComeIsStartedOnceMore(t *testing.T) {
	in := Input{Driver: outofband.DriverIPMI, Ports: 1}
	op := sentTo(t, New("opn-1", Delete, "srv-1", 7, 100*time.Hour, Params{Capable: true}, t0), in, "await-agent")
	sent, now := []string{}, t0
	for range 60 {
		d := Next(op, in, now)
		op, in.Result = d.Op, nil
		switch d.Verb {
		case Send:
			sent = append(sent, op.Steps[op.Current].Name)
			in.Result = &protocol.Result{Command: op.Steps[op.Current].CommandID}
		case None:
			now = d.Until
		case Hold:
			if strings.Join(sent, " ") != "power-on" || now.Sub(t0) != 2*awaitAllowed {
				t.Errorf("after %v, sent %v: %s", now.Sub(t0), sent, op.Message)
			}
			return
		}
	}
	t.Errorf("it is never held: sent %v, %s %s", sent, op.State, op.Message)
}
