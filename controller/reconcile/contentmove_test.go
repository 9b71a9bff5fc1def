package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// hosts puts n things of customers on a server: accounts and databases in turn.
func (s *shop) hosts(server string, n int) {
	s.t.Helper()
	for i := range n {
		d := intake.PlacementDraft{Kind: hosting.Account, Name: fmt.Sprintf("n%d.example.org", i), Server: server, DiskMiB: 10}
		if i%2 == 1 {
			d.Kind, d.Name = hosting.Database, fmt.Sprintf("db%d", i)
		}
		_, _, err := s.intake.Place(context.Background(), ann, d)
		s.ok(err)
	}
}

func (s *shop) moves(from, to string) operation.Operation {
	s.t.Helper()
	op, err := s.intake.MoveContent(context.Background(), ann, from, to, "it is old")
	s.ok(err)
	return op
}

func (s *shop) operation(id string) operation.Operation {
	s.t.Helper()
	op, ok := store.Operations.View(s.store, id)
	if !ok {
		s.t.Fatalf("operation %s is gone", id)
	}
	return *op
}

// copied closes the task by which a person was asked to copy.
func (s *shop) copied(op string) {
	s.t.Helper()
	for i := range store.Tasks.Items(s.store.Snapshot()) {
		if k := i.Value; k.Operation == op && k.Kind == task.Manual && k.State == task.Open {
			_, _, err := s.intake.EndTask(context.Background(), ann, k.ID, "copied")
			s.ok(err)
			return
		}
	}
	s.t.Fatalf("nobody is asked to copy for %s: %v", op, s.openTasks())
}

// on counts what is on a server by its load, and by the placements themselves.
func (s *shop) on(server string) (load, placed uint64) {
	if l, ok := store.Loads.View(s.store, server); ok {
		load = l.Placements
	}
	for p := range store.Placements.Items(s.store.Snapshot()) {
		if p.Value.Server == server {
			placed++
		}
	}
	return load, placed
}

func (s *shop) has(server string, want uint64) {
	s.t.Helper()
	if load, placed := s.on(server); load != want || placed != want {
		s.t.Fatalf("server %s has %d things, %d by its load; not %d", server, placed, load, want)
	}
}

func TestH6_AContentMoveKeepsBothServersFromEverybody(t *testing.T) {
	inShop(t, func(s *shop) {
		from, to, acme := s.machine(), s.machine(), s.reseller("acme", 5)
		s.hosts(from, 2*atOnce+1)
		op := s.moves(from, to)
		for _, server := range []string{from, to} {
			srv := s.server(server)
			if srv.ContentMove != op.ID || srv.Operation != op.ID || s.label(server) == fleet.LabelUnassigned {
				t.Fatalf("server %s takes part in %q, is %s, and runs %q", server, srv.ContentMove, s.label(server), srv.Operation)
			}
			_, _, _, err := s.intake.Sell(context.Background(), ann, acme, server)
			refused(t, err, op.ID)
			if a := s.assign(server); a.Servers[0].Outcome == "assigned" || !strings.Contains(a.Servers[0].Message, op.ID) {
				t.Errorf("%+v", a)
			}
			_, _, err = s.intake.Place(context.Background(), ann, intake.PlacementDraft{Kind: hosting.Mailbox, Name: "a@example.org", Server: server})
			refused(t, err, op.ID)
			_, err = s.intake.RequestOperation(context.Background(), ann, intake.OperationWish{Server: server, Kind: operation.Diagnose}, nil)
			refused(t, err, op.ID)
			_, _, err = s.intake.SetRoles(context.Background(), ann, server, 0, intake.RolesDraft{})
			if err == nil {
				t.Errorf("the roles of %s changed", server)
			}
			_, err = s.store.Change(context.Background(), func(tx *store.Tx) error {
				_, err := intake.ForOrder(tx, server, fleet.Surroundings{Connected: true})
				return err
			})
			refused(t, err, op.ID)
		}
		third := s.machine()
		for _, pair := range [][2]string{{from, third}, {third, to}} {
			_, err := s.intake.MoveContent(context.Background(), ann, pair[0], pair[1], "again")
			refused(t, err, op.ID)
		}

		s.copied(op.ID)
		s.has(from, 0)
		s.has(to, 2*atOnce+1)
		if op = s.operation(op.ID); op.State != operation.Done || len(s.openTasks()) != 0 {
			t.Errorf("%+v; tasks %v", op, s.openTasks())
		}
		for _, server := range []string{from, to} {
			if srv := s.server(server); srv.ContentMove != "" || srv.Operation != "" || srv.Last != nil {
				t.Errorf("%+v", srv)
			}
		}
		s.assigned(from) // nothing is on it any more
	})
}

