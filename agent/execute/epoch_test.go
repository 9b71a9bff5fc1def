package execute

import (
	"context"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/agent/journal"
	"github.com/steelyard/steelyard/pkg/fault"
)

// patient works until it is stopped.
func patient(ctx context.Context, _ *Job) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestX5_ANewEpochStopsWhatIsInWork: an operation that was ended while the agent was away leaves no
// cancel behind; the next session or the next command tells.
func TestX5_ANewEpochStopsWhatIsInWork(t *testing.T) {
	next := cmd("new", "short")
	next.Epoch = 5
	later := welcome
	later.Epoch = 5
	for what, tell := range map[string]func(*Executor){
		"by the next session": func(e *Executor) { e.Attach(later) },
		"by the next command": func(e *Executor) { e.Execute(next) },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := New(journal.InMemory(), map[string]Deed{"work": patient, "short": func(context.Context, *Job) error { return nil }}, silent)
				defer e.Close()
				e.Attach(welcome)
				e.Execute(cmd("old", "work"))
				e.Attach(welcome) // the same epoch disturbs nothing
				synctest.Wait()
				if e.Running() != "old" {
					t.Fatalf("running %q", e.Running())
				}
				tell(e)
				time.Sleep(time.Second)
				if e.Running() != "" {
					t.Fatal("a deed of an older epoch goes on")
				}
				if res := result(t, e, "old"); res.Fault == nil || res.Fault.Kind != fault.KindRefused {
					t.Errorf("%+v", res.Fault)
				}
			})
		})
	}
}

// TestX5_AFullDiskHidesNoEpoch: the journal cannot take the new epoch, and an old command still does not start.
func TestX5_AFullDiskHidesNoEpoch(t *testing.T) {
	j, err := journal.Open(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Receive(cmd("a", "work")); err != nil {
		t.Fatal(err)
	}
	if err := j.Start("a"); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil { // every write fails from now on, as on a disk that went away
		t.Fatal(err)
	}
	done := make(chan struct{}, 1)
	e := New(j, map[string]Deed{"work": func(context.Context, *Job) error { done <- struct{}{}; return nil }}, silent)
	defer e.Close()
	later := welcome
	later.Epoch = 5
	e.Attach(later)
	for e.Running() != "" {
		time.Sleep(time.Millisecond)
	}
	select {
	case <-done:
		t.Error("a command of an older epoch was done")
	default:
	}
}
