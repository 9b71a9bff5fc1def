package reconcile

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/core/erase"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
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

// TestB44_WhatADriveGivesBackIsInTheNextPermit of the same erase, by itself; the server is clean then.
func TestB44_WhatADriveGivesBackIsInTheNextPermit(t *testing.T) {
	inWorld(t, func(w *world) {
		const hidden = 1 << 30
		var permits []protocol.Permit
		w.obey(func(c protocol.Command) (protocol.Result, bool) {
			res, ok := w.obedient(c)
			if c.Kind != protocol.CommandErase {
				return res, ok
			}
			var p protocol.Permit
			if err := json.Unmarshal(c.Erase.SignedPermit, &p); err != nil || !c.Deadline.IsZero() {
				t.Errorf("the permit %v; a clock that would cut the erase off: %s", err, c.Deadline)
			}
			if permits = append(permits, p); len(permits) == 1 {
				res.Fault = fault.Unavailable("it was given back")
				for i := range res.Erasures {
					res.Erasures[i].Proven, res.Erasures[i].Attempts = false, nil
				}
				res.Erasures[0].Regained = hidden
			}
			return res, ok
		})
		id := w.enrol(machine(1, 1, 2))
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(permits) != 2 || len(permits[0].Disks) != 2 {
			t.Fatalf("%+v", permits)
		}
		before, after := permits[0].Disks, permits[1].Disks
		if before[0].SizeBytes+hidden != after[0].SizeBytes || after[1] != before[1] || after[0].Serial != before[0].Serial {
			t.Errorf("first %+v, then %+v", before, after)
		}
		if f, _ := store.Facts.View(w.store, id); !slices.ContainsFunc(f.Inventory.Disks, func(d hardware.Disk) bool { return d.SizeBytes == after[0].SizeBytes }) || f.Digest != f.Inventory.Digest() {
			t.Errorf("what is known of the server does not tell: %+v", f.Inventory.Disks)
		}
		if s := w.server(id); s.Cleanliness != fleet.Clean {
			t.Errorf("the server is %s", s.Cleanliness)
		}
	})
}
