package reselling

import "time"

// States of a sale.
const (
	Sold     = "sold"
	Revoking = "revoking" // nothing new is placed on the server; it is looked at before it is released
	Asking   = "asking"   // something could not be removed: a person says whether to continue or to cancel (rule S9)
	Revoked  = "revoked"
)

// Sale gives one reseller the exclusive right to a server (rule S2). It stays as history when it is revoked.
type Sale struct {
	ID        string    `json:"id"`
	Reseller  string    `json:"reseller"`
	Path      string    `json:"path"` // of the reseller
	Server    string    `json:"server"`
	State     string    `json:"state" enum:"sold,revoking,asking,revoked"`
	Message   string    `json:"message"`
	LeftOvers []string  `json:"left_overs,omitempty"` // what could not be removed, as far as it was seen
	SoldAt    time.Time `json:"sold_at"`
	SoldBy    string    `json:"sold_by"`
	ChangedAt time.Time `json:"changed_at"`
	RevokedAt time.Time `json:"revoked_at,omitzero"`
	RevokedBy string    `json:"revoked_by,omitempty"`
	Reason    string    `json:"reason,omitempty"` // of the revocation
}
