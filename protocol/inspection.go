package protocol

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"time"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// What an inspection looks for.
const (
	InspectAccounts  = "account"  // people's accounts and their groups
	InspectHomes     = "home"     // home directories, also those whose account is gone
	InspectSites     = "site"     // virtual hosts of web servers
	InspectDatabases = "database" // databases, and who may log in to them
	InspectMailboxes = "mailbox"
	InspectJobs      = "job"      // cron, at and timers of accounts
	InspectListeners = "listener" // services that listen on the network
)

// InspectKinds lists them.
var InspectKinds = []string{InspectAccounts, InspectHomes, InspectSites, InspectDatabases, InspectMailboxes, InspectJobs, InspectListeners}

// Bounds of an inspection: of each kind, what is listed. What is beyond them is counted.
const (
	MaxFound      = 200      // items
	MaxFoundBytes = 32 << 10 // of their texts
	MaxKnown      = 4096     // keys that a command names
)

// InspectCommand asks what is on the machine that customers may have left there. Nothing is changed.
type InspectCommand struct {
	// Known are keys (see [Found.Key]) of what was there before any customer: it is told last, so that what is not known is in the list
	// before the list is full.
	Known []string `json:"known,omitempty"`
}

// Inspection is what an agent found.
type Inspection struct {
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at"`
	Subjects  []Subject `json:"subjects"` // one for each of InspectKinds
}

// Subject is what was found of one kind.
type Subject struct {
	Kind   string  `json:"kind"`
	How    string  `json:"how,omitempty"`    // what was looked at, and which way; for a person
	Unseen string  `json:"unseen,omitempty"` // why it could not be looked at, or not at all of it; "" it was. What is not seen may be there
	Count  int     `json:"count"`            // of everything that was found
	Known  int     `json:"known"`            // how many of these the command named
	Items  []Found `json:"items"`            // first what is not known, sorted by name; not all where Count is larger
}

// Found is one thing.
type Found struct {
	Name     string `json:"name"`               // "bob", "/home/bob", "www.example.org", "tcp 0.0.0.0:80"
	Detail   string `json:"detail,omitempty"`   // for a person; never what a customer wrote into it
	Owner    string `json:"owner,omitempty"`    // account, or number of one that is gone
	Identity string `json:"identity,omitempty"` // what makes it the same thing again; "" its name
}

// Key names what was found of a kind in all inspections: the same thing has the same key.
func (f Found) Key(kind string) string {
	text := f.Identity
	if text == "" {
		text = f.Name
	}
	sum := sha256.Sum256([]byte(kind + "\x00" + text))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// Tell is the subject of everything that was found of a kind: what is not in known comes first, and as much is listed as has room.
func Tell(kind, how string, found []Found, known map[string]bool) Subject {
	s := Subject{Kind: kind, How: how, Count: len(found), Items: slices.Clone(found)}
	type place struct {
		known bool
		key   string
	}
	places := make(map[Found]place, len(found))
	for _, f := range found {
		key := f.Key(kind)
		places[f] = place{known[key], key}
		if known[key] {
			s.Known++
		}
	}
	slices.SortFunc(s.Items, func(a, b Found) int {
		x, y := places[a], places[b]
		if x.known != y.known {
			if x.known {
				return 1
			}
			return -1
		}
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(x.key, y.key))
	})
	s.Clean()
	return s
}

// Clean bounds what an agent sent: the number and length of texts, and counts that cannot be. A kind that is not known is left out, one
// that is told twice is not seen.
func (in *Inspection) Clean() {
	in.Subjects = slices.DeleteFunc(in.Subjects[:min(len(in.Subjects), 2*len(InspectKinds))], func(s Subject) bool { return !slices.Contains(InspectKinds, s.Kind) })
	for i := range in.Subjects {
		s := &in.Subjects[i]
		if slices.ContainsFunc(in.Subjects[:i], func(b Subject) bool { return b.Kind == s.Kind }) {
			s.Unseen = "the agent told it twice"
		}
		s.Clean()
	}
}

// Clean bounds one subject.
func (s *Subject) Clean() {
	s.How, s.Unseen = hardware.CleanString(s.How), hardware.CleanString(s.Unseen)
	s.Count = max(s.Count, len(s.Items))
	s.Known = min(max(s.Known, 0), s.Count)
	s.Items = s.Items[:min(len(s.Items), MaxFound)]
	size := 0
	for i := range s.Items {
		f := &s.Items[i]
		for _, text := range []*string{&f.Name, &f.Detail, &f.Owner, &f.Identity} {
			*text = hardware.CleanString(*text)
			size += len(*text)
		}
		if size > MaxFoundBytes {
			s.Items = s.Items[:i]
			break
		}
	}
	if s.Items == nil {
		s.Items = []Found{}
	}
}

// Whole reports whether everything that was found is listed.
func (s *Subject) Whole() bool { return len(s.Items) == s.Count }
