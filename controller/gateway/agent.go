package gateway

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/steelyard/steelyard/controller/gateway/wheel"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/logging"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// agent is one session.
type agent struct {
	gate  *Gateway
	conn  *session.Conn
	entry wheel.Entry

	server, serial, instance, environment, boot, version, remote string
	bootBefore                                                   string  // of the session that this one replaced
	former                                                       string  // id in the certificate, when it is not the server's
	only                                                         bool    // the fleet's record names this instance, and no other
	consoles                                                     bool    // it gives consoles
	meters                                                       bool    // it tells what was used
	hosted                                                       *hosted // nil: it carries no accounts
	since                                                        time.Time

	// Used by the reader alone.
	allowed allowance
	ping    uint64
	renewed bool

	lost     atomic.Bool // fell silent
	ask      atomic.Bool // the last report was not taken: ask for it again
	waking   atomic.Int32
	sample   atomic.Pointer[sampled]
	progress atomic.Pointer[protocol.Progress]

	mu   sync.Mutex      // one delivery at a time
	sent map[string]bool // commands that the agent knows; true: also that it shall stop

	months uint64 // number of the months that the agent was told; see Usage.Months. mu guards it
}

type sampled struct {
	sample hardware.Sample
	at     time.Time
}

// Bounds of what a Hello may hold.
const (
	maxName    = 128
	maxUnacked = 1024
)

// introduce takes over what the agent says of itself.
func (a *agent) introduce(h protocol.Hello) error {
	var c fault.Check
	for name, value := range map[string]string{
		"agent_version": h.AgentVersion, "boot_id": h.BootID, "instance_id": h.InstanceID, "inventory_digest": h.InventoryDigest, "running": h.Running,
	} {
		c.Require(len(value) <= maxName && value == hardware.CleanString(value), name, "must be printable and have at most %d bytes", maxName)
	}
	c.Require(h.InstanceID != "", "instance_id", "is missing")
	c.Require(len(h.Unacked) <= maxUnacked, "unacked", "must not name more than %d commands", maxUnacked)
	c.Require(slices.Contains([]string{protocol.EnvRAM, protocol.EnvRescue, protocol.EnvInstalled, protocol.EnvSimulated, protocol.EnvSandbox}, h.Environment),
		"environment", "is none that this version knows")
	if err := c.Err("the agent's Hello is wrong"); err != nil {
		return err
	}
	a.instance, a.environment, a.boot, a.version = h.InstanceID, h.Environment, h.BootID, h.AgentVersion
	a.consoles = slices.Contains(h.Capabilities, protocol.CanConsole)
	if slices.Contains(h.Capabilities, protocol.CanHost) && a.gate.opt.Hosting != nil {
		a.hosted = &hosted{have: map[string]protocol.HostedVersion{}}
	}
	a.meters = slices.Contains(h.Capabilities, protocol.CanMeter) && a.gate.opt.Usage != nil
	a.sent = make(map[string]bool, len(h.Unacked)+1)
	for _, id := range append(h.Unacked, h.Running) {
		a.sent[id] = false
	}
	return nil
}

// run takes one message and goes on in a new goroutine: decoding needs a larger stack
// than waiting, and stacks that have grown stay large. It saves 2 KiB for each idle agent, and costs a
// microsecond for each message.
func (a *agent) run() {
	m, err := a.conn.Receive()
	if err == nil {
		err = a.take(m)
	}
	if err != nil {
		a.end(err)
		return
	}
	a.gate.work.Go(a.run) // this goroutine is counted still, so that Run waits
}

func (a *agent) take(m session.Message) error {
	a.gate.wheel.Touch(&a.entry)
	err := a.handle(m)
	a.gate.wheel.Touch(&a.entry) // the intake may have taken its time
	return err
}

// end leaves no trace of the session but its counts and one line.
func (a *agent) end(err error) {
	g := a.gate
	g.wheel.Remove(&a.entry)
	g.table.leave(a)
	if c := g.consoles.get(a.server); c != nil && c.agent == a {
		c.close(errSessionOver)
	}
	g.opt.Presence.Remove(a.server, a.since)
	if a.meters {
		g.opt.Usage.Left(a.server, a)
		g.questions.left(a)
	}
	var left *session.Left
	if err != nil && !errors.Is(err, io.EOF) && !errors.As(err, &left) {
		g.note(err)
		a.conn.Farewell(goodbye(err))
	}
	_ = a.conn.Close()
	why := "closed"
	if err != nil && !errors.Is(err, io.EOF) {
		why = err.Error()
	}
	if a.lost.Load() {
		why = "silent"
	}
	g.log.Info("agent disconnected", logging.KeyServer, a.server, logging.KeyRemote, a.remote, "why", why)
}

