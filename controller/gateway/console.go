package gateway

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"sync"
	"sync/atomic"
	"time"

	"github.com/steelyard/steelyard/controller/authority"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/logging"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// Bounds of consoles.
const (
	consoleTimeout = 15 * time.Second // until the agent has come back for it
	maxConsoles    = 64               // of this controller
)

// Console is a shell on a machine, for one person. One goroutine receives; any may send and close.
type Console struct {
	ID string

	agent   *agent
	claimed atomic.Bool        // the agent has come for it
	arrived chan *session.Conn // the connection that it opened
	over    chan struct{}
	conn    *session.Conn // set before anybody has the console

	once sync.Once
	why  error // set before over is closed
}

// Receive waits for what the shell writes. When the shell has ended it says how; the console is then to be closed.
func (c *Console) Receive() (output []byte, exit *protocol.ConsoleExit, err error) {
	m, err := c.conn.Receive()
	if err != nil {
		return nil, nil, c.ended(err)
	}
	switch m.Kind {
	case protocol.KindConsoleData:
		output, err = chunkOf(m)
	case protocol.KindConsoleExit:
		exit, err = exitOf(m)
	default:
		err = session.Bad(session.ReasonOutOfOrder, "a message of kind %d may not come from an agent in a console", m.Kind)
	}
	if err != nil {
		c.agent.gate.note(err)
		c.close(err)
	}
	return output, exit, err
}

// chunkOf is what the shell wrote. It belongs to the caller.
func chunkOf(m session.Message) ([]byte, error) {
	var d protocol.ConsoleData
	if err := m.Decode(&d); err != nil {
		return nil, err
	}
	if len(d.Data) > protocol.ConsoleChunk {
		return nil, session.Bad(session.ReasonTooLarge, "%d bytes of a console in one message; %d are allowed", len(d.Data), protocol.ConsoleChunk)
	}
	return d.Data, nil
}

// exitOf is how the shell ended. A person reads it, and the audit log keeps it: so what the machine says is cut and cleaned.
func exitOf(m session.Message) (*protocol.ConsoleExit, error) {
	exit := new(protocol.ConsoleExit)
	if err := m.Decode(exit); err != nil {
		return nil, err
	}
	if exit.Fault != nil {
		exit.Fault = fault.Unavailable("the machine gives no console: %s", hardware.CleanString(exit.Fault.Error()))
	}
	return exit, nil
}

// ended is why nothing comes any more.
func (c *Console) ended(err error) error {
	select {
	case <-c.over:
		return c.why
	default:
		return fault.Unavailable("the console broke off: %w", err)
	}
}

// Send types. It waits while the machine takes nothing, some seconds at most.
func (c *Console) Send(input []byte) error {
	for len(input) > 0 {
		n := min(len(input), protocol.ConsoleChunk)
		if err := c.conn.Send(protocol.KindConsoleData, &protocol.ConsoleData{Data: input[:n]}); err != nil {
			return c.ended(err)
		}
		input = input[n:]
	}
	return nil
}

// Resize tells the shell the size of the person's terminal.
func (c *Console) Resize(rows, cols int) error {
	return c.conn.Send(protocol.KindConsoleSize, &protocol.ConsoleSize{Rows: rows, Cols: cols})
}

// Close ends the shell.
func (c *Console) Close() { c.close(fault.Refused("the console was closed")) }

// close ends the console for a reason; the first one counts.
func (c *Console) close(why error) {
	c.once.Do(func() {
		c.why = why
		close(c.over)
		c.agent.gate.consoles.leave(c)
	})
}

// consoles holds the one console of each server. The zero value is ready.
type consoles struct {
	mu   sync.Mutex
	open map[string]*Console // by server
}

// enter makes c the console of its server.
func (t *consoles) enter(c *Console) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	server := c.agent.server
	if t.open[server] != nil {
		return fault.Refused("somebody has a console of server %s already; one at a time. The audit log tells who: steelyard audit list --action console.open", server)
	}
	if len(t.open) >= maxConsoles {
		return fault.Unavailable("%d consoles are open on this controller; close one", maxConsoles)
	}
	if t.open == nil {
		t.open = map[string]*Console{}
	}
	t.open[server] = c
	return nil
}

