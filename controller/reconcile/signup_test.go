package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

const twoGroups = "sgr-all"

// allotable stores an available server that may be assigned to a plan, too.
func allotable(tx *store.Tx, n int, now time.Time) (string, error) {
	server := fmt.Sprintf("srv-%016d", n)
	inv := machine(n, 1, 1)
	inv.OS = hardware.OS{Name: "Debian GNU/Linux 13", ID: "debian", Kernel: "6.12"}
	c := inv.Configuration()
	return server, cmp.Or(
		store.ServerGroups.Put(tx, twoGroups, reselling.ServerGroup{ID: twoGroups, Name: "all", Types: []string{reselling.Web, reselling.Mail, reselling.MySQL}}),
		store.Facts.Put(tx, server, fleet.Facts{Server: server, At: now, Digest: inv.Digest(), Inventory: inv, Configuration: c, Key: c.Key()}),
		store.Presences.Put(tx, server, fleet.Presence{Server: server}),
		store.Servers.Put(tx, server, fleet.Server{
			ID: server, Name: server, Location: "loc-1", Environment: protocol.EnvSimulated, Identity: inv.Identity, Approval: fleet.Approved,
			Claim: fleet.Claim{Kind: fleet.ClaimNone, Since: now}, Cleanliness: fleet.Clean, CleanSince: now, InService: true, CreatedAt: now, FreeSince: now,
			Diagnosis: &fleet.DiagnosisSummary{ID: "opn-1", At: now, Checks: []protocol.Check{{Name: "cpu", Verdict: protocol.VerdictOK}}, ConfigurationKey: c.Key()},
			Roles: []fleet.LogicalServer{
				{Type: reselling.Web, Group: twoGroups}, {Type: reselling.Mail, Group: twoGroups}, {Type: reselling.MySQL, Group: twoGroups},
			},
		}))
}

// shop is a world with a plan and resellers.
type shop struct {
	*world
	plan reselling.Plan
	n    int
}

func inShop(t *testing.T, f func(s *shop)) {
	t.Helper()
	inWorld(t, func(w *world) {
		s := &shop{world: w}
		var err error
		if s.plan, _, err = w.intake.CreatePlan(context.Background(), ann, intake.PlanDraft{Name: "gold", AllocatedServer: true}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		f(s)
	})
}

func (s *shop) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	synctest.Wait()
}

func (s *shop) machine() (server string) {
	s.t.Helper()
	s.n++
	s.change(func(tx *store.Tx) (err error) { server, err = allotable(tx, s.n, time.Now()); return err })
	return server
}

func (s *shop) reseller(name string, servers uint64) string {
	s.t.Helper()
	r, _, err := s.intake.CreateReseller(context.Background(), ann, intake.ResellerDraft{
		Name: name, Company: name, Email: name + "@example.org", Limits: reselling.Limits{reselling.Servers: reselling.AtMost(servers)},
	})
	s.ok(err)
	return r.ID
}

func (s *shop) assign(servers ...string) intake.Assignment {
	s.t.Helper()
	a, _, err := s.intake.AssignAll(context.Background(), ann, s.plan.ID, servers)
	s.ok(err)
	return a
}

func (s *shop) assigned(servers ...string) {
	s.t.Helper()
	for _, a := range s.assign(servers...).Servers {
		if a.Outcome != "assigned" {
			s.t.Fatalf("%+v", a)
		}
	}
}

func (s *shop) signUp(reseller string) string {
	s.t.Helper()
	time.Sleep(time.Second) // in the bubble: one is older than the next
	su, _, err := s.intake.SignUp(context.Background(), ann, intake.SignUpDraft{Plan: s.plan.ID, Reseller: reseller})
	s.ok(err)
	return su.ID
}

func (s *shop) got(id string) reselling.SignUp {
	s.t.Helper()
	su, known := store.SignUps.View(s.store, id)
	if !known {
		s.t.Fatalf("sign-up %s is gone", id)
	}
	return *su
}