// silent ends a session that was not heard from for three heartbeats.
func (a *agent) silent() {
	a.lost.Store(true)
	a.gate.count.lost.Add(1)
	a.gate.spawn(func() { _ = a.conn.Close() })
}

// handlers by kind; a kind without one may not come in a session.
var handlers = [...]func(*agent, session.Message) error{
	protocol.KindGoodbye:  (*agent).onGoodbye,
	protocol.KindPing:     (*agent).onPing,
	protocol.KindReport:   (*agent).onReport,
	protocol.KindSample:   (*agent).onSample,
	protocol.KindProgress: (*agent).onProgress,
	protocol.KindResult:   (*agent).onResult,
	protocol.KindRenew:    (*agent).onRenew,

	protocol.KindHostedHave:   (*agent).onHostedHave,
	protocol.KindHostedReport: (*agent).onHostedReport,

	protocol.KindUsageReport: (*agent).onUsageReport,
	protocol.KindServerUsage: (*agent).onServerUsage,
	protocol.KindUsageAnswer: (*agent).onUsageAnswer,
}

var errFlood = session.Bad(session.ReasonFlood, "more messages than an agent should send; the session is closed to protect the others")

func (a *agent) handle(m session.Message) error {
	cost := float32(1)
	switch m.Kind {
	case protocol.KindReport, protocol.KindResult:
		cost = reportCost
	case protocol.KindHostedHave, protocol.KindHostedReport:
		cost = hostedCost
	case protocol.KindUsageReport, protocol.KindServerUsage:
		cost = usageCost
	case protocol.KindUsageAnswer:
		cost = 0 // paid where nobody waits for it
	}
	if !a.allowed.take(time.Now(), cost) {
		return errFlood
	}
	if int(m.Kind) >= len(handlers) || handlers[m.Kind] == nil {
		return session.Bad(session.ReasonOutOfOrder, "a message of kind %d may not come from an agent in a session", m.Kind)
	}
	return handlers[m.Kind](a, m)
}

func (a *agent) onGoodbye(m session.Message) error {
	var bye protocol.Goodbye
	if err := m.Decode(&bye); err != nil {
		return err
	}
	return session.LeftBy(bye)
}

func (a *agent) onPing(m session.Message) error {
	var p protocol.Ping
	if err := m.Decode(&p); err != nil {
		return err
	}
	if p.Seq <= a.ping {
		return session.Bad(session.ReasonReplayed, "heartbeat %d came after %d", p.Seq, a.ping)
	}
	a.ping = p.Seq
	return a.conn.Send(protocol.KindPong, &protocol.Pong{Seq: p.Seq})
}

func (a *agent) onReport(m session.Message) error {
	var rep protocol.Report
	if err := m.Decode(&rep); err != nil {
		return err
	}
	a.gate.count.reports.Add(1)
	a.ask.Store(false)
	rep.Inventory.Clean()
	err := a.intake(func(ctx context.Context) error { return a.gate.opt.Intake.Report(ctx, a.server, a.version, rep) })
	if fault.Is(err, fault.KindUnavailable) {
		a.ask.Store(true)
	}
	return a.unaccepted("report", err)
}

func (a *agent) onResult(m session.Message) error {
	var res protocol.Result
	if err := m.Decode(&res); err != nil {
		return err
	}
	if res.Diagnosis != nil {
		res.Diagnosis.Clean()
	}
	if res.Inspection != nil {
		res.Inspection.Clean()
	}
	err := a.intake(func(ctx context.Context) error { return a.gate.opt.Intake.Result(ctx, a.server, res) })
	if err != nil && !fault.Is(err, fault.KindNotFound) {
		return a.unaccepted("result", err)
	}
	a.gate.count.results.Add(1)
	a.progress.Store(nil)
	return a.conn.Send(protocol.KindAck, &protocol.Ack{Command: res.Command})
}

func (a *agent) onProgress(m session.Message) error {
	var p protocol.Progress
	if err := m.Decode(&p); err != nil {
		return err
	}
	p.Note, p.Unit = hardware.CleanString(p.Note), hardware.CleanString(p.Unit)
	a.progress.Store(&p)
	return a.unaccepted("progress", a.intake(func(ctx context.Context) error { return a.gate.opt.Intake.Progress(ctx, a.server, p) }))
}

// intake calls f with the time that an intake has.
func (a *agent) intake(f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(a.gate.life, intakeTimeout)
	defer cancel()
	return f(ctx)
}

// unaccepted counts and logs what the intake could not take. The session goes on:
// the agent repeats results, and is asked again for reports.
func (a *agent) unaccepted(what string, err error) error {
	if err != nil {
		a.gate.count.unaccepted.Add(1)
		a.gate.log.Warn("agent's message not taken", "message", what, logging.KeyServer, a.server, logging.KeyError, err)
	}
	return nil
}
