package intake

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

const (
	bootMAC  = "52:54:00:aa:00:01"
	bootUUID = "11111111-2222-3333-4444-555555555501"
)

// metal is the machine that boots in these tests.
func metal() hardware.Inventory {
	return parts(bootUUID, "B1", bootMAC, "52:54:00:aa:00:02")
}

// admit makes a boot token for the machine, as what server is "".
func (g *gate) admit(server string) string {
	g.t.Helper()
	tok, secret, err := g.AdmitBoot(context.Background(), Boot{Server: server, MAC: bootMAC, UUID: bootUUID, Remote: "10.77.0.9"})
	if err != nil {
		g.t.Fatal(err)
	}
	return tok.ID + "." + secret
}

// booting is what the agent in the RAM environment sends.
func (g *gate) booting(token, instance string, inv hardware.Inventory) protocol.EnrolRequest {
	req := request(g.t, token, instance, protocol.EnvRAM)
	req.Inventory = inv
	return req
}

// active is a server that the machine is, in service, clean, and a customer's.
func (g *gate) active() fleet.Server {
	g.t.Helper()
	s := g.join(metal())
	return g.edit(s.ID, func(s *fleet.Server) {
		s.Claim, s.Epoch, s.Cleanliness = fleet.Claim{Kind: fleet.ClaimClient, Ref: "svc-1"}, 7, fleet.Clean
	})
}

// TestB34_AStartPastTheFirmwareSaysNothingOfIt: kexec lets the server in, and proves no network boot.
func TestB34_AStartPastTheFirmwareSaysNothingOfIt(t *testing.T) {
	g := openGate(t)
	was := g.active()
	tok, secret, err := g.AdmitBoot(t.Context(), Boot{Server: was.ID, MAC: metal().Identity.MACs[0], Remote: "10.0.0.7", Kexec: true})
	if err != nil || !tok.Kexec || tok.CreatedBy != "the agent at 10.0.0.7" {
		t.Fatalf("%+v %v", tok, err)
	}
	if got := g.must(g.booting(tok.ID+"."+secret, "ins-ram", metal())); !got.NetbootedAt.IsZero() || got.BootedAt.IsZero() {
		t.Errorf("%+v", got)
	}
}

// TestX5_ABootLeavesEverythingThatWasDecidedAboutAServer: approval, claim, cleanliness and epoch are those of before, the key is new.
func TestX5_ABootLeavesEverythingThatWasDecidedAboutAServer(t *testing.T) {
	g := openGate(t)
	was := g.active()
	got := g.must(g.booting(g.admit(was.ID), "ins-ram", metal()))
	if got.InstanceID != "ins-ram" || got.CertSerial == was.CertSerial || got.Environment != protocol.EnvRAM {
		t.Fatalf("the agent of the server is not the booted one: %+v", got)
	}
	if got.NetbootedAt.IsZero() {
		t.Error("that its firmware started from the network is not known")
	}
	got.InstanceID, got.CertSerial, got.EnrolKey, got.BootedAt, got.NetbootedAt = was.InstanceID, was.CertSerial, was.EnrolKey, was.BootedAt, was.NetbootedAt
	if d := cmp.Diff(was, got); d != "" {
		t.Errorf("the boot changed more than the key: %s", d)
	}
	if g.asked(ConflictKey(was.ID)) != nil || g.asked(ApprovalKey(was.ID)) != nil || g.audited("server.boot") != 1 {
		t.Error("a boot that the controller ordered asks somebody, or is not in the audit log")
	}
}

