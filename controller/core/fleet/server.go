package fleet

import (
	"time"

	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// Approval states of a machine that enrolled.
const (
	Pending  = "pending" // may report, gets no command
	Approved = "approved"
	Rejected = "rejected" // its certificate is refused
	Retired  = "retired"  // out of the fleet for good: no certificate, no identity; kept as history
)

// Claim kinds (rule X2).
const (
	ClaimNone     = "none"
	ClaimPlan     = "plan"
	ClaimReseller = "reseller"
	ClaimClient   = "client"
	ClaimHeld     = "held"
)

// Claim says whose a server is. Ref is a plan, reseller, service or order id.
type Claim struct {
	Kind  string    `json:"kind" enum:"none,plan,reseller,client,held"`
	Ref   string    `json:"ref,omitempty"`
	Via   string    `json:"via,omitempty"`   // reseller: "plan" or "sale"
	Plan  string    `json:"plan,omitempty"`  // reseller: that he signed up for
	Owner string    `json:"owner,omitempty"` // reseller: his path, see package reselling
	Since time.Time `json:"since"`
}

// Owned reports whether somebody's data may be on the server's disks.
func (c Claim) Owned() bool { return c.Kind != "" && c.Kind != ClaimNone && c.Kind != ClaimHeld }

// Cleanliness of a server's disks.
const (
	Clean = "clean"
	Dirty = "dirty"
)

// Note is a decision of a person: why, who, when.
type Note struct {
	Reason string    `json:"reason"`
	Actor  string    `json:"actor"`
	At     time.Time `json:"at"`
}

// Server is what was decided about one machine. What its agent sees is in [Facts].
type Server struct {
	ID           string            `json:"id"`
	Name         string            `json:"name"`
	Location     string            `json:"location,omitempty"` // location id
	Rack         string            `json:"rack,omitempty"`
	ServerType   string            `json:"server_type,omitempty"`  // what by-server-type modules compare (B9)
	BondMode     string            `json:"bond_mode,omitempty"`    // of the bond that installed systems make; "" none
	BondMembers  []string          `json:"bond_members,omitempty"` // MAC addresses, lower case
	Environment  string            `json:"environment"`
	InstanceID   string            `json:"instance_id"`
	EnrolKey     string            `json:"enrol_key,omitempty"` // digest of the public key it enrolled with
	Identity     hardware.Identity `json:"identity"`            // as enrolled
	Approval     string            `json:"approval"`
	ApprovedBy   *Note             `json:"approved_by,omitempty"`
	Claim        Claim             `json:"claim"`
	Epoch        uint64            `json:"epoch"`
	Cleanliness  string            `json:"cleanliness"`
	CleanSince   time.Time         `json:"clean_since"` // of the present cleanliness
	InService    bool              `json:"in_service"`
	ServiceSince time.Time         `json:"in_service_since"` // of the present InService
	Maintenance  *Maintenance      `json:"maintenance,omitempty"`
	Quarantine   *Note             `json:"quarantine,omitempty"`   // identity conflict or unproven erase
	Node         *Node             `json:"node,omitempty"`         // it is a hosting node; nil: a bare server, which is erased between two owners
	LeftOvers    *LeftOvers        `json:"left_overs,omitempty"`   // of a former owner, on a hosting node (rule S9)
	Roles        []LogicalServer   `json:"roles,omitempty"`        // what it carries as a hosting node (rules H3, H4)
	ContentMove  string            `json:"content_move,omitempty"` // id of the operation that moves customers' things from or to it (rule H6)
	Override     *Override         `json:"override,omitempty"`
	Diagnosis    *DiagnosisSummary `json:"diagnosis,omitempty"`
	Operation    string            `json:"operation,omitempty"` // id of the one that runs
	Last         *LastOperation    `json:"last_operation,omitempty"`
	CertSerial   string            `json:"cert_serial"`
	CertNotAfter time.Time         `json:"cert_not_after"`
	PrevSerial   string            `json:"prev_cert_serial,omitempty"` // still accepted until the new one was used
	Successor    *Successor        `json:"successor,omitempty"`        // of the system that was written and has not reported yet
	Installed    string            `json:"installed,omitempty"`        // id of the operation that wrote the system whose agent reports
	BootedAt     time.Time         `json:"booted_at,omitzero"`         // when a boot token let its agent in
	NetbootedAt  time.Time         `json:"netbooted_at,omitzero"`      // when its firmware last led it into the RAM environment from the network
	CreatedAt    time.Time         `json:"created_at"`
	FreeSince    time.Time         `json:"free_since"`            // claim none since
	ParkedAt     time.Time         `json:"parked_at,omitzero"`    // switched off on purpose while it had no owner
	PowerTries   []time.Time       `json:"power_tries,omitempty"` // when it was last switched by itself (rules B28, B29), oldest first

	PendingIdentity *PendingIdentity `json:"pending_identity,omitempty"` // what it reports now, when a person has to confirm it
	IdentityHistory []IdentityChange `json:"identity_history,omitempty"` // newest last
	Alias           string           `json:"alias,omitempty"`            // the other id that its present certificate names, after it was adopted
}

// Node is the decision that a server carries customers' accounts. It is not erased when its owner changes; an inspection then says whether
// something of the former owner is left.
type Node struct {
	Note
	Inspection string `json:"inspection"` // id of the one that says what is there without any customer
}

// LeftOvers are what the last inspection found that its baseline does not have.
type LeftOvers struct {
	Inspection string    `json:"inspection"`
	Count      int       `json:"count"`
	Unseen     int       `json:"unseen,omitempty"` // kinds of things that could not be looked at, and may be there
	Since      time.Time `json:"since"`
	At         time.Time `json:"at"`                // of the inspection
	TriedAt    time.Time `json:"tried_at,omitzero"` // when it was last looked for by itself
}

// LogicalServer is one role of a physical server: its type, and the group that it is in.
type LogicalServer struct {
	Type  string `json:"type"`  // web, mail, mysql …
	Group string `json:"group"` // id of the server group
}

// Successor is the agent of a system that was written to the server's disk, until its first session. Then it takes
// the place of the agent that wrote it.
type Successor struct {
	InstanceID string    `json:"instance_id"`
	Serial     string    `json:"cert_serial"`
	NotAfter   time.Time `json:"cert_not_after"`
	Operation  string    `json:"operation"` // that wrote the system
}

// Maintenance is the note that keeps a server out of what is available (rule B20). No clock
// ends it: a technician may have the server open. When Until is over somebody is reminded.
type Maintenance struct {
	Note
	Until   time.Time `json:"until,omitzero"`    // announced end
	Overdue bool      `json:"overdue,omitempty"` // Until passed, and somebody was reminded
}

// Override accepts failed checks and diagnostic or status errors at the operator's own
// risk (rule B24). It is void after the next diagnostics, and taken away at Until.
type Override struct {
	Note
	DiagnosisID string    `json:"diagnosis_id"`
	Until       time.Time `json:"until,omitzero"`
}

// DiagnosisSummary is the last completed diagnostics.
type DiagnosisSummary struct {
	ID               string           `json:"id"` // operation id
	At               time.Time        `json:"at"`
	Profile          string           `json:"profile"`
	Checks           []protocol.Check `json:"checks"`
	ConfigurationKey string           `json:"configuration_key"`
}

// Worst verdict of the checks: "ok", "warning" or "error".
func (d *DiagnosisSummary) Worst() string {
	worst := protocol.VerdictOK
	for _, c := range d.Checks {
		switch {
		case c.Verdict == protocol.VerdictError:
			return protocol.VerdictError
		case c.Verdict == protocol.VerdictWarning:
			worst = protocol.VerdictWarning
		}
	}
	return worst
}

// LastOperation is the outcome of the operation before the present one.
type LastOperation struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`
	State   string    `json:"state"` // "done", "failed", "canceled"
	Message string    `json:"message,omitempty"`
	At      time.Time `json:"at"`
}

// Facts is what the agent of a server saw; written only when it changed.
type Facts struct {
	Server        string                 `json:"server"`
	At            time.Time              `json:"at"`
	AgentVersion  string                 `json:"agent_version"`
	Digest        string                 `json:"digest"`
	Inventory     hardware.Inventory     `json:"inventory"`
	Configuration hardware.Configuration `json:"configuration"`
	Key           string                 `json:"configuration_key"`
}

// Presence says which replica holds a server's agent. It lives on that replica's lease.
type Presence struct {
	Server      string    `json:"server"`
	Replica     string    `json:"replica"`
	Since       time.Time `json:"since"`
	BootID      string    `json:"boot_id"`
	Environment string    `json:"environment"`
	Remote      string    `json:"remote"` // address of the agent
}

// Replica is a controller of the fleet, as long as it runs. It lives on its own lease.
type Replica struct {
	ID      string    `json:"id"`
	Address string    `json:"address"` // host:port of API and metrics, as others reach it
	Scheme  string    `json:"scheme"`  // of that: https, or http
	Since   time.Time `json:"since"`
}

// Location is a data centre (rules B2, B3).
type Location struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	ExternalID string    `json:"external_id"`
	SortOrder  int       `json:"sort_order"`
	Generation string    `json:"generation"` // of the backend it was made for
	CreatedAt  time.Time `json:"created_at"`
}

// Released is s without an owner, and without a way back for the system on its disks. Its disks are as they were: whoever wrote to
// them made it dirty.
func (s Server) Released(now time.Time) Server {
	s.Claim = Claim{Kind: ClaimNone, Since: now}
	s.FreeSince = now
	s.Successor = nil // a system of the former owner
	s.Epoch++
	return s
}

// Soiled is s after the first command that lets somebody's data onto its disks.
func (s Server) Soiled(now time.Time) Server {
	if s.Cleanliness != Dirty {
		s.Cleanliness, s.CleanSince = Dirty, now
	}
	return s
}
