package gateway

import (
	"context"
	"crypto/tls"

	"github.com/steelyard/steelyard/pkg/logging"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// single serves a connection that carries one question and its answer, and closes it. The answer is sent with an error too, which is noted under
// the words of refusal.
func (g *Gateway) single(ctx context.Context, raw *tls.Conn, kind protocol.Kind, refusal string, answer func(*session.Conn) (any, error)) {
	conn := session.NewConn(raw, handshakeTimeout)
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer func() { _ = conn.Close() }()
	reply, err := answer(conn)
	if err != nil {
		g.note(err)
		g.log.Warn(refusal, logging.KeyRemote, host(raw.RemoteAddr()), logging.KeyError, err)
	}
	if conn.Send(kind, reply) == nil {
		conn.Drain()
	}
}
