package execute

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/protocol"
)

// TestProgressTellsTheRateAndWhatIsLeft of the whole, and asks for the parts when it is told.
func TestProgressTellsTheRateAndWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, map[string]Deed{"work": func(_ context.Context, job *Job) error {
			job.Parts(func() []protocol.Part { return []protocol.Part{{Name: "sda", Left: 7}, {Name: "sdb", Left: 500}} })
			for i := range uint64(100) {
				job.Report(i<<20, 100<<20, "bytes", "writing")
				time.Sleep(time.Second)
			}
			return nil
		}})
		e.Execute(cmd("a", "work"))
		var last protocol.Progress
		for len(e.Unacked()) == 0 {
			<-e.Changed()
			if p, ok := e.Progress(); ok && p.Done == 50<<20 {
				last = p
			}
		}
		if last.Rate < 1<<20-1 || last.Rate > 1<<20+1 || len(last.Parts) != 2 || last.Left != 500 {
			t.Errorf("%+v", last)
		}
	})
}
