package link

import (
	"context"
	"net"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// question asks the controller one thing on a connection of its own, with the agent's certificate, and returns that connection, closed: it tells
// between which addresses it was.
func (l *Link) question(ctx context.Context, alpn string, kind protocol.Kind, ask any, answers protocol.Kind, answer any) (net.Conn, error) {
	id := l.identity()
	if id == nil {
		return nil, fault.Unavailable("the agent has not enrolled yet")
	}
	raw, err := l.dial(ctx, session.ControlTLS(alpn, id.cert, id.authority, &l.tickets))
	if err != nil {
		return nil, err
	}
	conn := session.NewConn(raw, enrolTimeout)
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if err := conn.Send(kind, ask); err != nil {
		return nil, err
	}
	return raw, conn.Expect(answers, answer)
}
