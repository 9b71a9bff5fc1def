package link

import (
	"context"
	"time"

	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// Source says what the machine is and how it does. See the package comment for
// who calls it when.
type Source interface {
	// Inventory reads the machine. It always returns something; what could not
	// be read is told in Sections.
	Inventory(ctx context.Context) hardware.Inventory
	// Sample overwrites s with the present figures. After an error nothing is sent.
	Sample(s *hardware.Sample) error
}

// Executor does what commands say. See the package comment for what each method
// promises.
type Executor interface {
	Attach(w protocol.Welcome)
	Execute(cmd protocol.Command)
	Cancel(c protocol.Cancel)
	Running() string // id of the command in work, or ""
	Unacked() []protocol.Result
	Acked(command string)
	Progress() (protocol.Progress, bool)
	Changed() <-chan struct{}
}

// Meter tells what was used. See the package comment.
type Meter interface {
	Attach()
	SetMonths(protocol.UsageMonths)
	Report(now time.Time) (kind protocol.Kind, message any, again time.Time)
	Told(seq uint64)
	Changed() <-chan struct{}
	Answer(ctx context.Context, ask protocol.UsageAsk) protocol.UsageAnswer
}

// Host carries customers' accounts. See the package comment.
type Host interface {
	Have() []protocol.HostedVersion
	Set(protocol.HostedSet) error
	Report() (protocol.HostedReport, bool)
	Told(seq uint64)
	Changed() <-chan struct{}
}