func TestH6_ACanceledContentMoveLeavesEverythingWhereItIs(t *testing.T) {
	inShop(t, func(s *shop) {
		from, to := s.machine(), s.machine()
		s.hosts(from, 3)
		op := s.moves(from, to)
		_, err := s.intake.CancelOperation(context.Background(), ann, op.ID, "not now")
		s.ok(err)
		s.has(from, 3)
		s.has(to, 0)
		if got := s.operation(op.ID); got.State != operation.Canceled || len(s.openTasks()) != 0 {
			t.Errorf("%+v; tasks %v", got, s.openTasks())
		}
		s.assigned(to)
	})
}

// TestX4_AnUncopiedContentMoveIsHeld: nobody closes the task; a person has it tried again, and in the end nobody decides.
func TestX4_AnUncopiedContentMoveIsHeld(t *testing.T) {
	inShop(t, func(s *shop) {
		from, to := s.machine(), s.machine()
		s.hosts(from, 3)
		op := s.moves(from, to)
		wait := func(state string) {
			t.Helper()
			for range 200 {
				if s.operation(op.ID).State == state {
					return
				}
				time.Sleep(time.Hour)
				synctest.Wait()
			}
			t.Fatalf("%+v", s.operation(op.ID))
		}
		wait(operation.Held)
		_, err := s.intake.RetryOperation(context.Background(), ann, op.ID, "it is being copied")
		s.ok(err)
		wait(operation.Held)
		wait(operation.Failed)
		s.has(from, 3)
		if srv := s.server(to); srv.ContentMove != "" || srv.Operation != "" {
			t.Errorf("%+v", srv)
		}
	})
}

func TestH13_NoContentIsMovedFromOrToAnAssignedServer(t *testing.T) {
	inShop(t, func(s *shop) {
		used, assigned := s.machine(), s.machine()
		s.hosts(used, 2)
		s.assigned(assigned)
		_, err := s.intake.MoveContent(context.Background(), ann, used, assigned, "room")
		refused(t, err, "gold", "unassign")
		_, err = s.intake.MoveContent(context.Background(), ann, assigned, used, "room")
		refused(t, err, "gold", "unassign")
	})
}

func TestH6_AContentMoveNeedsAServerThatTakesAll(t *testing.T) {
	for name, c := range map[string]struct {
		change func(s *shop, from, to string)
		word   string
	}{
		"nothing there": {func(s *shop, from, _ string) {
			for p := range store.Placements.Items(s.store.Snapshot()) {
				_, err := s.intake.Unplace(context.Background(), ann, p.Value.ID, p.ModRev)
				s.ok(err)
			}
		}, "nothing"},
		"no mysql": {func(s *shop, _, to string) {
			s.edit(to, func(srv *fleet.Server) { srv.Roles = srv.Roles[:2] })
		}, "no mysql server"},
		"no room": {func(s *shop, _, to string) {
			s.change(func(tx *store.Tx) error {
				f, err := store.Facts.Get(tx, to)
				f.Configuration.Disks = nil
				return cmp.Or(err, store.Facts.Put(tx, to, f))
			})
		}, "oversold"},
		"another owner": {func(s *shop, _, to string) {
			_, _, _, err := s.intake.Sell(context.Background(), ann, s.reseller("acme", 5), to)
			s.ok(err)
		}, "different owners"},
		"pending": {func(s *shop, _, to string) {
			s.edit(to, func(srv *fleet.Server) { srv.Approval = fleet.Pending })
		}, "approve"},
		"an operation on it": {func(s *shop, _, to string) {
			s.edit(to, func(srv *fleet.Server) { srv.Operation = "opn-other" })
		}, "opn-other"},
	} {
		t.Run(name, func(t *testing.T) {
			inShop(t, func(s *shop) {
				from, to := s.machine(), s.machine()
				s.hosts(from, 2)
				c.change(s, from, to)
				_, err := s.intake.MoveContent(context.Background(), ann, from, to, "it is old")
				refused(t, err, c.word)
				_, err = s.intake.MoveContent(context.Background(), ann, from, from, "it is old")
				refused(t, err, "itself")
				if s.server(from).ContentMove != "" || s.server(to).ContentMove != "" {
					t.Error("it began all the same")
				}
			})
		})
	}
}

