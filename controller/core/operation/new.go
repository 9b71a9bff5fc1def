package operation

import (
	"time"

	"github.com/steelyard/steelyard/pkg/unit"
	"github.com/steelyard/steelyard/protocol"
)

// Allowances of operations that an administrator starts; those of an order have
// the module's (rule B16).
const (
	DiagnoseAllowed = time.Hour
	InstallAllowed  = 2 * time.Hour
	InspectAllowed  = 15 * time.Minute
	HoldAllowed     = 72 * time.Hour // how long a held operation waits for a person
)

// slowestErase is the rate that an erase is allowed to have: a 5,400 rpm disk's
// inner tracks, halved for the read-back.
const slowestErase = 40 * unit.MB // per second

// EraseAllowed is what an erase has before it is first heard of, derived from the largest disk, since disks are erased side by
// side (rule B16): write and read back at the slowest rate, doubled, and half an hour. Its progress gives it more ([Heard]).
func EraseAllowed(disks []protocol.DiskRef) time.Duration {
	var largest uint64
	for _, d := range disks {
		largest = max(largest, d.SizeBytes)
	}
	seconds := 2 * largest / uint64(slowestErase)
	return 30*time.Minute + time.Duration(min(seconds, 30*24*3600))*time.Second
}

// PermitAllowed is how long a permit to erase the disks is good for: it is looked at again when the agent is started anew in
// the middle of an erase that takes longer than anybody thought.
func PermitAllowed(disks []protocol.DiskRef) time.Duration {
	return EraseAllowed(disks) + 7*24*time.Hour
}

// New makes a running operation. The caller gives it the server's new epoch and
// stores both in one commit.
func New(id, kind, server string, epoch uint64, allowed time.Duration, p Params, now time.Time) Operation {
	steps := Recipe(kind, allowed, p)
	return Operation{
		ID: id, Kind: kind, Server: server, Epoch: epoch, State: Running,
		Steps: steps, CreatedAt: now, Allowed: whole(kind, allowed, steps), Deadline: now.Add(whole(kind, allowed, steps)),
		Message: "waiting to start", MessageAt: now, Params: p,
	}
}

// whole is how long an operation may take: what was allowed where the agent's work is all
// there is, else the sum of its steps with their retries.
func whole(kind string, allowed time.Duration, steps []Step) time.Duration {
	if kind == Diagnose || kind == Erase || kind == Install || kind == Inspect {
		return allowed
	}
	var sum time.Duration
	for _, s := range steps {
		sum += s.Allowed * time.Duration(s.Retries+1)
	}
	return sum
}
