package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// both runs a test on a journal in memory and on one in a file.
func both(t *testing.T, run func(t *testing.T, j *Journal)) {
	t.Run("memory", func(t *testing.T) { run(t, InMemory()) })
	t.Run("file", func(t *testing.T) { run(t, open(t, filepath.Join(t.TempDir(), "journal"))) })
}

func open(t *testing.T, path string) *Journal {
	t.Helper()
	j, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func command(id string, epoch uint64) protocol.Command {
	return protocol.Command{ID: id, Server: "srv-1", Epoch: epoch, Kind: protocol.CommandDiagnose}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, j *Journal, cmd protocol.Command) {
	t.Helper()
	if known, err := j.Receive(cmd); known || err != nil {
		t.Fatalf("receive %s: %v %v", cmd.ID, known, err)
	}
}

func TestX4_OneIdGivesOneResult(t *testing.T) {
	both(t, func(t *testing.T, j *Journal) {
		receive(t, j, command("a", 1))
		ok(t, j.Start("a"))
		ok(t, j.Finish(protocol.Result{Command: "a", Step: "first"}))
		ok(t, j.Finish(protocol.Result{Command: "a", Step: "second"}))
		if known, err := j.Receive(command("a", 1)); !known || err != nil {
			t.Errorf("the command again: %v %v", known, err)
		}
		res, found := j.Result("a")
		if !found || res.Step != "first" {
			t.Errorf("result %+v", res)
		}
		if len(j.Unfinished()) != 0 || len(j.Unacked()) != 1 {
			t.Errorf("unfinished %v unacked %v", j.Unfinished(), j.Unacked())
		}
		ok(t, j.Ack("a"))
		ok(t, j.Ack("a"))
		ok(t, j.Ack("nobody"))
		if res, found = j.Result("a"); !found || res.Step != "first" || len(j.Unacked()) != 0 {
			t.Errorf("after the ack: %v %+v", found, res)
		}
	})
}

func TestX5_AnOlderEpochIsRefused(t *testing.T) {
	both(t, func(t *testing.T, j *Journal) {
		receive(t, j, command("a", 5))
		if _, err := j.Receive(command("late", 4)); !fault.Is(err, fault.KindRefused) {
			t.Errorf("a command of epoch 4 after one of 5: %v", err)
		}
		ok(t, j.Advance(7))
		ok(t, j.Advance(6))
		if _, err := j.Receive(command("b", 6)); !fault.Is(err, fault.KindRefused) || j.Epoch() != 7 {
			t.Errorf("epoch %d: %v", j.Epoch(), err)
		}
		if known, err := j.Receive(command("a", 5)); !known || err != nil {
			t.Errorf("a known command of an older epoch: %v %v", known, err)
		}
	})
}

func TestX5_ARefusedCommandTeachesNoEpoch(t *testing.T) {
	both(t, func(t *testing.T, j *Journal) {
		ok(t, j.Refuse(command("foreign", 99), protocol.Result{Command: "foreign", Fault: fault.Refused("not mine")}))
		receive(t, j, command("a", 1))
		if got := j.Unacked(); len(got) != 1 || got[0].Fault == nil {
			t.Errorf("unacked %v", got)
		}
	})
}

func TestB44_APermitServesOnce(t *testing.T) {
	both(t, func(t *testing.T, j *Journal) {
		now := time.Now()
		j.now = func() time.Time { return now }
		until := now.Add(time.Hour)
		ok(t, j.UsePermit("p", "a", until))
		ok(t, j.UsePermit("p", "a", until))
		if err := j.UsePermit("p", "b", until); !fault.Is(err, fault.KindRefused) {
			t.Errorf("a second command: %v", err)
		}
		now = now.Add(2 * time.Hour)
		if err := j.UsePermit("p", "b", until); !fault.Is(err, fault.KindRefused) {
			t.Errorf("after the permit's end: %v", err)
		}
	})
}

func TestTheJournalStaysSmall(t *testing.T) {
	both(t, func(t *testing.T, j *Journal) {
		big := strings.Repeat("x", 20_000)
		for i := range 300 {
			id := fmt.Sprint(i)
			receive(t, j, command(id, 1))
			ok(t, j.Start(id))
			ok(t, j.Finish(protocol.Result{Command: id, Step: big}))
			ok(t, j.Ack(id))
		}
		if len(j.records) != KeepAcked || len(j.order) != KeepAcked {
			t.Errorf("%d commands are kept", len(j.records))
		}
		if _, found := j.Result("299"); !found {
			t.Error("the newest result was forgotten")
		}
		if j.file == nil {
			return
		}
		st, err := os.Stat(j.file.path)
		if err != nil || st.Size() > 4*compactAt || st.Size() != j.file.size {
			t.Errorf("the file has %d bytes, the journal thinks %d: %v", st.Size(), j.file.size, err)
		}
	})
}

func TestUnacknowledgedResultsAreNeverDropped(t *testing.T) {
	both(t, func(t *testing.T, j *Journal) {
		for i := range MaxOpen {
			receive(t, j, command(fmt.Sprint(i), 1))
		}
		if _, err := j.Receive(command("more", 1)); !fault.Is(err, fault.KindUnavailable) {
			t.Errorf("one more: %v", err)
		}
		if got := len(j.Unfinished()); got != MaxOpen {
			t.Errorf("%d of %d are left", got, MaxOpen)
		}
	})
}

func TestNotesOutliveACrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j := open(t, path)
	receive(t, j, command("a", 1))
	ok(t, j.Note("a", map[string]int{"offset": 1}))
	ok(t, j.Note("a", map[string]int{"offset": 2}))
	ok(t, j.Close())
	var note map[string]int
	if found, err := open(t, path).Recall("a", &note); !found || err != nil || note["offset"] != 2 {
		t.Errorf("recalled %v %v %v", found, err, note)
	}
}

func TestOneProcessHasTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	open(t, path)
	if _, err := Open(path); !fault.Is(err, fault.KindConflict) {
		t.Errorf("opened twice: %v", err)
	}
}

func TestX4_APromiseIsKeptOnce(t *testing.T) {
	both(t, func(t *testing.T, j *Journal) {
		receive(t, j, command("a", 1))
		ok(t, j.Promise("a", "boot-1"))
		ok(t, j.Promise("a", "boot-2"))
		ok(t, j.Finish(protocol.Result{Command: "a"}))
		ok(t, j.Ack("a"))
		if got := j.Promised("a"); got != "boot-1" || !j.Acked("a") || len(j.Unfinished()) != 1 {
			t.Errorf("promised in %q, acked %v, unfinished %v", got, j.Acked("a"), j.Unfinished())
		}
		ok(t, j.Settle("a"))
		ok(t, j.Settle("a"))
		ok(t, j.Promise("a", "boot-2")) // its result is told: nothing follows any more
		if got := j.Promised("a"); got != "" || len(j.Unfinished()) != 0 {
			t.Errorf("promised in %q, unfinished %v", got, j.Unfinished())
		}
	})
}

// state is all that a reader can see, for comparison.
func state(j *Journal) string {
	return cmp.Diff(nil, map[string]any{
		"epoch": j.Epoch(), "promised": j.Promised("b"), "unfinished": j.Unfinished(), "unacked": j.Unacked(), "kept": j.order, "permits": len(j.permits),
	})
}
