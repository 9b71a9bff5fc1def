package journal

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// story is what happens to a journal, one write at a time.
func story() []func(*Journal) error {
	until := time.Now().Add(time.Hour).UTC()
	return []func(*Journal) error{
		func(j *Journal) error { return j.Advance(3) },
		func(j *Journal) error { _, err := j.Receive(command("a", 4)); return err },
		func(j *Journal) error { return j.Start("a") },
		func(j *Journal) error { return j.UsePermit("p", "a", until) },
		func(j *Journal) error { return j.Note("a", 17) },
		func(j *Journal) error { return j.Finish(protocol.Result{Command: "a", Step: "erase"}) },
		func(j *Journal) error { _, err := j.Receive(command("b", 4)); return err },
		func(j *Journal) error { return j.Ack("a") },
		func(j *Journal) error { return j.Refuse(command("c", 1), protocol.Result{Command: "c"}) },
		func(j *Journal) error { return j.Promise("b", "boot-1") },
		func(j *Journal) error { return j.Finish(protocol.Result{Command: "b", Step: "reboot"}) },
		func(j *Journal) error { return j.Settle("b") },
	}
}

// TestACrashAfterEveryWriteLosesNothing compares a journal in memory with one whose process
// died after each write, and in the middle of the next.
func TestACrashAfterEveryWriteLosesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "journal")
	live, twin := open(t, path), InMemory()
	for i, step := range story() {
		before := state(twin)
		ok(t, step(live))
		ok(t, step(twin))
		whole, err := os.ReadFile(path)
		ok(t, err)
		last := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1
		for cut := last; cut <= len(whole); cut++ {
			want := before
			if cut == len(whole) {
				want = state(twin)
			}
			if got := reopened(t, filepath.Join(dir, "crashed"), whole[:cut]); got != want {
				t.Fatalf("write %d torn at byte %d of %d:\n%s\nwant\n%s", i, cut-last, len(whole)-last, got, want)
			}
		}
	}
}

func reopened(t *testing.T, path string, content []byte) string {
	t.Helper()
	ok(t, os.WriteFile(path, content, 0o600))
	j, err := Open(path)
	ok(t, err)
	defer func() { ok(t, j.Close()) }()
	return state(j)
}

func TestDamageInTheMiddleIsToldNotGuessed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j := open(t, path)
	for _, step := range story() {
		ok(t, step(j))
	}
	ok(t, j.Close())
	whole, err := os.ReadFile(path)
	ok(t, err)
	whole[len(whole)/2] ^= 1
	ok(t, os.WriteFile(path, whole, 0o600))
	if _, err := Open(path); !fault.Is(err, fault.KindInternal) || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged journal: %v", err)
	}
}

func TestCompactingChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j := open(t, path)
	for _, step := range story() {
		ok(t, step(j))
	}
	want := state(j)
	ok(t, j.file.replace(j.events()))
	if got := state(j); got != want {
		t.Errorf("in memory:\n%s\nwant\n%s", got, want)
	}
	ok(t, j.Close())
	j = open(t, path)
	if got := state(j); got != want {
		t.Errorf("after reopening:\n%s\nwant\n%s", got, want)
	}
	ok(t, j.Start("b"))
}

// TestKilledWhileWriting kills a real process (SIGKILL) and looks at what it left: everything
// that it had told to be written must be there.
func TestKilledWhileWriting(t *testing.T) {
	if path := os.Getenv("JOURNAL_OF_CHILD"); path != "" {
		child(path)
	}
	path := filepath.Join(t.TempDir(), "journal")
	cmd := exec.Command(os.Args[0], "-test.run=TestKilledWhileWriting$")
	cmd.Env = append(os.Environ(), "JOURNAL_OF_CHILD="+path)
	out, err := cmd.StdoutPipe()
	ok(t, err)
	ok(t, cmd.Start())
	told := 0
	for told < 40 {
		if _, err := fmt.Fscanln(out, &told); err != nil {
			t.Fatalf("the child said %d and then: %v", told, err)
		}
	}
	ok(t, cmd.Process.Kill())
	_ = cmd.Wait()
	if got := open(t, path).Epoch(); got < uint64(told) {
		t.Errorf("the child had written epoch %d, the journal knows %d", told, got)
	}
}

func child(path string) {
	j, err := Open(path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for n := uint64(1); ; n++ {
		if err := j.Advance(n); err != nil {
			os.Exit(1)
		}
		fmt.Println(n)
	}
}

func TestAFullDiskLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j := open(t, path)
	receive(t, j, command("a", 1))
	ok(t, j.file.f.Close()) // every write fails from here on
	if err := j.Start("a"); !fault.Is(err, fault.KindUnavailable) {
		t.Errorf("start without a journal: %v", err)
	}
	if _, err := j.Receive(command("b", 1)); !fault.Is(err, fault.KindUnavailable) {
		t.Errorf("receive without a journal: %v", err)
	}
	if got := open(t, path).Unfinished(); len(got) != 1 || got[0].ID != "a" {
		t.Errorf("unfinished %v", got)
	}
}
