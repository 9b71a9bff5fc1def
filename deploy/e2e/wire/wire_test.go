// Package wire lets real links meet a real gateway over TLS on loopback, with a small
// fleet in memory behind it.
package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/steelyard/steelyard/agent/link"
	"github.com/steelyard/steelyard/controller/authority"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/gateway"
	"github.com/steelyard/steelyard/controller/gateway/gatewaytest"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long anything may take on a busy machine.
const patience = 60 * time.Second

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("not in %v: %s", patience, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// controller is a gateway that can be stopped and started on one address.
type controller struct {
	t         *testing.T
	fleet     *gatewaytest.Fleet
	authority *authority.Authority
	options   gateway.Options
	address   string
	gate      atomic.Pointer[gateway.Gateway]
	cancel    context.CancelFunc
	done      chan error
}

func newController(t *testing.T) *controller {
	t.Helper()
	a, err := authority.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f := gatewaytest.New()
	f.AddToken("s3cret", 1000)
	f.Approve = true
	c := &controller{t: t, fleet: f, authority: a, address: "127.0.0.1:0"}
	f.Changed = func(server string) {
		if g := c.gate.Load(); g != nil {
			g.Wake(server)
		}
	}
	c.options = gateway.Options{
		Authority: a, Certificate: a.ServerCertificate("127.0.0.1"), Directory: f, Intake: f, Presence: f, Images: f, Replica: "r1",
		Heartbeat: time.Second, SampleEvery: time.Second, ReturnWithin: time.Second,
	}
	return c
}

func (c *controller) start() {
	c.t.Helper()
	ln, err := net.Listen("tcp", c.address)
	if err != nil {
		c.t.Fatal(err)
	}
	c.address = ln.Addr().String()
	g, err := gateway.New(c.options)
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.gate.Store(g)
	c.cancel, c.done = cancel, make(chan error, 1)
	go func() { c.done <- g.Run(ctx, ln) }()
	c.t.Cleanup(c.stop)
}

func (c *controller) stop() {
	if c.cancel == nil {
		return
	}
	c.cancel()
	c.cancel = nil
	if err := <-c.done; err != nil {
		c.t.Error(err)
	}
}

func (c *controller) token() string { return c.authority.JoinToken("tok-1", "s3cret") }

// machine is the agent's side without hardware: it answers every command at once
// with success, unless it holds.
type machine struct {
	mu       sync.Mutex
	inv      hardware.Inventory
	welcomed []protocol.Welcome
	got      []protocol.Command
	canceled []string
	results  map[string]protocol.Result
	progress []protocol.Progress
	hold     bool
	changed  chan struct{}
}

func newMachine(n int) *machine {
	return &machine{
		inv: hardware.Inventory{
			Schema: 1, Identity: hardware.Identity{UUID: fmt.Sprintf("00000000-0000-4000-8000-%012d", n)},
			CPUs: []hardware.CPU{{Socket: "P0", Model: "EPYC 7302P", Arch: "x86_64", Cores: 16, Threads: 32}},
		},
		results: map[string]protocol.Result{}, changed: make(chan struct{}, 1),
	}
}

func (m *machine) with(f func()) { m.mu.Lock(); defer m.mu.Unlock(); f() }

func (m *machine) Inventory(context.Context) (inv hardware.Inventory) {
	m.with(func() { inv = m.inv })
	return
}

func (m *machine) Sample(s *hardware.Sample) error {
	*s = hardware.Sample{At: time.Now().UTC(), Load1: 0.25, FS: []hardware.Filesystem{{Mount: "/"}}}
	return nil
}

func (m *machine) Attach(w protocol.Welcome) { m.with(func() { m.welcomed = append(m.welcomed, w) }) }

func (m *machine) Execute(c protocol.Command) {
	m.with(func() {
		m.got = append(m.got, c)
		if !m.hold {
			m.results[c.ID] = protocol.Result{Command: c.ID, Operation: c.Operation, Step: c.Step, Epoch: c.Epoch, At: time.Now().UTC()}
		}
	})
	m.signal()
}

func (m *machine) Cancel(c protocol.Cancel) {
	m.with(func() { m.canceled = append(m.canceled, c.Command) })
}
func (m *machine) Running() string          { return "" }
func (m *machine) Acked(id string)          { m.with(func() { delete(m.results, id) }) }
func (m *machine) Changed() <-chan struct{} { return m.changed }
func (m *machine) Unacked() (list []protocol.Result) {
	m.with(func() {
		for _, r := range m.results {
			list = append(list, r)
		}
	})
	return list
}

func (m *machine) Progress() (p protocol.Progress, ok bool) {
	m.with(func() {
		if ok = len(m.progress) > 0; ok {
			p, m.progress = m.progress[len(m.progress)-1], nil
		}
	})
	return
}

func (m *machine) signal() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}
func (m *machine) commands() (n int) { m.with(func() { n = len(m.got) }); return }

