package execute

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/steelyard/steelyard/agent/driver"
	"github.com/steelyard/steelyard/agent/driver/fake"
	"github.com/steelyard/steelyard/agent/journal"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	public, private, _ = ed25519.GenerateKey(nil)
	silent             = slog.New(slog.DiscardHandler)
	welcome            = protocol.Welcome{ServerID: "srv-1", Epoch: 4, SigningKey: public}
)

func cmd(id, kind string) protocol.Command {
	return protocol.Command{ID: id, Server: "srv-1", Operation: "op-1", Step: "one", Epoch: 4, Kind: kind}
}

// start makes an attached executor whose deeds are given by kind.
func start(t *testing.T, deeds map[string]Deed) *Executor {
	t.Helper()
	e := New(journal.InMemory(), deeds, silent)
	e.Attach(welcome)
	t.Cleanup(e.Close)
	return e
}

// result waits until the command has one.
func result(t *testing.T, e *Executor, id string) protocol.Result {
	t.Helper()
	deadline := time.After(5 * time.Minute)
	for {
		for _, res := range e.Unacked() {
			if res.Command == id {
				return res
			}
		}
		select {
		case <-e.Changed():
		case <-deadline:
			t.Fatalf("no result of %s", id)
		}
	}
}

func TestX4_OneCommandAtATimeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		busy := false
		e := start(t, map[string]Deed{"work": func(_ context.Context, job *Job) error {
			if busy {
				t.Error("two at a time")
			}
			busy = true
			time.Sleep(time.Second)
			busy = false
			order = append(order, job.Command.ID)
			return nil
		}})
		for _, id := range []string{"a", "b", "c"} {
			e.Execute(cmd(id, "work"))
			e.Execute(cmd(id, "work"))
		}
		if e.Running() != "a" {
			t.Errorf("running %q", e.Running())
		}
		time.Sleep(10 * time.Second)
		running, unacked := e.Running(), e.Unacked() // the deeds are over: order is ours
		if strings.Join(order, "") != "abc" || running != "" || len(unacked) != 3 {
			t.Errorf("order %v, running %q, unacked %v", order, running, unacked)
		}
	})
}

func TestX4_AResultIsRepeatedUntilItIsAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, map[string]Deed{"work": func(context.Context, *Job) error { return nil }})
		e.Execute(cmd("a", "work"))
		first := result(t, e, "a")
		e.Attach(welcome) // a new session
		e.Execute(cmd("a", "work"))
		if again := result(t, e, "a"); again.At != first.At {
			t.Errorf("another result: %v %v", first, again)
		}
		e.Acked("a")
		e.Execute(cmd("a", "work"))
		synctest.Wait()
		if got := e.Unacked(); len(got) != 0 || e.Running() != "" {
			t.Errorf("after the ack: %v", got)
		}
	})
}

func TestX5_ForeignOldAndUnknownCommandsAreRefused(t *testing.T) {
	deeds := map[string]Deed{"work": func(context.Context, *Job) error {
		t.Error("a refused command was done")
		return nil
	}}
	e := start(t, deeds)
	foreign, old, unknown := cmd("foreign", "work"), cmd("old", "work"), cmd("unknown", "dance")
	foreign.Server, old.Epoch = "srv-2", 3
	for _, c := range []protocol.Command{foreign, old, unknown} {
		e.Execute(c)
		if res := result(t, e, c.ID); res.Fault == nil || res.Fault.Kind != fault.KindRefused || res.Operation != "op-1" {
			t.Errorf("%s: %+v", c.ID, res.Fault)
		}
	}
}

func TestX5_AnEpochThatPassedMeanwhileIsRefused(t *testing.T) {
	j := journal.InMemory()
	if _, err := j.Receive(cmd("a", "work")); err != nil {
		t.Fatal(err)
	}
	e := New(j, map[string]Deed{"work": func(context.Context, *Job) error {
		t.Error("done in a later epoch")
		return nil
	}}, silent)
	defer e.Close()
	later := welcome
	later.Epoch = 5
	e.Attach(later)
	if res := result(t, e, "a"); res.Fault == nil || res.Fault.Kind != fault.KindRefused {
		t.Errorf("%+v", res.Fault)
	}
}

