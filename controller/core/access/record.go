package access

import (
	"encoding/json"
	"slices"
	"time"
)

// Role of a user or token.
type Role string

// Roles (rule X7). Admin is systems plus users and tokens.
const (
	RoleAdmin      Role = "admin"
	RoleSystems    Role = "systems"
	RoleOperations Role = "operations"
	RoleMarketing  Role = "marketing"
	RoleDepartment Role = "department"
	RoleReseller   Role = "reseller"
	RoleCustomer   Role = "customer"
)

// User logs in with a password.
type User struct {
	ID           string    `json:"id"`
	Name         string    `json:"name"`            // login name or e-mail
	Email        string    `json:"email,omitempty"` // where letters to him go; "" is his name, if that is an address
	Role         Role      `json:"role"`
	Department   string    `json:"department,omitempty"`
	Customer     string    `json:"customer,omitempty"`      // whose objects a customer sees
	Reseller     string    `json:"reseller,omitempty"`      // path of the reseller whose people this is one of; see package reselling
	PasswordHash string    `json:"password_hash"`           // argon2id, PHC string format
	PasswordAt   time.Time `json:"password_at,omitzero"`    // logins made before it are over
	SecondFactor bool      `json:"second_factor,omitempty"` // its login asks for a code; see SecondFactor
	Issuer       string    `json:"issuer,omitempty"`        // of who logs in through a provider: known by issuer and subject, without a password
	Subject      string    `json:"subject,omitempty"`
	Account      string    `json:"account,omitempty"` // the hosting account that has the same name and password (rule C15)
	Disabled     bool      `json:"disabled"`
	CreatedAt    time.Time `json:"created_at"`
}

// Actor is the user himself.
func (u *User) Actor() Actor {
	return Actor{Name: u.Name, Role: u.Role, Department: u.Department, Customer: u.Customer, Reseller: u.Reseller}
}

// Token kinds.
const (
	TokenAPI      = "api"      // bearer token of a program
	TokenSession  = "session"  // bearer token that a login made
	TokenJoin     = "join"     // enrols agents
	TokenProgram  = "program"  // bearer token that a user made for a program: some of what he may do himself
	TokenReset    = "reset"    // sets a new password, once
	TokenHandOver = "handover" // becomes a login, once: the provider said who it is
	TokenBoot     = "boot"     // enrols the one machine that was booted from the network with it, once
)

// Token is a secret that was handed out once; only its digest is kept.
type Token struct {
	ID          string       `json:"id"`
	Kind        string       `json:"kind" enum:"api,session,join,program,reset,handover,boot"`
	Name        string       `json:"name"`
	Digest      string       `json:"digest"` // SHA-256 of the secret, hex
	Role        Role         `json:"role,omitempty"`
	User        string       `json:"user,omitempty"`
	Department  string       `json:"department,omitempty"`
	Customer    string       `json:"customer,omitempty"`
	Reseller    string       `json:"reseller,omitempty"`
	Location    string       `json:"location,omitempty"`     // join: where the machines are
	MaxUses     int          `json:"max_uses,omitempty"`     // join and boot: 0 is no limit
	Uses        int          `json:"uses,omitempty"`         // join and boot; counted only with MaxUses
	AutoApprove bool         `json:"auto_approve,omitempty"` // join: machines need no approval
	CreatedAt   time.Time    `json:"created_at"`
	CreatedBy   string       `json:"created_by"`
	ExpiresAt   time.Time    `json:"expires_at,omitzero"`
	Revoked     bool         `json:"revoked,omitempty"`
	Permissions []Permission `json:"permissions,omitempty"` // program: it has no others; api: the same, unless there are none
	Address     string       `json:"address,omitempty"`     // session: where it was opened from
	Client      string       `json:"client,omitempty"`      // session: the program that opened it, as it called itself
	SeenAt      time.Time    `json:"seen_at,omitzero"`      // session: last used, an hour coarse
	Challenge   string       `json:"challenge,omitempty"`   // handover: of who began the login (RFC 7636, S256)
	Server      string       `json:"server,omitempty"`      // boot: which server the machine is; "" one that nobody knows
	MAC         string       `json:"mac,omitempty"`         // boot: of the card that it booted from
	UUID        string       `json:"uuid,omitempty"`        // boot: as its firmware told it; "" it told none
	Kexec       bool         `json:"kexec,omitempty"`       // boot: given to the running system, which starts the RAM environment past its firmware
	Refusals    int          `json:"refusals,omitempty"`    // boot: how often its secret came from somebody who may not use it
}

// Covers reports whether a token gives its holder the permission, if his role has it.
func (t *Token) Covers(p Permission) bool {
	return t.Kind != TokenProgram && len(t.Permissions) == 0 || p == Public || p == Self || slices.Contains(t.Permissions, p)
}

// Actor is who holds a token that belongs to no user.
func (t *Token) Actor() Actor {
	return Actor{Name: t.Name, Role: t.Role, Department: t.Department, Customer: t.Customer, Reseller: t.Reseller}
}

// Actor is who does something, for whom.
type Actor struct {
	Name       string `json:"name"`          // user name, token name, or "steelyard"
	For        string `json:"for,omitempty"` // acting for somebody else (S11)
	Role       Role   `json:"role,omitempty"`
	Department string `json:"department,omitempty"`
	Customer   string `json:"customer,omitempty"`
	Reseller   string `json:"reseller,omitempty"` // path
}

// System is the actor of what nobody asked for by hand.
var System = Actor{Name: "steelyard", Role: RoleAdmin}

// Audit is one line of the audit log (rule X8), written in the transaction of the change.
type Audit struct {
	ID      string          `json:"id"`
	At      time.Time       `json:"at"`
	Actor   Actor           `json:"actor"`
	Action  string          `json:"action"` // "server.approve", "order.place", …
	Object  string          `json:"object"` // table/id
	Before  json.RawMessage `json:"before,omitempty"`
	After   json.RawMessage `json:"after,omitempty"`
	Reason  string          `json:"reason,omitempty"`
	Request string          `json:"request,omitempty"`
}
