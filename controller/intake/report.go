package intake

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
)

// Report records an inventory, if it differs from the one that is known, and asks a person
// when the machine does not look like the one that it was (rule X1).
func (in *Intake) Report(ctx context.Context, server, agentVersion string, rep protocol.Report) error {
	rep.Inventory.Clean()
	now := in.now()
	return in.change(ctx, func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, server)
		if err != nil {
			return err
		}
		if err := disksCame(tx, &s, &rep.Inventory, now); err != nil {
			return err
		}
		if err := putFacts(tx, server, agentVersion, rep, now); err != nil {
			return err
		}
		return identify(tx, s, rep.Inventory.Identity, now)
	})
}

func disksCame(tx *store.Tx, s *fleet.Server, inv *hardware.Inventory, now time.Time) error {
	old, known, err := store.Facts.Find(tx, s.ID)
	if err != nil || !known {
		return err
	}
	before := *s
	reason, err := NewDisks(tx, s, fleet.NewDisks(s.Environment, &old.Inventory, inv), now)
	if err != nil || reason == "" || reflect.DeepEqual(before, *s) {
		return err
	}
	return cmp.Or(store.Servers.Put(tx, s.ID, *s), audit(tx, access.System, "server.soil", "servers/"+s.ID, before, *s, reason, now))
}

// NewDisks notes that disks came whose content nobody knows: what was proven of the
// others says nothing about them (rule B45). Where no rebuild was asked for, somebody may have put a
// disk into the wrong machine: a server of nobody leaves service, so that nothing is erased
// before a person looked and commissioned it again. The caller stores s.
func NewDisks(tx *store.Tx, s *fleet.Server, fresh []hardware.Disk, now time.Time) (reason string, err error) {
	if len(fresh) == 0 {
		return "", nil
	}
	reason = fmt.Sprintf("disk %s (serial %q) is new; nobody knows what is on it", fresh[0].Name, fresh[0].Serial)
	*s = s.Soiled(now)
	if !s.InService || s.Claim.Kind != fleet.ClaimNone {
		return reason, nil
	}
	s.InService, s.ServiceSince = false, now
	t := task.New(id.At("tsk", now), systemsDepartment, task.Cleanup, NewDiskKey(s.ID), "A new disk is in server "+s.Name,
		reason+". The server is out of service and its disks are left alone. Find out whose the disk is; then put the server into service again, which erases all its disks.", now)
	t.Server = s.ID
	return reason, FileTask(tx, t)
}

// CleanupKey is the dedupe key of the task about a server that cannot be erased.
func CleanupKey(server string) string { return "cleanup/" + server }

// NewDiskKey is the dedupe key of the task about disks that nobody announced.
func NewDiskKey(server string) string { return "new-disk/" + server }

// putFacts writes only what changed.
func putFacts(tx *store.Tx, server, agentVersion string, rep protocol.Report, now time.Time) error {
	digest := rep.Inventory.Digest()
	old, known, err := store.Facts.Find(tx, server)
	if err != nil || known && old.Digest == digest && (agentVersion == "" || old.AgentVersion == agentVersion) {
		return err
	}
	if agentVersion == "" {
		agentVersion = old.AgentVersion
	}
	c := rep.Inventory.Configuration()
	return store.Facts.Put(tx, server, fleet.Facts{
		Server: server, At: now, AgentVersion: agentVersion, Digest: digest,
		Inventory: rep.Inventory, Configuration: c, Key: c.Key(),
	})
}

// Digest is that of the inventory that is known of a server, or "" when the agent should send
// it again: diagnostics saw another machine than the one that is known, and nobody was asked yet.
func (in *Intake) Digest(server string) string {
	f, ok := in.store.ViewFacts(server)
	if !ok {
		return ""
	}
	if s, known := store.Servers.View(in.store, server); known {
		if d := news(s, f.Inventory.Identity); d != nil {
			return ""
		}
	}
	return f.Digest
}
