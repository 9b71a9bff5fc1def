package link

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// welcomeTimeout is what a controller has for its answer to Hello.
const welcomeTimeout = 30 * time.Second

// errRenewed ends a session whose certificate was replaced: the next one shows the
// new certificate, at once.
var errRenewed = errors.New("the certificate was renewed")

// inventory reads the machine and notes the digest.
func (l *Link) inventory(ctx context.Context) hardware.Inventory {
	inv := l.opt.Source.Inventory(ctx)
	inv.Clean() // as the controller will: both compute the same digest
	l.digest, l.hardware, l.readAt = inv.Digest(), inv.Identity, time.Now()
	return inv
}

// live is one session. Its fields belong to the loop; the reader has channels.
type live struct {
	*Link
	conn    *session.Conn
	welcome protocol.Welcome
	work    sync.WaitGroup
	life    context.Context // of what runs beside the loop; ends with the session
	shell   sync.Mutex      // one console at a time

	ended   chan error            // from the reader, once
	want    chan struct{}         // a full report is asked for
	renewed chan protocol.Renewed // the answer to Renew
	reading chan reading          // from the goroutine that reads the inventory
	busy    bool                  // it is reading
	full    bool                  // and the result is sent whether it changed or not

	hosted  hosted
	usageAt time.Time              // when there may be something to say of usage
	asked   chan protocol.UsageAsk // questions that wait

	seq    uint64
	sent   map[string]time.Time // results, by command
	newKey []byte               // that Renew was sent for

	pingAt, sampleAt, inventoryAt, renewAt, resendAt time.Time
}

type reading struct {
	inventory hardware.Inventory
	digest    string
}