func (s *shop) is(id, state, server string) {
	s.t.Helper()
	if su := s.got(id); su.State != state || su.Server != server {
		s.t.Fatalf("sign-up %s is %s with server %q, not %s with %q: %s", id, su.State, su.Server, state, server, su.Message)
	}
}

func (s *shop) letters(to string) (subjects []string) {
	for i := range store.Deliveries.Items(s.store.Snapshot()) {
		if i.Value.To == to {
			subjects = append(subjects, i.Value.Event.Data.Subject)
		}
	}
	return subjects
}

func (s *shop) edit(server string, f func(*fleet.Server)) {
	s.t.Helper()
	s.change(func(tx *store.Tx) error {
		srv, err := store.Servers.Get(tx, server)
		f(&srv)
		return cmp.Or(err, store.Servers.Put(tx, server, srv))
	})
}

func refused(t *testing.T, err error, words ...string) {
	t.Helper()
	if !fault.Is(err, fault.KindRefused) {
		t.Fatalf("not refused: %v", err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

// Unassigned → Available → Taken, each by the act of somebody, with the labels that people know.
func TestH2_H8_H9_H11_WhoSignsUpTakesAnAssignedServer(t *testing.T) {
	inShop(t, func(s *shop) {
		server, acme := s.machine(), s.reseller("acme", 1)
		label := func() fleet.Label {
			srv := s.server(server)
			return fleet.LabelOf(&srv, fleet.Usage{Eligible: len(intake.IneligibleIn(s.store.Snapshot(), &srv)) == 0})
		}
		if l := label(); l != fleet.LabelUnassigned {
			t.Errorf("before: %s", l)
		}
		epoch := s.server(server).Epoch
		s.assigned(server)
		if l := label(); l != fleet.LabelAvailable || s.stock.Catalogue.Free() != 0 {
			t.Errorf("assigned: %s, %d in the stock of orders", l, s.stock.Catalogue.Free())
		}
		id := s.signUp(acme)
		s.is(id, reselling.SignUpActive, server)
		srv := s.server(server)
		if l := label(); l != fleet.LabelTaken || srv.Claim.Ref != acme || srv.Claim.Plan != s.plan.ID || srv.Claim.Owner != acme || srv.Epoch < epoch+2 {
			t.Errorf("taken: %s, %+v, epoch %d", l, srv.Claim, srv.Epoch)
		}
		if r, _ := store.Resellers.View(s.store, acme); r.Servers != 1 || r.Taken != 1 || r.Plan != s.plan.ID {
			t.Errorf("the reseller: %+v", r)
		}
		if len(s.openTasks()) != 0 || len(s.letters("acme@example.org")) != 0 {
			t.Errorf("tasks %v, letters %v", s.openTasks(), s.letters("acme@example.org"))
		}
	})
}

// Each gets one, of his plan and nobody else's: what is assigned to another plan is not for him, however long he waits.
func TestH2_EachWhoSignsUpGetsOneServerOfHisPlan(t *testing.T) {
	inShop(t, func(s *shop) {
		silver, _, err := s.intake.CreatePlan(context.Background(), ann, intake.PlanDraft{Name: "silver", AllocatedServer: true})
		s.ok(err)
		gold := []string{s.machine(), s.machine(), s.machine()}
		s.assigned(gold...)
		waits, _, err := s.intake.SignUp(context.Background(), ann, intake.SignUpDraft{Plan: silver.ID, Reseller: s.reseller("delta", 5)})
		s.ok(err)
		s.is(waits.ID, reselling.SignUpModeration, "")
		var got []string
		for _, name := range []string{"acme", "beta"} {
			reseller := s.reseller(name, 5)
			su := s.got(s.signUp(reseller))
			if r, _ := store.Resellers.View(s.store, reseller); r.Servers != 1 || s.server(su.Server).Claim.Ref != reseller {
				t.Errorf("%s has %d servers; %s is %+v", name, r.Servers, su.Server, s.server(su.Server).Claim)
			}
			got = append(got, su.Server)
		}
		if !slices.Contains(gold, got[0]) || !slices.Contains(gold, got[1]) || got[0] == got[1] {
			t.Errorf("they got %v of %v", got, gold)
		}
		s.is(waits.ID, reselling.SignUpModeration, "") // one of the other plan is there still
		own := s.machine()
		a, _, err := s.intake.AssignAll(context.Background(), ann, silver.ID, []string{own})
		s.ok(err)
		if a.Servers[0].Outcome != "assigned" {
			t.Fatalf("%+v", a)
		}
		s.is(waits.ID, reselling.SignUpActive, own)
	})
}

func TestH10_OnlyPlansWithAnAllocatedServerHandOneOut(t *testing.T) {
	inShop(t, func(s *shop) {
		server, acme := s.machine(), s.reseller("acme", 0)
		plain, _, err := s.intake.CreatePlan(context.Background(), ann, intake.PlanDraft{Name: "plain"})
		s.ok(err)
		a, _, err := s.intake.AssignAll(context.Background(), ann, plain.ID, []string{server})
		s.ok(err)
		if a.Servers[0].Outcome != "refused" || !strings.Contains(a.Servers[0].Message, "H10") {
			t.Errorf("%+v", a)
		}
		su, _, err := s.intake.SignUp(context.Background(), ann, intake.SignUpDraft{Plan: plain.ID, Reseller: acme})
		s.ok(err)
		s.is(su.ID, reselling.SignUpActive, "")
		if s.server(server).Claim.Kind != fleet.ClaimNone {
			t.Error("the server went to somebody")
		}
	})
}

func TestH3_H4_H5_AnIneligibleServerIsNotAssigned(t *testing.T) {
	inShop(t, func(s *shop) {
		for rule, spoil := range map[string]func(string){
			"H4": func(id string) { s.edit(id, func(srv *fleet.Server) { srv.Roles = srv.Roles[:2] }) },
			"H5": func(id string) {
				s.change(func(tx *store.Tx) error { return store.Loads.Put(tx, id, hosting.Load{Placements: 2}) })
			},
			"in maintenance": func(id string) {
				s.edit(id, func(srv *fleet.Server) { srv.Maintenance = &fleet.Maintenance{Note: fleet.Note{Reason: "fan"}} })
			},
		} {
			server := s.machine()
			spoil(server)
			if a := s.assign(server).Servers[0]; a.Outcome != "refused" || rule[0] == 'H' && !strings.Contains(a.Message, rule) {
				t.Errorf("%s: %+v", rule, a)
			}
		}
	})
}

// One task and one letter, however long it takes; when a server comes the oldest gets it, by itself, and both are told.
func TestH12_H16_WithoutAServerASignUpIsHeldAndCompletedLaterOldestFirst(t *testing.T) {
	inShop(t, func(s *shop) {
		acme, beta := s.reseller("acme", 5), s.reseller("beta", 5)
		first, second := s.signUp(acme), s.signUp(beta)
		for _, id := range []string{first, second} {
			s.is(id, reselling.SignUpModeration, "")
			if su := s.got(id); !su.Only(reselling.NoServer) {
				t.Errorf("%+v", su.Reasons)
			}
			if s.openTasks()[reselling.ModerationKey(id)] == "" {
				t.Errorf("no task in %v", s.openTasks())
			}
		}
		if l := s.letters("acme@example.org"); len(l) != 1 {
			t.Errorf("letters %q", l)
		}
		one := s.machine()
		s.assigned(one)
		s.is(first, reselling.SignUpActive, one)
		s.is(second, reselling.SignUpModeration, "")
		if s.openTasks()[reselling.ModerationKey(first)] != "" || len(s.openTasks()) != 1 || len(s.letters("acme@example.org")) != 2 || len(s.letters("beta@example.org")) != 1 {
			t.Errorf("tasks %v, letters %q and %q", s.openTasks(), s.letters("acme@example.org"), s.letters("beta@example.org"))
		}
	})
}

func TestH16_OnlyOneWhoLacksNothingElseIsCompleted(t *testing.T) {
	inShop(t, func(s *shop) {
		full, barred, looked, last := s.reseller("full", 0), s.reseller("barred", 5), s.reseller("looked", 5), s.reseller("last", 5)
		a, b, c, d := s.signUp(full), s.signUp(barred), s.signUp(looked), s.signUp(last)
		_, _, err := s.intake.SetResellerState(context.Background(), ann, barred, reselling.Suspended, "does not pay")
		s.ok(err)
		_, _, err = s.intake.HoldSignUp(context.Background(), ann, c, "is that company real?")
		s.ok(err)
		one := s.machine()
		s.assigned(one)
		for id, kind := range map[string]string{a: reselling.ServerLimit, b: reselling.ResellerBarred, c: reselling.HeldByProvider} {
			if su := s.got(id); su.State != reselling.SignUpModeration || !slices.ContainsFunc(su.Reasons, func(h reselling.Hold) bool { return h.Kind == kind }) {
				t.Errorf("%s: %s %+v", kind, su.State, su.Reasons)
			}
		}
		s.is(d, reselling.SignUpActive, one)
		// What spoke against them goes, and servers come.
		_, _, err = s.intake.SetResellerState(context.Background(), ann, barred, reselling.Active, "")
		s.ok(err)
		_, _, err = s.intake.ResumeSignUp(context.Background(), ann, c, "")
		s.ok(err)
		two, three := s.machine(), s.machine()
		s.assigned(two, three)
		s.is(a, reselling.SignUpModeration, "")
		s.is(b, reselling.SignUpActive, two)
		s.is(c, reselling.SignUpActive, three)
		_, _, err = s.intake.CancelSignUp(context.Background(), ann, a, "")
		s.ok(err)
		if len(s.openTasks()) != 0 {
			t.Errorf("tasks %v", s.openTasks())
		}
	})
}

func TestH13_AnAssignedServerIsKept(t *testing.T) {
	inShop(t, func(s *shop) {
		server, acme := s.machine(), s.reseller("acme", 5)
		s.assigned(server)
		_, _, err := s.intake.Place(context.Background(), ann, intake.PlacementDraft{Kind: hosting.Database, Name: "db1", Server: server})
		refused(t, err, "gold", "unassign")
		_, err = s.store.Change(context.Background(), func(tx *store.Tx) error {
			srv, err := store.Servers.Get(tx, server)
			return cmp.Or(err, intake.KeptForPlan(tx, &srv, "its groups cannot be changed"))
		})
		refused(t, err, "gold", "groups")
		_, _, _, err = s.intake.Sell(context.Background(), ann, acme, server)
		refused(t, err, "is assigned to plan "+s.plan.ID)
	})
}

func TestH13_OneThatBecameIneligibleIsPassedOverWithATask(t *testing.T) {
	inShop(t, func(s *shop) {
		bad, good, acme := s.machine(), s.machine(), s.reseller("acme", 5)
		s.assigned(bad, good)
		s.edit(bad, func(srv *fleet.Server) { srv.Roles = srv.Roles[:1] })
		s.is(s.signUp(acme), reselling.SignUpActive, good)
		if s.openTasks()[reselling.SkippedKey(bad)] == "" {
			t.Fatalf("no task in %v", s.openTasks())
		}
		waits := s.signUp(acme)
		s.is(waits, reselling.SignUpModeration, "")
		s.change(func(tx *store.Tx) error { _, err := allotableRoles(tx, bad); return err })
		s.is(waits, reselling.SignUpActive, bad)
		if len(s.openTasks()) != 0 {
			t.Errorf("tasks %v", s.openTasks())
		}
		third := s.machine()
		s.assigned(third)
		s.change(func(tx *store.Tx) error { return store.Loads.Put(tx, third, hosting.Load{Placements: 1}) })
		synctest.Wait()
		if s.openTasks()[reselling.SkippedKey(third)] == "" {
			t.Errorf("no task about what was placed: %v", s.openTasks())
		}
		_, _, err := s.intake.UnassignAll(context.Background(), ann, s.plan.ID, []string{third}, "in use")
		s.ok(err)
		if len(s.openTasks()) != 0 {
			t.Errorf("tasks after it was unassigned: %v", s.openTasks())
		}
	})
}

func allotableRoles(tx *store.Tx, server string) (fleet.Server, error) {
	srv, err := store.Servers.Get(tx, server)
	srv.Roles = []fleet.LogicalServer{{Type: reselling.Web, Group: twoGroups}, {Type: reselling.Mail, Group: twoGroups}, {Type: reselling.MySQL, Group: twoGroups}}
	return srv, cmp.Or(err, store.Servers.Put(tx, server, srv))
}

func TestH14_TwoSignUpsOneServerAndTheOldestAssignmentFirst(t *testing.T) {
	inShop(t, func(s *shop) {
		one, two := s.machine(), s.machine()
		s.assigned(two)
		s.assigned(one) // later, whatever its id says
		acme, beta, gamma := s.reseller("acme", 5), s.reseller("beta", 5), s.reseller("gamma", 5)
		s.is(s.signUp(acme), reselling.SignUpActive, two)
		a, b := s.signUp(beta), s.signUp(gamma)
		s.is(a, reselling.SignUpActive, one)
		s.is(b, reselling.SignUpModeration, "")
	})
}

func TestH15_AssignedMayBeUndoneTakenMayNot(t *testing.T) {
	inShop(t, func(s *shop) {
		one, two, acme := s.machine(), s.machine(), s.reseller("acme", 5)
		s.assigned(one, two)
		s.signUp(acme)
		before := s.server(two)
		a, _, err := s.intake.UnassignAll(context.Background(), ann, s.plan.ID, []string{one, two}, "not needed")
		s.ok(err)
		if a.Servers[0].Outcome != "refused" || !strings.Contains(a.Servers[0].Message, "H15") || a.Servers[1].Outcome != "unassigned" {
			t.Errorf("%+v", a)
		}
		if after := s.server(two); after.Claim.Kind != fleet.ClaimNone || after.Cleanliness != fleet.Clean || after.Epoch <= before.Epoch || s.server(one).Claim.Ref != acme {
			t.Errorf("%+v", after.Claim)
		}
	})
}

func TestH17_APlanWithServersIsNotDeleted(t *testing.T) {
	inShop(t, func(s *shop) {
		one, two, acme := s.machine(), s.machine(), s.reseller("acme", 5)
		s.assigned(one, two)
		s.signUp(acme)
		_, err := s.intake.DeletePlan(context.Background(), ann, s.plan.ID, intake.AnyRevision)
		refused(t, err, one, two, "taken", "assigned")
		_, _, err = s.intake.UnassignAll(context.Background(), ann, s.plan.ID, []string{two}, "")
		s.ok(err)
		_, err = s.intake.DeletePlan(context.Background(), ann, s.plan.ID, intake.AnyRevision)
		refused(t, err, one)
		other, _, err := s.intake.CreatePlan(context.Background(), ann, intake.PlanDraft{Name: "other"})
		s.ok(err)
		if _, err = s.intake.DeletePlan(context.Background(), ann, other.ID, intake.AnyRevision); err != nil {
			t.Error(err)
		}
	})
}

func TestH18_WhatIsNewOfAResellerGoesToHisServerAndNobodyElsesDoes(t *testing.T) {
	inShop(t, func(s *shop) {
		his, shared, acme, beta := s.machine(), s.machine(), s.reseller("acme", 5), s.reseller("beta", 5)
		s.assigned(his)
		s.signUp(acme)
		for _, c := range []struct {
			server, of string
			fits       bool
		}{{his, acme, true}, {his, beta, false}, {his, "", false}, {shared, acme, false}, {shared, beta, true}, {shared, "", true}} {
			_, _, err := s.intake.Place(context.Background(), ann, intake.PlacementDraft{Kind: hosting.Database, Name: "db1", Server: c.server, Reseller: c.of})
			if (err == nil) != c.fits {
				t.Errorf("a thing of %q on %s: %v", c.of, c.server, err)
			}
		}
	})
}