// TestX9_ABootTokenIsWorthOneBoot: its secret is on the wire in clear text, so it is useless to everybody but the machine that
// was booted with it, and to that only once.
func TestX9_ABootTokenIsWorthOneBoot(t *testing.T) {
	g := openGate(t)
	s := g.active()
	refuse := func(req protocol.EnrolRequest, words string) {
		t.Helper()
		lines := g.audited("boot.refuse")
		_, err := g.enrol(req)
		g.refused(err, fault.KindDenied, words)
		if g.audited("boot.refuse") != lines+1 {
			t.Errorf("%q is not in the audit log", words)
		}
		if now := g.server(s.ID); now.InstanceID != s.InstanceID {
			t.Errorf("the server's agent is %s after %q", now.InstanceID, words)
		}
	}
	token := g.admit(s.ID)
	refuse(g.booting(token, "ins-thief", parts(bootUUID, "B1", "52:54:00:aa:00:03")), "network card "+bootMAC)
	refuse(g.booting(token, "ins-thief", parts("11111111-2222-3333-4444-555555555502", "B1", bootMAC)), "UUID "+bootUUID)
	elsewhere := g.booting(token, "ins-thief", metal())
	elsewhere.Environment = protocol.EnvInstalled
	refuse(elsewhere, "RAM environment")

	mine := g.booting(token, "ins-ram", metal())
	s = g.must(mine)
	if again := g.must(mine); again.ID != s.ID || again.InstanceID != "ins-ram" {
		t.Errorf("the same request again: %+v", again)
	}
	s = g.server(s.ID)
	refuse(g.booting(token, "ins-thief", metal()), "another key")
	refuse(g.booting(token, "ins-ram", metal()), "another key")

	first, second := g.admit(s.ID), g.admit(s.ID)
	refuse(g.booting(first, "ins-late", metal()), "started again since")
	s = g.must(g.booting(second, "ins-next", metal()))
	if _, err := g.enrol(g.booting(second[:len(second)-1]+"x", "ins-thief", metal())); !fault.Is(err, fault.KindDenied) || !strings.Contains(err.Error(), "not known") {
		t.Errorf("a wrong secret: %v", err)
	}
	for i := range store.Audit.Items(g.store.Snapshot()) {
		line, _ := json.Marshal(i.Value)
		for _, tok := range []string{token, first, second} {
			if strings.Contains(string(line), tok[21:]) || strings.Contains(string(line), access.Digest(tok[21:])) {
				t.Errorf("the secret of a token is in the audit log: %s", line)
			}
		}
	}
}

// TestX9_ABootTokenEnds with its quarter of an hour, and is forgotten later; who goes on with it fills no log.
func TestX9_ABootTokenEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := openGate(t)
		token := g.admit("")
		time.Sleep(BootLife)
		for range 3 * toldRefusals {
			_, err := g.enrol(g.booting(token, "ins-1", metal()))
			g.refused(err, fault.KindDenied, "ended at")
		}
		if n := g.audited("boot.refuse"); n != toldRefusals {
			t.Errorf("%d lines about one token, want %d", n, toldRefusals)
		}
		if n, err := g.ForgetTokens(t.Context(), 10); n != 0 || err != nil {
			t.Errorf("forgot %d, %v", n, err)
		}
		g.admit("") // the first one is not the newest of the card any more
		time.Sleep(24*time.Hour - time.Minute)
		if n, err := g.ForgetTokens(t.Context(), 10); n != 0 || err != nil {
			t.Errorf("forgot %d within the day, %v", n, err)
		}
		time.Sleep(2 * time.Minute)
		if n, err := g.ForgetTokens(t.Context(), 10); n != 1 || err != nil || store.Boots.Len(g.store.Snapshot()) != 1 {
			t.Errorf("forgot %d, %v; %d boots left", n, err, store.Boots.Len(g.store.Snapshot()))
		}
		time.Sleep(BootLife)
		if n, err := g.ForgetTokens(t.Context(), 10); n != 1 || err != nil || store.Boots.Len(g.store.Snapshot()) != 0 {
			t.Errorf("forgot %d, %v; %d boots left", n, err, store.Boots.Len(g.store.Snapshot()))
		}
	})
}

// TestX1_AnUnknownMachineThatBootsIsPending, with one task, however often it boots; nothing approves it by itself.
func TestX1_AnUnknownMachineThatBootsIsPending(t *testing.T) {
	g := openGate(t)
	s := g.must(g.booting(g.admit(""), "ins-1", metal()))
	if s.Approval != fleet.Pending || s.InService || g.asked(ApprovalKey(s.ID)) == nil {
		t.Fatalf("an unknown machine: %s, in service %v", s.Approval, s.InService)
	}
	if again := g.must(g.booting(g.admit(s.ID), "ins-2", metal())); again.ID != s.ID || again.Approval != fleet.Pending || again.InstanceID != "ins-2" {
		t.Errorf("booted again: %+v", again)
	}
	stale := g.admit(s.ID)
	g.edit(s.ID, func(s *fleet.Server) { s.Approval = fleet.Rejected })
	_, err := g.enrol(g.booting(stale, "ins-3", metal()))
	g.refused(err, fault.KindDenied, "rejected")
}

