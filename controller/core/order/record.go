package order

import (
	"time"

	"github.com/steelyard/steelyard/controller/core/access"

	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/pkg/hardware"
)

// Module kinds (rule B6).
const (
	ModuleLocal  = "local"  // this fleet
	ModuleRemote = "remote" // another operator's controller, over its HTTP API
)

// Module processes orders of a location (rules B6–B16).
type Module struct {
	ID                    string        `json:"id"`
	Name                  string        `json:"name"`
	Kind                  string        `json:"kind" enum:"local,remote"`
	Location              string        `json:"location"`
	Department            string        `json:"department"` // gets the build tasks
	SortOrder             int           `json:"sort_order"`
	ByServerType          bool          `json:"by_server_type"`
	DiagTimeout           int           `json:"diagtimeout"`            // minutes, 1..720
	InstallTimeoutLinux   int           `json:"installtimeout_linux"`   // minutes, 1..720
	InstallTimeoutWindows int           `json:"installtimeout_windows"` // minutes, 1..720
	Weights               match.Weights `json:"weights"`
	Pools                 []string      `json:"pools"`                   // IP pools, the first to be used first; none: all of the location (B4)
	URL                   string        `json:"url,omitempty"`           // remote: the other controller
	Username              string        `json:"username,omitempty"`      // remote: who we are there
	CA                    string        `json:"ca,omitempty"`            // remote: authorities of its certificate, PEM; "" those of the system
	RemoteModule          string        `json:"remote_module,omitempty"` // remote: id of the module there that takes our orders
	CreatedAt             time.Time     `json:"created_at"`
}

// Tariff is a configuration that is sold, and the modules that process it.
type Tariff struct {
	ID            string                 `json:"id"`
	Name          string                 `json:"name"`
	Revision      int                    `json:"revision"` // grows with each edit
	Modules       []string               `json:"modules"`
	ServerType    string                 `json:"server_type,omitempty"`
	Configuration hardware.Configuration `json:"configuration"`
	Images        []string               `json:"images"` // allowed image ids; empty: all
	Retired       bool                   `json:"retired"`
	CreatedAt     time.Time              `json:"created_at"`
}

// Order states.
const (
	New       = "new"       // placed; not matched yet
	Waiting   = "waiting"   // no server that may be taken; a task says so
	Held      = "held"      // the closest server is held until it was rebuilt
	Preparing = "preparing" // a server is being prepared
	Fulfilled = "fulfilled" // the service became active once
	Failed    = "failed"    // preparation failed; a task says why
	Canceled  = "canceled"
)

// UserData is what a customer wrote for cloud-init in the system of an order. It often holds passwords: it is
// sealed, told to nobody but the machine, and forgotten with the end of the order.
type UserData struct {
	Order string        `json:"order"`
	Data  access.Sealed `json:"data"`
}

// Order is one customer's wish for one server. It is bound to the tariff's
// revision at the time it was placed (rule B12).
type Order struct {
	ID             string                 `json:"id"`
	Tariff         string                 `json:"tariff"`
	TariffRevision int                    `json:"tariff_revision"`
	ServerType     string                 `json:"server_type,omitempty"`
	Configuration  hardware.Configuration `json:"configuration"`
	Modules        []string               `json:"modules"`
	Customer       string                 `json:"customer"`
	Image          string                 `json:"image"`
	Hostname       string                 `json:"hostname"`
	SSHKeys        []string               `json:"ssh_keys"`
	State          string                 `json:"state" enum:"new,waiting,held,preparing,fulfilled,failed,canceled"`
	Message        string                 `json:"message"`          // what is waited for; for a person
	Module         string                 `json:"module,omitempty"` // that took it
	Server         string                 `json:"server,omitempty"`
	Service        string                 `json:"service"`
	Operation      string                 `json:"operation,omitempty"`
	Task           string                 `json:"task,omitempty"`
	Distance       int                    `json:"distance"` // of the held or taken server; 0 exact
	Parts          []match.Change         `json:"parts"`    // what to change on the held server
	HeldUntil      time.Time              `json:"held_until,omitzero"`
	HoldExpired    bool                   `json:"hold_expired,omitempty"`    // a closest server was held in vain; only an exact one is taken now
	Reference      string                 `json:"reference,omitempty"`       // of the one who placed it; no two orders of his have the same
	InstallTimeout int                    `json:"install_timeout,omitempty"` // minutes, of an order by configuration; 0 is the module's (rules B14, B15)
	DiagTimeout    int                    `json:"diag_timeout,omitempty"`    // minutes, likewise (rule B13)
	Remote         RemoteOrder            `json:"remote,omitzero"`           // its counterpart, when a remote module took it
	PlacedAt       time.Time              `json:"placed_at"`
	PlacedBy       string                 `json:"placed_by"`
	ChangedAt      time.Time              `json:"changed_at"`
}

// Service states.
const (
	ServiceOrdered        = "ordered"
	ServicePreparing      = "preparing"
	ServiceActive         = "active"
	ServiceStopping       = "stopping"
	ServiceStopped        = "stopped"
	ServiceResuming       = "resuming"
	ServiceRescuing       = "rescuing"
	ServiceRescue         = "rescue"
	ServiceDeleting       = "deleting"
	ServiceDeleted        = "deleted"
	ServiceNeedsAttention = "needs_attention"
	ServiceCanceled       = "canceled"
)

// Service is what a customer has (rule B1).
type Service struct {
	ID        string        `json:"id"`
	Order     string        `json:"order"`
	Customer  string        `json:"customer"`
	Server    string        `json:"server,omitempty"`
	Image     string        `json:"image"`
	Hostname  string        `json:"hostname"`
	State     string        `json:"state" enum:"ordered,preparing,active,stopping,stopped,resuming,rescuing,rescue,deleting,deleted,needs_attention,canceled"`
	Message   string        `json:"message"`
	PowerOff  bool          `json:"power_off"`           // the customer switched it off himself (A17)
	Operation string        `json:"operation,omitempty"` // that moves it now
	Reference string        `json:"reference,omitempty"` // of its order
	Remote    RemoteService `json:"remote,omitzero"`     // its counterpart, when a remote module serves it
	CreatedAt time.Time     `json:"created_at"`
	ActiveAt  time.Time     `json:"active_at,omitzero"`
	ChangedAt time.Time     `json:"changed_at"`
}
