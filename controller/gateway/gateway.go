package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/steelyard/steelyard/controller/gateway/wheel"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/pause"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// handshakeTimeout bounds everything until a session stands: TLS, stream, Hello.
const handshakeTimeout = 10 * time.Second

// Gateway lets agents in. Make one with [New].
type Gateway struct {
	opt    Options
	log    *slog.Logger
	tls    *tls.Config
	table  table
	wheel  *wheel.Wheel
	count  counters
	admit  *rate.Limiter
	shakes chan struct{} // one token for each handshake in work
	bulk   chan struct{} // and for each image stream
	enrols *hosts
	told   *paced // conflicts that the intake heard of lately

	consoles  consoles
	questions questions

	mu      sync.Mutex
	work    sync.WaitGroup
	life    context.Context // of what sessions do; ends after the last Goodbye
	running bool
}

// New makes a gateway. It starts nothing.
func New(o Options) (*Gateway, error) {
	o = o.withDefaults()
	keys, err := o.Authority.TicketKeys(time.Now())
	if err != nil {
		return nil, err
	}
	g := &Gateway{
		opt:    o,
		log:    o.Logger,
		tls:    session.Listener{Certificate: o.Certificate, Authority: o.Authority.Certificate(), TicketKeys: keys}.Config(),
		admit:  rate.NewLimiter(rate.Limit(o.HandshakesPerSecond), max(1, int(o.HandshakesPerSecond))),
		shakes: make(chan struct{}, o.MaxHandshakes),
		bulk:   make(chan struct{}, o.MaxBulk),
		enrols: newHosts(o.EnrolPerSecond),
		told:   newPaced(time.Minute),
	}
	g.count.refused = newTally(refusedBusy, refusedTLS, refusedTimeout, refusedProtocol, refusedForeign, refusedExpired,
		refusedUnknown, refusedRejected, refusedRetired, refusedRevoked, refusedElsewhere, refusedConflict, refusedEnrolRate, refusedEnrol)
	g.count.bad = newTally(session.Reasons()...)
	g.wheel = wheel.New(3*o.Heartbeat, min(time.Second, o.Heartbeat/10),
		func(owner any) { owner.(*agent).silent() },
		func(owner any) { owner.(*agent).wake() })
	return g, nil
}

// Run accepts agents on ln until ctx ends, tells them all, and returns when
// everything it started is over. It closes ln. It may be called once.
func (g *Gateway) Run(ctx context.Context, ln net.Listener) error {
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g.mu.Lock()
	g.life, g.running = life, true
	g.mu.Unlock()
	closed := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer closed()
	g.spawn(func() { g.wheel.Run(life) })
	g.spawn(func() { g.rotate(life) })
	err := g.accept(ctx, ln)
	g.mu.Lock()
	g.running = false
	g.mu.Unlock()
	_ = ln.Close()
	g.dismissAll()
	stop()
	g.work.Wait()
	return err
}

// spawn runs f unless the gateway is closing; Run waits for it.
func (g *Gateway) spawn(f func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running {
		g.work.Go(f)
	}
	return g.running
}

// rotate changes the session ticket keys with the day.
func (g *Gateway) rotate(ctx context.Context) {
	t := time.NewTicker(time.Hour)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			keys, err := g.opt.Authority.TicketKeys(now)
			if err != nil {
				g.log.Error("session ticket keys not rotated", "error", err)
				continue
			}
			g.tls.SetSessionTicketKeys(keys)
		}
	}
}

// dismissAll tells every agent to try elsewhere, and waits for the sessions to end.
func (g *Gateway) dismissAll() {
	bye := goodbye(errStopping)
	var told sync.WaitGroup
	slots := make(chan struct{}, 256)
	for _, a := range g.table.all() {
		slots <- struct{}{}
		told.Go(func() {
			defer func() { <-slots }()
			a.conn.Dismiss(bye)
		})
	}
	told.Wait()
}

// accept takes connections at the admitted rate.
func (g *Gateway) accept(ctx context.Context, ln net.Listener) error {
	for {
		if g.admit.Wait(ctx) != nil {
			return nil
		}
		conn, err := ln.Accept()
		switch {
		case err == nil:
			g.receive(ctx, conn)
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fault.Unavailable("the agents' port was closed: %w", err)
		default: // out of descriptors or memory: it passes
			g.log.Error("accept an agent", "error", err)
			_ = pause.For(ctx, 100*time.Millisecond)
		}
	}
}

// receive starts the handshake of one connection in a goroutine whose stack is
// thrown away afterwards.
func (g *Gateway) receive(ctx context.Context, raw net.Conn) {
	select {
	case g.shakes <- struct{}{}:
	default:
		g.count.refused.add(refusedBusy)
		_ = raw.Close()
		return
	}
	if !g.spawn(func() { g.shake(ctx, raw) }) {
		_ = raw.Close()
	}
}

// shake makes the connection what its application protocol says.
func (g *Gateway) shake(ctx context.Context, raw net.Conn) {
	free := sync.OnceFunc(func() { <-g.shakes })
	defer free()
	limit, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	conn := tls.Server(raw, g.tls)
	if err := conn.HandshakeContext(limit); err != nil {
		g.count.refused.add(handshakeReason(err))
		g.log.Debug("handshake failed", "remote", raw.RemoteAddr(), "error", err)
		_ = raw.Close()
		return
	}
	state := conn.ConnectionState()
	g.count.handshakes.Add(1)
	if state.DidResume {
		g.count.resumed.Add(1)
	}
	switch state.NegotiatedProtocol {
	case protocol.ALPNControl:
		g.control(limit, conn, state.PeerCertificates[0])
	case protocol.ALPNBulk:
		free()
		g.stream(ctx, conn, state.PeerCertificates[0])
	case protocol.ALPNConsole:
		g.console(ctx, conn, state.PeerCertificates[0], free)
	case protocol.ALPNSucceed:
		g.succeed(ctx, conn, state.PeerCertificates[0])
	case protocol.ALPNEnter:
		g.enter(ctx, conn, state.PeerCertificates[0])
	default:
		g.enrol(ctx, conn)
	}
}

// Wake says that the commands, the approval or the certificate of a server changed. It
// does not wait.
func (g *Gateway) Wake(server string) {
	if a := g.table.get(server); a != nil {
		a.wake()
	}
}

// WakeAll is Wake for every server whose session is here.
func (g *Gateway) WakeAll() {
	for _, a := range g.table.all() {
		a.wake()
	}
}

// Sample is the newest sample of a server whose session is here, and when it came.
func (g *Gateway) Sample(server string) (hardware.Sample, time.Time, bool) {
	a := g.table.get(server)
	if a == nil {
		return hardware.Sample{}, time.Time{}, false
	}
	s := a.sample.Load()
	if s == nil {
		return hardware.Sample{}, time.Time{}, false
	}
	return s.sample, s.at, true
}

// Progress is the newest progress of the command that a server's agent works on.
func (g *Gateway) Progress(server string) (protocol.Progress, bool) {
	if a := g.table.get(server); a != nil {
		if p := a.progress.Load(); p != nil {
			return *p, true
		}
	}
	return protocol.Progress{}, false
}

// Connected tells whether the agent of a server has its session here.
func (g *Gateway) Connected(server string) bool { return g.table.get(server) != nil }
