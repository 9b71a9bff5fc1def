package api

import (
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/image"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// What the API shows of each record. Rev is the record's revision: the number in
// its ETag, and what If-Match compares.
type (
	// Server is a machine: what was decided about it, and in short what was seen.
	Server struct {
		fleet.Server
		Connected         bool                   `json:"connected"`
		ConnectedSince    time.Time              `json:"connected_since,omitzero"`
		Owner             string                 `json:"owner,omitempty" doc:"Which reseller has it, and how he came by it: sold to acme (S6)."`
		Label             fleet.Label            `json:"label" enum:"free,unassigned,in use,cleanup required,held,available,taken,sold,dedicated" doc:"What it is for resellers (X3); a filter for free finds unassigned ones too: those are free, and may be assigned to a plan."`
		Pools             []string               `json:"pools,omitempty" doc:"Ids of the server pools that it is in."`
		Placements        uint64                 `json:"placements" doc:"How many things customers have on it."`
		PromisedMiB       uint64                 `json:"promised_mib,omitempty" doc:"Disk space that is promised to them together."`
		Available         bool                   `json:"available"`
		Reasons           []fleet.Reason         `json:"reasons" doc:"Why it is not available (B17 to B23)."`
		Configuration     hardware.Configuration `json:"configuration"`
		ConfigurationText string                 `json:"configuration_text"`
		AgentVersion      string                 `json:"agent_version,omitempty"`
		ReportedAt        time.Time              `json:"reported_at,omitzero" doc:"When its hardware was last seen to change."`
		Power             Power                  `json:"power"`
		Traffic           *Traffic               `json:"traffic,omitempty"`
		Rev               int64                  `json:"rev"`
	}
	// ServerDetail is a server with everything that is known of it.
	ServerDetail struct {
		Server
		Inventory *hardware.Inventory `json:"inventory,omitempty"`
		Sample    *hardware.Sample    `json:"sample,omitempty" doc:"Latest figures, if this replica holds its agent's session."`
		SampleAt  time.Time           `json:"sample_at,omitzero"`
		BMC       *BMC                `json:"bmc,omitempty" doc:"For those who may read it."`
		Ports     []PortView          `json:"ports,omitempty" doc:"For those who may read them."`
		Chassis   *outofband.Chassis  `json:"chassis,omitempty" doc:"What the management controller says."`
	}
	// Traffic is what a server has received and sent (rules U1, U5, U6).
	Traffic struct {
		InBytes  uint64          `json:"in_bytes" doc:"Received by the server since it is counted."`
		OutBytes uint64          `json:"out_bytes" doc:"Sent by the server since it is counted."`
		Source   string          `json:"source" enum:"switch" doc:"Whose counters these are."`
		Since    time.Time       `json:"since" doc:"Since when it is counted."`
		At       time.Time       `json:"at" doc:"When it was measured; with several ports, the oldest of them."`
		GapCount int             `json:"gap_count" doc:"How often bytes may be missing."`
		Gaps     []outofband.Gap `json:"gaps,omitempty" doc:"The newest of them; only for one server."`
	}
	// Why answers why a server is, or is not, available (rule B25).
	Why struct {
		Server    string         `json:"server"`
		Available bool           `json:"available"`
		Reasons   []fleet.Reason `json:"reasons"`
	}
	// Location is a data centre.
	Location struct {
		fleet.Location
		Rev int64 `json:"rev"`
	}
	// Module processes orders.
	Module struct {
		order.Module
		Rev int64 `json:"rev"`
	}
	// Remote is how things stand with the backend of a remote module, without its token.
	Remote struct {
		Module       string    `json:"module"`
		Fleet        string    `json:"fleet" doc:"Which fleet answers there."`
		Generation   string    `json:"generation" doc:"As the backend told it (B3)."`
		State        string    `json:"state" enum:"connected,unreachable,denied,changed"`
		Message      string    `json:"message,omitempty"`
		Since        time.Time `json:"since" doc:"Of the state."`
		SeenAt       time.Time `json:"seen_at" doc:"When it last answered; a few minutes coarse."`
		TokenExpires time.Time `json:"token_expires,omitzero" doc:"It is renewed long before."`
		Rev          int64     `json:"rev"`
	}
	// Tariff is a configuration that is sold.
	Tariff struct {
		order.Tariff
		Rev int64 `json:"rev"`
	}
	// Order is a wish for a server.
	Order struct {
		order.Order
		Rev int64 `json:"rev"`
	}
	// Service is what a customer has.
	Service struct {
		order.Service
		Rev int64 `json:"rev"`
	}
	// Operation is work on a server.
	Operation struct {
		operation.Operation
		Rev int64 `json:"rev"`
	}
	// OperationDetail is an operation with the progress of its current step.
	OperationDetail struct {
		Operation
		Progress *protocol.Progress `json:"progress,omitempty"`
	}
	// Task is work for a person.
	Task struct {
		task.Task
		Rev int64 `json:"rev"`
	}
	// Image is an operating system image.
	Image struct {
		image.Image
		Rev int64 `json:"rev"`
	}
	// AuditLine is one line of the audit log.
	AuditLine struct {
		access.Audit
		Rev int64 `json:"rev"`
	}
	// Token is a token without its secret, which nobody has any more.
	Token struct {
		ID          string              `json:"id"`
		Kind        string              `json:"kind" enum:"api,session,join,program,reset,handover,boot"`
		Name        string              `json:"name"`
		Role        access.Role         `json:"role,omitempty"`
		User        string              `json:"user,omitempty"`
		Department  string              `json:"department,omitempty"`
		Customer    string              `json:"customer,omitempty"`
		Reseller    string              `json:"reseller,omitempty" doc:"Path of the reseller."`
		Location    string              `json:"location,omitempty"`
		MaxUses     int                 `json:"max_uses,omitempty"`
		Uses        int                 `json:"uses,omitempty"`
		AutoApprove bool                `json:"auto_approve,omitempty"`
		CreatedAt   time.Time           `json:"created_at"`
		CreatedBy   string              `json:"created_by"`
		ExpiresAt   time.Time           `json:"expires_at,omitzero"`
		Revoked     bool                `json:"revoked,omitempty"`
		Permissions []access.Permission `json:"permissions,omitempty" doc:"program: all that it may do."`
		Rev         int64               `json:"rev"`
	}
	// User is a user without the hash of the password.
	User struct {
		ID           string      `json:"id"`
		Name         string      `json:"name"`
		Email        string      `json:"email,omitempty"`
		Role         access.Role `json:"role"`
		Department   string      `json:"department,omitempty"`
		Customer     string      `json:"customer,omitempty"`
		Reseller     string      `json:"reseller,omitempty" doc:"Path of the reseller whose people, or whose customer's, the user is one of."`
		SecondFactor bool        `json:"second_factor" doc:"Logins need a code."`
		Disabled     bool        `json:"disabled"`
		CreatedAt    time.Time   `json:"created_at"`
		Rev          int64       `json:"rev"`
	}
)

func tokenView(t *access.Token, rev int64) Token {
	return Token{
		ID: t.ID, Kind: t.Kind, Name: t.Name, Role: t.Role, User: t.User, Department: t.Department, Customer: t.Customer, Reseller: t.Reseller,
		Location: t.Location, MaxUses: t.MaxUses, Uses: t.Uses, AutoApprove: t.AutoApprove,
		CreatedAt: t.CreatedAt, CreatedBy: t.CreatedBy, ExpiresAt: t.ExpiresAt, Revoked: t.Revoked, Permissions: t.Permissions, Rev: rev,
	}
}

func remoteView(r *order.Remote, rev int64) Remote {
	return Remote{
		Module: r.Module, Fleet: r.Fleet, Generation: r.Generation, State: r.State, Message: r.Message, Since: r.Since, SeenAt: r.SeenAt,
		TokenExpires: r.TokenExpires, Rev: rev,
	}
}

func userView(u *access.User, rev int64) User {
	return User{
		ID: u.ID, Name: u.Name, Email: u.Email, Role: u.Role, Department: u.Department, Customer: u.Customer, Reseller: u.Reseller,
		SecondFactor: u.SecondFactor, Disabled: u.Disabled, CreatedAt: u.CreatedAt, Rev: rev,
	}
}

// machine is what the sheet of servers holds: three records and what follows from
// them.
type machine struct {
	server    *fleet.Server
	serverRev int64
	facts     *fleet.Facts
	presence  *fleet.Presence
	load      *hosting.Load
	bmc       *outofband.BMC
	wiring    *outofband.Wiring
	wiringRev int64
	seen      *outofband.Observation
	traffic   *outofband.Traffic
	reasons   []fleet.Reason
	available bool
	owner     string // in words
	label     fleet.Label
	inPools   []string // pools of servers, by id
}

// placements is how many things customers have on it.
func (m *machine) placements() uint64 {
	if m.load == nil {
		return 0
	}
	return m.load.Placements
}

func (m *machine) view() Server {
	v := Server{Server: *m.server, Owner: m.owner, Label: m.label, Pools: m.inPools, Available: m.available, Reasons: m.reasons, Power: m.power(), Rev: m.serverRev}
	if m.load != nil {
		v.Placements, v.PromisedMiB = m.load.Placements, m.load.PromisedMiB
	}
	if m.presence != nil {
		v.Connected, v.ConnectedSince = true, m.presence.Since
	}
	if m.facts != nil {
		v.Configuration, v.ConfigurationText = m.facts.Configuration, m.facts.Configuration.String()
		v.AgentVersion, v.ReportedAt = m.facts.AgentVersion, m.facts.At
	}
	if t := m.traffic; t != nil {
		v.Traffic = &Traffic{InBytes: t.InBytes, OutBytes: t.OutBytes, Source: t.Source, Since: t.Since, At: t.At, GapCount: t.GapCount}
	}
	return v
}
