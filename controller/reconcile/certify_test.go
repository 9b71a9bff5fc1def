package reconcile

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/steelyard/steelyard/controller/core/erase"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/protocol"
)

func (w *world) certificates() (list []erase.Erasure) {
	for i := range store.Erasures.Items(w.store.Snapshot()) {
		list = append(list, *i.Value)
	}
	return list
}

// TestB45_EveryTouchedDiskGetsACertificateThatOutlivesTheServer, proven or not.
func TestB45_EveryTouchedDiskGetsACertificateThatOutlivesTheServer(t *testing.T) {
	inWorld(t, func(w *world) {
		w.obey(func(c protocol.Command) (protocol.Result, bool) {
			res, ok := w.obedient(c)
			if c.Kind == protocol.CommandErase {
				res.Erasures[0].Proven, res.Erasures[0].Error = false, "something is left"
				res.Erasures[0].Attempts = []protocol.Attempt{{Method: "nvme sanitize: block erase", Outcome: protocol.AttemptClaimed}}
			}
			return res, ok
		})
		id := w.enrol(machine(1, 1, 2))
		op := w.operationOf(id)
		list := w.certificates()
		if len(list) != 2 {
			t.Fatalf("%d certificates", len(list))
		}
		proven := 0
		for _, kept := range list {
			c, err := kept.Read()
			if err != nil || string(kept.Signature) != "signed" || c.Operation != op.ID || c.Server.ID != id || c.Server.Identity.UUID == "" || c.ControllerVersion == "" || c.Disk.Serial == "" {
				t.Errorf("%+v %v", c, err)
			}
			if c.Proven {
				proven++
			} else if c.Error == "" || len(c.Attempts) != 1 || c.Attempts[0].Outcome != protocol.AttemptClaimed {
				t.Errorf("%+v", c)
			}
		}
		if proven != 1 {
			t.Errorf("%d proven", proven)
		}
		if _, err := w.intake.CancelOperation(context.Background(), ann, op.ID, "it is broken"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, _, err := w.intake.RetireServer(context.Background(), ann, id, "scrapped", true); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if w.server(id).Approval != fleet.Retired || len(w.certificates()) != 2 {
			t.Error("the certificates went with the server")
		}
	})
}
