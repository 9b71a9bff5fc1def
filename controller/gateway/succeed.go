package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// succeed answers one Succeed and closes.
func (g *Gateway) succeed(ctx context.Context, raw *tls.Conn, cert *x509.Certificate) {
	g.single(ctx, raw, protocol.KindSucceeded, "no certificate for an installed system", func(conn *session.Conn) (any, error) {
		reply, err := g.successor(conn, cert)
		if err != nil {
			reply.Fault = fault.From(err)
		}
		return &reply, err
	})
}

func (g *Gateway) successor(conn *session.Conn, cert *x509.Certificate) (protocol.Succeeded, error) {
	var none protocol.Succeeded
	srv, err := g.caller(cert)
	if err != nil {
		return none, err
	}
	if srv.Environment == protocol.EnvInstalled {
		return none, fault.Denied("the agent of server %s runs on an installed system, which installs no other", srv.ID)
	}
	var ask protocol.Succeed
	if err := conn.Expect(protocol.KindSucceed, &ask); err != nil {
		return none, err
	}
	if ask.InstanceID == "" || len(ask.InstanceID) > maxName || ask.InstanceID != hardware.CleanString(ask.InstanceID) || ask.InstanceID == srv.InstanceID {
		return none, fault.Invalid("instance_id must be new, printable and at most %d bytes long", maxName)
	}
	issued, err := g.opt.Authority.IssueAgent(srv.ID, ask.CSR, g.opt.AgentLifetime)
	if err != nil {
		return none, err
	}
	ctx, cancel := context.WithTimeout(g.life, intakeTimeout)
	defer cancel()
	data, err := g.opt.Intake.Succeed(ctx, srv.ID, fleet.Successor{InstanceID: ask.InstanceID, Serial: issued.Serial, NotAfter: issued.NotAfter})
	return protocol.Succeeded{Certificate: issued.DER, UserData: string(data)}, err
}

// arrived lets a successor take the place of the agent that installed it.
func (g *Gateway) arrived(a *agent, srv fleet.Server) (fleet.Server, error) {
	ctx, cancel := context.WithTimeout(g.life, intakeTimeout)
	defer cancel()
	if err := g.opt.Intake.Arrived(ctx, a.server, a.serial); err != nil {
		return srv, deny(refusedUnknown, retryFresh, fault.From(err))
	}
	if now, ok := g.opt.Directory.Server(a.server); ok {
		return now, nil
	}
	return srv, nil
}

// succeeds tells whether a serial is that of a system that has not reported yet.
func succeeds(srv fleet.Server, serial string) bool {
	return srv.Successor != nil && srv.Successor.Serial == serial
}
