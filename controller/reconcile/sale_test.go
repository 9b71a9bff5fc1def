package reconcile

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// looked is what an inspection finds: accounts, and nothing else; everything else could be looked at unless unseen says why not.
func looked(unseen string, accounts ...string) *protocol.Inspection {
	in := &protocol.Inspection{}
	for _, kind := range protocol.InspectKinds {
		s := protocol.Subject{Kind: kind, Items: []protocol.Found{}}
		switch kind {
		case protocol.InspectAccounts:
			for _, name := range accounts {
				s.Items = append(s.Items, protocol.Found{Name: name})
			}
			s.Count = len(accounts)
		case protocol.InspectDatabases:
			s.Unseen = unseen
		}
		in.Subjects = append(in.Subjects, s)
	}
	return in
}

// finding are agents whose inspections find this.
func (w *world) finding(unseen string, accounts ...string) func(protocol.Command) (protocol.Result, bool) {
	return func(c protocol.Command) (protocol.Result, bool) {
		res, ok := w.obedient(c)
		if c.Kind == protocol.CommandInspect {
			res.Inspection = looked(unseen, accounts...)
		}
		return res, ok
	}
}

const acme = "rsl-0000000000000001"

// node makes a server one that customers' accounts live on.
func (w *world) node(server string) {
	w.t.Helper()
	w.change(func(tx *store.Tx) error { return makeNode(tx, server, false) })
}

func makeNode(tx *store.Tx, server string, dirty bool) error {
	s, err := store.Servers.Get(tx, server)
	if err != nil {
		return err
	}
	s.Node = &fleet.Node{Note: fleet.Note{Reason: "web"}}
	if dirty {
		s.Cleanliness = fleet.Dirty
	}
	return store.Servers.Put(tx, server, s)
}

func (w *world) sold(server string) string {
	w.t.Helper()
	sale, _, _, err := w.intake.Sell(context.Background(), ann, acme, server)
	if err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
	return sale.ID
}

// says decides something about a sale.
func (w *world) says(decide func(context.Context, string) error, sale string) {
	w.t.Helper()
	if err := decide(context.Background(), sale); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
}

func (w *world) revoke(ctx context.Context, sale string) error {
	_, _, err := w.intake.Revoke(ctx, ann, sale, "unpaid")
	return err
}

func (w *world) goOn(ctx context.Context, sale string) error {
	_, _, err := w.intake.ContinueRevoke(ctx, ann, sale, "they are old")
	return err
}

func (w *world) keep(ctx context.Context, sale string) error {
	_, _, err := w.intake.CancelRevoke(ctx, ann, sale, "paid")
	return err
}

func (w *world) sale(id string) reselling.Sale {
	w.t.Helper()
	s, ok := store.Sales.View(w.store, id)
	if !ok {
		w.t.Fatalf("sale %s is gone", id)
	}
	return *s
}

func (w *world) label(server string) fleet.Label {
	s := w.server(server)
	load, _ := store.Loads.View(w.store, server)
	return fleet.LabelOf(&s, fleet.Usage{Placed: load != nil && load.Placements > 0})
}

// count is how many servers the reseller has by his record.
func (w *world) count() uint64 {
	r, _ := store.Resellers.View(w.store, acme)
	return r.Servers
}

func (w *world) sellable(server string) error {
	sale, _, _, err := w.intake.Sell(context.Background(), ann, acme, server)
	if err == nil {
		synctest.Wait()
		w.says(w.revoke, sale.ID)
	}
	return err
}

func TestS8_S10_ACleanNodeIsReleasedAndFree(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.enrol(machine(1, 1, 1))
		w.node(id)
		sale, epoch := w.sold(id), w.server(id).Epoch
		if w.label(id) != fleet.LabelSold || w.count() != 1 {
			t.Fatalf("it is %s, he has %d", w.label(id), w.count())
		}
		w.says(w.revoke, sale)
		v, s := w.sale(sale), w.server(id)
		if v.State != reselling.Revoked || v.RevokedBy != "ann" || v.Reason != "unpaid" || v.RevokedAt.IsZero() || !strings.Contains(v.Message, "it is free") {
			t.Errorf("the sale is %+v", v)
		}
		if w.label(id) != fleet.LabelFree || s.Epoch <= epoch || s.FreeSince.Before(v.SoldAt) || w.count() != 0 || len(w.openTasks()) != 0 {
			t.Errorf("the server is %s, %+v; he has %d; tasks %v", w.label(id), s, w.count(), w.openTasks())
		}
		if _, in := store.SalesOf.View(w.store, id); in {
			t.Error("it is in a sale still")
		}
		if i, ok := store.Inspections.View(w.store, id); !ok || i.Server != id {
			t.Error("nobody looked at it")
		}
		if err := w.sellable(id); err != nil {
			t.Errorf("it cannot be sold again: %v", err)
		}
	})
}

