package reconcile

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/store"
)

func TestX4_ThePastOfAServerIsSweptByItself(t *testing.T) {
	inWorld(t, func(w *world) {
		for n := range 3 {
			w.change(func(tx *store.Tx) error {
				for i := range 50 {
					id := fmt.Sprintf("opn-old-%d-%d", n, i)
					if err := store.Operations.Put(tx, id, operation.Operation{ID: id, Server: "srv-x", State: operation.Done, FinishedAt: time.Now()}); err != nil {
						return err
					}
				}
				return nil
			})
		}
		time.Sleep(sweepEvery + time.Minute)
		synctest.Wait()
		if got := store.Operations.Len(w.store.Snapshot()); got != operation.KeepMost {
			t.Fatalf("%d operations are kept", got)
		}
		time.Sleep(operation.KeepFor + 2*sweepEvery)
		synctest.Wait()
		if got := store.Operations.Len(w.store.Snapshot()); got != operation.KeepLast {
			t.Fatalf("%d old operations are kept", got)
		}
	})
}