// agent is a running link.
type agent struct {
	*link.Link
	*machine
	state *link.Memory
	stop  func() error
	wait  func() error // until Run returns by itself
}

func (c *controller) agent(n int, edit ...func(*link.Options)) *agent {
	c.t.Helper()
	a := &agent{machine: newMachine(n), state: new(link.Memory)}
	a.run(c, edit...)
	return a
}

func (a *agent) run(c *controller, edit ...func(*link.Options)) {
	c.t.Helper()
	o := link.Options{
		Controllers: []string{c.address}, Join: c.token(), State: a.state, Source: a.machine, Executor: a.machine,
		Environment: protocol.EnvSimulated, AgentVersion: "test", BootID: "boot-1",
	}
	for _, e := range edit {
		e(&o)
	}
	l, err := link.New(o)
	if err != nil {
		c.t.Fatal(err)
	}
	a.Link = l
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	a.wait = sync.OnceValue(func() error { return <-done })
	a.stop = func() error { cancel(); return a.wait() }
	c.t.Cleanup(func() { _ = a.stop() })
}

func (a *agent) id() string { return a.Status().ServerID }

func (c *controller) connected(a *agent) {
	c.t.Helper()
	eventually(c.t, "a session", func() bool { return a.id() != "" && a.Status().Connected && c.gate.Load().Connected(a.id()) })
}

func command(server, id string) operation.Command {
	return operation.Command{Command: protocol.Command{
		ID: id, Server: server, Operation: "opn-1", Step: "verify", Epoch: 1, Kind: protocol.CommandDiagnose,
		Diagnose: &protocol.DiagnoseCommand{Profile: "quick"}, Deadline: time.Now().Add(time.Hour).UTC(),
	}}
}

func TestWalkFromJoinTokenToAcknowledgedResult(t *testing.T) {
	c := newController(t)
	c.start()
	a := c.agent(1)
	c.connected(a)
	eventually(t, "the inventory", func() bool { _, ok := c.fleet.Reported(a.id()); return ok })
	rep, _ := c.fleet.Reported(a.id())
	if rep.Inventory.Identity.UUID != a.inv.Identity.UUID || rep.Digest != rep.Inventory.Digest() {
		t.Errorf("the report came as %+v, digest %s", rep.Inventory, rep.Digest)
	}
	c.fleet.PutCommand(command(a.id(), "cmd-1"))
	eventually(t, "the result", func() bool { _, ok := c.fleet.ResultOf("cmd-1"); return ok })
	eventually(t, "the acknowledgement", func() bool { return len(a.Unacked()) == 0 })
	if a.commands() != 1 {
		t.Errorf("the command came %d times", a.commands())
	}
	eventually(t, "presence", func() bool { return c.fleet.Present()[a.id()].Replica == "r1" })
	if err := a.stop(); err != nil {
		t.Error(err)
	}
	eventually(t, "absence", func() bool { return len(c.fleet.Present()) == 0 })
}

func TestU6_SamplesStayInMemoryWithTheirTimeAndHeartbeatsWriteNothing(t *testing.T) {
	c := newController(t)
	c.start()
	a := c.agent(1)
	c.connected(a)
	eventually(t, "the inventory", func() bool { _, ok := c.fleet.Reported(a.id()); return ok })
	before := c.fleet.Writes()
	first := time.Time{}
	eventually(t, "two samples", func() bool {
		s, at, ok := c.gate.Load().Sample(a.id())
		if !ok || s.Load1 != 0.25 || s.At.IsZero() || at.Before(s.At) {
			return false
		}
		if first.IsZero() {
			first = at
		}
		return at.After(first)
	})
	if after := c.fleet.Writes(); after != before {
		t.Errorf("%d writes while nothing changed", after-before)
	}
}

