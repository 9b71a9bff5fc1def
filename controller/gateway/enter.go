package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// enter answers one Enter and closes.
func (g *Gateway) enter(ctx context.Context, raw *tls.Conn, cert *x509.Certificate) {
	g.single(ctx, raw, protocol.KindEntry, "no RAM environment for a server that would start it by itself", func(conn *session.Conn) (any, error) {
		entry, err := g.entry(conn, cert, host(raw.RemoteAddr()))
		if err != nil {
			entry = protocol.Entry{Fault: fault.From(err)}
		}
		return &entry, err
	})
}

func (g *Gateway) entry(conn *session.Conn, cert *x509.Certificate, remote string) (protocol.Entry, error) {
	var none protocol.Entry
	srv, err := g.caller(cert)
	switch {
	case err != nil:
		return none, err
	case srv.Approval != fleet.Approved:
		return none, fault.Denied("server %s is not approved; it gets no RAM environment", srv.ID)
	case g.opt.Entries == nil:
		return none, fault.Unavailable("this controller has no RAM environment")
	}
	var ask protocol.Enter
	if err := conn.Expect(protocol.KindEnter, &ask); err != nil {
		return none, err
	}
	ctx, cancel := context.WithTimeout(g.life, intakeTimeout)
	defer cancel()
	return g.opt.Entries.Enter(ctx, srv.ID, remote, ask)
}
