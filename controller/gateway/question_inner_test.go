package gateway

import (
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// TestU2_AQuestionThatIsNotAnsweredIsGivenUp, and makes room.
func TestU2_AQuestionThatIsNotAnsweredIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mine, theirs := net.Pipe()
		var all sync.WaitGroup
		all.Go(func() { _, _ = io.Copy(io.Discard, theirs) })
		g := new(Gateway)
		a := &agent{gate: g, server: "srv-1", meters: true, conn: session.NewConn(mine, 0)}
		g.table.enter(a)
		for range 2 {
			began := time.Now()
			var asking sync.WaitGroup
			for range questionsOfAgent {
				asking.Go(func() {
					if _, err := g.Quarters(t.Context(), "srv-1", "acc-1", 1, 2); !fault.Is(err, fault.KindUnavailable) || time.Since(began) != questionTimeout {
						t.Errorf("after %v: %v", time.Since(began), err)
					}
				})
			}
			asking.Wait()
		}
		if len(g.questions.open) != 0 {
			t.Errorf("%d questions are open", len(g.questions.open))
		}
		_ = mine.Close()
		_ = theirs.Close()
		all.Wait()
	})
}

// TestU2_AControllerAsksABoundedNumberOfQuestions: what nobody waits for any more makes room after its time.
func TestU2_AControllerAsksABoundedNumberOfQuestions(t *testing.T) {
	var all questions
	now := time.Unix(1, 0)
	enter := func(name byte, of *agent, now time.Time) error {
		return all.enter(string(name), &question{agent: of, until: now.Add(questionTimeout), over: make(chan struct{})}, now)
	}
	for i := range byte(maxQuestions) {
		if err := enter(i, &agent{}, now); err != nil {
			t.Fatal(err)
		}
	}
	if err := enter(200, &agent{}, now.Add(questionTimeout)); !fault.Is(err, fault.KindUnavailable) {
		t.Errorf("one too many: %v", err)
	}
	if err := enter(200, &agent{}, now.Add(questionTimeout+1)); err != nil || len(all.open) != 1 {
		t.Errorf("later: %v, %d are open", err, len(all.open))
	}
	if all.give(&agent{}, &protocol.UsageAnswer{ID: "\x01"}) {
		t.Error("a late answer was taken")
	}
}