func TestS9_WhatIsLeftAsksAndIsKeptOrCleanedUp(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.enrol(machine(1, 1, 1))
		w.node(id)
		sale := w.sold(id)
		w.obey(w.finding("", "bob", "eve"))
		w.says(w.revoke, sale)
		v := w.sale(sale)
		if v.State != reselling.Asking || !slices.Equal(v.LeftOvers, []string{"account bob", "account eve"}) || w.label(id) != fleet.LabelSold {
			t.Fatalf("the sale is %+v, the server %s", v, w.label(id))
		}
		k, _ := store.Tasks.View(w.store, w.openTasks()[intake.SaleKey(sale)])
		if k == nil || !strings.Contains(k.Body, "account eve") || !strings.Contains(k.Body, "steelyard sale continue "+sale) {
			t.Errorf("the task is %+v", k)
		}

		w.says(w.keep, sale)
		if v = w.sale(sale); v.State != reselling.Sold || len(v.LeftOvers) != 0 || v.Reason != "" || w.count() != 1 || len(w.openTasks()) != 0 {
			t.Errorf("canceled: %+v, %v", v, w.openTasks())
		}
		w.says(w.keep, sale) // again

		w.says(w.revoke, sale)
		w.says(w.goOn, sale)
		v, s := w.sale(sale), w.server(id)
		if v.State != reselling.Revoked || v.Accepted.Actor != "ann" || v.Accepted.Reason != "they are old" || len(v.LeftOvers) != 2 || !strings.Contains(v.Message, "cleanup required") {
			t.Errorf("continued: %+v", v)
		}
		if w.label(id) != fleet.LabelCleanup || s.LeftOvers.Count != 2 || w.openTasks()[intake.SaleKey(sale)] != "" || w.count() != 0 {
			t.Errorf("the server is %s, %+v", w.label(id), s.LeftOvers)
		}
		if err := w.sellable(id); !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "former owner") {
			t.Errorf("it is sold again: %v", err)
		}

		w.obey(w.obedient)
		if _, err := w.intake.RequestOperation(context.Background(), ann, intake.OperationWish{Server: id, Kind: operation.Inspect}, nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if w.label(id) != fleet.LabelFree || len(w.openTasks()) != 0 {
			t.Errorf("re-checked, it is %s with %v", w.label(id), w.openTasks())
		}
		if err := w.sellable(id); err != nil {
			t.Errorf("re-checked, it cannot be sold: %v", err)
		}
	})
}

// TestS9_WhatCannotBeLookedAtAsks: the agent is away, cannot look, or could not look at all of it.
func TestS9_WhatCannotBeLookedAtAsks(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(w *world, id string)
		words string
	}{
		"the agent is away": {func(w *world, id string) {
			w.change(func(tx *store.Tx) error { return store.Presences.Delete(tx, id) })
		}, "not connected"},
		"the agent goes away": {func(w *world, id string) {
			w.obey(w.silentFor(protocol.CommandInspect))
		}, "the inspection failed"},
		"it cannot": {func(w *world, id string) {
			w.obey(w.refusing(protocol.CommandInspect, fault.Refused("it runs from memory")))
		}, "it runs from memory"},
		"one service does not answer": {func(w *world, _ string) { w.obey(w.finding("the database server does not answer")) }, "could be looked at"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				id := w.enrol(machine(1, 1, 1))
				w.node(id)
				sale := w.sold(id)
				c.spoil(w, id)
				w.says(w.revoke, sale)
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				if v := w.sale(sale); v.State != reselling.Asking || !strings.Contains(v.Message+strings.Join(v.LeftOvers, " "), c.words) {
					t.Fatalf("the sale is %+v", v)
				}
				w.says(w.goOn, sale)
				s := w.server(id)
				if v := w.sale(sale); v.State != reselling.Revoked || s.LeftOvers == nil || s.LeftOvers.Unseen == 0 || w.label(id) != fleet.LabelCleanup {
					t.Errorf("the sale is %+v, the server %s, %+v", v, w.label(id), s.LeftOvers)
				}
			})
		})
	}
}

