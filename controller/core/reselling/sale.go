package reselling

import (
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/state"
)

// States of a sale.
const (
	Sold     = "sold"
	Revoking = "revoking" // nothing new is placed on the server; it is looked at before it is released
	Asking   = "asking"   // something is left, or could not be looked at: a person says whether to continue or to cancel (rule S9)
	Revoked  = "revoked"
)

// SaleStates lists them.
var SaleStates = []string{Sold, Revoking, Asking, Revoked}

// MaxSold is how many servers may be sold with one request (rule S5): each is a commit of its own, and somebody waits for all of them.
const MaxSold = 100

// Sale gives one reseller the exclusive right to a server (rule S2). It stays as history when it is revoked.
type Sale struct {
	ID        string      `json:"id"`
	Reseller  string      `json:"reseller"`
	Path      string      `json:"path"`             // of the reseller
	Seller    string      `json:"seller,omitempty"` // id of the reseller above who sold it onward; "" is the provider
	Under     string      `json:"under,omitempty"`  // the sale by which the seller has the server
	Server    string      `json:"server"`
	State     string      `json:"state" enum:"sold,revoking,asking,revoked"`
	Message   string      `json:"message"`
	LeftOvers []string    `json:"left_overs,omitempty"` // what is left of the reseller's, as far as it was seen
	Operation string      `json:"operation,omitempty"`  // the inspection of the revocation that goes on
	Accepted  *fleet.Note `json:"accepted,omitempty"`   // a person said that the revocation continues in spite of what is left (rule S9)
	SoldAt    time.Time   `json:"sold_at"`
	SoldBy    string      `json:"sold_by"`
	ChangedAt time.Time   `json:"changed_at"`
	RevokedAt time.Time   `json:"revoked_at,omitzero"` // when it was released
	RevokedBy string      `json:"revoked_by,omitempty"`
	Reason    string      `json:"reason,omitempty"` // of the revocation
}

// SellerPath is that of the reseller who sold the server onward; "" is the provider.
func (s *Sale) SellerPath() string {
	if s.Under == "" {
		return ""
	}
	return s.Path[:max(strings.LastIndexByte(s.Path, '/'), 0)]
}

// Moved is s in a state, since now, with a message for a person.
func (s Sale) Moved(to, message string, now time.Time) Sale {
	s.State, s.Message, s.ChangedAt = to, message, now
	return s
}

// Kept is s as it was before its revocation began.
func (s Sale) Kept(message string, now time.Time) Sale {
	s = s.Moved(Sold, message, now)
	s.LeftOvers, s.Operation, s.Accepted, s.RevokedBy, s.Reason = nil, "", nil, "", ""
	return s
}

// TakingBack reports whether nothing new may be placed on the server (rule S8).
func (s *Sale) TakingBack() bool { return s.State == Revoking || s.State == Asking }

// Sales is the life of a sale.
var Sales = state.Table{
	Noun: "sale",
	States: []state.State{
		{Name: Sold, Begin: true, Rests: true, Means: "the server is the reseller's alone (S2)", Out: "steelyard sale revoke"},
		{
			Name: Revoking, Means: "nothing new is placed on the server; it is counted again and looked at (S8)", Owner: "the leading controller",
			Until: "the inspection ends; it has a deadline", Out: "steelyard sale cancel",
		},
		{
			Name: Asking, Means: "something of the reseller's is left, or could not be looked at (S9)", Owner: "operations, by a task",
			Until: "a person decides; the task stays open", Out: "steelyard sale continue, cancel; revoke looks again",
		},
		{Name: Revoked, Rests: true, Means: "the server is the seller's again, the provider's or a reseller's; the sale is history"},
	},
	Moves: []state.Move{
		{From: []string{Sold}, To: []string{Revoking}, By: "an operator takes the server back; nothing is on it (S7)"},
		{From: []string{Revoking}, To: []string{Sold}, By: "canceled, or something is on the server after all (S8)"},
		{From: []string{Revoking}, To: []string{Asking}, By: "something is left, or could not be looked at (S9)"},
		{From: []string{Asking}, To: []string{Revoking}, By: "a person continues: what is left is cleaned up later (S9); or has it looked at again"},
		{From: []string{Asking}, To: []string{Sold}, By: "a person cancels"},
		{From: []string{Revoking}, To: []string{Revoked}, By: "released (S10)"},
	},
}