func TestReconnectSendsNoInventoryThatIsKnownAndResumesTLS(t *testing.T) {
	c := newController(t)
	c.start()
	a := c.agent(1)
	c.connected(a)
	eventually(t, "the inventory", func() bool { _, ok := c.fleet.Reported(a.id()); return ok })
	before := c.fleet.Writes()
	c.stop()
	eventually(t, "the loss to be noticed", func() bool { return !a.Status().Connected })
	c.start() // another replica: it shares the authority's file and nothing else
	c.connected(a)
	stats := c.gate.Load().Stats()
	if stats.Resumed != 1 || stats.Reports != 0 || c.fleet.Writes() != before {
		t.Errorf("%d of %d handshakes resumed, %d reports, %d writes", stats.Resumed, stats.Handshakes, stats.Reports, c.fleet.Writes()-before)
	}
	a.with(func() { a.inv.CPUs[0].Model = "EPYC 9354P" })
}

func TestChangedInventoryIsReported(t *testing.T) {
	c := newController(t)
	c.start()
	a := c.agent(1, func(o *link.Options) { o.InventoryEvery = 50 * time.Millisecond })
	c.connected(a)
	eventually(t, "the inventory", func() bool { _, ok := c.fleet.Reported(a.id()); return ok })
	a.with(func() { a.inv.CPUs = []hardware.CPU{{Socket: "P0", Model: "EPYC 9354P"}} })
	eventually(t, "the new inventory", func() bool {
		r, _ := c.fleet.Reported(a.id())
		return len(r.Inventory.CPUs) == 1 && r.Inventory.CPUs[0].Model == "EPYC 9354P"
	})
}

func TestResultSurvivesALostController(t *testing.T) {
	c := newController(t)
	c.start()
	a := c.agent(1)
	c.connected(a)
	a.with(func() { a.hold = true })
	c.fleet.PutCommand(command(a.id(), "cmd-1"))
	eventually(t, "the command", func() bool { return a.commands() == 1 })
	c.stop()
	a.with(func() {
		a.results["cmd-1"] = protocol.Result{Command: "cmd-1", Operation: "opn-1", Epoch: 1, At: time.Now().UTC()}
	})
	a.signal()
	c.start()
	eventually(t, "the result", func() bool { _, ok := c.fleet.ResultOf("cmd-1"); return ok })
	eventually(t, "the acknowledgement", func() bool { return len(a.Unacked()) == 0 })
	if a.commands() != 1 {
		t.Errorf("a command whose result was on its way came again (%d times)", a.commands())
	}
}

func TestCancelAndProgress(t *testing.T) {
	c := newController(t)
	c.start()
	a := c.agent(1)
	c.connected(a)
	a.with(func() { a.hold = true })
	cmd := command(a.id(), "cmd-1")
	c.fleet.PutCommand(cmd)
	eventually(t, "the command", func() bool { return a.commands() == 1 })
	a.with(func() {
		a.progress = []protocol.Progress{{Command: "cmd-1", Done: 3, Total: 9, Unit: "checks", Note: "disk\x00 sda"}}
	})
	a.signal()
	eventually(t, "progress", func() bool { p, ok := c.gate.Load().Progress(a.id()); return ok && p.Done == 3 && p.Note == "disk sda" })
	cmd.Cancel = &operation.Ask{Reason: "asked for", Actor: "op"}
	c.fleet.PutCommand(cmd)
	eventually(t, "the cancellation", func() bool { n := 0; a.with(func() { n = len(a.canceled) }); return n == 1 })
	c.gate.Load().Wake(a.id())
	time.Sleep(20 * time.Millisecond)
	a.with(func() {
		if len(a.canceled) != 1 || len(a.got) != 1 {
			t.Errorf("repeated in one session: %d commands, %d cancellations", len(a.got), len(a.canceled))
		}
	})
}

