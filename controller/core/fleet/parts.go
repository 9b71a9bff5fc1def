package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// PendingIdentity is an identity that a known agent reports and that differs from what its
// machine was known by: a board or a network card was replaced, or its disk stands in
// another machine. A person looks and says which (rule X1).
type PendingIdentity struct {
	ID       string            `json:"id"` // digest of Identity: names what a person saw and confirms
	Identity hardware.Identity `json:"identity"`
	Changes  []string          `json:"changes"` // in words
	Seen     time.Time         `json:"seen_at"`
	Rejected *Note             `json:"rejected,omitempty"` // a person said that this is not the machine
}

// IdentityChange is one entry of the history of a server's identity.
type IdentityChange struct {
	ID      string            `json:"id"` // of the identity that was taken over
	Before  hardware.Identity `json:"before"`
	Changes []string          `json:"changes"`
	Note
}

// keepIdentities bounds the history; the audit log has all of it.
const keepIdentities = 10

// maxChanges bounds what is told in words.
const maxChanges = 12

// Difference is how an identity that is reported stands to the one that is known.
type Difference struct {
	Identity hardware.Identity // as reported; a section that could not be read is as it was known
	Changes  []string          // what is gone or another one, in words
	Added    []string          // what came, in words
	Stranger bool              // nothing that tells one machine from another is left
}

// Differ compares. A report that says nothing at all of SMBIOS, or of network cards, could
// not read them; that is no change.
func Differ(known, seen hardware.Identity) Difference {
	known, seen = tidy(known), tidy(seen)
	if seen.UUID+seen.SystemSerial+seen.BoardSerial+seen.ChassisSerial == "" {
		seen.UUID, seen.SystemSerial, seen.BoardSerial, seen.ChassisSerial = known.UUID, known.SystemSerial, known.BoardSerial, known.ChassisSerial
	}
	if len(seen.MACs) == 0 {
		seen.MACs = known.MACs
	}
	d := Difference{Identity: seen}
	d.field("UUID", known.UUID, seen.UUID)
	d.field("system serial", known.SystemSerial, seen.SystemSerial)
	d.field("board serial", known.BoardSerial, seen.BoardSerial)
	d.field("chassis serial", known.ChassisSerial, seen.ChassisSerial)
	d.cards(known.MACs, seen.MACs)
	before := IdentityKeys(known)
	d.Stranger = len(before) > 0 && !slices.ContainsFunc(Shared(before, IdentityKeys(seen)), identifies)
	d.Changes, d.Added = few(d.Changes), few(d.Added)
	return d
}

func (d *Difference) field(name, known, seen string) {
	switch {
	case strings.EqualFold(known, seen):
	case known == "":
		d.Added = append(d.Added, name+" "+seen+" is known now")
	case seen == "":
		d.Changes = append(d.Changes, name+" "+known+" is gone")
	default:
		d.Changes = append(d.Changes, name+" "+known+" is now "+seen)
	}
}

func (d *Difference) cards(known, seen []string) {
	for _, m := range known {
		if !slices.Contains(seen, m) {
			d.Changes = append(d.Changes, "network card "+m+" is gone")
		}
	}
	for _, m := range seen {
		if !slices.Contains(known, m) {
			d.Added = append(d.Added, "network card "+m+" is new")
		}
	}
}

func few(list []string) []string {
	if n := len(list) - maxChanges; n > 0 {
		return append(list[:maxChanges:maxChanges], fmt.Sprintf("and %d more", n))
	}
	return list
}

// Words are all changes, what came included.
func (d *Difference) Words() []string { return append(slices.Clone(d.Changes), d.Added...) }

// Pending is what a person is asked to confirm.
func (d *Difference) Pending(now time.Time) *PendingIdentity {
	return &PendingIdentity{ID: identityID(d.Identity), Identity: d.Identity, Changes: d.Words(), Seen: now}
}

// identityID is the same for the same parts, in whatever order they were reported.
func identityID(i hardware.Identity) string {
	i = tidy(i)
	i.MachineID = "" // of the installed system, not of the machine
	text, err := json.Marshal(i)
	if err != nil {
		panic("fleet: an identity holds only texts: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// Reidentified is s with another identity, which somebody took over for a reason; the one
// before it is history. What was diagnosed was another set of parts.
func (s Server) Reidentified(to hardware.Identity, changes []string, note Note) Server {
	s.IdentityHistory = append(slices.Clone(s.IdentityHistory), IdentityChange{ID: identityID(to), Before: s.Identity, Changes: changes, Note: note})
	if n := len(s.IdentityHistory) - keepIdentities; n > 0 {
		s.IdentityHistory = s.IdentityHistory[n:]
	}
	s.Identity, s.PendingIdentity, s.Override = to, nil, nil
	if s.Diagnosis != nil {
		d := *s.Diagnosis
		d.ConfigurationKey = ""
		s.Diagnosis = &d
	}
	return s
}

// Claims are the identity keys that s stands for now: those of what it reports. One that is
// rejected or retired stands for nothing.
func (s *Server) Claims() []string {
	switch {
	case s.Approval == Rejected || s.Approval == Retired:
		return nil
	case s.PendingIdentity != nil && s.PendingIdentity.Rejected == nil:
		return IdentityKeys(s.PendingIdentity.Identity)
	}
	return IdentityKeys(s.Identity)
}

// RetiredKey is the index key of a part of a retired server: it is nobody's, and remembered.
func RetiredKey(key string) string { return "retired:" + key }

// Keys are the keys under which s is found in the index of identities: what it is known by,
// and what it reports while that is not settled.
func (s *Server) Keys() []string {
	keys := IdentityKeys(s.Identity)
	if s.Approval == Retired {
		for i, k := range keys {
			keys[i] = RetiredKey(k)
		}
		return keys
	}
	if p := s.PendingIdentity; p != nil && p.Rejected == nil {
		keys = append(keys, IdentityKeys(p.Identity)...)
		slices.Sort(keys)
		keys = slices.Compact(keys)
	}
	return keys
}