func TestNothingIsDoneBeforeTheServerIsKnown(t *testing.T) {
	j := journal.InMemory()
	if _, err := j.Receive(cmd("a", "work")); err != nil {
		t.Fatal(err)
	}
	e := New(j, map[string]Deed{"work": func(context.Context, *Job) error { return nil }}, silent)
	defer e.Close()
	e.Execute(cmd("b", "work"))
	if e.Running() != "" || len(j.Unfinished()) != 1 {
		t.Error("a command was started without a server id")
	}
	e.Attach(welcome)
	result(t, e, "a")
}

func TestA12_TheDeadlineEndsADeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, map[string]Deed{"work": func(ctx context.Context, _ *Job) error {
			<-ctx.Done()
			return ctx.Err()
		}})
		c := cmd("a", "work")
		c.Deadline = time.Now().Add(time.Minute)
		e.Execute(c)
		if res := result(t, e, "a"); res.Fault == nil || res.Fault.Kind != fault.KindUnavailable || !res.At.Equal(c.Deadline) {
			t.Errorf("%+v at %v", res.Fault, res.At)
		}
		late := cmd("late", "work")
		late.Deadline = c.Deadline
		e.Execute(late)
		if res := result(t, e, "late"); res.Fault == nil || res.Fault.Kind != fault.KindUnavailable {
			t.Errorf("%+v", res.Fault)
		}
	})
}

func TestACancelledCommandSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, map[string]Deed{"work": func(ctx context.Context, _ *Job) error {
			<-ctx.Done()
			return ctx.Err()
		}})
		e.Execute(cmd("a", "work"))
		e.Execute(cmd("waiting", "work"))
		synctest.Wait()
		e.Cancel(protocol.Cancel{Command: "waiting", Reason: "second thoughts"})
		e.Cancel(protocol.Cancel{Command: "a", Reason: "order cancelled"})
		e.Cancel(protocol.Cancel{Command: "nobody"})
		for id, why := range map[string]string{"a": "order cancelled", "waiting": "second thoughts"} {
			if res := result(t, e, id); res.Fault == nil || res.Fault.Kind != fault.KindRefused || !strings.Contains(res.Fault.Message, why) {
				t.Errorf("%s: %+v", id, res.Fault)
			}
		}
	})
}

func TestAPanicEndsOneCommandOnly(t *testing.T) {
	e := start(t, map[string]Deed{
		"bad":  func(context.Context, *Job) error { panic("a driver is broken") },
		"good": func(context.Context, *Job) error { return nil },
	})
	e.Execute(cmd("a", "bad"))
	e.Execute(cmd("b", "good"))
	if res := result(t, e, "a"); res.Fault == nil || res.Fault.Kind != fault.KindInternal || !strings.Contains(res.Fault.Message, "a driver is broken") {
		t.Errorf("%+v", res.Fault)
	}
	if res := result(t, e, "b"); res.Fault != nil {
		t.Errorf("%+v", res.Fault)
	}
}

func TestProgressIsThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, map[string]Deed{"work": func(_ context.Context, job *Job) error {
			for i := range uint64(1000) {
				job.Report(i, 1001, "bytes", "writing")
				time.Sleep(10 * time.Millisecond)
			}
			return nil
		}})
		e.Execute(cmd("a", "work"))
		var seen []protocol.Progress
		for len(e.Unacked()) == 0 {
			<-e.Changed()
			if p, ok := e.Progress(); ok {
				seen = append(seen, p)
			}
		}
		if len(seen) < 9 || len(seen) > 11 || seen[len(seen)-1].Command != "a" || seen[5].Done < seen[4].Done {
			t.Errorf("%d messages in ten seconds: %+v", len(seen), seen)
		}
	})
}