func TestPendingServerReportsButGetsNoCommand(t *testing.T) {
	c := newController(t)
	c.fleet.Approve = false
	c.start()
	a := c.agent(1)
	c.connected(a)
	c.fleet.PutCommand(command(a.id(), "cmd-1"))
	eventually(t, "the inventory", func() bool { _, ok := c.fleet.Reported(a.id()); return ok })
	if a.commands() != 0 || a.Status().Approval != fleet.Pending {
		t.Errorf("%d commands, %s", a.commands(), a.Status().Approval)
	}
	if _, _, err := a.Fetch(t.Context(), strings.Repeat("0", 64), 0); !fault.Is(err, fault.KindDenied) {
		t.Errorf("an image for a pending server: %v", err)
	}
	c.fleet.EditServer(a.id(), func(s *fleet.Server) { s.Approval = fleet.Approved })
	eventually(t, "the command after approval", func() bool { return a.commands() == 1 })
}

func TestRejectedServerIsToldSoAndStaysOut(t *testing.T) {
	c := newController(t)
	c.start()
	a := c.agent(1)
	c.connected(a)
	c.fleet.EditServer(a.id(), func(s *fleet.Server) { s.Approval = fleet.Rejected })
	eventually(t, "the refusal", func() bool { return !a.Status().Connected && strings.Contains(a.Status().LastError, "was rejected") })
	if c.gate.Load().Stats().Refused["rejected_server"] == 0 {
		t.Error("not counted")
	}
}

func TestRemovedServerIsTold(t *testing.T) {
	c := newController(t)
	c.start()
	a := c.agent(1)
	c.connected(a)
	c.fleet.RemoveServer(a.id())
	eventually(t, "the refusal", func() bool { return strings.Contains(a.Status().LastError, "not in this fleet") })
}

func TestCertificateRenewsItselfAndTheOldOneIsVoid(t *testing.T) {
	c := newController(t)
	c.options.AgentLifetime = 2 * time.Second // two thirds, counted with the allowance for clocks, are over at once
	c.start()
	a := c.agent(1)
	eventually(t, "a renewed certificate in use", func() bool {
		s, ok := c.fleet.Server(a.id())
		rec, _, _ := a.state.Load()
		return ok && s.PrevSerial == "" && a.Status().Connected && len(rec.Certificate) > 0 && c.gate.Load().Stats().Handshakes > 2
	})
}

func TestTokenUsedTwice(t *testing.T) {
	c := newController(t)
	c.fleet.AddToken("s3cret", 1)
	c.start()
	first := c.agent(1)
	c.connected(first)
	second := c.agent(2)
	if err := second.wait(); !fault.Is(err, fault.KindDenied) || !strings.Contains(err.Error(), "used up") {
		t.Errorf("%v", err)
	}
	// The first one, asking again as the same instance, is let in again.
	again := &agent{machine: newMachine(1), state: new(link.Memory)}
	rec, _, _ := first.state.Load()
	if err := errors.Join(first.stop(), again.state.Save(link.Record{InstanceID: rec.InstanceID, Key: rec.Key})); err != nil {
		t.Fatal(err)
	}
	again.run(c)
	c.connected(again)
	if again.id() != first.id() {
		t.Errorf("the same instance became server %s, was %s", again.id(), first.id())
	}
}

func TestX9_WrongFingerprintSendsNothing(t *testing.T) {
	c, stranger := newController(t), newController(t)
	c.start()
	a := c.agent(1, func(o *link.Options) { o.Join = stranger.token() })
	if err := a.wait(); !fault.Is(err, fault.KindDenied) || !strings.Contains(err.Error(), "fingerprint") {
		t.Errorf("%v", err)
	}
	if n := c.fleet.Writes(); n != 0 {
		t.Errorf("the token reached a controller of another fleet (%d writes)", n)
	}
}

func TestCertificateOfAnotherFleetIsRefusedAndCounted(t *testing.T) {
	home, foreign := newController(t), newController(t)
	home.start()
	foreign.start()
	a := home.agent(1)
	home.connected(a)
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	// The agent's own check is out of the way: it believes the foreign authority.
	rec, _, _ := a.state.Load()
	forged := dialWith(t, foreign, rec)
	if _, err := forged.Read(make([]byte, 1)); err == nil {
		t.Error("the foreign controller talks")
	}
	eventually(t, "the count", func() bool { return foreign.gate.Load().Stats().Refused["foreign_certificate"] == 1 })
	if foreign.gate.Load().Stats().Sessions != 0 {
		t.Error("a session")
	}
}

