package link

import (
	"context"
	"net"
	"net/netip"
	"runtime"

	"github.com/steelyard/steelyard/protocol"
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
	raw, err := l.question(ctx, protocol.ALPNEnter, protocol.KindEnter, &protocol.Enter{Architecture: runtime.GOARCH}, protocol.KindEntry, &e.Entry)
	if err != nil {
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
