package intake

import (
	"cmp"
	"context"
	"net"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// ServerDraft is what a person says of a server. Everything else is seen or follows.
type ServerDraft struct {
	Name       string `json:"name" doc:"Shown to people."`
	Location   string `json:"location,omitempty" doc:"Id of the location it stands in."`
	Rack       string `json:"rack,omitempty" doc:"Where it is in the location."`
	ServerType string `json:"server_type,omitempty" doc:"What modules by server type compare (B9)."`

	BondMode    string   `json:"bond_mode,omitempty" doc:"How systems that are installed on it bond its network cards: balance-rr, active-backup, balance-xor, broadcast, 802.3ad, balance-tlb or balance-alb. None: they use one card."`
	BondMembers []string `json:"bond_members,omitempty" doc:"MAC addresses of the cards of the bond, at least two."`
}

// DraftOfServer is the draft that says what s says.
func DraftOfServer(s fleet.Server) ServerDraft {
	return ServerDraft{Name: s.Name, Location: s.Location, Rack: s.Rack, ServerType: s.ServerType, BondMode: s.BondMode, BondMembers: s.BondMembers}
}

// Check records all fields that are wrong.
func (d ServerDraft) Check(c *fault.Check, look Lookup) {
	order.CheckName(c, "name", d.Name)
	if d.Rack != "" {
		order.CheckName(c, "rack", d.Rack)
	}
	if d.ServerType != "" {
		order.CheckName(c, "server_type", d.ServerType)
	}
	if d.BondMode != "" {
		protocol.CheckBond(c, protocol.Bond{Mode: d.BondMode, Members: d.BondMembers}, "bond_mode", "bond_members")
	} else {
		c.Require(len(d.BondMembers) == 0, "bond_members", "is given without bond_mode")
	}
	if d.Location != "" {
		_, ok := look.Location(d.Location)
		c.Require(ok, "location", "%.80q does not exist; see: steelyard location list", d.Location)
	}
}

// EditServer changes what people say of a server that is still at revision rev.
func (in *Intake) EditServer(ctx context.Context, actor access.Actor, serverID string, rev int64,
	edit func(ServerDraft) (ServerDraft, error),
) (s fleet.Server, at int64, err error) {
	now := in.now()
	at, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Servers.Get(tx, serverID)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.Servers, serverID, rev, before); err != nil {
			return err
		}
		d, err := edit(DraftOfServer(before))
		if err != nil {
			return err
		}
		if d.BondMembers = lower(d.BondMembers); d.BondMode == "" && slices.Equal(d.BondMembers, before.BondMembers) {
			d.BondMembers = nil // the bond goes, and who was in it
		}
		if err := checked(tx, "the server cannot be changed", func(c *fault.Check, look Lookup) {
			d.Check(c, look)
			for _, mac := range strangers(&before, d.BondMembers) {
				c.Add("bond_members", "%s is no network card of this server; it has %s", mac, strings.Join(before.Identity.MACs, ", "))
			}
		}); err != nil {
			return err
		}
		s = before
		if err := mayMove(tx, &s, d.Location); err != nil {
			return err
		}
		s.Name, s.Location, s.Rack, s.ServerType, s.BondMode, s.BondMembers = d.Name, d.Location, d.Rack, d.ServerType, d.BondMode, d.BondMembers
		return cmp.Or(store.Servers.Put(tx, serverID, s), audit(tx, actor, "server.edit", "servers/"+serverID, before, s, "", now))
	})
	return s, at, err
}

// lower writes hardware addresses as they are compared; what is none stays, and is refused.
func lower(macs []string) (list []string) {
	for _, text := range macs {
		if mac, err := net.ParseMAC(text); err == nil {
			text = mac.String()
		}
		list = append(list, text)
	}
	return list
}

// strangers are hardware addresses that the server has no card with.
func strangers(s *fleet.Server, macs []string) (list []string) {
	for _, mac := range macs {
		if _, err := net.ParseMAC(mac); err == nil && !slices.ContainsFunc(s.Identity.MACs, func(own string) bool { return strings.EqualFold(own, mac) }) {
			list = append(list, mac)
		}
	}
	return list
}

// decision is what a person decides about a server. It gets a copy to change; no
// change is no commit.
type decision func(tx *store.Tx, s *fleet.Server, note fleet.Note) error