// TestB44_DisksThatTellInTurnDoNotFloodTheSession: each report has another note than the one before it. The last one is told although
// nothing follows it for long.
func TestB44_DisksThatTellInTurnDoNotFloodTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, map[string]Deed{"work": func(_ context.Context, job *Job) error {
			for i := range uint64(1000) {
				job.Report(i, 2000, "bytes", fmt.Sprint("overwriting disk ", i%2))
				time.Sleep(time.Millisecond)
			}
			job.Report(1000, 2000, "bytes", "reading back disk 0")
			time.Sleep(time.Minute)
			return nil
		}})
		e.Execute(cmd("a", "work"))
		var seen []protocol.Progress
		for len(e.Unacked()) == 0 {
			<-e.Changed()
			if p, ok := e.Progress(); ok {
				seen = append(seen, p)
			}
		}
		if last := seen[len(seen)-1]; len(seen) < 4 || len(seen) > 6 || last.Done != 1000 || last.Note != "reading back disk 0" {
			t.Errorf("%d messages in a second: %+v", len(seen), seen)
		}
	})
}

func TestClosingLeavesTheCommandForTheNextStart(t *testing.T) {
	j := journal.InMemory()
	began := make(chan struct{}, 2)
	deeds := map[string]Deed{"work": func(ctx context.Context, _ *Job) error {
		began <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}}
	e := New(j, deeds, silent)
	e.Attach(welcome)
	e.Execute(cmd("a", "work"))
	<-began
	e.Close()
	if len(j.Unacked()) != 0 || len(j.Unfinished()) != 1 {
		t.Fatalf("unacked %v, unfinished %v", j.Unacked(), j.Unfinished())
	}
	deeds["work"] = func(context.Context, *Job) error { return nil }
	e = New(j, deeds, silent)
	defer e.Close()
	e.Attach(welcome)
	if res := result(t, e, "a"); res.Fault != nil {
		t.Errorf("%+v", res.Fault)
	}
}

