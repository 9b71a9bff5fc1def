package remote_test

import (
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/store"
)

func TestB14_B16_TheModulesTimeBoundsThePreparationThere(t *testing.T) {
	inHalls(t, func(t *testing.T, near, far *hall, _ *wire) {
		far.enrol(1)
		near.connect()
		o := near.place()
		near.settle(time.Minute)
		for i := range store.Operations.Items(far.store.Snapshot()) {
			if op := i.Value; op.Order == near.order(o.ID).Remote.Order && op.Allowed != 25*time.Minute {
				t.Errorf("the preparation there may take %v, want the 25 minutes of the module here", op.Allowed)
			}
		}
		if near.order(o.ID).State != order.Fulfilled {
			t.Error("it was not prepared")
		}
	})
}
