package intake

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

func (g *gate) edit(id string, f func(*fleet.Server)) fleet.Server {
	g.t.Helper()
	g.commit(func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, id)
		if err != nil {
			return err
		}
		f(&s)
		return store.Servers.Put(tx, id, s)
	})
	return g.server(id)
}

func TestX1_ARetiredServerIsOutForGoodAndItsPartsAreFree(t *testing.T) {
	g := openGate(t)
	ctx := context.Background()
	s := g.join(parts("u1", "B1", "02:01"))
	for words, spoil := range map[string]func(*fleet.Server){
		"svc-1":  func(s *fleet.Server) { s.Claim = fleet.Claim{Kind: fleet.ClaimClient, Ref: "svc-1"} },
		"ord-1":  func(s *fleet.Server) { s.Claim = fleet.Claim{Kind: fleet.ClaimHeld, Ref: "ord-1"} },
		"opn-1":  func(s *fleet.Server) { s.Operation = "opn-1" },
		"proven": func(s *fleet.Server) { s.Cleanliness = fleet.Dirty },
	} {
		g.edit(s.ID, func(now *fleet.Server) {
			now.Claim, now.Operation, now.Cleanliness = fleet.Claim{Kind: fleet.ClaimNone}, "", fleet.Clean
			spoil(now)
		})
		_, _, err := g.RetireServer(ctx, ann, s.ID, "sold", false)
		g.refused(err, fault.KindRefused, words)
	}
	g.edit(s.ID, func(now *fleet.Server) {
		now.Claim, now.Operation, now.Cleanliness = fleet.Claim{Kind: fleet.ClaimNone}, "", fleet.Dirty
	})
	_, _, err := g.RetireServer(ctx, ann, s.ID, "", true)
	g.refused(err, fault.KindInvalid, "reason")
	before := g.server(s.ID)
	for range 2 {
		got, _, err := g.RetireServer(ctx, ann, s.ID, "sold; disks shredded", true)
		if err != nil || got.Approval != fleet.Retired || got.CertSerial != "" || got.InService || got.Epoch != before.Epoch+1 || got.Cleanliness != fleet.Dirty {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if n := g.audited("server.retire"); n != 1 {
		t.Errorf("%d audit lines", n)
	}
	if len(g.found("board:b1")) != 0 || !slices.Equal(g.found("retired:board:b1"), []string{s.ID}) {
		t.Errorf("the board is with %v", g.found("board:b1"))
	}
	for name, err := range map[string]error{
		"approve":     third(g.ApproveServer(ctx, ann, s.ID, "", false)),
		"reject":      third(g.RejectServer(ctx, ann, s.ID, "x")),
		"commission":  third(g.CommissionServer(ctx, ann, s.ID, "", true)),
		"maintenance": third(g.SetMaintenance(ctx, ann, s.ID, "x", before.CertNotAfter)),
	} {
		if !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "retired") {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := g.join(parts("u2", "B1", "02:02")) // its board is in another machine
	if other.Quarantine != nil {
		t.Errorf("a part of a retired server is held against %s: %+v", other.ID, other.Quarantine)
	}
}

func third(_ fleet.Server, _ int64, err error) error { return err }

// TestX1_ARetiredMachineThatComesBackIsNewAndAPersonIsTold, whatever the join token allows.
func TestX1_ARetiredMachineThatComesBackIsNewAndAPersonIsTold(t *testing.T) {
	g := openGate(t)
	old := g.join(parts("u1", "B1", "02:01"))
	if _, _, err := g.RetireServer(context.Background(), ann, old.ID, "sold to a friend", true); err != nil {
		t.Fatal(err)
	}
	back := g.join(parts("u1", "B1", "02:01"))
	if back.ID == old.ID || back.Approval != fleet.Pending || back.InService {
		t.Fatalf("it came back as %+v", back)
	}
	if k := g.asked(ApprovalKey(back.ID)); k == nil || !strings.Contains(k.Body, old.ID) || !strings.Contains(k.Body, "sold to a friend") || !strings.Contains(k.Body, "adopt") {
		t.Errorf("the task is %+v", k)
	}
	s, _, err := g.AdoptServer(context.Background(), ann, back.ID, old.ID, "the friend gave it back")
	if err != nil || s.ID != old.ID || s.Approval != fleet.Approved || s.InService || s.Cleanliness != fleet.Dirty {
		t.Fatalf("%+v, %v", s, err)
	}
	if !slices.Equal(g.found("board:b1"), []string{old.ID}) || len(g.found("retired:board:b1")) > 0 {
		t.Error("the index is not that of a server in use")
	}
}

func TestB2_AServerMovesOnlyWhileNobodyCountsOnIt(t *testing.T) {
	g := openGate(t)
	ctx := context.Background()
	here, _, err := g.CreateLocation(ctx, ann, LocationDraft{Name: "Here", ExternalID: "1"})
	if err != nil {
		t.Fatal(err)
	}
	there, _, err := g.CreateLocation(ctx, ann, LocationDraft{Name: "There", ExternalID: "2"})
	if err != nil {
		t.Fatal(err)
	}
	s := g.join(parts("u1", "B1", "02:01"))
	move := func(location, rack string) error {
		return third(g.MoveServer(ctx, ann, s.ID, location, rack, "more room"))
	}
	if err := move(here.ID, "R1"); err != nil {
		t.Fatal(err)
	}
	_, _, err = g.MoveServer(ctx, ann, s.ID, "", "R1", "")
	g.refused(err, fault.KindInvalid, "location")
	g.refused(move("loc-none", ""), fault.KindInvalid, "does not exist")
	g.edit(s.ID, func(s *fleet.Server) { s.Claim = fleet.Claim{Kind: fleet.ClaimHeld, Ref: "ord-1"} })
	g.refused(move(there.ID, ""), fault.KindRefused, "ord-1")
	if err := move(here.ID, "R2"); err != nil {
		t.Errorf("to another rack: %v", err)
	}
	g.edit(s.ID, func(s *fleet.Server) { s.Claim, s.Operation = fleet.Claim{Kind: fleet.ClaimNone}, "opn-1" })
	g.refused(move(there.ID, ""), fault.KindRefused, "opn-1")
	g.edit(s.ID, func(s *fleet.Server) { s.Operation = "" })
	wire := func(ports ...outofband.Port) {
		g.commit(func(tx *store.Tx) error {
			return store.Wirings.Put(tx, s.ID, outofband.Wiring{Server: s.ID, Ports: ports})
		})
	}
	wire(outofband.Port{Switch: "swi-1"}, outofband.Port{Switch: "swi-1"})
	g.refused(move(there.ID, ""), fault.KindRefused, "2 switch ports")
	_, _, err = g.EditServer(ctx, ann, s.ID, AnyRevision, func(d ServerDraft) (ServerDraft, error) { d.Location = there.ID; return d, nil })
	g.refused(err, fault.KindRefused, "2 switch ports")
	_, _, err = g.RetireServer(ctx, ann, s.ID, "sold", true)
	g.refused(err, fault.KindRefused, "2 switch ports")
	wire()
	if err := move(there.ID, "R9"); err != nil {
		t.Fatal(err)
	}
	if now := g.server(s.ID); now.Location != there.ID || now.Rack != "R9" || g.audited("server.move") != 3 {
		t.Errorf("it stands in %s %s, with %d audit lines", now.Location, now.Rack, g.audited("server.move"))
	}
}

// TestX1_ANewBoardIsAdoptedByAPersonAndTheOwnerStays: disk and board were replaced, so the machine comes with a new key.
func TestX1_ANewBoardIsAdoptedByAPersonAndTheOwnerStays(t *testing.T) {
	g := openGate(t)
	ctx := context.Background()
	known := g.join(parts("u1", "B1", "02:01"))
	known = g.edit(known.ID, func(s *fleet.Server) {
		s.Claim, s.Cleanliness = fleet.Claim{Kind: fleet.ClaimClient, Ref: "svc-1"}, fleet.Dirty
	})
	req := request(t, manual, "ins-new", protocol.EnvRAM)
	req.Inventory = parts("u1", "B2", "02:02")
	fresh := g.must(req)
	if fresh.ID == known.ID || fresh.Quarantine == nil || g.server(known.ID).Quarantine == nil {
		t.Fatalf("it came in as %+v", fresh)
	}
	g.commit(func(tx *store.Tx) error { return store.Presences.Put(tx, known.ID, fleet.Presence{Server: known.ID}) })
	_, _, err := g.AdoptServer(ctx, ann, fresh.ID, known.ID, "new board")
	g.refused(err, fault.KindRefused, "is connected")
	g.commit(func(tx *store.Tx) error { return store.Presences.Delete(tx, known.ID) })
	_, _, err = g.AdoptServer(ctx, ann, known.ID, fresh.ID, "the wrong way round")
	g.refused(err, fault.KindRefused, "approved")
	_, _, err = g.AdoptServer(ctx, ann, fresh.ID, fresh.ID, "x")
	g.refused(err, fault.KindRefused, "itself")
	_, _, err = g.AdoptServer(ctx, ann, fresh.ID, "", "")
	g.refused(err, fault.KindInvalid, "as")
	var twice sync.WaitGroup
	for range 2 {
		twice.Go(func() {
			if s, _, err := g.AdoptServer(ctx, ann, fresh.ID, known.ID, "new board"); err != nil || s.ID != known.ID {
				t.Error(s.ID, err)
			}
		})
	}
	twice.Wait()
	s := g.server(known.ID)
	if s.Claim != known.Claim || s.Name != known.Name || s.Identity.BoardSerial != "B2" || s.CertSerial != fresh.CertSerial || s.InstanceID != "ins-new" || s.Epoch != known.Epoch+1 {
		t.Errorf("the server is %+v", s)
	}
	if s.Quarantine == nil || g.asked(ConflictKey(s.ID)) == nil || len(s.IdentityHistory) != 1 || s.IdentityHistory[0].Reason != "new board" {
		t.Errorf("quarantine %+v, history %+v", s.Quarantine, s.IdentityHistory)
	}
	if _, ok := store.Servers.View(g.store, fresh.ID); ok || g.asked(ApprovalKey(fresh.ID)) != nil || g.audited("server.adopt") != 1 || g.audited("server.adopted") != 1 {
		t.Error("the record of the new machine, or its task, is still there, or the audit log is not complete")
	}
	if f, ok := store.Facts.View(g.store, known.ID); !ok || f.Inventory.Identity.BoardSerial != "B2" || f.Server != known.ID {
		t.Errorf("facts %+v", f)
	}
	if len(g.found("board:b1")) > 0 || !slices.Equal(g.found("board:b2"), []string{known.ID}) {
		t.Error("the index was not moved")
	}
	if s, _, err := g.EndQuarantine(ctx, ann, known.ID, "settled"); err != nil || s.Quarantine != nil {
		t.Errorf("%+v, %v", s.Quarantine, err)
	}
	if alias, ok := store.Aliases.View(g.store, fresh.ID); !ok || alias.Server != known.ID {
		t.Fatal("the certificate that names the old id leads nowhere")
	}
	if err := g.Renewed(ctx, known.ID, "99", s.CertNotAfter); err != nil {
		t.Fatal(err)
	}
	if _, ok := store.Aliases.View(g.store, fresh.ID); !ok {
		t.Error("the alias went before the new certificate was used")
	}
	if err := g.Used(ctx, known.ID, "99"); err != nil {
		t.Fatal(err)
	}
	if _, ok := store.Aliases.View(g.store, fresh.ID); ok || g.server(known.ID).Alias != "" {
		t.Error("the alias outlived the certificate that needed it")
	}
	if again := g.must(req); again.ID != known.ID {
		t.Errorf("the machine that asks again gets %s", again.ID)
	}
}

// TestX1_OnlyANewcomerIsAdopted: a record with a past is no form to be filled in, and parts of a third server stay its.
func TestX1_OnlyANewcomerIsAdopted(t *testing.T) {
	g := openGate(t)
	ctx := context.Background()
	known, thirdOne := g.join(parts("u1", "B1", "02:01")), g.join(parts("u3", "B3", "02:03"))
	req := request(t, manual, "ins-new", protocol.EnvRAM)
	req.Inventory = parts("u4", "B3", "02:04")
	fresh := g.must(req)
	_, _, err := g.AdoptServer(ctx, ann, fresh.ID, known.ID, "new board")
	g.refused(err, fault.KindRefused, thirdOne.ID)
	g.edit(fresh.ID, func(s *fleet.Server) { s.Epoch = 1 })
	_, _, err = g.AdoptServer(ctx, ann, fresh.ID, thirdOne.ID, "new board")
	g.refused(err, fault.KindRefused, "history")
	g.edit(fresh.ID, func(s *fleet.Server) { s.Epoch = 0 })
	g.edit(thirdOne.ID, func(s *fleet.Server) { s.Operation = "opn-1" })
	_, _, err = g.AdoptServer(ctx, ann, fresh.ID, thirdOne.ID, "new board")
	g.refused(err, fault.KindRefused, "opn-1")
	g.edit(thirdOne.ID, func(s *fleet.Server) { s.Operation, s.Cleanliness = "", fleet.Clean })
	if now := g.report(fresh.ID, parts("u5", "B3", "02:04")); now.PendingIdentity == nil {
		t.Fatal("the newcomer reports something else, and nobody is asked")
	}
	_, _, err = g.AdoptServer(ctx, ann, fresh.ID, thirdOne.ID, "new board")
	g.refused(err, fault.KindRefused, "look again")
	g.report(fresh.ID, req.Inventory)
	s, _, err := g.AdoptServer(ctx, ann, fresh.ID, thirdOne.ID, "new board")
	if err != nil || s.InService || s.Cleanliness != fleet.Dirty || s.Approval != fleet.Approved {
		t.Errorf("a server of nobody has to be commissioned again: %+v, %v", s, err)
	}
}