// decideServer commits a decision with its audit line, and with what follows from it for the
// index of identities and for open tasks.
func (in *Intake) decideServer(ctx context.Context, actor access.Actor, action, serverID, reason string, decide decision) (s fleet.Server, rev int64, err error) {
	now := in.now()
	var c fault.Check
	c.Require(len(reason) <= MaxReason, "reason", "is longer than %d bytes", MaxReason)
	if err := c.Err("the server stays as it is"); err != nil {
		return s, 0, err
	}
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Servers.Get(tx, serverID)
		if err != nil {
			return err
		}
		s = before
		if err := decide(tx, &s, fleet.Note{Reason: reason, Actor: actor.Name, At: now}); err != nil {
			return err
		}
		if reflect.DeepEqual(before, s) {
			return nil // granted before
		}
		return cmp.Or(store.Servers.Put(tx, serverID, s), index(tx, serverID, before.Keys(), s.Keys()),
			audit(tx, actor, action, "servers/"+serverID, before, s, reason, now), settled(tx, &s, actor, now))
	})
	return s, rev, err
}

// MaxReason bounds what a person gives as a reason or writes as a comment, in bytes.
const MaxReason = 4096

// settled closes tasks whose cause is gone (rule X6).
func settled(tx *store.Tx, s *fleet.Server, actor access.Actor, now time.Time) error {
	retired := s.Approval == fleet.Retired
	for _, c := range []struct {
		gone        bool
		key, reason string
	}{
		{s.Approval != fleet.Pending, ApprovalKey(s.ID), "the server was " + s.Approval},
		{s.Quarantine == nil, ConflictKey(s.ID), "the quarantine was ended"},
		{s.PendingIdentity == nil || s.PendingIdentity.Rejected != nil, IdentityKey(s.ID), "somebody decided"},
		{s.Maintenance == nil || !s.Maintenance.Overdue, MaintenanceKey(s.ID), "the maintenance was ended or goes on until later"},
		{retired, CleanupKey(s.ID), "the server was retired"},
		{retired, NewDiskKey(s.ID), "the server was retired"},
	} {
		if !c.gone {
			continue
		}
		if err := CloseTask(tx, c.key, actor.Name, c.reason, now); err != nil {
			return err
		}
	}
	return nil
}

// ApprovalKey is the dedupe key of the task about a machine that asks to join.
func ApprovalKey(server string) string { return "approval/" + server }

// MaintenanceKey is the dedupe key of the reminder of a maintenance that should be over.
func MaintenanceKey(server string) string { return "maintenance/" + server }

// ApproveServer lets an enrolled machine in, and commissions it if asked.
func (in *Intake) ApproveServer(ctx context.Context, actor access.Actor, serverID, reason string, commission bool) (fleet.Server, int64, error) {
	return in.decideServer(ctx, actor, "server.approve", serverID, reason, func(_ *store.Tx, s *fleet.Server, note fleet.Note) error {
		if s.Approval == fleet.Retired {
			return gone(s)
		}
		if s.Approval != fleet.Approved {
			s.Approval, s.ApprovedBy = fleet.Approved, &note
		}
		if commission && !s.InService {
			s.InService, s.ServiceSince = true, note.At
		}
		return nil
	})
}

// RejectServer refuses a machine: its certificate is not accepted any more.
func (in *Intake) RejectServer(ctx context.Context, actor access.Actor, serverID, reason string) (fleet.Server, int64, error) {
	return in.decideServer(ctx, actor, "server.reject", serverID, reason, func(_ *store.Tx, s *fleet.Server, note fleet.Note) error {
		if s.Approval == fleet.Retired {
			return gone(s)
		}
		if err := idle(s); err != nil {
			return err
		}
		if s.Approval != fleet.Rejected {
			s.Approval, s.ApprovedBy = fleet.Rejected, &note
		}
		if s.InService {
			s.InService, s.ServiceSince = false, note.At
		}
		return nil
	})
}

// CommissionServer puts a server into service (rule B21), or takes it out.
func (in *Intake) CommissionServer(ctx context.Context, actor access.Actor, serverID, reason string, on bool) (fleet.Server, int64, error) {
	action := map[bool]string{true: "server.commission", false: "server.decommission"}[on]
	return in.decideServer(ctx, actor, action, serverID, reason, func(_ *store.Tx, s *fleet.Server, note fleet.Note) error {
		if s.InService == on {
			return nil
		}
		if s.Approval == fleet.Retired {
			return gone(s)
		}
		if on && s.Approval != fleet.Approved {
			return fault.Refused("server %s is %s; approve it first", s.ID, s.Approval)
		}
		if !on {
			if err := idle(s); err != nil {
				return err
			}
		}
		s.InService, s.ServiceSince = on, note.At
		return nil
	})
}

// taken tells in words for whom a server is kept.
func taken(c fleet.Claim) string {
	if c.Kind == fleet.ClaimHeld {
		return "is held for order " + c.Ref
	}
	return "belongs to " + c.Kind + " " + c.Ref
}

