package gateway

import (
	"context"
	"io"
	"time"

	"github.com/steelyard/steelyard/controller/authority"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/pkg/logging"
	"github.com/steelyard/steelyard/protocol"
)

// Directory answers from memory; its methods are called on every connection and
// every wake.
type Directory interface {
	// Server is the one with the id. The id that a machine joined with, before a person said which
	// server it is, finds that server.
	Server(id string) (fleet.Server, bool)
	Commands(server string) []operation.Command // of the outbox, oldest first
}

// Intake takes what agents say. Every method may be called again with the same
// input, and returns a fault.
type Intake interface {
	// Enrol decides on a new machine and calls issue for its certificate. The gateway adds the
	// authority and the signing key to the reply.
	Enrol(ctx context.Context, remote string, req protocol.EnrolRequest, issue func(serverID string) (authority.Issued, error)) (protocol.EnrolReply, error)
	// Digest is that of the newest inventory known of a server, or "". It answers from memory.
	Digest(server string) string
	Report(ctx context.Context, server, agentVersion string, rep protocol.Report) error
	// Result returns nil when the outcome is durable, or when nobody waits for it any more: the agent
	// may then forget it.
	Result(ctx context.Context, server string, res protocol.Result) error
	Progress(ctx context.Context, server string, p protocol.Progress) error
	// Conflict hears that two agents act for one server.
	Conflict(ctx context.Context, server, reason string) error
	// Renewed records a server's next certificate. The one in use stays good until the next was used: while
	// PrevSerial is set the newest was never used, so that another Renewed replaces CertSerial and
	// leaves PrevSerial alone. Otherwise an agent that lost an answer would be locked out.
	Renewed(ctx context.Context, server, serial string, notAfter time.Time) error
	// Used hears that the newest certificate is in use: the one before it is void from now on.
	Used(ctx context.Context, server, serial string) error
	// Succeed records the agent of a system that is being installed, in place of one that never came. It is
	// refused unless the server's operation writes an image now. userData is what the customer wrote for that system.
	Succeed(ctx context.Context, server string, s fleet.Successor) (userData logging.Secret, err error)
	// Arrived makes the successor with this certificate the server's agent. Called again it changes nothing.
	Arrived(ctx context.Context, server, serial string) error
}

// Presence tells the other replicas whom this one holds. Its methods do not wait.
type Presence interface {
	Add(fleet.Presence)
	Remove(server string, since time.Time) // of the session that began then, no other
}

// Entries let a server start the RAM environment by itself.
type Entries interface {
	// Enter gives a server what it needs, once for each time that it asks. Faults: refused unless a step of the server's
	// operation starts the RAM environment now, unavailable when there is none here.
	Enter(ctx context.Context, server, remote string, ask protocol.Enter) (protocol.Entry, error)
}

// Images opens image files, and those of an Entry, by the digest of their bytes.
type Images interface {
	Open(fileSHA256 string) (file io.ReadSeekCloser, size int64, err error)
}

// Hosting is what the fleet's records say of customers' accounts on nodes.
type Hosting interface {
	// Accounts are all that a server shall have, or lose, each with the version of its document and the digest of the result that is stored. It answers from
	// memory; false while the state cannot be heard of.
	Accounts(server string) ([]protocol.HostedVersion, bool)
	// Document is that of one account, with its secrets. The fault is not_found when the server has it no more.
	Document(server, account string) (protocol.HostedAccount, error)
	// Report returns nil when all that the report tells is durable. The same report again changes nothing.
	Report(ctx context.Context, server string, rep protocol.HostedReport) error
}

// Usage takes what agents say of what was used. It answers from memory.
type Usage interface {
	// Calendar are the months that agents make totals of.
	Calendar() protocol.UsageMonths
	// Report takes a report of the session that holder stands for in; done is called, at any time and from anywhere, when all that it says is durable. Fault: invalid, for what is none.
	Report(server string, holder any, rep *protocol.UsageReport, done func(seq uint64)) error
	// ServerReport is Report for what went through the ports of the server.
	ServerReport(server string, holder any, rep *protocol.ServerUsage, done func(seq uint64)) error
	// Left says that the session is over.
	Left(server string, holder any)
}