func TestAJournalThatCannotBeWrittenDoesNothing(t *testing.T) {
	j, err := journal.Open(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	e := New(j, map[string]Deed{"work": func(context.Context, *Job) error {
		t.Error("done without a journal")
		return nil
	}}, silent)
	defer e.Close()
	e.Attach(welcome)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	e.Execute(cmd("a", "work"))
	if res := result(t, e, "a"); res.Fault == nil || res.Fault.Kind != fault.KindUnavailable {
		t.Errorf("%+v", res.Fault)
	}
	e.Acked("a")
	if got := e.Unacked(); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// machine is one with two disks that a tenant has left, and the command to erase them.
func machine(t *testing.T) (*fake.Machine, protocol.Command) {
	t.Helper()
	inv := hardware.Inventory{Identity: hardware.Identity{UUID: "u-1"}, Disks: []hardware.Disk{
		{Name: "sda", Serial: "Fa", SizeBytes: 4 << 20}, {Name: "sdb", Serial: "Fb", SizeBytes: 8 << 20},
	}}
	m := fake.New(func() hardware.Inventory { return inv }, fake.NewPages())
	p := protocol.Permit{ID: "p", Server: "srv-1", Operation: "op-1", Epoch: 4, Identity: inv.Identity, NotAfter: time.Now().Add(time.Hour)}
	for i, d := range inv.Disks {
		m.Disk(i).Fill(12345, []byte("tenant"))
		p.Disks = append(p.Disks, driver.Ref(d))
	}
	body, signature, err := protocol.Sign(p, func(b []byte) []byte { return ed25519.Sign(private, b) })
	if err != nil {
		t.Fatal(err)
	}
	c := cmd("a", protocol.CommandErase)
	c.Erase = &protocol.EraseCommand{SignedPermit: body, Signature: signature}
	return m, c
}

// TestB42_B44_B45_ACrashAfterEveryJournalWriteConverges does an erase once, and then once more from
// each state that the journal went through, with the command delivered again.
func TestB42_B44_B45_ACrashAfterEveryJournalWriteConverges(t *testing.T) {
	dir := t.TempDir()
	m, erase := machine(t)
	whole := erased(t, filepath.Join(dir, "journal"), m, erase)
	lines := bytes.SplitAfter(whole, []byte("\n"))
	if len(lines) < 6 {
		t.Fatalf("only %d writes:\n%s", len(lines), whole)
	}
	for n := range lines {
		path := filepath.Join(dir, fmt.Sprint("crash-", n))
		before := bytes.Join(lines[:n], nil)
		if err := os.WriteFile(path, before, 0o600); err != nil {
			t.Fatal(err)
		}
		again := m // what was checkpointed is empty
		if !bytes.Contains(before, []byte(`"do":"noted"`)) {
			again, _ = machine(t) // nothing was touched yet
		}
		erased(t, path, again, erase)
		for i := range 2 {
			if kept := again.Disk(i).Kept(); kept != 0 {
				t.Errorf("crash after write %d: disk %d is not empty", n, i)
			}
		}
	}
}

// erased runs the command on the journal of that path and returns the file.
func erased(t *testing.T, path string, m *fake.Machine, c protocol.Command) []byte {
	t.Helper()
	j, err := journal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	e := New(j, Deeds(protocol.EnvRAM, m, nil), silent)
	e.Attach(welcome)
	e.Execute(c)
	res := result(t, e, c.ID)
	if res.Fault != nil || len(res.Erasures) != 2 || !res.Erasures[0].Proven || !res.Erasures[1].Proven {
		t.Fatalf("%s: %+v", path, res)
	}
	if n := len(j.Unfinished()); n != 0 {
		t.Errorf("%s: %d commands are unfinished", path, n)
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

func TestB44_APermitIsNotUsedByASecondCommand(t *testing.T) {
	m, first := machine(t)
	j := journal.InMemory()
	e := New(j, Deeds(protocol.EnvRAM, m, nil), silent)
	defer e.Close()
	e.Attach(welcome)
	e.Execute(first)
	result(t, e, "a")
	m.Disk(0).Fill(0, []byte("the next tenant"))
	second := first
	second.ID = "b"
	e.Execute(second)
	if res := result(t, e, "b"); res.Fault == nil || res.Fault.Kind != fault.KindRefused || m.Disk(0).Kept() == 0 {
		t.Errorf("%+v", res.Fault)
	}
}

func TestB44_AnInstalledSystemHasNoEraseAtAll(t *testing.T) {
	m, c := machine(t)
	e := New(journal.InMemory(), Deeds(protocol.EnvInstalled, m, nil), silent)
	defer e.Close()
	e.Attach(welcome)
	e.Execute(c)
	if res := result(t, e, "a"); res.Fault == nil || res.Fault.Kind != fault.KindRefused || m.Disk(0).Kept() == 0 {
		t.Errorf("%+v", res.Fault)
	}
}

func TestB46_DiagnosticsAreACommand(t *testing.T) {
	m, _ := machine(t)
	e := New(journal.InMemory(), Deeds(protocol.EnvSimulated, m, nil), silent)
	defer e.Close()
	e.Attach(welcome)
	e.Execute(cmd("d", protocol.CommandDiagnose))
	if res := result(t, e, "d"); res.Fault != nil || res.Diagnosis == nil || len(res.Diagnosis.Checks) < 8 {
		t.Errorf("%+v", res)
	}
	odd := cmd("odd", protocol.CommandDiagnose)
	odd.Diagnose = &protocol.DiagnoseCommand{Profile: "odd"}
	e.Execute(odd)
	if res := result(t, e, "odd"); res.Fault == nil || res.Fault.Kind != fault.KindInvalid {
		t.Errorf("%+v", res.Fault)
	}
}