// contentMoved: what is on a server goes to another one; the first time somebody thinks better of it.
func contentMoved(s *saga) {
	from, to := s.enrol(1, machine(1, 1, 1)), s.enrol(2, machine(2, 1, 1))
	s.untilAvailable(from)
	s.untilAvailable(to)
	s.must(func(*intake.Intake) error {
		l := s.current()
		if l == nil {
			return fault.Unavailable("the controller is away")
		}
		_, err := l.store.Change(s.ctx, func(tx *store.Tx) error { return cmp.Or(hostsWeb(tx, from), hostsWeb(tx, to)) })
		return err
	})
	for i := range 3 {
		name := fmt.Sprintf("n%d.example.org", i)
		s.must(func(in *intake.Intake) error {
			_, _, err := in.Place(s.ctx, ann, intake.PlacementDraft{Kind: hosting.Account, Name: name, Server: from, DiskMiB: 5})
			if fault.Is(err, fault.KindInvalid) {
				return nil // the domain is taken: it was heard the first time
			}
			return err
		})
	}
	first := s.moveContent(from, to)
	s.must(func(in *intake.Intake) error {
		_, err := in.CancelOperation(s.ctx, ann, first, "not now")
		if fault.Is(err, fault.KindRefused) {
			return nil // it was heard the first time
		}
		return err
	})
	s.until("the move is canceled", func(l *ledger) bool { return l.ops[first].State == operation.Canceled && l.loads[from].Placements == 3 })
	second := s.moveContent(from, to)
	s.until("a person is asked to copy", func(l *ledger) bool { return l.copying(second) != "" })
	k := read(s.ledger, func(l *ledger) string { return l.copying(second) })
	s.must(func(in *intake.Intake) error {
		_, _, err := in.EndTask(s.ctx, ann, k, "copied")
		return err
	})
	s.until("everything is moved", func(l *ledger) bool {
		return l.ops[second].State == operation.Done && l.loads[from].Placements == 0 && l.loads[to].Placements == 3 && l.servers[to].ContentMove == "" && l.openFor(second) == 0
	})
}

// copying is the open task by which a person is asked to copy.
func (l *ledger) copying(op string) string {
	for id, k := range l.tasks {
		if k.Operation == op && k.Kind == task.Manual && k.State == task.Open {
			return id
		}
	}
	return ""
}

// moveContent begins a move once, however often it has to be said.
func (s *saga) moveContent(from, to string) (id string) {
	s.t.Helper()
	s.must(func(in *intake.Intake) error {
		op, err := in.MoveContent(s.ctx, ann, from, to, "it is old")
		if id = op.ID; !fault.Is(err, fault.KindRefused) {
			return err
		}
		id = read(s.ledger, func(l *ledger) string { return l.servers[from].ContentMove })
		if id == "" {
			return err
		}
		return nil // it was heard the first time
	})
	return id
}

// hostsWeb gives a server a web server.
func hostsWeb(tx *store.Tx, server string) error {
	s, err := store.Servers.Get(tx, server)
	if err != nil {
		return err
	}
	s.Roles = []fleet.LogicalServer{{Type: reselling.Web, Group: twoGroups}}
	return store.Servers.Put(tx, server, s)
}