// TestS8_WhatCameMeanwhileKeepsTheServer although nothing can come: it is counted again.
func TestS8_WhatCameMeanwhileKeepsTheServer(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.enrol(machine(1, 1, 1))
		w.node(id)
		sale := w.sold(id)
		w.obey(w.silentFor(protocol.CommandInspect))
		w.says(w.revoke, sale)
		if v := w.sale(sale); v.State != reselling.Revoking || v.Operation == "" {
			t.Fatalf("the sale is %+v", v)
		}
		w.change(func(tx *store.Tx) error {
			if err := store.Placements.Put(tx, "plc-1", hosting.Placement{ID: "plc-1", Server: id, Kind: hosting.Database, Name: "shop", State: hosting.Making}); err != nil {
				return err
			}
			return store.Loads.Put(tx, id, hosting.Load{Placements: 1})
		})
		op := w.operationOf(id)
		res, _ := w.obedient(protocol.Command{ID: op.Steps[0].CommandID, Operation: op.ID, Server: id, Step: op.Steps[0].Name, Epoch: op.Epoch, Kind: protocol.CommandInspect})
		if err := w.intake.Result(context.Background(), id, res); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if v := w.sale(sale); v.State != reselling.Sold || !strings.Contains(v.Message, "database shop (making)") || w.label(id) != fleet.LabelSold {
			t.Errorf("the sale is %+v", v)
		}
	})
}

// TestS8_ABareServerIsNotFreeBeforeAPersonHasItErased: nothing destructive happens by itself.
func TestS8_ABareServerIsNotFreeBeforeAPersonHasItErased(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.enrol(machine(1, 1, 1))
		sale := w.sold(id)
		erased := store.Erasures.Len(w.store.Snapshot())
		w.says(w.revoke, sale)
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		v, s := w.sale(sale), w.server(id)
		if v.State != reselling.Revoked || !strings.Contains(v.Message, "steelyard server commission") || s.Cleanliness != fleet.Dirty || s.InService || w.label(id) != fleet.LabelCleanup {
			t.Fatalf("the sale is %+v, the server %+v", v, s)
		}
		if n := store.Erasures.Len(w.store.Snapshot()); n != erased {
			t.Fatalf("%d disks were erased by themselves", n-erased)
		}
		if _, _, err := w.intake.CommissionServer(context.Background(), ann, id, "", true); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if w.label(id) != fleet.LabelFree || !w.stock.Index.Available(id) || store.Erasures.Len(w.store.Snapshot()) != erased+1 {
			t.Errorf("commissioned, it is %s: %+v", w.label(id), w.stock.Index.Reasons(id))
		}
	})
}

// TestS8_ARunningOperationIsWaitedFor before anything is released.
func TestS8_ARunningOperationIsWaitedFor(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.enrol(machine(1, 1, 1))
		sale := w.sold(id)
		w.obey(w.silentFor(protocol.CommandDiagnose))
		if _, err := w.intake.RequestOperation(context.Background(), ann, intake.OperationWish{Server: id, Kind: operation.Diagnose}, nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.says(w.revoke, sale)
		if v := w.sale(sale); v.State != reselling.Revoking || !strings.Contains(v.Message, w.server(id).Operation) {
			t.Errorf("the sale is %+v", v)
		}
		if _, err := w.intake.CancelOperation(context.Background(), ann, w.server(id).Operation, "enough"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if v := w.sale(sale); v.State != reselling.Revoked {
			t.Errorf("the sale is %+v", v)
		}
	})
}

// soldAndTakenBack: a hosting node with left-overs is kept once, then released, and clean after all; a bare server has to be erased.
func soldAndTakenBack(s *saga) {
	var tidy bool
	s.tempered = func(_ *puppet, c protocol.Command) temper {
		if c.Kind == protocol.CommandInspect && !tidy {
			return temper{left: []string{"bob"}}
		}
		return temper{}
	}
	node, bare := s.enrol(1, machine(1, 1, 1)), s.enrol(2, machine(2, 1, 1))
	s.untilAvailable(node)
	s.untilAvailable(bare)
	s.must(func(*intake.Intake) error {
		l := s.current()
		if l == nil {
			return fault.Unavailable("the controller is away")
		}
		_, err := l.store.Change(s.ctx, func(tx *store.Tx) error { return makeNode(tx, node, false) })
		return err
	})
	of, other := s.sell(node), s.sell(bare)
	s.rule(other, (*intake.Intake).Revoke)
	s.rule(of, (*intake.Intake).Revoke)
	s.untilSale(of, reselling.Asking)
	s.rule(of, (*intake.Intake).CancelRevoke)
	s.untilSale(of, reselling.Sold)
	s.rule(of, (*intake.Intake).Revoke)
	s.untilSale(of, reselling.Asking)
	s.rule(of, (*intake.Intake).ContinueRevoke)
	s.untilSale(of, reselling.Revoked)
	s.untilSale(other, reselling.Revoked)
	tidy = true
	s.must(func(in *intake.Intake) error {
		_, err := in.RequestOperation(s.ctx, ann, intake.OperationWish{Server: node, Kind: operation.Inspect}, nil)
		if fault.Is(err, fault.KindRefused) {
			return nil // it runs already
		}
		return err
	})
	s.must(func(in *intake.Intake) error { return second(in.CommissionServer(s.ctx, ann, bare, "", true)) })
	s.untilAvailable(bare)
	s.until("the node is clean", func(l *ledger) bool { return l.servers[node].LeftOvers == nil && l.servers[node].Operation == "" })
}