func (t *consoles) get(server string) *Console {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open[server]
}

func (t *consoles) leave(c *Console) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open[c.agent.server] == c {
		delete(t.open, c.agent.server)
	}
}

// Console opens a shell on the machine of a server whose session is here. The id of the console is new and made at random. Faults: refused where no console is given or one is
// open, unavailable when the machine is not connected here or does not answer.
func (g *Gateway) Console(ctx context.Context, server, console string, rows, cols int) (*Console, error) {
	a := g.table.get(server)
	if a == nil {
		return nil, fault.Unavailable("the agent of server %s is not connected here", server)
	}
	srv, d := g.standing(a.server, a.serial, false)
	if d != nil {
		return nil, d
	}
	if err := fleet.MayConsole(srv); err != nil {
		return nil, err
	}
	if a.environment != protocol.EnvRAM || !a.consoles {
		return nil, fault.Refused("the agent of server %s (version %s) gives no console; start its RAM environment anew: steelyard server power %s --action boot-ram", server, a.version, server)
	}
	c := &Console{ID: console, agent: a, arrived: make(chan *session.Conn, 1), over: make(chan struct{})}
	if err := g.consoles.enter(c); err != nil {
		return nil, err
	}
	if g.table.get(server) != a { // it left before it could be told that it has a console
		c.close(errSessionOver)
		return nil, errSessionOver
	}
	if err := c.await(ctx, rows, cols); err != nil {
		c.close(err)
		return nil, err
	}
	return c, nil
}

var errSessionOver = fault.Unavailable("the session of the machine's agent has ended, and the console with it")

// await asks the agent, and waits until it has come back.
func (c *Console) await(ctx context.Context, rows, cols int) error {
	if err := c.agent.conn.Send(protocol.KindConsole, &protocol.Console{ID: c.ID, Rows: rows, Cols: cols}); err != nil {
		return err
	}
	late := time.NewTimer(consoleTimeout)
	defer late.Stop()
	select {
	case c.conn = <-c.arrived:
		return nil
	case <-c.over:
		return c.why
	case <-late.C:
		return fault.Unavailable("the agent of server %s did not open its console within %v", c.agent.server, consoleTimeout)
	case <-ctx.Done():
		return fault.Unavailable("nobody waits for the console any more: %w", ctx.Err())
	}
}

// console takes the connection that an agent opened for a console, and ends it with the console. free gives
// the place in the handshakes back.
func (g *Gateway) console(ctx context.Context, raw *tls.Conn, cert *x509.Certificate, free func()) {
	conn := session.NewConn(raw, handshakeTimeout)
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	c, err := g.claim(conn, cert)
	if err != nil {
		g.note(err)
		g.log.Warn("no console", logging.KeyRemote, host(raw.RemoteAddr()), logging.KeyError, err)
		conn.Farewell(goodbye(err))
		return
	}
	free()
	conn.SetIdle(0) // the session tells whether the machine is alive
	c.arrived <- conn
	select {
	case <-c.over:
	case <-ctx.Done():
		c.close(errStopping)
	}
}

// claim finds the console that an agent came for. It is given away once.
func (g *Gateway) claim(conn *session.Conn, cert *x509.Certificate) (*Console, error) {
	srv, err := g.caller(cert)
	if err != nil {
		return nil, err
	}
	if err := fleet.MayConsole(srv); err != nil {
		return nil, err
	}
	var ask protocol.Console
	if err := conn.Expect(protocol.KindConsole, &ask); err != nil {
		return nil, err
	}
	c := g.consoles.get(srv.ID)
	if c == nil || subtle.ConstantTimeCompare([]byte(c.ID), []byte(ask.ID)) != 1 || authority.Serial(cert) != c.agent.serial {
		return nil, errNoConsole
	}
	if !c.claimed.CompareAndSwap(false, true) {
		return nil, errNoConsole
	}
	return c, nil
}

var errNoConsole = fault.Refused("nobody asked for this console, or its machine has come for it already")
