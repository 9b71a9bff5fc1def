package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"time"

	"github.com/steelyard/steelyard/controller/authority"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// How long a peer is asked to stay away.
const (
	retryDenied   = 5 * time.Minute // only a person can change it
	retryConflict = time.Minute
	retryBusy     = 15 * time.Second
	retryFresh    = 2 * time.Second // another replica knows already
)

// intakeTimeout bounds one call of the intake.
const intakeTimeout = 30 * time.Second

// errStopping is the last word of a controller.
var errStopping = fault.Unavailable("this controller is stopping; connect to it or another one again")

// denial is why a peer may not come in, and how that is counted.
type denial struct {
	reason string
	retry  time.Duration
	fault  *fault.Fault
}

func (d *denial) Error() string { return d.fault.Error() }
func (d *denial) Unwrap() error { return d.fault }

func deny(reason string, retry time.Duration, f *fault.Fault) *denial {
	return &denial{reason: reason, retry: retry, fault: f}
}

// goodbye is the last word for an error.
func goodbye(err error) protocol.Goodbye {
	g := protocol.Goodbye{Fault: fault.From(err)}
	var d *denial
	if errors.As(err, &d) {
		g.RetrySeconds = int(d.retry / time.Second)
	}
	return g
}

// control makes a session of a connection, in the goroutine of the handshake; the
// session goes on in another one.
func (g *Gateway) control(ctx context.Context, raw *tls.Conn, cert *x509.Certificate) {
	conn, err := session.Server(ctx, raw, &g.count.traffic)
	if err != nil {
		g.note(err)
		return
	}
	a := &agent{gate: g, conn: conn, serial: authority.Serial(cert), remote: host(raw.RemoteAddr()), since: time.Now()}
	a.entry.Owner = a
	if err := g.admitAgent(a, cert); err != nil {
		g.note(err)
		g.log.Info("agent refused", logging.KeyServer, a.server, logging.KeyRemote, a.remote, logging.KeyError, err)
		conn.Farewell(goodbye(err))
		return
	}
	if !g.spawn(a.run) {
		a.end(errStopping)
	}
}

// note counts what ended a connection before it was a session.
func (g *Gateway) note(err error) {
	var d *denial
	if errors.As(err, &d) {
		g.count.refused.add(d.reason)
	}
	if reason := session.ReasonOf(err); reason != "" {
		g.count.bad.add(reason)
	}
}

// admitAgent hears the Hello, checks it, and answers Welcome.
func (g *Gateway) admitAgent(a *agent, cert *x509.Certificate) error {
	id, err := session.ServerID(cert)
	if err != nil {
		return err
	}
	a.server = id
	a.conn.SetIdle(handshakeTimeout)
	var hello protocol.Hello
	if err := a.conn.Expect(protocol.KindHello, &hello); err != nil {
		return err
	}
	version, err := session.Negotiate(hello)
	if err != nil {
		return err
	}
	if err := a.introduce(hello); err != nil {
		return err
	}
	srv, err := g.welcome(a, g.opt.Authority.Fresh(cert))
	if err != nil {
		return err
	}
	return g.begin(a, srv, hello, version)
}

// welcome asks the directory whether a's server, with this certificate and instance, may
// come in.
func (g *Gateway) welcome(a *agent, fresh bool) (fleet.Server, error) {
	srv, d := g.standing(a.server, a.serial, fresh)
	if d != nil {
		return srv, d
	}
	if srv.ID != a.server { // adopted: its certificate still names the id that it joined with
		a.former, a.server = a.server, srv.ID
	}
	if succeeds(srv, a.serial) && srv.Successor.InstanceID == a.instance {
		var err error
		if srv, err = g.arrived(a, srv); err != nil {
			return srv, err
		}
	}
	if srv.Environment != "" && srv.Environment != a.environment {
		return srv, deny(refusedElsewhere, retryDenied, fault.Denied(
			"the agent of server %s enrolled as %q and says that it is %q now; enrol it again with a new join token", srv.ID, srv.Environment, a.environment))
	}
	if srv.InstanceID != "" && srv.InstanceID != a.instance {
		return srv, g.conflict(a, "an agent with another instance than the one that enrolled connects from "+a.remote)
	}
	if g.opt.MaxSessions > 0 && g.table.len() >= g.opt.MaxSessions && g.table.get(a.server) == nil {
		return srv, deny(refusedBusy, retryBusy, fault.Unavailable("this controller holds %d sessions and takes no more; try another one", g.opt.MaxSessions))
	}
	return srv, nil
}

// caller is the server whose agent opened a connection of its own beside its session, if its certificate is welcome.
func (g *Gateway) caller(cert *x509.Certificate) (fleet.Server, error) {
	id, err := session.ServerID(cert)
	if err != nil {
		return fleet.Server{}, err
	}
	srv, d := g.standing(id, authority.Serial(cert), g.opt.Authority.Fresh(cert))
	if d != nil {
		return srv, d
	}
	return srv, nil
}

