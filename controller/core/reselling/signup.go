package reselling

import (
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/core/state"
)

// States of a sign-up.
const (
	SignUpNew        = "new"
	SignUpModeration = "moderation" // held; its reasons say why (rule H12)
	SignUpActive     = "active"
	SignUpRefused    = "refused"
	SignUpCanceled   = "canceled"
)

// Kinds of reasons why a sign-up is held.
const (
	NoServer       = "no server"      // none is left in the plan that may be handed out
	ServerLimit    = "server limit"   // the reseller may have no more
	ResellerBarred = "reseller"       // he, or one above him, is disabled or suspended
	HeldByProvider = "held by person" // somebody of the provider wants to look at it first
)

// Hold is one reason why a sign-up is held.
type Hold struct {
	Kind    string `json:"kind" enum:"no server,server limit,reseller,held by person"`
	Message string `json:"message"`
}

// SignUp is one reseller who wants a plan. It stays as history.
type SignUp struct {
	ID          string    `json:"id"`
	Plan        string    `json:"plan"`
	Reseller    string    `json:"reseller"`
	Path        string    `json:"path"` // of the reseller
	Email       string    `json:"email"`
	State       string    `json:"state" enum:"new,moderation,active,refused,canceled"`
	Message     string    `json:"message"`
	Reasons     []Hold    `json:"reasons,omitempty"`
	HeldBy      string    `json:"held_by,omitempty"` // who wants to look at it first
	HeldFor     string    `json:"held_for,omitempty"`
	Server      string    `json:"server,omitempty"` // that he got
	CreatedAt   time.Time `json:"created_at"`
	CreatedBy   string    `json:"created_by"`
	ChangedAt   time.Time `json:"changed_at"`
	ActivatedAt time.Time `json:"activated_at,omitzero"`
	Promised    bool      `json:"promised,omitempty"` // he was told by letter that activation follows
}

// Waits reports whether something may still become of it.
func (s *SignUp) Waits() bool { return s.State == SignUpNew || s.State == SignUpModeration }

// Only reports whether a sign-up is held for one reason and no other.
func (s *SignUp) Only(kind string) bool { return len(s.Reasons) == 1 && s.Reasons[0].Kind == kind }

// SameReasons reports whether nothing has to be said anew.
func (s *SignUp) SameReasons(list []Hold) bool { return slices.Equal(s.Reasons, list) }

// ModerationKey is the dedupe key of the task about a sign-up that is held.
func ModerationKey(signUp string) string { return "signup/" + signUp }

// SkippedKey is the dedupe key of the task about an assigned server that cannot be handed out.
func SkippedKey(server string) string { return "skipped/" + server }

// SignUps is the life of a sign-up.
var SignUps = state.Table{
	Noun: "sign-up",
	States: []state.State{
		{Name: SignUpNew, Begin: true, Means: "just made", Owner: "the leading controller", Until: "at once", Out: "steelyard signup cancel"},
		{
			Name: SignUpModeration, Means: "held for the reasons that it lists; a task says so, and the applicant was told that activation follows", Owner: "systems, by the task",
			Until: "its reasons are gone: a server is assigned to the plan, the limit is raised, the reseller may go on, the hold is lifted",
			Out:   "steelyard signup cancel, refuse; steelyard reseller-plan assign",
		},
		{Name: SignUpActive, Rests: true, Means: "the reseller has the plan, and the server that comes with it (H11)"},
		{Name: SignUpRefused, Rests: true, Means: "the provider said no"},
		{Name: SignUpCanceled, Rests: true, Means: "withdrawn before it was active"},
	},
	Moves: []state.Move{
		{From: []string{SignUpNew, SignUpModeration}, To: []string{SignUpActive}, By: "the oldest server of the plan is taken (H11, H14, H16)"},
		{From: []string{SignUpNew}, To: []string{SignUpModeration}, By: "no server is left (H12), or something else speaks against it"},
		{From: []string{SignUpNew, SignUpModeration}, To: []string{SignUpRefused}, By: "refused by the provider"},
		{From: []string{SignUpNew, SignUpModeration}, To: []string{SignUpCanceled}, By: "canceled"},
	},
}

// Resellers is the life of a reseller.
var Resellers = state.Table{
	Noun: "reseller",
	States: []state.State{
		{Name: Active, Begin: true, Rests: true, Means: "he and his customers work", Out: "steelyard reseller disable, suspend"},
		{Name: Disabled, Rests: true, Means: "his people cannot log in; what he has goes on, and he gets nothing new", Out: "steelyard reseller activate, suspend"},
		{Name: Suspended, Rests: true, Means: "his people and all his customers are kept out, and those of the resellers below him", Out: "steelyard reseller activate, disable"},
	},
	Moves: []state.Move{
		{From: []string{Active, Suspended}, To: []string{Disabled}, By: "disabled, with a reason"},
		{From: []string{Active, Disabled}, To: []string{Suspended}, By: "suspended, with a reason"},
		{From: []string{Disabled, Suspended}, To: []string{Active}, By: "activated"},
	},
}
