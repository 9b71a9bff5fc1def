package link

import (
	"context"
	"log/slog"
	"net"
	"time"
)

// ResendAfter is how long the link waits for the Ack of a result before it sends
// the result again in the same session.
const ResendAfter = time.Minute

// Options say how a link reaches its controllers and what it speaks for.
type Options struct {
	Controllers  []string // host:port; tried in turn, starting anywhere
	Join         string   // join token; needed until the agent has enrolled
	State        State    // where the key and the certificate live
	Source       Source
	Executor     Executor
	Environment  string // one of the protocol.Env… constants
	AgentVersion string
	BootID       string   // changes with every start of the machine
	Capabilities []string // protocol.Can…
	Logger       *slog.Logger
	// Shell gives a person a shell on a terminal of this size (protocol.CanConsole); nil: this agent gives none.
	Shell func(rows, cols int) (Shell, error)
	Meter Meter // tells what was used (protocol.CanMeter); nil: this agent counts nothing
	Host  Host  // carries accounts (protocol.CanHost); nil: this agent carries none

	// InventoryEvery is the time between two readings of the inventory; 0 means ten minutes.
	InventoryEvery time.Duration
	// Dial opens a connection; nil means TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)
}
