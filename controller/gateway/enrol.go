package gateway

import (
	"context"
	"crypto/tls"

	"github.com/steelyard/steelyard/controller/authority"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// enrol answers one request and closes. A stranger costs one frame of at most
// protocol.MaxEnrolFrame and handshakeTimeout.
func (g *Gateway) enrol(ctx context.Context, raw *tls.Conn) {
	conn := session.NewConn(raw, handshakeTimeout)
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer func() { _ = conn.Close() }()
	from := host(raw.RemoteAddr())
	reply, err := g.admission(ctx, conn, from)
	if reason := session.ReasonOf(err); reason != "" {
		g.count.bad.add(reason)
		conn.Farewell(goodbye(err))
		return
	}
	if err != nil {
		g.log.Info("enrolment refused", logging.KeyRemote, from, logging.KeyError, err)
		reply = protocol.EnrolReply{Fault: fault.From(err)}
	} else {
		g.count.enrolled.Add(1)
	}
	if conn.Send(protocol.KindEnrolReply, &reply) == nil {
		conn.Drain()
	}
}

// admission reads the request and lets the intake decide.
func (g *Gateway) admission(ctx context.Context, conn *session.Conn, from string) (protocol.EnrolReply, error) {
	if !g.enrols.allow(from) {
		g.count.refused.add(refusedEnrolRate)
		return protocol.EnrolReply{}, fault.Unavailable("too many machines enrol from %s at once; this one will try again", from)
	}
	var req protocol.EnrolRequest
	if err := conn.Expect(protocol.KindEnrolRequest, &req); err != nil {
		return protocol.EnrolReply{}, err
	}
	if err := checkEnrolment(&req); err != nil {
		g.count.refused.add(refusedEnrol)
		return protocol.EnrolReply{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, intakeTimeout)
	defer cancel()
	issue := func(server string) (authority.Issued, error) {
		return g.opt.Authority.IssueAgent(server, req.CSR, g.opt.AgentLifetime)
	}
	reply, err := g.opt.Intake.Enrol(ctx, from, req, issue)
	if err != nil {
		g.count.refused.add(refusedEnrol)
		return protocol.EnrolReply{}, err
	}
	reply.Authority = g.opt.Authority.Certificate().Raw
	reply.SigningKey = g.opt.Authority.SigningPublicKey()
	return reply, nil
}

// checkEnrolment refuses before anybody is asked what could never be granted.
func checkEnrolment(req *protocol.EnrolRequest) error {
	if _, _, err := session.SplitProof(req.Token); err != nil {
		return err
	}
	if _, err := authority.CheckRequest(req.CSR); err != nil {
		return err
	}
	hello := protocol.Hello{InstanceID: req.InstanceID, Environment: req.Environment}
	if err := new(agent).introduce(hello); err != nil {
		return err
	}
	req.Inventory.Clean()
	return nil
}
