package operation

import (
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/protocol"
)

// erasing is an erase in work of a disk of the given size.
func erasing(t *testing.T, size uint64) Operation {
	t.Helper()
	disks := []protocol.DiskRef{{Serial: "A", SizeBytes: size}}
	d := Next(New("opn-1", Erase, "srv-1", 7, EraseAllowed(disks), Params{Capable: true, Disks: disks}, t0), there, t0)
	if d.Verb != Send {
		t.Fatal(d.Verb)
	}
	return d.Op
}

// TestB16_AnEraseThatGetsOnIsNotFailed: a disk a hundred times slower than anybody thought, for 40 hours.
func TestB16_AnEraseThatGetsOnIsNotFailed(t *testing.T) {
	const total, took = 4 << 30, 40 * time.Hour
	op, now := erasing(t, total), t0
	for now.Before(t0.Add(took)) {
		now = now.Add(20 * time.Minute)
		done := uint64(now.Sub(t0) * total / took)
		op = Heard(op, protocol.Progress{Done: done, Total: total, Note: "overwriting sda", Left: uint64(t0.Add(took).Sub(now).Seconds())}, now)
		if d := Next(op, there, now.Add(19*time.Minute)); d.Verb != None || !d.Until.After(now) {
			t.Fatalf("after %s: %s %s", now.Sub(t0), d.Verb, d.Op.Message)
		}
	}
	if left := op.Deadline.Sub(now); left < awayAllowed {
		t.Errorf("%s are left for an agent that is out of reach", left)
	}
	in := there
	in.Result = &protocol.Result{}
	if d := Next(op, in, now); d.Verb != Close || d.Op.State != Done {
		t.Errorf("%s %s", d.Verb, d.Op.Message)
	}
}

// TestB16_AnEraseThatIsStuckIsFound long before its size would have said so, and told in words.
func TestB16_AnEraseThatIsStuckIsFound(t *testing.T) {
	op := erasing(t, 20e12)
	p := protocol.Progress{Done: 34, Total: 100, Note: "overwriting sda", Parts: []protocol.Part{{Name: "sda", Done: 34}, {Name: "sdb", Done: 100}}}
	op = Heard(op, p, t0.Add(time.Minute))
	p.Note = "reading back sdb" // the same, told again in other words
	op = Heard(op, p, t0.Add(25*time.Minute))
	at := t0.Add(time.Minute + stuckAfter)
	if d := Next(op, there, at.Add(-time.Second)); d.Verb != None || !d.Until.Equal(at) {
		t.Fatalf("before: %s until %s", d.Verb, d.Until)
	}
	d := Next(op, there, at)
	if d.Verb != Recall || !strings.Contains(d.Op.Message, "no progress for 30m") {
		t.Fatalf("%s %s", d.Verb, d.Op.Message)
	}
	in := there
	in.RecalledAt = at
	if d = Next(d.Op, in, at.Add(recallGrace)); d.Verb != Close || d.Op.State != Failed || !strings.Contains(d.Op.Message, "reading back sdb") {
		t.Errorf("%s %s", d.Verb, d.Op.Message)
	}
}

// TestB16_SilenceHasReasons: a drive that erases itself without a word, an agent that is away or has just come back.
func TestB16_SilenceHasReasons(t *testing.T) {
	silent := Heard(erasing(t, 1<<30), protocol.Progress{Done: 1, Total: 100, Final: true, Silent: 4 * 3600, Note: "nvme format: user data erase"}, t0)
	if d := Next(silent, there, t0.Add(4*time.Hour-time.Second)); d.Verb != None {
		t.Errorf("a drive that is at it: %s %s", d.Verb, d.Op.Message)
	}
	if d := Next(silent, there, t0.Add(4*time.Hour)); d.Verb != Recall {
		t.Errorf("a drive that does not end: %s", d.Verb)
	}
	op := Heard(erasing(t, 1<<30), protocol.Progress{Done: 1, Total: 100, Note: "overwriting sda"}, t0)
	if d := Next(op, Input{}, t0.Add(5*time.Hour)); d.Verb != None {
		t.Errorf("an agent that is away: %s %s", d.Verb, d.Op.Message)
	}
	back := there
	back.Since = t0.Add(5 * time.Hour)
	if d := Next(op, back, back.Since); d.Verb != None || !d.Until.Equal(back.Since.Add(stuckAfter)) {
		t.Errorf("an agent that has come back: %s until %s", d.Verb, d.Until)
	}
	if d := Next(op, Input{}, t0.Add(awayAllowed)); d.Verb != Close || d.Op.State != Failed {
		t.Errorf("an agent that stays away: %s", d.Verb)
	}
	far := Heard(op, protocol.Progress{Done: 2, Left: 1 << 63}, t0)
	if far.Deadline.After(t0.Add(4 * longest)) {
		t.Errorf("an agent that counts wrong has until %s", far.Deadline)
	}
}

// TestB16_ProgressOfOtherStepsGivesNoTime.
func TestB16_ProgressOfOtherStepsGivesNoTime(t *testing.T) {
	op := Next(fresh(Install), there, t0).Op
	if now := Heard(op, protocol.Progress{Done: 1}, t0); !now.Deadline.Equal(op.Deadline) || now.Steps[now.Current].Progress == nil {
		t.Error("an installation has another deadline")
	}
}