// sell sells a server once, however often it has to be said.
func (s *saga) sell(server string) (sale string) {
	s.t.Helper()
	s.must(func(in *intake.Intake) error {
		made, _, _, err := in.Sell(s.ctx, ann, acme, server)
		sale = made.ID
		return err
	})
	return sale
}

// rule decides about a sale, however often it has to be said: a revocation that is said again looks again, and there is nothing to decide
// meanwhile.
func (s *saga) rule(sale string, f func(*intake.Intake, context.Context, access.Actor, string, string) (reselling.Sale, int64, error)) {
	s.t.Helper()
	s.must(func(in *intake.Intake) error {
		_, _, err := f(in, s.ctx, ann, sale, "because")
		heard := func(l *ledger) bool { return l.sales[sale].Accepted != nil || l.sales[sale].State == reselling.Revoked }
		switch {
		case !fault.Is(err, fault.KindRefused):
			return err
		case read(s.ledger, heard):
			return nil // it was heard the first time
		}
		return fault.Unavailable("it is looked at again: %w", err)
	})
}

func (s *saga) untilSale(id, state string) {
	s.t.Helper()
	s.until("sale "+id+" "+state, func(l *ledger) bool { return l.sales[id].State == state })
}

// taken is a server that is sold, that something happens to, and that is taken back.
func taken(f func(*roaming)) func(*roaming) {
	return func(r *roaming) {
		r.ready()
		sale := r.sold()
		f(r)
		_, _, err := r.intake.Revoke(ctx, ann, sale, "unpaid")
		r.do(err)
		r.h.settle()
	}
}

// trade sells the server and takes it back.
func (r *roaming) trade() {
	r.t.Helper()
	sale := r.sold()
	_, _, err := r.intake.Revoke(ctx, ann, sale, "unpaid")
	r.do(err)
	r.h.settle()
}

func (r *roaming) sold() string { r.t.Helper(); return r.world.sold(r.id) }

// node makes the server a hosting node, whose disks were erased before, or hold a system that was there.
func (r *roaming) node(dirty bool) {
	r.t.Helper()
	r.ready()
	r.change(func(tx *store.Tx) error { return makeNode(tx, r.id, dirty) })
}

const bolt = "rsl-0000000000000002"

// soldOn is a server that acme was sold and has sold on to bolt, who is below him: both sales.
func (w *world) soldOn(server string) (first, second string) {
	w.t.Helper()
	first = w.sold(server)
	seller := access.Actor{Name: "boss", Role: access.RoleReseller, Reseller: acme}
	w.change(func(tx *store.Tx) error {
		up, err := store.Resellers.Get(tx, acme)
		if err != nil {
			return err
		}
		up.Email = "boss@example.org"
		if err := store.Resellers.Put(tx, acme, up); err != nil {
			return err
		}
		return store.Resellers.Put(tx, bolt, reselling.Reseller{
			ID: bolt, Name: "bolt", Parent: acme, Path: up.Path + "/" + bolt, State: reselling.Active, Limits: reselling.Limits{reselling.Servers: reselling.AtMost(1)},
		})
	})
	sale, _, _, err := w.intake.Sell(context.Background(), seller, bolt, server)
	if err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
	return first, sale.ID
}

// has is how many servers a reseller has by his record.
func (w *world) has(reseller string) uint64 {
	r, _ := store.Resellers.View(w.store, reseller)
	return r.Servers
}

