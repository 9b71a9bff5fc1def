package gateway

import (
	"context"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// onRenew answers with a new certificate, once per session.
func (a *agent) onRenew(m session.Message) error {
	var r protocol.Renew
	if err := m.Decode(&r); err != nil {
		return err
	}
	if a.renewed {
		return session.Bad(session.ReasonReplayed, "the certificate was renewed in this session already; connect with the new one")
	}
	reply, err := a.renew(r.CSR)
	a.renewed = err == nil
	if err != nil {
		reply.Fault = fault.From(err)
		a.gate.log.Warn("certificate not renewed", logging.KeyServer, a.server, logging.KeyError, err)
	}
	return a.conn.Send(protocol.KindRenewed, &reply)
}

func (a *agent) renew(csr []byte) (protocol.Renewed, error) {
	g := a.gate
	if _, d := g.standing(a.server, a.serial, false); d != nil {
		return protocol.Renewed{}, d
	}
	issued, err := g.opt.Authority.IssueAgent(a.server, csr, g.opt.AgentLifetime)
	if err != nil {
		return protocol.Renewed{}, err
	}
	err = a.intake(func(ctx context.Context) error {
		return g.opt.Intake.Renewed(ctx, a.server, issued.Serial, issued.NotAfter)
	})
	return protocol.Renewed{Certificate: issued.DER}, err
}

// used tells the intake that the newest certificate arrived, so that the one
// before it is void.
func (a *agent) used(srv fleet.Server) {
	if srv.PrevSerial == "" || a.serial != srv.CertSerial {
		return
	}
	a.gate.spawn(func() {
		err := a.intake(func(ctx context.Context) error { return a.gate.opt.Intake.Used(ctx, a.server, a.serial) })
		if err != nil { // the next session tries again
			a.gate.log.Warn("previous certificate not revoked yet", logging.KeyServer, a.server, logging.KeyError, err)
		}
	})
}
