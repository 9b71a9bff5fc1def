package task

import (
	"testing"
	"time"
)

func TestX6_ATaskClosesOnceAndKeepsTheFirstReason(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	k := New("tsk-1", "dc", Build, "build/ord-1", "Rebuild srv-1", "", now).Close("steelyard", "it fits now", now.Add(time.Hour))
	again := k.Close("ann", "done", now.Add(2*time.Hour))
	if again.State != Closed || again.ClosedBy != "steelyard" || again.CloseReason != "it fits now" {
		t.Fatalf("got %+v", again)
	}
}

func TestB27_ATaskIsWorkedOnWhenAssignedOrLatelyCommented(t *testing.T) {
	now := time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)
	k := New("tsk-1", "dc", Build, "", "", "", now)
	if k.Worked(now, time.Hour) {
		t.Fatal("an untouched task is worked on")
	}
	k.Comments = []Comment{{At: now.Add(-2 * time.Hour)}}
	if k.Worked(now, time.Hour) || !k.Worked(now, 3*time.Hour) {
		t.Fatal("comments do not count as they should")
	}
	k.Assignee = "ann"
	if !k.Worked(now, time.Hour) || k.Close("ann", "", now).Worked(now, time.Hour) {
		t.Fatal("assignment does not count as it should")
	}
}