// TestX1_ABootWithPartsOfAnotherServer quarantines both; one with a new card of its own waits for nobody, one that lost its card does.
func TestX1_ABootWithPartsOfAnotherServer(t *testing.T) {
	g := openGate(t)
	s := g.join(metal())
	other := g.join(parts("11111111-2222-3333-4444-555555555509", "B9", "52:54:00:aa:00:09"))
	got := g.must(g.booting(g.admit(s.ID), "ins-2", parts(bootUUID, "B1", bootMAC)))
	if got.PendingIdentity == nil || got.Quarantine != nil || got.Approval != fleet.Approved || g.asked(IdentityKey(s.ID)) == nil {
		t.Errorf("a card is gone: pending %v, quarantine %v", got.PendingIdentity, got.Quarantine)
	}
	got = g.must(g.booting(g.admit(s.ID), "ins-3", parts(bootUUID, "B1", bootMAC, "52:54:00:aa:00:02", "52:54:00:aa:00:09")))
	if got.Quarantine == nil || g.server(other.ID).Quarantine == nil || g.asked(ConflictKey(s.ID)) == nil {
		t.Errorf("it has a card of server %s: %v, %v", other.ID, got.Quarantine, g.server(other.ID).Quarantine)
	}
	if got.InstanceID != "ins-3" {
		t.Error("the machine in quarantine cannot report what it is")
	}
}

// TestB43_ARescuedSystemComesBack: a customer's system keeps its certificate while the server is in the RAM environment. One that is
// being taken from him does not: he may have copied its key.
func TestB43_ARescuedSystemComesBack(t *testing.T) {
	for kind, back := range map[string]bool{"": true, operation.Power: true, operation.Delete: false} {
		g := openGate(t)
		s := g.edit(g.active().ID, func(s *fleet.Server) {
			s.Environment, s.InstanceID, s.CertSerial, s.Installed, s.Operation = protocol.EnvInstalled, "ins-disk", "disk", "op-1", "op-2"
		})
		g.commit(func(tx *store.Tx) error {
			return store.Operations.Put(tx, "op-2", operation.Operation{ID: "op-2", Kind: kind, State: operation.Running})
		})
		got := g.must(g.booting(g.admit(s.ID), "ins-ram", metal()))
		if (got.Successor != nil) != back || got.Cleanliness != fleet.Dirty {
			t.Fatalf("operation %q: successor %+v, %s", kind, got.Successor, got.Cleanliness)
		}
		err := g.Arrived(context.Background(), s.ID, "disk")
		if (err == nil) != back {
			t.Errorf("operation %q: the system on the disk comes back: %v", kind, err)
		}
		if now := g.server(s.ID); back && (now.InstanceID != "ins-disk" || now.Environment != protocol.EnvInstalled || now.Installed != "op-1") {
			t.Errorf("operation %q: it came back as %+v", kind, now)
		}
	}
	if s := (fleet.Server{Successor: &fleet.Successor{}}).Released(time.Now()); s.Successor != nil {
		t.Error("the system of a former owner can come back")
	}
}

// TestX1_SimulatedDisksSayNothingOfRealOnes: the same machine was enrolled as a sandbox before.
func TestX1_SimulatedDisksSayNothingOfRealOnes(t *testing.T) {
	g := openGate(t)
	s := g.edit(g.join(metal()).ID, func(s *fleet.Server) { s.Environment, s.Cleanliness = protocol.EnvSandbox, fleet.Clean })
	got := g.must(g.booting(g.admit(s.ID), "ins-ram", metal()))
	if got.Cleanliness != fleet.Dirty || got.InService {
		t.Errorf("%s, in service %v", got.Cleanliness, got.InService)
	}
}

// TestX1_FirmwareAndKernelMayReadAUUIDDifferently: before SMBIOS 2.6 the byte order was not said.
func TestX1_FirmwareAndKernelMayReadAUUIDDifferently(t *testing.T) {
	if got := mixed("11223344-5566-7788-99aa-bbccddeeff00"); got != "44332211-6655-8877-99aa-bbccddeeff00" {
		t.Errorf("%s", got)
	}
	if mixed("no uuid") != "" {
		t.Error("nonsense has another byte order")
	}
	g := openGate(t)
	g.must(g.booting(g.admit(""), "ins-1", parts(mixed(bootUUID), "B1", bootMAC)))
}
