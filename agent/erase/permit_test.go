package erase

import (
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

var (
	public, private, _ = ed25519.GenerateKey(nil)
	noon               = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
)

func permit() protocol.Permit {
	return protocol.Permit{
		ID: "prm-1", Server: "srv-1", Operation: "op-1", Epoch: 4,
		Identity: hardware.Identity{UUID: "u-1", BoardSerial: "B1", MACs: []string{"02:00:00:00:00:01"}},
		Disks:    []protocol.DiskRef{{Name: "sda", Serial: "F1", SizeBytes: 8 << 20}},
		NotAfter: noon.Add(time.Hour),
	}
}

func signed(t *testing.T, p protocol.Permit) *protocol.EraseCommand {
	t.Helper()
	body, signature, err := protocol.Sign(p, func(b []byte) []byte { return ed25519.Sign(private, b) })
	if err != nil {
		t.Fatal(err)
	}
	return &protocol.EraseCommand{SignedPermit: body, Signature: signature}
}

func standing(t *testing.T, p protocol.Permit) Standing {
	return Standing{
		SigningKey: public, Environment: protocol.EnvRAM, Epoch: 4, Now: noon,
		Command:  protocol.Command{ID: "cmd-1", Server: "srv-1", Operation: "op-1", Epoch: 4, Erase: signed(t, p)},
		Identity: hardware.Identity{UUID: "U-1", SystemSerial: "S", BoardSerial: "B1", MACs: []string{"02:00:00:00:00:01", "02:00:00:00:00:02"}},
	}
}

func TestB44_AGoodPermitIsAccepted(t *testing.T) {
	p, err := Verify(standing(t, permit()))
	if err != nil || p.ID != "prm-1" {
		t.Fatalf("%+v %v", p, err)
	}
}

func TestB44_X5_EveryMismatchIsRefused(t *testing.T) {
	for _, c := range []struct {
		what   string
		permit func(*protocol.Permit)
		stand  func(*Standing)
		kind   fault.Kind
		says   string
	}{
		{"another key", nil, func(s *Standing) { s.SigningKey, _, _ = ed25519.GenerateKey(nil) }, fault.KindDenied, "not signed"},
		{"no key", nil, func(s *Standing) { s.SigningKey = nil }, fault.KindDenied, "not signed"},
		{"a changed byte", nil, func(s *Standing) { s.Command.Erase.SignedPermit[10] ^= 1 }, fault.KindDenied, "not signed"},
		{"no permit", nil, func(s *Standing) { s.Command.Erase = nil }, fault.KindInvalid, "no permit"},
		{"an installed system", nil, func(s *Standing) { s.Environment = protocol.EnvInstalled }, fault.KindRefused, "never erases"},
		{"an unknown environment", nil, func(s *Standing) { s.Environment = "" }, fault.KindRefused, "never erases"},
		{"another server", func(p *protocol.Permit) { p.Server = "srv-2" }, nil, fault.KindRefused, "srv-2"},
		{"another operation", func(p *protocol.Permit) { p.Operation = "op-2" }, nil, fault.KindRefused, "op-2"},
		{"another epoch than the command's", func(p *protocol.Permit) { p.Epoch = 5 }, nil, fault.KindRefused, "epoch"},
		{"a newer epoch seen", nil, func(s *Standing) { s.Epoch = 5 }, fault.KindRefused, "epoch is over"},
		{"too late", nil, func(s *Standing) { s.Now = noon.Add(time.Hour) }, fault.KindRefused, "ended"},
		{"no disks", func(p *protocol.Permit) { p.Disks = nil }, nil, fault.KindRefused, "no disk"},
		{"another UUID", func(p *protocol.Permit) { p.Identity.UUID = "u-2" }, nil, fault.KindRefused, "u-2"},
		{"another board", nil, func(s *Standing) { s.Identity.BoardSerial = "" }, fault.KindRefused, "board serial B1"},
		{"a missing MAC", nil, func(s *Standing) { s.Identity.MACs = s.Identity.MACs[1:] }, fault.KindRefused, "MAC"},
		{"no identity", func(p *protocol.Permit) { p.Identity = hardware.Identity{} }, nil, fault.KindRefused, "does not name"},
		{"no id", func(p *protocol.Permit) { p.ID = "" }, nil, fault.KindRefused, "no id"},
	} {
		p := permit()
		if c.permit != nil {
			c.permit(&p)
		}
		s := standing(t, p)
		if c.stand != nil {
			c.stand(&s)
		}
		if _, err := Verify(s); !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

func TestB44_AMachineIDNamesAMachineThatHasNothingElse(t *testing.T) {
	p := permit()
	p.Identity = hardware.Identity{MachineID: "m-1"}
	s := standing(t, p)
	s.Identity = hardware.Identity{MachineID: "m-1"}
	if _, err := Verify(s); err != nil {
		t.Error(err)
	}
	s.Identity.MachineID = "m-2"
	if _, err := Verify(s); !fault.Is(err, fault.KindRefused) {
		t.Errorf("another machine id: %v", err)
	}
}
