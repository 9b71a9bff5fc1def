package operation

import (
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func fresh(kind string) Operation {
	return New("opn-1", kind, "srv-1", 7, time.Hour, Params{Virtual: true}, t0)
}

// there is the agent in the RAM environment.
var there = Input{Connected: true, Environment: protocol.EnvRAM}

// step finds a step by its name.
func step(t *testing.T, op Operation, name string) *Step {
	t.Helper()
	for i := range op.Steps {
		if op.Steps[i].Name == name {
			return &op.Steps[i]
		}
	}
	t.Fatalf("there is no step %s in %+v", name, op.Steps)
	return nil
}

// drive takes decisions until there is nothing to do, answering each sent
// command with what answer says.
func drive(t *testing.T, op Operation, answer func(attempt int) *fault.Fault) (Operation, []Verb) {
	t.Helper()
	var verbs []Verb
	in := there
	now, sent := t0, 0
	for range 100 {
		d := Next(op, in, now)
		if d.Verb == None {
			if d.Until.IsZero() || Final(op.State) || op.State == Held {
				return op, verbs
			}
			now = d.Until
			continue
		}
		verbs = append(verbs, d.Verb)
		op, in = d.Op, there
		if d.Verb == Send {
			sent++
			in.Result = &protocol.Result{Command: op.Steps[op.Current].CommandID, Fault: answer(sent)}
		}
	}
	t.Fatal("the operation does not end")
	return op, nil
}

func TestX4_InstallRunsItsStepsInOrder(t *testing.T) {
	op, verbs := drive(t, fresh(Install), func(int) *fault.Fault { return nil })
	if op.State != Done || op.Current != len(op.Steps) {
		t.Fatalf("got %s at step %d", op.State, op.Current)
	}
	want := []Verb{Send, Send, Close}
	if len(verbs) != len(want) {
		t.Fatalf("got %v, want %v", verbs, want)
	}
	for i := range want {
		if verbs[i] != want[i] {
			t.Fatalf("got %v, want %v", verbs, want)
		}
	}
}

func TestB43_TheWrittenSystemStartsAndReportsBeforeTheInstallationIsDone(t *testing.T) {
	in := Input{Connected: true, Environment: protocol.EnvRAM, Driver: outofband.DriverIPMI, Ports: 1}
	op, now := New("opn-1", Install, "srv-1", 7, time.Hour, Params{}, t0), t0
	var sent []string
	wants := map[string]bool{}
	for range 40 {
		d := Next(op, in, now)
		op, in.Result = d.Op, nil
		if d.Verb == Send {
			s := op.Steps[op.Current]
			sent = append(sent, s.Name)
			wants[s.Name] = WantsRAM(op)
			in.Result = &protocol.Result{Command: s.CommandID}
			if s.Name == "boot-disk" {
				in.Connected = false
			}
		}
		if d.Verb == None {
			break
		}
	}
	if got := strings.Join(sent, " "); got != "ports-on power-on image ports-service boot-disk" {
		t.Fatalf("sent %s", got)
	}
	if s := op.Steps[op.Current]; s.Name != "await-system" || op.State != Running || WantsRAM(op) {
		t.Fatalf("at %+v, %s, RAM %v", s, op.State, WantsRAM(op))
	}
	if !wants["power-on"] || !wants["image"] || wants["ports-service"] || wants["boot-disk"] {
		t.Errorf("a machine that starts from the network gets the RAM environment at %v", wants)
	}
	in.Connected = true
	if d := Next(op, in, now); d.Verb != None {
		t.Errorf("an agent in the RAM environment is not the system: %s", d.Verb)
	}
	late := Next(op, in, op.Steps[op.Current].Deadline)
	if late.Verb != Hold {
		t.Fatalf("a system that does not report: %s", late.Verb)
	}
	again, err := Retry(late.Op, Ask{Actor: "ann", At: now})
	if err != nil {
		t.Fatal(err)
	}
	if d := Next(again, in, now); d.Verb != Send || d.Op.Steps[d.Op.Current].Name != "boot-disk" {
		t.Errorf("a retry starts the machine again; got %s %+v", d.Verb, d.Op.Steps[d.Op.Current])
	}
	in.Environment, in.System = protocol.EnvInstalled, true
	if d := Next(op, in, now); d.Verb != Close || d.Op.State != Done {
		t.Errorf("its system reports: %s %s", d.Verb, d.Op.State)
	}
}

// TestB34_ASystemThatCameBackIsLedIntoTheRAMEnvironmentOnceMore, by another way, and no more often than that.
func TestB34_ASystemThatCameBackIsLedIntoTheRAMEnvironmentOnceMore(t *testing.T) {
	for _, kind := range []string{Delete, Install, Erase} {
		in := Input{Connected: true, Environment: protocol.EnvInstalled, Driver: outofband.DriverAgent}
		op, now := New("opn-1", kind, "srv-1", 7, time.Hour, Params{}, t0), t0
		var sent []string
		for range 100 {
			d := Next(op, in, now)
			op, in.Result, in.Rebooted = d.Op, nil, false
			switch {
			case d.Verb == Send:
				s := op.Steps[op.Current]
				sent = append(sent, s.CommandID)
				if s.Name != "power-on" || !WantsRAM(op) {
					t.Fatalf("%s: step %s on an installed system", kind, s.Name)
				}
				in.Result, in.Rebooted = &protocol.Result{Command: s.CommandID}, true // and its own system starts again
			case d.Verb == None && !d.Until.IsZero():
				now = d.Until
			}
			if op.State != Running {
				break
			}
		}
		if len(sent) != 2 || sent[0] == sent[1] || op.Steps[op.Current].Command != ActAwaitAgent || op.State != Held || !strings.Contains(op.Message, "RAM environment") {
			t.Errorf("%s: sent %v, %s: %s", kind, sent, op.State, op.Message)
		}
	}
}

// TestB34_ASystemThatStillEndsIsNotLedTwice: it was seen once more before it gave way.
func TestB34_ASystemThatStillEndsIsNotLedTwice(t *testing.T) {
	in := Input{Connected: true, Environment: protocol.EnvInstalled, Driver: outofband.DriverAgent}
	op, now := New("opn-1", Erase, "srv-1", 7, time.Hour, Params{}, t0), t0
	sends := 0
	for range 20 {
		d := Next(op, in, now)
		op, in.Result = d.Op, nil
		switch {
		case d.Verb == Send && op.Steps[op.Current].Name == "power-on":
			sends++
			in.Result, in.Rebooted = &protocol.Result{Command: op.Steps[op.Current].CommandID}, true
		case d.Verb == None:
			now = now.Add(backWithin - time.Second)
			in.Environment = protocol.EnvRAM
		}
	}
	if s := step(t, op, "await-agent"); sends != 1 || s.State != StepDone {
		t.Errorf("%d starts, await-agent is %s", sends, s.State)
	}
}

func TestX4_AFaultThatMayPassIsTriedAgain(t *testing.T) {
	op, _ := drive(t, fresh(Install), func(n int) *fault.Fault {
		if n <= 2 {
			return fault.Unavailable("the link broke")
		}
		return nil
	})
	if op.State != Done || step(t, op, "image").Attempt != 3 {
		t.Fatalf("got %s after %d attempts", op.State, step(t, op, "image").Attempt)
	}
}

func TestX4_HeldWaitsForAPersonAndHasADeadline(t *testing.T) {
	op, _ := drive(t, fresh(Install), func(int) *fault.Fault { return fault.Refused("the disk is mounted") })
	if op.State != Held || step(t, op, "image").Attempt != 1 || op.Fault == nil {
		t.Fatalf("got %s, attempts %d", op.State, step(t, op, "image").Attempt)
	}
	ask := Ask{Reason: "unmounted", Actor: "ann", At: t0.Add(time.Hour)}
	again, err := Retry(op, ask)
	if err != nil || again.State != Running || again.Deadline != ask.At.Add(again.Allowed) {
		t.Fatalf("retry: %v, %+v", err, again)
	}
	if d := Next(again, there, ask.At); d.Verb != Send || step(t, d.Op, "image").CommandID == step(t, op, "image").CommandID {
		t.Fatalf("a retry sends %s: %s; an agent would answer with the old result", d.Verb, step(t, d.Op, "image").CommandID)
	}
	if step(t, op, "image").State != StepFailed {
		t.Fatal("a decision changed the record that it was asked about")
	}
	left, _ := drive(t, fresh(Delete), func(int) *fault.Fault { return fault.Refused("the disk does not answer") })
	if _, err := Skip(left, Ask{Actor: "ann", At: t0}); !fault.Is(err, fault.KindInvalid) {
		t.Fatalf("skip without a reason: %v", err)
	}
	skipped, err := Skip(left, ask)
	if err != nil || step(t, skipped, "erase").State != StepSkipped || step(t, skipped, "erase").Skipped.Actor != "ann" {
		t.Fatalf("skip: %v", err)
	}
	if step(t, op, "image").State != StepFailed {
		t.Fatal("a decision changed the record that it was asked about")
	}
	d := Next(op, Input{}, op.Deadline)
	if d.Verb != Close || d.Op.State != Failed {
		t.Fatalf("after the deadline: %s, %s", d.Verb, d.Op.State)
	}
}

func TestB45_AnEraseIsNeverSkipped(t *testing.T) {
	op, _ := drive(t, fresh(Erase), func(int) *fault.Fault { return fault.Refused("not proven") })
	if op.State != Held {
		t.Fatalf("got %s", op.State)
	}
	if _, err := Skip(op, Ask{Reason: "trust me", Actor: "bob", At: t0}); !fault.Is(err, fault.KindRefused) {
		t.Fatalf("got %v", err)
	}
}

func TestB1_AnImageIsNeverSkippedButAPersonMayConfirm(t *testing.T) {
	for name, failsAt := range map[string]int{"image": 1, "confirm": 2} {
		op, _ := drive(t, fresh(Install), func(n int) *fault.Fault {
			if n < failsAt {
				return nil
			}
			return fault.Refused("no")
		})
		if op.State != Held || step(t, op, name).State != StepFailed {
			t.Fatalf("%s: got %s, %+v", name, op.State, op.Steps)
		}
		_, err := Skip(op, Ask{Reason: "I saw it run", Actor: "bob", At: t0})
		if refused := fault.Is(err, fault.KindRefused); refused != (name == "image") {
			t.Errorf("skipping %s: %v", name, err)
		}
	}
}

func TestB16_ADeadlineEndsTheOperation(t *testing.T) {
	op := Next(fresh(Install), there, t0).Op
	d := Next(op, Input{}, t0.Add(59*time.Minute))
	if d.Verb != None || !d.Until.Equal(t0.Add(time.Hour)) {
		t.Fatalf("before: %s until %s", d.Verb, d.Until)
	}
	d = Next(op, Input{}, t0.Add(time.Hour))
	if d.Verb != Close || d.Op.State != Failed {
		t.Fatalf("after: %s %s", d.Verb, d.Op.State)
	}
	if d = Next(d.Op, Input{Result: &protocol.Result{}}, t0.Add(2*time.Hour)); d.Verb != None || d.Op.State != Failed {
		t.Fatal("a late result changed a final operation")
	}
}

func TestB16_EraseTimeFollowsDiskSize(t *testing.T) {
	small := EraseAllowed([]protocol.DiskRef{{SizeBytes: 1 << 30}})
	large := EraseAllowed([]protocol.DiskRef{{SizeBytes: 1 << 30}, {SizeBytes: 18e12}})
	if small < 10*time.Minute || large < 24*time.Hour || large > 31*24*time.Hour {
		t.Fatalf("small %s, large %s", small, large)
	}
}

func TestX4_CancelRecallsTheCommandFirst(t *testing.T) {
	op := Next(fresh(Install), there, t0).Op
	op, err := Cancel(op, Ask{Reason: "order withdrawn", Actor: "ann", At: t0})
	if err != nil {
		t.Fatal(err)
	}
	if d := Next(op, Input{}, t0); d.Verb != Recall {
		t.Fatalf("got %s", d.Verb)
	}
	if d := Next(op, Input{RecalledAt: t0}, t0.Add(time.Second)); d.Verb != None || d.Until.IsZero() {
		t.Fatalf("got %s", d.Verb)
	}
	for _, in := range []Input{{RecalledAt: t0, Result: &protocol.Result{}}, {RecalledAt: t0.Add(-time.Hour)}} {
		if d := Next(op, in, t0.Add(time.Second)); d.Verb != Close || d.Op.State != Canceled {
			t.Fatalf("got %s %s", d.Verb, d.Op.State)
		}
	}
	if _, err := Cancel(Operation{State: Done}, Ask{}); !fault.Is(err, fault.KindRefused) {
		t.Fatal("a finished operation was canceled")
	}
}

// Every state that is not final has a next step or a time to look again.
func TestX4_NoDeadEnds(t *testing.T) {
	for _, kind := range []string{Diagnose, Erase, Install} {
		for _, result := range []*protocol.Result{nil, {}, {Fault: fault.Unavailable("x")}, {Fault: fault.Refused("x")}} {
			op := fresh(kind)
			for i := range 200 {
				d := Next(op, Input{Result: result}, t0.Add(time.Duration(i)*time.Hour))
				if d.Verb == None && !Final(op.State) && d.Until.IsZero() {
					t.Fatalf("%s with %v waits for nothing in state %s", kind, result, op.State)
				}
				op = d.Op
			}
			if !Final(op.State) {
				t.Fatalf("%s with %v is still %s", kind, result, op.State)
			}
		}
	}
}