// standing is what the directory says of a server and a certificate; nil is welcome. Of a
// fresh certificate this replica may not have heard yet.
func (g *Gateway) standing(server, serial string, fresh bool) (fleet.Server, *denial) {
	srv, ok := g.opt.Directory.Server(server)
	switch {
	case ok && succeeds(srv, serial) && srv.Approval != fleet.Retired && srv.Approval != fleet.Rejected:
		return srv, nil
	case !ok && fresh, ok && serial != srv.CertSerial && serial != srv.PrevSerial && fresh:
		return srv, deny(refusedUnknown, retryFresh, fault.Unavailable("server %s is new; this controller has not heard of its certificate yet", server))
	case !ok:
		return srv, deny(refusedUnknown, retryDenied, fault.Denied("server %s is not in this fleet; if it was removed, enrol the machine again with a new join token", server))
	case srv.Approval == fleet.Retired:
		return srv, deny(refusedRetired, retryDenied, fault.Denied("server %s was retired; if the machine is to be used again, enrol it with a new join token", server))
	case srv.Approval == fleet.Rejected:
		return srv, deny(refusedRejected, retryDenied, fault.Denied("server %s was rejected; an operator can approve it: steelyard server approve %s", server, server))
	case serial != srv.CertSerial && serial != srv.PrevSerial:
		return srv, deny(refusedRevoked, retryDenied, fault.Denied("this certificate of server %s was replaced by a newer one and is void; if the machine lost the newer one, enrol it again with a new join token", server))
	}
	return srv, nil
}

// conflict tells the intake, at most once a minute for a server, and gives the
// denial for the agent.
func (g *Gateway) conflict(a *agent, reason string) error {
	if g.told.due(a.server) {
		ctx, cancel := context.WithTimeout(g.life, intakeTimeout)
		defer cancel()
		if err := g.opt.Intake.Conflict(ctx, a.server, reason); err != nil {
			g.log.Error("identity conflict not recorded", logging.KeyServer, a.server, logging.KeyError, err)
		}
	}
	return deny(refusedConflict, retryConflict, fault.Refused("two machines act as server %s: %s; both are quarantined until somebody has looked", a.server, reason))
}

// begin enters the session and says Welcome. Deliveries wait until that is done.
func (g *Gateway) begin(a *agent, srv fleet.Server, hello protocol.Hello, version int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.only = srv.InstanceID == a.instance
	old, clash := g.table.enter(a)
	if clash != "" {
		err := g.conflict(a, clash)
		old.conn.Dismiss(goodbye(err))
		return err
	}
	if old != nil {
		g.count.replaced.Add(1)
		g.spawn(func() {
			old.conn.Dismiss(protocol.Goodbye{Fault: fault.Unavailable("a newer session of this agent took the place of this one")})
		})
	}
	w := protocol.Welcome{
		Version: version, ServerID: a.server, Former: a.former, Approval: srv.Approval, Epoch: srv.Epoch,
		HeartbeatSeconds: seconds(g.opt.Heartbeat), SampleSeconds: seconds(g.opt.SampleEvery), BackoffMaxSecs: g.backoff(),
		WantReport: hello.InventoryDigest == "" || g.opt.Intake.Digest(a.server) != hello.InventoryDigest,
		SigningKey: g.opt.Authority.SigningPublicKey(), UnixMillis: time.Now().UnixMilli(),
	}
	if err := a.conn.Send(protocol.KindWelcome, &w); err != nil {
		g.table.leave(a)
		return err
	}
	a.conn.SetIdle(0) // the wheel watches from here on
	g.wheel.Add(&a.entry)
	g.opt.Presence.Add(fleet.Presence{Server: a.server, Replica: g.opt.Replica, Since: a.since, BootID: a.boot, Environment: a.environment, Remote: a.remote})
	g.log.Info("agent connected", logging.KeyServer, a.server, logging.KeyRemote, a.remote, "version", a.version)
	a.used(srv)
	a.wake()
	return nil
}

func seconds(d time.Duration) int { return max(1, int(d/time.Second)) }

// backoff is the cap of the agents' reconnect back-off in seconds: long enough that
// the whole fleet comes back at two thirds of the admitted rate.
func (g *Gateway) backoff() int {
	n := g.table.len()
	if g.opt.FleetSize != nil {
		n = max(n, g.opt.FleetSize())
	}
	return min(max(seconds(g.opt.ReturnWithin), int(1.5*float64(n)/g.opt.HandshakesPerSecond)), 600)
}

func host(addr net.Addr) string {
	h, _, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	return h
}
