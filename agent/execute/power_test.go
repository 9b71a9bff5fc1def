package execute

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/agent/driver/fake"
	"github.com/steelyard/steelyard/agent/journal"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// outlet is a machine in memory that notes when it is switched.
type outlet struct {
	*fake.Machine
	boot   string
	done   []string
	at     time.Time
	broken error
}

func newOutlet() *outlet {
	o := &outlet{boot: "boot-1"}
	o.Machine = fake.New(func() hardware.Inventory { return hardware.Inventory{} }, fake.NewPages())
	o.Boot = func() string { return o.boot }
	o.Switch = func(reboot bool) error {
		if o.broken != nil {
			return o.broken
		}
		o.done, o.at = append(o.done, map[bool]string{false: "off", true: "reboot"}[reboot]), time.Now()
		return nil
	}
	return o
}

// agent is an executor over the machine with a journal that outlives it.
func (o *outlet) agent(j *journal.Journal) *Executor {
	e := New(j, Deeds(protocol.EnvInstalled, o.Machine, nil), silent)
	e.Attach(welcome)
	return e
}

func power(kind string) protocol.Command {
	c := cmd("p", kind)
	c.Boot = "boot-1"
	return c
}

func TestX4_AMachineIsSwitchedAfterItsResultIsHeard(t *testing.T) {
	for kind, want := range map[string]string{protocol.CommandPowerOff: "off", protocol.CommandReboot: "reboot"} {
		synctest.Test(t, func(t *testing.T) {
			o, j := newOutlet(), journal.InMemory()
			e := o.agent(j)
			defer e.Close()
			e.Execute(power(kind))
			res := result(t, e, "p")
			time.Sleep(AckWithin / 2)
			synctest.Wait()
			if res.Fault != nil || res.Detail == "" || len(o.done) != 0 || len(j.Unfinished()) != 1 {
				t.Fatalf("before the ack: %+v, done %v", res, o.done)
			}
			e.Acked("p")
			synctest.Wait()
			if !slices.Equal(o.done, []string{want}) {
				t.Errorf("after the ack: %v", o.done)
			}
			e.Acked("p")
			e.Execute(cmd("next", protocol.CommandDiagnose))
			synctest.Wait()
			if e.Running() != "p" {
				t.Errorf("%q begins on a machine that goes down", e.Running())
			}
		})
	}
}

func TestX4_AMachineIsSwitchedWithoutAnAckToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutlet()
		e := o.agent(journal.InMemory())
		defer e.Close()
		start := time.Now()
		e.Execute(power(protocol.CommandReboot))
		result(t, e, "p")
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(o.done) != 1 || o.at.Sub(start) != AckWithin {
			t.Errorf("%v after %v", o.done, o.at.Sub(start))
		}
	})
}

// TestX5_WhatPreventsASwitchAfterItsResult: the answer was given, and still nothing happens once
// somebody has said so.
func TestX5_WhatPreventsASwitchAfterItsResult(t *testing.T) {
	later := welcome
	later.Epoch = 5
	for what, prevent := range map[string]func(e *Executor){
		"a cancel":        func(e *Executor) { e.Cancel(protocol.Cancel{Command: "p", Reason: "second thoughts"}) },
		"a newer epoch":   func(e *Executor) { e.Attach(later) },
		"a late deadline": func(*Executor) { time.Sleep(AckWithin / 2) },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, j := newOutlet(), journal.InMemory()
				e := o.agent(j)
				defer e.Close()
				c := power(protocol.CommandPowerOff)
				c.Deadline = time.Now().Add(AckWithin / 2)
				e.Execute(c)
				first := result(t, e, "p")
				synctest.Wait()
				prevent(e)
				synctest.Wait()
				e.Acked("p")
				time.Sleep(time.Hour)
				synctest.Wait()
				if len(o.done) != 0 || len(j.Unfinished()) != 0 || e.Running() != "" {
					t.Errorf("done %v, unfinished %v", o.done, j.Unfinished())
				}
				if res, _ := j.Result("p"); res.At != first.At || res.Fault != nil {
					t.Errorf("another answer: %+v", res)
				}
			})
		})
	}
}

// TestX4_ACrashBetweenResultAndDeed stops the process before the ack, and starts it again in the same boot and in
// the next one.
func TestX4_ACrashBetweenResultAndDeed(t *testing.T) {
	for _, kind := range []string{protocol.CommandPowerOff, protocol.CommandReboot} {
		for boot, switches := range map[string]int{"boot-1": 1, "boot-2": 0} {
			t.Run(kind+" in "+boot, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o, j := newOutlet(), journal.InMemory()
					c := power(kind)
					c.Boot = "" // only the journal knows the boot
					e := o.agent(j)
					e.Execute(c)
					first := result(t, e, "p")
					e.Close()
					o.boot = boot
					e = o.agent(j)
					defer e.Close()
					e.Execute(c) // as after a lost answer
					again := result(t, e, "p")
					e.Acked("p")
					time.Sleep(time.Hour)
					synctest.Wait()
					if len(o.done) != switches || again.At != first.At || again.Fault != nil || len(j.Unfinished()) != 0 {
						t.Errorf("done %v, first %+v, again %+v, unfinished %v", o.done, first, again, j.Unfinished())
					}
				})
			})
		}
	}
}