// TestS7_S10_WhatWasSoldOnGoesBackToTheSeller, and to the provider when he takes it back from the seller: not before.
func TestS7_S10_WhatWasSoldOnGoesBackToTheSeller(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.enrol(machine(1, 1, 1))
		w.node(id)
		first, second := w.soldOn(id)
		if c := w.server(id).Claim; c.Ref != bolt || w.has(acme) != 1 || w.has(bolt) != 1 || w.label(id) != fleet.LabelSold {
			t.Fatalf("it is %+v; acme has %d, bolt %d", c, w.has(acme), w.has(bolt))
		}
		if _, _, err := w.intake.Revoke(context.Background(), ann, first, "unpaid"); !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "sold on to bolt") || !strings.Contains(err.Error(), second) {
			t.Errorf("taken back from acme: %v", err)
		}
		epoch := w.server(id).Epoch
		w.says(w.revoke, second)
		v, s := w.sale(second), w.server(id)
		if v.State != reselling.Revoked || !strings.Contains(v.Message, "acme's again") || s.Claim.Ref != acme || s.Claim.Owner != acme || s.Epoch <= epoch || w.label(id) != fleet.LabelSold {
			t.Errorf("the sale is %+v, the server %+v", v, s.Claim)
		}
		if w.has(acme) != 1 || w.has(bolt) != 0 || w.sale(first).State != reselling.Sold {
			t.Errorf("acme has %d, bolt %d; the first sale is %+v", w.has(acme), w.has(bolt), w.sale(first))
		}
		w.says(w.revoke, first)
		if w.label(id) != fleet.LabelFree || w.has(acme) != 0 || len(w.openTasks()) != 0 {
			t.Errorf("at the end it is %s, acme has %d; tasks %v", w.label(id), w.has(acme), w.openTasks())
		}
	})
}

// TestS9_TheSellerIsAskedWhatIsLeft of a server that he sold on; when he continues it is his, and sold on to nobody before it is clean.
func TestS9_TheSellerIsAskedWhatIsLeft(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.enrol(machine(1, 1, 1))
		w.node(id)
		_, second := w.soldOn(id)
		w.obey(w.finding("", "bob"))
		w.says(w.revoke, second)
		if v := w.sale(second); v.State != reselling.Asking || !slices.Equal(v.LeftOvers, []string{"account bob"}) {
			t.Fatalf("the sale is %+v", v)
		}
		var letters []string
		for d := range store.Deliveries.Items(w.store.Snapshot()) {
			if l, ok := store.Letters.View(w.store, d.ID); ok && strings.Contains(l.Body, "account bob") {
				letters = append(letters, d.Value.To)
			}
		}
		if !slices.Equal(letters, []string{"boss@example.org"}) || w.openTasks()[intake.SaleKey(second)] == "" {
			t.Errorf("letters to %v, tasks %v", letters, w.openTasks())
		}
		boss, below := access.Actor{Name: "boss", Role: access.RoleReseller, Reseller: acme}, access.Actor{Name: "kid", Role: access.RoleReseller, Reseller: acme + "/" + bolt}
		if _, _, err := w.intake.ContinueRevoke(context.Background(), below, second, "let me go"); !fault.Is(err, fault.KindRefused) {
			t.Errorf("the buyer decides: %v", err)
		}
		w.says(func(ctx context.Context, sale string) error {
			_, _, err := w.intake.ContinueRevoke(ctx, boss, sale, "they are old")
			return err
		}, second)
		s := w.server(id)
		if v := w.sale(second); v.State != reselling.Revoked || s.Claim.Ref != acme || s.LeftOvers == nil || s.LeftOvers.Count != 1 || len(w.openTasks()) != 0 {
			t.Errorf("continued: %+v, the server %+v, %v", v, s, w.openTasks())
		}
		if _, _, _, err := w.intake.Sell(context.Background(), boss, bolt, id); !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "former owner") {
			t.Errorf("sold on again: %v", err)
		}
	})
}

// TestS8_ABareServerThatWasSoldOnIsDirty when it comes back: the seller keeps it, and nobody else gets it before the provider has had it erased.
func TestS8_ABareServerThatWasSoldOnIsDirty(t *testing.T) {
	inWorld(t, func(w *world) {
		id := w.enrol(machine(1, 1, 1))
		first, second := w.soldOn(id)
		w.says(w.revoke, second)
		boss := access.Actor{Name: "boss", Role: access.RoleReseller, Reseller: acme}
		s := w.server(id)
		if v := w.sale(second); v.State != reselling.Revoked || s.Claim.Ref != acme || s.Cleanliness != fleet.Dirty || !s.InService {
			t.Fatalf("the sale is %+v, the server %+v", v, s)
		}
		if _, _, _, err := w.intake.Sell(context.Background(), boss, bolt, id); !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "not proven clean") {
			t.Errorf("sold on again: %v", err)
		}
		w.says(w.revoke, first)
		if w.label(id) != fleet.LabelCleanup {
			t.Errorf("it is %s", w.label(id))
		}
	})
}
