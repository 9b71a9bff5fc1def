package cli

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/protocol"
)

// looks plays reconcile and the agent for the next inspection: it finds an account.
func (r *real) looks(account string) (wait func()) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	sub := r.store.Subscribe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			changes, _, err := sub.Next(ctx)
			if err != nil {
				return
			}
			for _, c := range changes {
				if op, ok := c.New.(*operation.Operation); ok && op.Kind == operation.Inspect && op.State == operation.Running {
					r.change(func(tx *store.Tx) error { return inspected(tx, *op, account) })
					return
				}
			}
		}
	}()
	return func() { <-ended; cancel(); sub.Close() }
}

func inspected(tx *store.Tx, op operation.Operation, account string) error {
	s, err := store.Servers.Get(tx, op.Server)
	if err != nil {
		return err
	}
	in := protocol.Inspection{}
	for _, kind := range protocol.InspectKinds {
		in.Subjects = append(in.Subjects, protocol.Tell(kind, "", nil, nil))
	}
	in.Subjects[0] = protocol.Tell(protocol.InspectAccounts, "/etc/passwd", []protocol.Found{{Name: account, Detail: "uid 1000"}}, nil)
	i := fleet.Inspected(s.ID, op.ID, op.Epoch, &in, time.Now())
	base, _, err := store.Baselines.Find(tx, s.ID)
	if err != nil {
		return err
	}
	s = s.Judged(&i, &base)
	s.Operation = ""
	op.State, op.Current = operation.Done, len(op.Steps)
	for _, err := range []error{store.Servers.Put(tx, s.ID, s), store.Operations.Put(tx, op.ID, op), store.Inspections.Put(tx, s.ID, i)} {
		if err != nil {
			return err
		}
	}
	return nil
}

// inspections makes web1 a hosting node, finds something there, clears it, and ends the node.
func (r *real) inspections() {
	r.t.Helper()
	r.change(func(tx *store.Tx) error {
		for i := range store.Servers.Items(r.store.Snapshot()) {
			if s := *i.Value; s.Name == "web1" {
				s.Environment, s.Operation = protocol.EnvInstalled, ""
				return store.Servers.Put(tx, s.ID, s)
			}
		}
		return nil
	})
	step := func(account, command string, says ...string) {
		r.t.Helper()
		wait := func() {}
		if account != "" {
			wait = r.looks(account)
		}
		out := r.do("", command).out
		wait()
		for _, text := range says {
			if !strings.Contains(out, text) {
				r.t.Errorf("steelyard %s does not say %q:\n%s", command, text, out)
			}
		}
	}
	step("admin", "server node web1 --yes --reason hosting", "admin", "no hosting node", "is a hosting node")
	step("bob", "server inspect web1", "left over", "bob", "1 left over")
	step("", "server inspection web1", "bob")
	r.refusedByRule("server erase web1 --yes")
	step("", "server clear-left-overs web1 --yes --reason ours", "counts as clean")
	step("", "server end-node web1 --yes --reason sold", "is no hosting node any more")
}

func TestS9_TheVerdictOfAnInspectionIsInWords(t *testing.T) {
	for want, r := range map[string]record{
		"It is no hosting node":   {"node": false},
		"Nothing is left over.":   {"node": true, "clean": true},
		"2 kinds of things could": {"node": true, "clean": false, "left_over": 0.0},
		"3 left over.":            {"node": true, "clean": false, "left_over": 3.0},
	} {
		if got := verdictOf(r, r["node"].(bool), 2); !strings.Contains(got, want) {
			t.Errorf("%q does not say %q", got, want)
		}
	}
}
