package metrics

import (
	"context"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
)

// Options tells where the standing figures come from. Each function is called
// once a scrape, from one goroutine at a time, and answers from memory; only Etcd
// may ask elsewhere, within the deadline of its context.
type Options struct {
	Version  string
	Fleet    func() Fleet
	Sessions func() Sessions
	View     func() View
	Store    func() Store
	Etcd     func(context.Context) (Etcd, error)
	Leader   func() bool
	Notify   func() Notify
	Netboot  func() Netboot
}

// Fleet is what the store's view holds. Start from the zero value and use the
// Add methods, or fill the maps from an index.
type Fleet struct {
	Servers    map[Standing]int
	Rules      map[string]int // servers for which a rule of availability fails
	Overridden int
	Labels     map[string]int // servers by their label, see [fleet.LabelOf]
	Connected  int
	Orders     map[string]int // by state
	Services   map[string]int // by state
	Operations map[Kinded]int
	Tasks      map[Assigned]int // open ones
	Pools      []Pool
	Classes    int
}

// Pool is how much of an IP pool is in use.
type Pool struct {
	Name, Family        string
	Used, Resting, Free uint64
}

// Standing is how a server stands.
type Standing struct {
	Approval, Claim string
	Available       bool
}

// Kinded is a kind of operation in a state.
type Kinded struct{ Kind, State string }

// Assigned is a kind of task in a department.
type Assigned struct{ Kind, Department string }

// AddServer counts a server; reasons are those of [fleet.Unavailable].
func (f *Fleet) AddServer(s *fleet.Server, connected bool, reasons []fleet.Reason) {
	if f.Servers == nil {
		f.Servers, f.Rules = map[Standing]int{}, map[string]int{}
	}
	f.Servers[Standing{s.Approval, s.Claim.Kind, fleet.Available(reasons)}]++
	if connected {
		f.Connected++
	}
	if s.Override != nil && s.Diagnosis != nil && s.Override.DiagnosisID == s.Diagnosis.ID {
		f.Overridden++
	}
	for i, r := range reasons {
		if !r.Waived && !told(reasons[:i], r.Rule) {
			f.Rules[r.Rule]++
		}
	}
}

// told finds an unwaived reason of the rule: a server counts once a rule.
func told(reasons []fleet.Reason, rule string) bool {
	for _, r := range reasons {
		if r.Rule == rule && !r.Waived {
			return true
		}
	}
	return false
}

// AddOperation counts an operation.
func (f *Fleet) AddOperation(kind, state string) {
	if f.Operations == nil {
		f.Operations = map[Kinded]int{}
	}
	f.Operations[Kinded{kind, state}]++
}

// AddTask counts an open task.
func (f *Fleet) AddTask(kind, department string) {
	if f.Tasks == nil {
		f.Tasks = map[Assigned]int{}
	}
	f.Tasks[Assigned{kind, department}]++
}

// AddLabel counts a server by its label.
func (f *Fleet) AddLabel(l fleet.Label) { add(&f.Labels, string(l)) }

// AddOrder counts an order.
func (f *Fleet) AddOrder(state string) { add(&f.Orders, state) }

// AddService counts a service.
func (f *Fleet) AddService(state string) { add(&f.Services, state) }

func add(m *map[string]int, key string) {
	if *m == nil {
		*m = map[string]int{}
	}
	(*m)[key]++
}

// Sessions is what the gateway of this replica counts; all but Open only grow.
type Sessions struct {
	Open                int
	Handshakes, Resumed uint64
	Enrolled, Lost      uint64
	Reports             uint64
	BytesIn, BytesOut   uint64 // from agents, to agents
	Refused, BadFrames  map[string]uint64
}

// View is how fresh the answers are.
type View struct {
	Revision, Committed int64
	StaleSince          time.Time // zero while it is fed
}

// Store is what [store.Change] counts.
type Store struct{ Commits, Changes, Conflicts, Retries uint64 }

// Etcd is the size of the database, in bytes; a quota of 0 is not known.
type Etcd struct{ Size, InUse, Quota int64 }

// Notify is what is told to receivers of events. Attempts only grows, and is of this
// replica; the rest is the fleet's.
type Notify struct {
	Attempts      map[Attempted]uint64
	Pending, Dead map[string]int // deliveries by channel
	Events        int            // in the outbox
	Oldest        time.Duration
}

// Attempted is a channel and how an attempt ended.
type Attempted struct{ Channel, Outcome string }

// Netboot is what this replica answered machines that start from the network.
type Netboot struct {
	Boots    map[string]uint64 // by what they got: ram, disk, refused
	Tokens   uint64            // boot tokens made
	Restarts uint64            // of dnsmasq, beyond the first start
}