func TestX4_WhatWasHeardBeforeACrashIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, j := newOutlet(), journal.InMemory()
		e := o.agent(j)
		e.Execute(power(protocol.CommandReboot))
		result(t, e, "p")
		e.Close()
		if err := j.Ack("p"); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		e = o.agent(j)
		defer e.Close()
		synctest.Wait()
		if len(o.done) != 1 || !o.at.Equal(start) {
			t.Errorf("done %v after %v", o.done, o.at.Sub(start))
		}
	})
}

// TestX4_AMachineIsNotSwitchedTwice goes down for a command, comes up again, and is given the command once
// more: with its journal, and without it as in the RAM environment.
func TestX4_AMachineIsNotSwitchedTwice(t *testing.T) {
	for _, kind := range []string{protocol.CommandPowerOff, protocol.CommandReboot} {
		for _, forgets := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				o, j := newOutlet(), journal.InMemory()
				e := o.agent(j)
				e.Execute(power(kind))
				time.Sleep(2 * AckWithin) // no ack came
				e.Close()
				o.boot = "boot-2"
				if forgets {
					j = journal.InMemory()
				}
				e = o.agent(j)
				defer e.Close()
				e.Execute(power(kind))
				res := result(t, e, "p")
				time.Sleep(time.Hour)
				synctest.Wait()
				if len(o.done) != 1 || len(j.Unfinished()) != 0 {
					t.Errorf("%s, forgetting %v: done %v", kind, forgets, o.done)
				}
				if turned := kind == protocol.CommandPowerOff && forgets; turned != (res.Fault != nil) || turned && res.Fault.Kind != fault.KindUnavailable {
					t.Errorf("%s, forgetting %v: %+v", kind, forgets, res.Fault)
				}
			})
		}
	}
}

func TestASwitchThatFailsLetsTheAgentGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, j := newOutlet(), journal.InMemory()
		o.broken = errors.New("the button is stuck")
		e := o.agent(j)
		defer e.Close()
		e.Execute(power(protocol.CommandPowerOff))
		result(t, e, "p")
		e.Acked("p")
		e.Execute(cmd("next", protocol.CommandDiagnose))
		if res := result(t, e, "next"); res.Fault != nil || len(j.Unfinished()) != 0 {
			t.Errorf("%+v", res.Fault)
		}
	})
}

func TestAMachineThatStaysUpTakesTheNextCommandLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutlet()
		e := o.agent(journal.InMemory())
		defer e.Close()
		start := time.Now()
		e.Execute(power(protocol.CommandReboot))
		result(t, e, "p")
		e.Acked("p")
		e.Execute(cmd("next", protocol.CommandDiagnose))
		time.Sleep(downWithin - time.Second)
		if res := result(t, e, "next"); res.Fault != nil || time.Since(start) < downWithin {
			t.Errorf("%+v after %v", res.Fault, time.Since(start))
		}
	})
}

func TestASandboxIsNotSwitchedOff(t *testing.T) {
	o := newOutlet()
	e := New(journal.InMemory(), Deeds(protocol.EnvSandbox, o.Machine, nil), silent)
	defer e.Close()
	e.Attach(welcome)
	for _, kind := range []string{protocol.CommandPowerOff, protocol.CommandReboot} {
		c := cmd(kind, kind)
		e.Execute(c)
		res := result(t, e, c.ID)
		if res.Fault == nil || res.Fault.Kind != fault.KindRefused || !strings.Contains(res.Fault.Message, "shares its machine") || len(o.done) > 0 {
			t.Errorf("%s: %+v", kind, res.Fault)
		}
	}
	if slices.Contains(Capabilities(protocol.EnvSandbox), protocol.CanPower) || !slices.Contains(Capabilities(protocol.EnvInstalled), protocol.CanPower) {
		t.Error("capabilities are wrong")
	}
}

// TestX4_ACrashAfterEveryJournalWriteSwitchesAtMostOnce goes on from each state that the journal of a reboot went through, in the
// boot that it was left in and in the next.
func TestX4_ACrashAfterEveryJournalWriteSwitchesAtMostOnce(t *testing.T) {
	dir := t.TempDir()
	whole := rebooted(t, filepath.Join(dir, "journal"), newOutlet())
	lines := strings.SplitAfter(strings.TrimSuffix(string(whole), "\n"), "\n")
	if len(lines) < 5 {
		t.Fatalf("only %d writes:\n%s", len(lines), whole)
	}
	for n := range len(lines) + 1 {
		for _, boot := range []string{"boot-1", "boot-2"} {
			path := filepath.Join(dir, "crash")
			if err := os.WriteFile(path, []byte(strings.Join(lines[:n], "")), 0o600); err != nil {
				t.Fatal(err)
			}
			o := newOutlet()
			o.boot = boot
			rebooted(t, path, o)
			if most := map[string]int{"boot-1": 1, "boot-2": 0}[boot]; len(o.done) > most {
				t.Errorf("crash after write %d, %s: %v", n, boot, o.done)
			}
		}
	}
}

