package intake

import (
	"context"
	"fmt"
	"testing"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// inspect starts an inspection, and lets the agent answer that it found these accounts; why is what it could not look at.
func (g *gate) inspect(server, why string, accounts ...string) operation.Operation {
	g.t.Helper()
	ctx := context.Background()
	op, err := g.RequestOperation(ctx, ann, OperationWish{Server: server, Kind: operation.Inspect}, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	in := &protocol.Inspection{}
	for _, kind := range protocol.InspectKinds {
		in.Subjects = append(in.Subjects, protocol.Tell(kind, "", nil, nil))
	}
	var found []protocol.Found
	for _, name := range accounts {
		found = append(found, protocol.Found{Name: name})
	}
	in.Subjects[0] = protocol.Tell(protocol.InspectAccounts, "", found, nil)
	in.Subjects[3].Unseen = why
	cmd := protocol.Command{ID: op.ID + "-0-1", Server: server, Operation: op.ID, Epoch: op.Epoch}
	g.commit(func(tx *store.Tx) error {
		return store.Commands.Create(tx, store.CommandKey(server, cmd.ID), operation.Command{Command: cmd})
	})
	if err := g.Result(ctx, server, protocol.Result{Command: cmd.ID, Operation: op.ID, Epoch: op.Epoch, Inspection: in}); err != nil {
		g.t.Fatal(err)
	}
	g.edit(server, func(s *fleet.Server) { s.Operation = "" }) // as reconcile does at its end
	return op
}

// TestS9_ANodeIsCleanWhenNothingIsBeyondItsBaseline, from the day it is made to the day it ends.
func TestS9_ANodeIsCleanWhenNothingIsBeyondItsBaseline(t *testing.T) {
	ctx := context.Background()
	g := openGate(t)
	s := g.join(parts("u1", "B1", "02:01"))
	g.edit(s.ID, func(s *fleet.Server) {
		s.Operation, s.Environment, s.Approval = "", protocol.EnvInstalled, fleet.Approved
	})
	now := func() *fleet.Server { s := g.server(s.ID); return &s }
	refused := func(what string, err error) {
		t.Helper()
		if !fault.Is(err, fault.KindRefused) {
			t.Errorf("%s: %v", what, err)
		}
	}
	node := func(id string) error {
		return third(g.MakeNode(ctx, ann, s.ID, NodeWish{Inspection: id, Reason: "hosting"}))
	}

	blind := g.inspect(s.ID, "the server does not answer", "admin")
	refused("an inspection that was blind", node(blind.ID))
	base := g.inspect(s.ID, "", "admin")
	refused("one that is not the last", node(blind.ID))
	g.edit(s.ID, func(s *fleet.Server) { s.Epoch++ })
	refused("a server that something was done to since", node(base.ID))
	base = g.inspect(s.ID, "", "admin")
	g.commit(func(tx *store.Tx) error { return store.Loads.Put(tx, s.ID, hosting.Load{Placements: 2}) })
	refused("a server in use", node(base.ID))
	g.commit(func(tx *store.Tx) error { return store.Loads.Put(tx, s.ID, hosting.Load{}) })
	if err := node(base.ID); err != nil {
		t.Fatal(err)
	}
	if got := now(); got.Node == nil || got.Node.Inspection != base.ID || !got.IsClean() {
		t.Fatalf("%+v", got.Node)
	}
	for _, kind := range []string{operation.Erase, operation.Install} {
		_, err := g.RequestOperation(ctx, ann, OperationWish{Server: s.ID, Kind: kind}, nil)
		refused(kind+" of a node", err)
	}

	if g.inspect(s.ID, "", "admin"); !now().IsClean() {
		t.Errorf("its own account is left over: %+v", now().LeftOvers)
	}
	if g.inspect(s.ID, "", "admin", "bob"); now().IsClean() || now().LeftOvers.Count != 1 {
		t.Errorf("bob is not left over: %+v", now().LeftOvers)
	}
	if g.inspect(s.ID, "down", "admin"); now().IsClean() || now().LeftOvers.Count != 0 || now().LeftOvers.Unseen != 1 {
		t.Errorf("what was not seen is clean: %+v", now().LeftOvers)
	}
	last := g.inspect(s.ID, "", "admin", "bob")
	clears := func(id, reason string) error {
		return third(g.ClearLeftOvers(ctx, ann, s.ID, NodeWish{Inspection: id, Reason: reason}))
	}
	refused("clearing what was seen earlier", clears(base.ID, "ours"))
	if err := clears(last.ID, ""); !fault.Is(err, fault.KindInvalid) {
		t.Errorf("without a reason: %v", err)
	}
	if err := clears(last.ID, "ours"); err != nil || !now().IsClean() {
		t.Errorf("%v, %+v", err, now().LeftOvers)
	}
	if g.inspect(s.ID, "", "admin", "bob"); now().IsClean() {
		t.Error("what was cleared became a part of the baseline")
	}
	if g.inspect(s.ID, "", "admin"); !now().IsClean() {
		t.Error("it is not clean when all is gone")
	}

	if err := third(g.EndNode(ctx, ann, s.ID, "sold")); err != nil {
		t.Fatal(err)
	}
	if got := now(); got.Node != nil || got.IsClean() || got.Cleanliness != fleet.Dirty {
		t.Errorf("a bare server that is not dirty: %+v", got)
	}
}

// TestS9_AnInspectionLooksOnlyWhereItMay: not at a client's system, and not where nothing runs.
func TestS9_AnInspectionLooksOnlyWhereItMay(t *testing.T) {
	for i, c := range []struct {
		environment, claim string
		may                bool
	}{
		{protocol.EnvInstalled, fleet.ClaimNone, true},
		{protocol.EnvSandbox, fleet.ClaimReseller, true},
		{protocol.EnvSimulated, fleet.ClaimPlan, true},
		{protocol.EnvInstalled, fleet.ClaimClient, false},
		{protocol.EnvRAM, fleet.ClaimNone, false},
		{protocol.EnvRescue, fleet.ClaimNone, false},
	} {
		err := mayOperate(&fleet.Server{ID: fmt.Sprint(i), Approval: fleet.Approved, Environment: c.environment, Claim: fleet.Claim{Kind: c.claim}}, operation.Inspect)
		if (err == nil) != c.may {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