func TestX1_TwoAgentsWithOneIdentityAreBothClosedAndQuarantined(t *testing.T) {
	c := newController(t)
	c.start()
	a := c.agent(1)
	c.connected(a)
	rec, _, _ := a.state.Load()
	rec.InstanceID = "ins-copy"
	b := &agent{machine: newMachine(1), state: new(link.Memory)}
	if err := b.state.Save(rec); err != nil {
		t.Fatal(err)
	}
	b.run(c)
	eventually(t, "the conflict", func() bool { return len(c.fleet.Conflicts()) == 1 })
	if s, _ := c.fleet.Server(a.id()); s.Quarantine == nil {
		t.Error("not quarantined")
	}
}

func TestX1_CopiedDiskIsNoticedByItsBootID(t *testing.T) {
	c := newController(t)
	c.start()
	a := c.agent(1)
	c.connected(a)
	rec, _, _ := a.state.Load()
	b := &agent{machine: newMachine(1), state: new(link.Memory)}
	if err := b.state.Save(rec); err != nil {
		t.Fatal(err)
	}
	b.run(c, func(o *link.Options) { o.BootID = "boot-2" })
	eventually(t, "the conflict", func() bool { return len(c.fleet.Conflicts()) > 0 })
	if !strings.Contains(c.fleet.Conflicts()[0], "copies of one agent") {
		t.Error(c.fleet.Conflicts())
	}
}

func TestRebootIsNoConflict(t *testing.T) {
	c := newController(t)
	c.start()
	a := c.agent(1)
	c.connected(a)
	for i := range 3 { // the machine dies without a word and comes back
		rec, _, _ := a.state.Load()
		next := &agent{machine: newMachine(1), state: new(link.Memory)}
		if err := next.state.Save(rec); err != nil {
			t.Fatal(err)
		}
		next.run(c, func(o *link.Options) { o.BootID = fmt.Sprintf("boot-%d", i+2) })
		_ = a.stop()
		a = next
		c.connected(a)
	}
	if n := c.fleet.Conflicts(); len(n) > 0 {
		t.Error(n)
	}
}

func TestImageIsFetchedFromAnOffset(t *testing.T) {
	c := newController(t)
	c.start()
	a := c.agent(1)
	c.connected(a)
	image := bytes.Repeat([]byte("0123456789abcdef"), 60_000)
	sum := c.fleet.PutFile(image)
	for _, offset := range []int{0, 7, 900_000, len(image)} {
		r, n, err := a.Fetch(t.Context(), sum, uint64(offset))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || int(n) != len(image)-offset || !bytes.Equal(got, image[offset:]) {
			t.Errorf("offset %d: %d bytes announced, %d came, %v", offset, n, len(got), err)
		}
		_ = r.Close()
	}
	if _, _, err := a.Fetch(t.Context(), strings.Repeat("0", 64), 0); !fault.Is(err, fault.KindNotFound) {
		t.Errorf("no such file: %v", err)
	}
	if _, _, err := a.Fetch(t.Context(), sum, uint64(len(image))+1); !fault.Is(err, fault.KindInvalid) {
		t.Errorf("behind the end: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, _, err := a.Fetch(ctx, sum, 0)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	eventually(t, "the download to end with its context", func() bool { _, err := r.Read(make([]byte, 4096)); return err != nil })
	_ = r.Close()
}

func TestManySessionsInOneProcess(t *testing.T) {
	const n = many
	c := newController(t)
	c.options.EnrolPerSecond = n
	c.options.Heartbeat = 15 * time.Second
	c.start()
	agents := make([]*agent, n)
	for i := range agents {
		agents[i] = c.agent(i)
	}
	eventually(t, "all sessions", func() bool { return c.gate.Load().Stats().Sessions == n })
	for _, a := range agents {
		c.fleet.PutCommand(command(a.id(), "cmd-"+a.id()))
	}
	eventually(t, "all results", func() bool { return c.gate.Load().Stats().Results == n })
	start := time.Now()
	c.stop()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("stopping took %v", took)
	}
	if left := c.fleet.Present(); len(left) > 0 {
		t.Errorf("%d are still present", len(left))
	}
}
