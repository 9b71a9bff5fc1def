package netboot

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

var ours = protocol.Enter{Architecture: "amd64"}

// sent is an operation whose step was told to the agent.
func sent(kind, step string, p operation.Params) *operation.Operation {
	op := at(kind, step, p)
	op.Server, op.Epoch = "srv-1", 7
	op.Steps[op.Current].State, op.Steps[op.Current].CommandID = operation.StepSent, op.ID+"-"+step
	return op
}

// told is the command that the step sent, to the agent unless spoil changes it.
func told(op *operation.Operation, spoil func(*operation.Command)) *operation.Command {
	s := op.Steps[op.Current]
	c := &operation.Command{Hand: operation.HandAgent, Command: protocol.Command{
		ID: s.CommandID, Server: op.Server, Operation: op.ID, Step: s.Name, Epoch: op.Epoch, Kind: protocol.CommandReboot,
	}}
	if s.Power != nil {
		c.Into = s.Power.Boot
	}
	if spoil != nil {
		spoil(c)
	}
	return c
}

func somebodys() fleet.Server {
	return fleet.Server{
		ID: "srv-1", Name: "web1", Epoch: 7, Approval: fleet.Approved, Claim: fleet.Claim{Kind: fleet.ClaimClient, Ref: "svc-1"},
		Identity: hardware.Identity{UUID: strings.ToUpper(clientUUID), MACs: []string{strings.ToUpper(clientMAC)}},
	}
}

// TestB34_AServersOwnSystemIsGivenTheRAMEnvironment when an operation leads there, and only then.
func TestB34_AServersOwnSystemIsGivenTheRAMEnvironment(t *testing.T) {
	w := newWorld(t)
	h := NewHandout(w.options(ramenv(t, "the kernel", "the initrd")))
	ask := func() (protocol.Entry, error) { return h.Enter(t.Context(), "srv-1", "10.0.0.7", ours) }
	over := sent(operation.Delete, "power-on", operation.Params{})
	over.State = operation.Canceled
	rejected := somebodys()
	rejected.Approval = fleet.Rejected
	bare := somebodys()
	bare.Identity.MACs = nil
	newer := somebodys()
	newer.Epoch++
	out := func() *operation.Operation { return sent(operation.Delete, "power-on", operation.Params{}) }
	for name, row := range map[string]struct {
		server fleet.Server
		op     *operation.Operation
		spoil  func(*operation.Command)
	}{
		"nothing runs":                    {server: somebodys()},
		"the step was not told yet":       {server: somebodys(), op: at(operation.Delete, "power-on", operation.Params{})},
		"an earlier step":                 {server: somebodys(), op: sent(operation.Delete, "ports-on", operation.Params{})},
		"a later step":                    {server: somebodys(), op: sent(operation.Delete, "erase", operation.Params{})},
		"on, but to its disk":             {server: somebodys(), op: sent(operation.Power, "power-on", operation.Params{Action: operation.PowerOn})},
		"the operation was canceled":      {server: somebodys(), op: over},
		"a rejected server":               {server: rejected, op: out()},
		"a server without known cards":    {server: bare, op: out()},
		"a newer epoch (rule X5)":         {server: newer, op: out()},
		"its management controller is it": {somebodys(), out(), func(c *operation.Command) { c.Hand = operation.HandPower }},
		"a person was asked":              {somebodys(), out(), func(c *operation.Command) { c.Hand = operation.HandPerson }},
		"the command is taken back":       {somebodys(), out(), func(c *operation.Command) { c.Cancel = &operation.Ask{} }},
		"it is too late":                  {somebodys(), out(), func(c *operation.Command) { c.Deadline = time.Now().Add(-time.Second) }},
		"a command of an older epoch":     {somebodys(), out(), func(c *operation.Command) { c.Epoch-- }},
	} {
		w.put(row.server, row.op)
		if row.op != nil {
			w.send(told(row.op, row.spoil))
		}
		if _, err := ask(); !fault.Is(err, fault.KindRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := h.Enter(t.Context(), "srv-2", "", ours); !fault.Is(err, fault.KindNotFound) {
		t.Errorf("a server that is none: %v", err)
	}
	w.put(somebodys(), out())
	w.send(told(out(), nil))
	if _, err := h.Enter(t.Context(), "srv-1", "", protocol.Enter{Architecture: "riscv64"}); !fault.Is(err, fault.KindRefused) {
		t.Errorf("another processor: %v", err)
	}
	if list := boots(w); len(list) != 0 {
		t.Fatalf("tokens were made: %+v", list)
	}

	e, err := ask()
	must(t, err)
	must(t, e.Validate())
	token, err := session.ParseJoinToken(word(" "+strings.Join(e.Arguments, " "), "steelyard.token"))
	must(t, err)
	list := boots(w)
	if len(list) != 1 || list[0].ID != token.ID || !list[0].Kexec || list[0].Server != "srv-1" || list[0].MAC != clientMAC || list[0].UUID != clientUUID || list[0].MaxUses != 1 {
		t.Fatalf("%+v", list)
	}
	for want, f := range map[string]protocol.EntryFile{"the kernel": e.Kernel, "the initrd": e.Memory} {
		file, size, err := h.Open(f.SHA256)
		must(t, err)
		text, err := io.ReadAll(file)
		if err != nil || string(text) != want || size != int64(len(want)) || f.Bytes != uint64(size) {
			t.Errorf("%q of %d bytes, %v", text, size, err)
		}
		must(t, file.Close())
	}
	if _, _, err := h.Open(strings.Repeat("0", 64)); !fault.Is(err, fault.KindNotFound) {
		t.Errorf("another file: %v", err)
	}
	rescue := sent(operation.Rescue, "power-on", operation.Params{})
	w.put(somebodys(), rescue)
	w.send(told(rescue, nil))
	e, err = ask()
	if err != nil || word(" "+strings.Join(e.Arguments, " "), "steelyard.mode") != ModeRescue {
		t.Errorf("rescue: %v %v", e.Arguments, err)
	}
	revoked := 0
	for _, k := range boots(w) {
		if k.Revoked {
			revoked++
		}
	}
	if revoked != 1 {
		t.Errorf("%d tokens are void; the second one voids the first", revoked)
	}
}

func TestAControllerWithoutRAMEnvironmentSaysSo(t *testing.T) {
	w := newWorld(t)
	h := NewHandout(w.options(t.TempDir()))
	op := sent(operation.Delete, "power-on", operation.Params{})
	w.put(somebodys(), op)
	w.send(told(op, nil))
	if _, err := h.Enter(t.Context(), "srv-1", "", ours); !fault.Is(err, fault.KindUnavailable) || !strings.Contains(err.Error(), "make ramenv") || len(boots(w)) != 0 {
		t.Error(err)
	}
	if _, _, err := h.Open(strings.Repeat("0", 64)); !fault.Is(err, fault.KindNotFound) {
		t.Error(err)
	}
}

func boots(w world) (list []*access.Token) {
	for i := range store.Tokens.Items(w.store.Snapshot()) {
		list = append(list, i.Value)
	}
	return list
}