// session runs one session to its end.
func (l *Link) session(ctx context.Context) error {
	conn, err := l.open(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &live{
		Link: l, conn: conn, ended: make(chan error, 1), want: make(chan struct{}, 1), renewed: make(chan protocol.Renewed, 1),
		reading: make(chan reading, 1), sent: map[string]time.Time{}, life: ctx,
		asked: make(chan protocol.UsageAsk, questions),
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer s.work.Wait()
	defer func() { cancel(); _ = conn.Close() }()
	err = s.greet()
	if !stop() {
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	if s.opt.Meter != nil {
		s.work.Go(s.answer)
	}
	s.work.Go(s.read)
	return s.loop(ctx)
}

// leave says that the agent stops, and closes even if nobody listens.
func (s *live) leave() {
	t := time.AfterFunc(time.Second, func() { _ = s.conn.Close() })
	defer t.Stop()
	_ = s.conn.Send(protocol.KindGoodbye, &protocol.Goodbye{Fault: fault.Unavailable("the agent is stopping")})
	_ = s.conn.Close()
}

// greet says Hello and waits for the Welcome.
func (s *live) greet() error {
	rec := s.record()
	hello := protocol.Hello{
		VersionMin: protocol.VersionMin, VersionMax: protocol.VersionMax,
		AgentVersion: s.opt.AgentVersion, Environment: s.opt.Environment, BootID: s.opt.BootID, InstanceID: rec.InstanceID,
		Capabilities: s.opt.Capabilities, InventoryDigest: s.digest, Identity: s.hardware, Running: s.opt.Executor.Running(),
	}
	for _, r := range s.opt.Executor.Unacked() {
		hello.Unacked = append(hello.Unacked, r.Command)
	}
	if err := s.conn.Send(protocol.KindHello, &hello); err != nil {
		return err
	}
	s.conn.SetIdle(welcomeTimeout)
	if err := s.conn.Expect(protocol.KindWelcome, &s.welcome); err != nil {
		return err
	}
	return s.begin(rec)
}

// begin takes the Welcome over and sets the clock of the session.
func (s *live) begin(rec Record) error {
	w := &s.welcome
	if w.Version < protocol.VersionMin || w.Version > protocol.VersionMax {
		return session.Bad(session.ReasonVersion, "the controller chose version %d, which this agent does not speak", w.Version)
	}
	adopted := w.ServerID != "" && w.Former != "" && w.Former == rec.ServerID
	if w.ServerID != rec.ServerID && !adopted {
		return session.Bad(session.ReasonOutOfOrder, "the controller takes this agent for server %q; it is %q", w.ServerID, rec.ServerID)
	}
	w.HeartbeatSeconds, w.SampleSeconds = min(max(w.HeartbeatSeconds, 1), 300), min(max(w.SampleSeconds, 1), 3600)
	s.conn.SetIdle(3 * s.heartbeat())
	s.back.stood(w.BackoffMaxSecs)
	s.found(*w)
	s.log.Info("session", "server", w.ServerID, "approval", w.Approval, "controller", s.conn.RemoteAddr().String())
	s.opt.Executor.Attach(*w)
	if s.opt.Meter != nil {
		s.opt.Meter.Attach()
	}
	now := time.Now()
	s.pingAt, s.sampleAt = now.Add(s.heartbeat()), now
	s.inventoryAt = s.readAt.Add(s.opt.InventoryEvery)
	if id := s.identity(); id != nil {
		s.renewAt = id.renewAt()
	}
	if adopted { // get a certificate that names the server
		s.renewAt = now
	}
	if soonest := s.renewedAt.Add(time.Minute); s.renewAt.Before(soonest) {
		s.renewAt = soonest // however short-lived the certificates are
	}
	if w.WantReport {
		s.want <- struct{}{}
	}
	return nil
}

func (s *live) heartbeat() time.Duration {
	return time.Duration(s.welcome.HeartbeatSeconds) * time.Second
}

// loop does what is due until the session ends.
func (s *live) loop(ctx context.Context) error {
	s.push()
	s.have()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			s.leave()
			return ctx.Err()
		case err := <-s.ended:
			return err
		case <-s.opt.Executor.Changed():
			s.push()
		case <-s.hostedChanged():
			s.pushHosted(time.Now())
		case <-s.usageChanged():
			s.pushUsage(time.Now())
		case <-s.want:
			s.full = true
			s.look(ctx)
		case r := <-s.reading:
			s.report(r)
		case r := <-s.renewed:
			if err := s.takeRenewed(r); err != nil {
				return err
			}
		case <-timer.C:
			s.due(ctx, time.Now())
		}
		timer.Reset(time.Until(s.next()))
	}
}

// next is when something is due again.
func (s *live) next() time.Time {
	next := s.pingAt
	for _, at := range []time.Time{s.sampleAt, s.inventoryAt, s.renewAt, s.resendAt, s.hosted.next, s.usageAt} {
		if !at.IsZero() && at.Before(next) {
			next = at
		}
	}
	return next
}

// due does what the clock asks for. What cannot be sent closes the connection; the
// reader then ends the session.
func (s *live) due(ctx context.Context, now time.Time) {
	if !now.Before(s.pingAt) {
		s.seq++
		s.send(protocol.KindPing, &protocol.Ping{Seq: s.seq})
		s.pingAt = now.Add(s.heartbeat())
	}
	if !now.Before(s.sampleAt) {
		s.sendSample()
		s.sampleAt = now.Add(time.Duration(s.welcome.SampleSeconds) * time.Second)
	}
	if !now.Before(s.inventoryAt) {
		s.look(ctx)
		s.inventoryAt = now.Add(s.opt.InventoryEvery)
	}
	if !s.renewAt.IsZero() && !now.Before(s.renewAt) {
		s.renew()
		s.renewAt = now.Add(10 * time.Minute) // if no answer comes
	}
	if !s.resendAt.IsZero() && !now.Before(s.resendAt) {
		s.push()
	}
	if !s.hosted.next.IsZero() && !now.Before(s.hosted.next) {
		s.pushHosted(now)
	}
	if !s.usageAt.IsZero() && !now.Before(s.usageAt) {
		s.pushUsage(now)
	}
}

func (s *live) send(kind protocol.Kind, msg any) {
	if err := s.conn.Send(kind, msg); err != nil {
		s.log.Warn("message not sent", "kind", int(kind), "error", err)
	}
}

func (s *live) sendSample() {
	var sample hardware.Sample
	if err := s.opt.Source.Sample(&sample); err != nil {
		s.log.Warn("no sample", "error", err)
		return
	}
	s.send(protocol.KindSample, &protocol.SampleReport{Sample: sample})
}