// rebooted gives a reboot command to an agent with the journal of that path, lets it be done and returns the file. What
// follows the result takes the process with it, as a real reboot does.
func rebooted(t *testing.T, path string, o *outlet) []byte {
	t.Helper()
	j, err := journal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	e := o.agent(j)
	down := make(chan struct{})
	o.Switch = func(bool) error {
		o.done = append(o.done, "reboot")
		close(down)
		return nil
	}
	e.Execute(power(protocol.CommandReboot))
	if !j.Acked("p") {
		if res := result(t, e, "p"); res.Fault != nil {
			t.Errorf("%s: %+v", path, res.Fault)
		}
		e.Acked("p")
	}
	for alive := true; alive; {
		select {
		case <-down:
			alive = false
		case <-e.Changed():
			alive = e.Running() != ""
		}
	}
	e.Close()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return whole
}

// TestB35_WhatIsFinalIsAnsweredWhenItIsOver cancels a deed in a part that nothing can interrupt, and outdates
// another one.
func TestB35_WhatIsFinalIsAnsweredWhenItIsOver(t *testing.T) {
	later := welcome
	later.Epoch = 5
	const drive = 4 * time.Minute
	for what, stop := range map[string]func(*Executor){
		"cancel": func(e *Executor) { e.Cancel(protocol.Cancel{Command: "a", Reason: "delete"}) },
		"epoch":  func(e *Executor) { e.Attach(later) },
	} {
		for _, more := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				e := start(t, map[string]Deed{"sanitize": func(ctx context.Context, job *Job) error {
					over := job.Final(time.Hour)
					job.Report(1, 2, "bytes", "the drive erases itself")
					time.Sleep(drive)
					if ctx.Err() != nil {
						t.Errorf("%s: a final part was interrupted", what)
					}
					over()
					over()
					if more {
						<-ctx.Done()
						return ctx.Err()
					}
					return nil
				}})
				began := time.Now()
				e.Execute(cmd("a", "sanitize"))
				synctest.Wait()
				if p, ok := e.Progress(); !ok || !p.Final || p.Silent != 3600 || p.Note == "" {
					t.Errorf("%s: progress %+v %v", what, p, ok)
				}
				stop(e)
				res := result(t, e, "a")
				if time.Since(began) != drive || more != (res.Fault != nil) || more && res.Fault.Kind != fault.KindRefused {
					t.Errorf("%s: after %v: %+v", what, time.Since(began), res.Fault)
				}
			})
		}
	}
}

func TestClosingInterruptsWhatIsFinalToo(t *testing.T) {
	j := journal.InMemory()
	began := make(chan struct{})
	e := New(j, map[string]Deed{"sanitize": func(ctx context.Context, job *Job) error {
		defer job.Final(time.Hour)()
		close(began)
		<-ctx.Done()
		return ctx.Err()
	}}, silent)
	e.Attach(welcome)
	e.Execute(cmd("a", "sanitize"))
	<-began
	e.Close()
	if len(j.Unfinished()) != 1 || len(j.Unacked()) != 0 {
		t.Error("a drive that erases itself has a result because the agent stopped")
	}
}

// director is an outlet whose next start can be chosen.
type director struct {
	*outlet
	err   error
	asked int
}

func (d *director) FromNetwork(context.Context) (string, error) {
	d.asked++
	return "from the network by entry 0004", d.err
}

func TestB34_ARebootIntoTheRAMEnvironmentIsFromTheNetwork(t *testing.T) {
	for name, c := range map[string]struct {
		into  string
		err   error
		asked int
		says  string
	}{
		"into the RAM environment":    {protocol.IntoRAM, nil, 1, "entry 0004"},
		"where the firmware has none": {protocol.IntoRAM, fault.Refused("no entry for the network"), 1, "own boot order says: the running system cannot start another kernel; no entry"},
		"from the disk":               {protocol.IntoDisk, nil, 0, "starts again"},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := &director{outlet: newOutlet(), err: c.err}
			e := New(journal.InMemory(), Deeds(protocol.EnvInstalled, d, nil), silent)
			e.Attach(welcome)
			defer e.Close()
			command := power(protocol.CommandReboot)
			command.Into = c.into
			e.Execute(command)
			res := result(t, e, "p")
			if res.Fault != nil || d.asked != c.asked || !strings.Contains(res.Detail, c.says) {
				t.Errorf("%s: asked %d times, %+v", name, d.asked, res)
			}
			e.Acked("p")
			synctest.Wait()
			if !slices.Equal(d.done, []string{"reboot"}) {
				t.Errorf("%s: %v", name, d.done)
			}
		})
	}
}
