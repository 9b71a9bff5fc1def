package link

import (
	"context"
	"net"
	"net/netip"
	"runtime"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// Entrance is how this machine can start the RAM environment by itself, and the way by which it reached its controller just now.
type Entrance struct {
	protocol.Entry
	Controller string     // host:port, as numbers
	Local      netip.Addr // this machine's own end
}

// Enter asks for what the RAM environment is started with. The boot token among it is made for this question and good once. Faults: refused
// while no command leads there, unavailable when no controller answers or it has no RAM environment.
func (l *Link) Enter(ctx context.Context) (Entrance, error) {
	var e Entrance
	id := l.identity()
	if id == nil {
		return e, fault.Unavailable("the agent has not enrolled yet")
	}
	raw, err := l.dial(ctx, session.ControlTLS(protocol.ALPNEnter, id.cert, id.authority, &l.tickets))
	if err != nil {
		return e, err
	}
	conn := session.NewConn(raw, enrolTimeout)
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if err := conn.Send(protocol.KindEnter, &protocol.Enter{Architecture: runtime.GOARCH}); err != nil {
		return e, err
	}
	if err := conn.Expect(protocol.KindEntry, &e.Entry); err != nil {
		return e, err
	}
	if e.Fault != nil {
		return e, e.Fault
	}
	e.Controller = raw.RemoteAddr().String()
	if a, ok := raw.LocalAddr().(*net.TCPAddr); ok {
		e.Local = a.AddrPort().Addr().Unmap().WithZone("")
	}
	return e, e.Validate()
}
