package intake

import (
	"cmp"
	"context"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

var ann = access.Actor{Name: "ann", Role: access.RoleOperations}

// parts is an inventory of a machine with one disk.
func parts(uuid, board string, macs ...string) hardware.Inventory {
	inv := hardware.Inventory{Schema: 1, Identity: hardware.Identity{UUID: uuid, SystemSerial: "SN-" + uuid, BoardSerial: board, MACs: macs}}
	inv.Disks = []hardware.Disk{{Name: "sda", Type: hardware.DiskSATA, Serial: "D-" + uuid, SizeBytes: 480e9}}
	for i, m := range macs {
		inv.NICs = append(inv.NICs, hardware.NIC{Name: "eth" + string(rune('0'+i)), PermanentMAC: m})
	}
	return inv
}

// join enrols a machine, approved at once.
func (g *gate) join(inv hardware.Inventory) fleet.Server {
	g.t.Helper()
	req := request(g.t, approving, "ins-"+inv.Identity.UUID, protocol.EnvRAM)
	req.Inventory = inv
	s := g.must(req)
	if err := g.Report(context.Background(), s.ID, "1", protocol.Report{Inventory: inv}); err != nil {
		g.t.Fatal(err)
	}
	return g.server(s.ID)
}

func (g *gate) server(id string) (s fleet.Server) {
	g.t.Helper()
	g.commit(func(tx *store.Tx) (err error) { s, err = store.Servers.Get(tx, id); return err })
	return s
}

func (g *gate) report(id string, inv hardware.Inventory) fleet.Server {
	g.t.Helper()
	if err := g.Report(context.Background(), id, "1", protocol.Report{Inventory: inv}); err != nil {
		g.t.Fatal(err)
	}
	return g.server(id)
}

// asked is the open task with a dedupe key, or nil.
func (g *gate) asked(key string) (k *task.Task) {
	g.t.Helper()
	g.commit(func(tx *store.Tx) error {
		open, ok, err := store.TaskKeys.Find(tx, key)
		if err != nil || !ok {
			return err
		}
		found, err := store.Tasks.Get(tx, open.Task)
		k = &found
		return err
	})
	return k
}

func (g *gate) found(key string) (ids []string) {
	g.t.Helper()
	g.commit(func(tx *store.Tx) error {
		h, _, err := store.Identities.Find(tx, key)
		ids = h.Servers
		return err
	})
	return ids
}

func (g *gate) audited(action string) (n int) {
	for i := range store.Audit.Items(g.store.Snapshot()) {
		if i.Value.Action == action {
			n++
		}
	}
	return n
}

func (g *gate) refused(err error, kind fault.Kind, words string) {
	g.t.Helper()
	if !fault.Is(err, kind) || !strings.Contains(err.Error(), words) {
		g.t.Errorf("%v; want %s with %q", err, kind, words)
	}
}

func TestX1_AReplacedPartWaitsForAPersonAndTheServiceGoesOn(t *testing.T) {
	g := openGate(t)
	s := g.join(parts("u1", "B1", "02:01"))
	g.commit(func(tx *store.Tx) error {
		s.Claim = fleet.Claim{Kind: fleet.ClaimClient, Ref: "svc-1"}
		s.Diagnosis = &fleet.DiagnosisSummary{ID: "opn-1", ConfigurationKey: "k"}
		return store.Servers.Put(tx, s.ID, s)
	})
	now := g.report(s.ID, parts("u1", "B2", "02:09"))
	p := now.PendingIdentity
	if p == nil || now.Quarantine != nil || now.Claim.Ref != "svc-1" || !reflect.DeepEqual(now.Identity, s.Identity) {
		t.Fatalf("after the report: %+v", now)
	}
	if want := []string{"board serial B1 is now B2", "network card 02:01 is gone", "network card 02:09 is new"}; !slices.Equal(p.Changes, want) {
		t.Errorf("changes %v", p.Changes)
	}
	if k := g.asked(IdentityKey(s.ID)); k == nil || !strings.Contains(k.Body, "B2") || !strings.Contains(k.Body, "identity confirm") || k.Server != s.ID {
		t.Errorf("the task is %+v", k)
	}
	if again := g.report(s.ID, parts("u1", "B2", "02:09")); !again.PendingIdentity.Seen.Equal(p.Seen) {
		t.Error("the same report again asks again")
	}
	confirmed, _, err := g.ConfirmIdentity(context.Background(), ann, s.ID, p.ID, "board died")
	if err != nil || confirmed.PendingIdentity != nil || confirmed.Identity.BoardSerial != "B2" || confirmed.Claim.Ref != "svc-1" {
		t.Fatalf("%+v, %v", confirmed, err)
	}
	h := confirmed.IdentityHistory
	if len(h) != 1 || h[0].Before.BoardSerial != "B1" || h[0].Actor != "ann" || h[0].Reason != "board died" || confirmed.Diagnosis.ConfigurationKey != "" {
		t.Errorf("history %+v, diagnosis %+v", h, confirmed.Diagnosis)
	}
	if g.asked(IdentityKey(s.ID)) != nil || len(g.found("board:b1")) != 0 || !slices.Equal(g.found("board:b2"), []string{s.ID}) {
		t.Errorf("the task is open, or the index holds %v %v", g.found("board:b1"), g.found("board:b2"))
	}
	if _, _, err := g.ConfirmIdentity(context.Background(), ann, s.ID, p.ID, "board died"); err != nil || g.audited("server.identity_confirm") != 1 {
		t.Errorf("confirmed twice: %v, %d audit lines", err, g.audited("server.identity_confirm"))
	}
	if now := g.report(s.ID, parts("u1", "B2", "02:09")); now.PendingIdentity != nil {
		t.Errorf("it is asked again: %+v", now.PendingIdentity)
	}
}

// TestX1_WhatDiagnosticsSawFirstIsAskedForAgain: they store what they saw, and then the agent's digest is no news.
func TestX1_WhatDiagnosticsSawFirstIsAskedForAgain(t *testing.T) {
	g := openGate(t)
	s := g.join(parts("u1", "B1", "02:01"))
	if g.Digest(s.ID) == "" {
		t.Error("a report is wanted that says nothing new")
	}
	other := parts("u1", "B2", "02:01")
	g.commit(func(tx *store.Tx) error {
		f, err := store.Facts.Get(tx, s.ID)
		f.Inventory, f.Digest = other, other.Digest()
		return cmp.Or(err, store.Facts.Put(tx, s.ID, f))
	})
	if d := g.Digest(s.ID); d != "" {
		t.Fatalf("the digest is %s", d)
	}
	if now := g.report(s.ID, other); now.PendingIdentity == nil || g.Digest(s.ID) != other.Digest() {
		t.Errorf("after the report: %+v", now.PendingIdentity)
	}
}

func TestX1_AnAddedCardIsTakenOverAndARemovedOneIsNot(t *testing.T) {
	g := openGate(t)
	s := g.join(parts("u1", "B1", "02:01"))
	if now := g.report(s.ID, parts("u1", "B1", "02:01", "02:02")); now.PendingIdentity != nil || len(now.Identity.MACs) != 2 || len(now.IdentityHistory) != 1 {
		t.Errorf("a card was added: %+v", now)
	}
	if now := g.report(s.ID, parts("u1", "B1", "02:02")); now.PendingIdentity == nil || len(now.Identity.MACs) != 2 {
		t.Errorf("a card was removed: %+v", now)
	}
	if now := g.report(s.ID, parts("u1", "B1", "02:01", "02:02")); now.PendingIdentity != nil || g.asked(IdentityKey(s.ID)) != nil || g.audited("server.identity_back") != 1 {
		t.Errorf("it came back: %+v", now)
	}
}

// TestX1_WhatIsConfirmedIsWhatWasSeen: a machine may say something else between the look and the word.
func TestX1_WhatIsConfirmedIsWhatWasSeen(t *testing.T) {
	g := openGate(t)
	victim := g.join(parts("u2", "B8", "02:08"))
	s := g.join(parts("u1", "B1", "02:01"))
	seen := g.report(s.ID, parts("u1", "B1", "02:03")).PendingIdentity.ID
	g.report(s.ID, parts("u1", "B8", "02:08"))
	_, _, err := g.ConfirmIdentity(context.Background(), ann, s.ID, seen, "new card")
	g.refused(err, fault.KindConflict, "look again")
	_, _, err = g.ConfirmIdentity(context.Background(), ann, s.ID, "", "new card")
	g.refused(err, fault.KindInvalid, "")
	now := g.server(s.ID)
	_, _, err = g.ConfirmIdentity(context.Background(), ann, s.ID, now.PendingIdentity.ID, "new card")
	g.refused(err, fault.KindRefused, victim.ID)
	if v := g.server(victim.ID); now.Quarantine == nil || v.Quarantine == nil || !reflect.DeepEqual(v.Identity, victim.Identity) || now.Identity.BoardSerial != "B1" {
		t.Errorf("the two servers: %+v\n%+v", now, v)
	}
}

// TestX1_ACopiedIdentityIsNeverConfirmed: a second machine, enrolled by itself, reports all parts of the first one.
func TestX1_ACopiedIdentityIsNeverConfirmed(t *testing.T) {
	g := openGate(t)
	first, second := g.join(parts("u1", "B1", "02:01")), g.join(parts("u2", "B2", "02:02"))
	now := g.report(second.ID, parts("u1", "B1", "02:01"))
	if now.Quarantine == nil || g.server(first.ID).Quarantine == nil || now.PendingIdentity == nil || g.asked(ConflictKey(second.ID)) == nil {
		t.Fatalf("after the report: %+v", now)
	}
	_, _, err := g.ConfirmIdentity(context.Background(), ann, second.ID, now.PendingIdentity.ID, "looks right")
	g.refused(err, fault.KindRefused, first.ID)
	_, _, err = g.EndQuarantine(context.Background(), ann, first.ID, "ours")
	g.refused(err, fault.KindRefused, second.ID)
	if _, _, err = g.RejectIdentity(context.Background(), ann, second.ID, now.PendingIdentity.ID, "a copy"); err != nil {
		t.Fatal(err)
	}
	if s, _, err := g.EndQuarantine(context.Background(), ann, first.ID, "the other was a copy"); err != nil || s.Quarantine != nil {
		t.Errorf("the first one: %+v, %v", s, err)
	}
	_, _, err = g.EndQuarantine(context.Background(), ann, second.ID, "let it")
	g.refused(err, fault.KindRefused, "other parts")
	if now := g.report(second.ID, parts("u1", "B1", "02:01")); now.PendingIdentity.Rejected == nil {
		t.Error("the same report again undid what a person said")
	}
	if now := g.report(second.ID, parts("u2", "B2", "02:02")); now.PendingIdentity != nil || now.Quarantine == nil {
		t.Errorf("it is itself again: %+v", now)
	}
	if _, _, err := g.EndQuarantine(context.Background(), ann, second.ID, "put right"); err != nil {
		t.Error(err)
	}
}

// TestX1_SwappedCardsAreSettledOneServerAfterTheOther: both report what they have; neither takes what is the other's.
func TestX1_SwappedCardsAreSettledOneServerAfterTheOther(t *testing.T) {
	g := openGate(t)
	ctx := context.Background()
	a, b := g.join(parts("u1", "B1", "02:01")), g.join(parts("u2", "B2", "02:02"))
	g.report(a.ID, parts("u1", "B1", "02:02"))
	_, _, err := g.ConfirmIdentity(ctx, ann, a.ID, g.server(a.ID).PendingIdentity.ID, "swapped")
	g.refused(err, fault.KindRefused, b.ID) // b has not said yet that it has another one
	var both sync.WaitGroup
	g.report(b.ID, parts("u2", "B2", "02:01"))
	for _, s := range []fleet.Server{g.server(a.ID), g.server(b.ID)} {
		if s.Quarantine == nil {
			t.Errorf("server %s is not in quarantine", s.ID)
		}
		both.Go(func() {
			if _, _, err := g.ConfirmIdentity(ctx, ann, s.ID, s.PendingIdentity.ID, "swapped"); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if x, y := g.found("mac:02:01"), g.found("mac:02:02"); !slices.Equal(x, []string{b.ID}) || !slices.Equal(y, []string{a.ID}) {
		t.Errorf("the cards are with %v and %v", x, y)
	}
	for _, id := range []string{a.ID, b.ID} {
		if s, _, err := g.EndQuarantine(ctx, ann, id, "settled"); err != nil || s.Quarantine != nil {
			t.Errorf("%+v, %v", s, err)
		}
	}
}

func TestX1_ADiskInAnotherMachineIsQuarantined(t *testing.T) {
	g := openGate(t)
	s := g.join(parts("u1", "B1", "02:01"))
	now := g.report(s.ID, parts("u9", "B9", "02:09"))
	if now.Quarantine == nil || now.PendingIdentity == nil || now.Identity.UUID != "u1" || g.asked(ConflictKey(s.ID)) == nil {
		t.Fatalf("after the report: %+v", now)
	}
	_, _, err := g.EndQuarantine(context.Background(), ann, s.ID, "whatever")
	g.refused(err, fault.KindRefused, "other parts")
	g.report(s.ID, parts("u1", "B1", "02:01"))
	if now, _, err := g.EndQuarantine(context.Background(), ann, s.ID, "disk put back"); err != nil || now.Quarantine != nil || now.Cleanliness != fleet.Dirty {
		t.Errorf("%+v, %v", now, err)
	}
}

// TestX1_WhatWaitsForAPersonIsKnownToTheOthers: a third machine with the new board must not slip in meanwhile.
func TestX1_WhatWaitsForAPersonIsKnownToTheOthers(t *testing.T) {
	g := openGate(t)
	s := g.join(parts("u1", "B1", "02:01"))
	p := g.report(s.ID, parts("u1", "B7", "02:01")).PendingIdentity
	third := g.join(parts("u3", "B7", "02:03"))
	if third.Quarantine == nil || g.server(s.ID).Quarantine == nil {
		t.Error("two machines with board B7 are let be")
	}
	_, _, err := g.ConfirmIdentity(context.Background(), ann, s.ID, p.ID, "new board")
	g.refused(err, fault.KindRefused, third.ID)
	if _, _, err := g.RejectServer(context.Background(), ann, third.ID, "not ours"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := g.ConfirmIdentity(context.Background(), ann, s.ID, p.ID, "new board"); err != nil {
		t.Error(err)
	}
}

func TestX1_TwoMachinesWithASerialOfASeriesAreBothKeptOut(t *testing.T) {
	g := openGate(t)
	plain := func() hardware.Inventory {
		return hardware.Inventory{Schema: 1, Identity: hardware.Identity{SystemSerial: "1234567890", BoardSerial: "To be filled by O.E.M."}}
	}
	req := func(instance string) protocol.EnrolRequest {
		r := request(t, approving, instance, protocol.EnvRAM)
		r.Inventory = plain()
		return r
	}
	first, second := g.must(req("ins-1")), g.must(req("ins-2"))
	if first.ID == second.ID || second.Quarantine == nil || g.server(first.ID).Quarantine == nil {
		t.Errorf("%s and %s: %+v", first.ID, second.ID, second)
	}
	if strings.Contains(second.Quarantine.Reason, "O.E.M.") || len(g.found("board:to be filled by o.e.m.")) > 0 {
		t.Errorf("what nobody filled in counts: %s", second.Quarantine.Reason)
	}
}

func TestB20_AnEndIsInTheFutureAndAnOverrideIsShort(t *testing.T) {
	g := openGate(t)
	s := g.join(parts("u1", "B1", "02:01"))
	ctx, now := context.Background(), time.Now()
	_, _, err := g.SetMaintenance(ctx, ann, s.ID, "fan", now.Add(-time.Minute))
	g.refused(err, fault.KindInvalid, "over already")
	_, _, err = g.SetMaintenance(ctx, ann, s.ID, "", now.Add(time.Hour))
	g.refused(err, fault.KindInvalid, "reason")
	_, _, err = g.SetOverride(ctx, ann, s.ID, "", now.Add(31*24*time.Hour))
	g.refused(err, fault.KindInvalid, "30 days")
	if f := fault.From(err); len(f.Fields) != 2 {
		t.Errorf("not all that is wrong is told: %v", err)
	}
	got, _, err := g.SetMaintenance(ctx, ann, s.ID, "fan", now.Add(time.Hour))
	if err != nil || !got.Maintenance.Until.Equal(now.Add(time.Hour)) {
		t.Errorf("%+v, %v", got.Maintenance, err)
	}
}