// idle refuses to take a server away from whom it belongs to, or from what runs.
func idle(s *fleet.Server) error {
	switch {
	case s.Claim.Kind != fleet.ClaimNone && s.Claim.Kind != "":
		return fault.Refused("server %s %s; take it back first", s.ID, taken(s.Claim))
	case s.Operation != "":
		return running(s, s.ID)
	}
	return nil
}

// SetMaintenance takes a server out of what is available (rule B20) for a reason. until is
// when it should be over; zero is not known. Somebody is reminded then; only a person ends it.
func (in *Intake) SetMaintenance(ctx context.Context, actor access.Actor, serverID, reason string, until time.Time) (fleet.Server, int64, error) {
	if err := in.limited(reason, "say what is being done to the server", until, maintenanceMost); err != nil {
		return fleet.Server{}, 0, err
	}
	return in.decideServer(ctx, actor, "server.maintenance", serverID, reason, func(_ *store.Tx, s *fleet.Server, note fleet.Note) error {
		if s.Approval == fleet.Retired {
			return gone(s)
		}
		s.Maintenance = &fleet.Maintenance{Note: note, Until: until}
		return nil
	})
}

// maintenanceMost is the longest that a maintenance is announced for.
const maintenanceMost = 366 * 24 * time.Hour

// limited checks a reason and an optional end of what it is given for.
func (in *Intake) limited(reason, ask string, until time.Time, most time.Duration) error {
	now := in.now()
	var c fault.Check
	c.Require(reason != "", "reason", "is empty; %s", ask)
	if !until.IsZero() {
		c.Require(until.After(now), "until", "is over already")
		c.Require(!until.After(now.Add(most)), "until", "is more than %d days away", int(most.Hours()/24))
	}
	return c.Err("the server stays as it is")
}

// EndMaintenance brings a server back.
func (in *Intake) EndMaintenance(ctx context.Context, actor access.Actor, serverID string) (fleet.Server, int64, error) {
	return in.decideServer(ctx, actor, "server.maintenance_end", serverID, "", func(_ *store.Tx, s *fleet.Server, _ fleet.Note) error {
		s.Maintenance = nil
		return nil
	})
}

// SetOverride accepts what the last diagnostics found, at the operator's own risk
// (rule B24). It needs a reason, is void after the next diagnostics, and ends at until if
// that is given: at most fleet.OverrideMost from now.
func (in *Intake) SetOverride(ctx context.Context, actor access.Actor, serverID, reason string, until time.Time) (fleet.Server, int64, error) {
	if err := in.limited(reason, "say why the risk is taken", until, fleet.OverrideMost); err != nil {
		return fleet.Server{}, 0, err
	}
	return in.decideServer(ctx, actor, "server.override", serverID, reason, func(_ *store.Tx, s *fleet.Server, note fleet.Note) error {
		if s.Diagnosis == nil {
			return fault.Refused("server %s has no completed diagnostics; there is nothing to override. Run diagnostics first", s.ID)
		}
		s.Override = &fleet.Override{Note: note, DiagnosisID: s.Diagnosis.ID, Until: until}
		return nil
	})
}

// EndOverride takes the acceptance back.
func (in *Intake) EndOverride(ctx context.Context, actor access.Actor, serverID string) (fleet.Server, int64, error) {
	return in.decideServer(ctx, actor, "server.override_end", serverID, "", func(_ *store.Tx, s *fleet.Server, _ fleet.Note) error {
		s.Override = nil
		return nil
	})
}

// EndQuarantine lets a server go on after a person settled its identity, or what an
// erase left. Its disks count as dirty until they were erased again. Two servers
// that still share a part of their identity stay in quarantine (rule X1), and so does one that
// reports parts that nobody confirmed.
func (in *Intake) EndQuarantine(ctx context.Context, actor access.Actor, serverID, reason string) (fleet.Server, int64, error) {
	if err := needReason(reason, "say what was found out"); err != nil {
		return fleet.Server{}, 0, err
	}
	return in.decideServer(ctx, actor, "server.quarantine_end", serverID, reason, func(tx *store.Tx, s *fleet.Server, note fleet.Note) error {
		if s.Quarantine == nil {
			return nil
		}
		others, err := rivals(tx, s.Claims(), s.ID)
		if err != nil {
			return err
		}
		if len(others) > 0 {
			return fault.Refused("server %s still shares a part of its identity with %s; reject or retire the wrong one first", s.ID, order.Some(idsOf(others)))
		}
		if s.PendingIdentity != nil {
			return fault.Refused("server %s reports other parts than it is known by (%s); confirm them, or put its own back", s.ID, strings.Join(s.PendingIdentity.Changes, ", "))
		}
		s.Quarantine = nil
		*s = s.Soiled(note.At)
		return nil
	})
}

func needReason(reason, ask string) error {
	var c fault.Check
	c.Require(reason != "", "reason", "is empty; %s", ask)
	return c.Err("a reason is needed")
}
