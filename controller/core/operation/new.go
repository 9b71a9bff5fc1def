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
	HoldAllowed     = 72 * time.Hour // how long a held operation waits for a person
)

// slowestErase is the rate that an erase is allowed to have: a 5,400 rpm disk's
// inner tracks, halved for the read-back.
const slowestErase = 40 * unit.MB // per second

// EraseAllowed is derived from the largest disk, since disks are erased side by
// side (rule B16): write and read back at the slowest rate, doubled, and ten minutes.
func EraseAllowed(disks []protocol.DiskRef) time.Duration {
	var largest uint64
	for _, d := range disks {
		largest = max(largest, d.SizeBytes)
	}
	seconds := 2 * largest / uint64(slowestErase)
	return 10*time.Minute + time.Duration(min(seconds, 30*24*3600))*time.Second
}

// Recipe lists the steps of a kind, each with the time that it may take.
func Recipe(kind string, allowed time.Duration) []Step {
	step := func(name, command string, retries int) Step {
		return Step{Name: name, Command: command, Allowed: allowed, Retries: retries, State: StepPending}
	}
	switch kind {
	case Diagnose:
		return []Step{step("diagnose", protocol.CommandDiagnose, 1)}
	case Erase:
		return []Step{step("erase", protocol.CommandErase, 2)}
	case Install:
		return []Step{step("image", protocol.CommandImage, 2), step("confirm", protocol.CommandConfirm, 2)}
	}
	return nil
}

// New makes a running operation. The caller gives it the server's new epoch and
// stores both in one commit.
func New(id, kind, server string, epoch uint64, allowed time.Duration, p Params, now time.Time) Operation {
	return Operation{
		ID: id, Kind: kind, Server: server, Epoch: epoch, State: Running,
		Steps: Recipe(kind, allowed), CreatedAt: now, Allowed: allowed, Deadline: now.Add(allowed),
		Message: "waiting to start", MessageAt: now, Params: p,
	}
}
