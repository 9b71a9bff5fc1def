package operation

import (
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Kinds of operation.
const (
	Diagnose = "diagnose"
	Erase    = "erase"
	Install  = "install"
	Power    = "power"  // on, off or cycle
	Stop     = "stop"   // rule B31
	Resume   = "resume" // rule B32a
	Delete   = "delete" // rules B33–B40
)

// Hands carry out commands.
const (
	HandAgent = ""      // the server's agent, over its session
	HandPower = "power" // the management controller
	HandPorts = "ports" // the switches
)

// Commands of the hands that need no agent.
const (
	CommandPowerOn  = "power-on"  // on, with the boot of Power.Boot; confirmed by reading it back
	CommandPowerOff = "power-off" // orderly first, hard when that is not heard; confirmed
	CommandPortsOn  = "ports-on"  // every port up, in the VLAN of Ports; confirmed
	CommandPortsOff = "ports-off" // every port shut; confirmed
)

// States of an operation. Held waits for a person: retry, skip with a reason, or cancel.
const (
	Running  = "running"
	Held     = "held"
	Done     = "done"
	Failed   = "failed"
	Canceled = "canceled"
)

// Final reports whether nothing more will happen.
func Final(state string) bool { return state == Done || state == Failed || state == Canceled }

// States of a step.
const (
	StepPending = "pending"
	StepSent    = "sent" // a command record exists; the agent answers it
	StepDone    = "done"
	StepFailed  = "failed"
	StepSkipped = "skipped"
	StepNothing = "not_applicable" // there is nothing that it could do; Detail says why
)

// Operation is the record.
type Operation struct {
	ID          string        `json:"id"`
	Kind        string        `json:"kind" enum:"diagnose,erase,install,power,stop,resume,delete"`
	Server      string        `json:"server"`
	Epoch       uint64        `json:"epoch"`
	State       string        `json:"state" enum:"running,held,done,failed,canceled"`
	Steps       []Step        `json:"steps"`
	Current     int           `json:"current"` // index of the step in work; len(Steps) when all are done
	Order       string        `json:"order,omitempty"`
	Service     string        `json:"service,omitempty"`
	RequestedBy string        `json:"requested_by"`
	CreatedAt   time.Time     `json:"created_at"`
	Deadline    time.Time     `json:"deadline"`
	Allowed     time.Duration `json:"allowed_ns"`           // for the whole; a retry by a person starts it anew
	Department  string        `json:"department,omitempty"` // gets a task when it is held
	FinishedAt  time.Time     `json:"finished_at,omitzero"`
	Message     string        `json:"message"` // what is waited for, or how it ended; for a person
	MessageAt   time.Time     `json:"message_at"`
	CancelAsked *Ask          `json:"cancel_asked,omitempty"`
	Params      Params        `json:"params"`
	Fault       *fault.Fault  `json:"fault,omitempty"`
}

// Ask is a person's wish about an operation.
type Ask struct {
	Reason string    `json:"reason"`
	Actor  string    `json:"actor"`
	At     time.Time `json:"at"`
}

// Params is what an operation was asked to do.
type Params struct {
	Profile  string             `json:"profile,omitempty"`  // diagnose
	Image    string             `json:"image,omitempty"`    // install: image id
	Hostname string             `json:"hostname,omitempty"` // install
	SSHKeys  []string           `json:"ssh_keys,omitempty"` // install
	Disk     protocol.DiskRef   `json:"disk,omitzero"`      // install: chosen when the operation was made
	Disks    []protocol.DiskRef `json:"disks,omitempty"`    // erase: all that are to be erased, as known when it was made
}

// Step is one step and its last outcome.
type Step struct {
	Name       string             `json:"name"`
	Command    string             `json:"command"` // kind of command
	Allowed    time.Duration      `json:"allowed_ns"`
	Retries    int                `json:"retries"` // attempts after the first
	State      string             `json:"state"`
	Attempt    int                `json:"attempt"`
	CommandID  string             `json:"command_id,omitempty"`
	NotBefore  time.Time          `json:"not_before,omitzero"` // back-off of a retry
	StartedAt  time.Time          `json:"started_at,omitzero"`
	Deadline   time.Time          `json:"deadline,omitzero"`
	FinishedAt time.Time          `json:"finished_at,omitzero"`
	Progress   *protocol.Progress `json:"progress,omitempty"`
	Fault      *fault.Fault       `json:"fault,omitempty"`
	Skipped    *Ask               `json:"skipped,omitempty"`
}

// Command is a record of the outbox: the replica that holds the agent's session
// delivers it until a result is recorded. Its key is <server>/<command id>.
type Command struct {
	protocol.Command
	Hand      string    `json:"hand,omitempty"` // "" agent, "power", "ports"
	Power     *PowerAct `json:"power,omitempty"`
	Ports     *PortsAct `json:"ports,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	Cancel    *Ask      `json:"cancel,omitempty"`
}

// Boots of a server.
const (
	BootDisk = "disk" // whatever it boots by itself
	BootRAM  = "ram"  // once from the network, into the RAM environment
)

// PowerAct is what the hand of a management controller needs.
type PowerAct struct {
	Boot string `json:"boot,omitempty"` // power-on: BootDisk, BootRAM
	Hard bool   `json:"hard,omitempty"` // power-off: not orderly first
}

// PortsAct is what the hand of the switches needs.
type PortsAct struct {
	Quarantine bool `json:"quarantine"` // ports-on: into the quarantine VLAN where the switch has one (A10), else into the service VLAN
}

// Erasures holds the certificates of an erase operation.
type Erasures struct {
	Operation string             `json:"operation"`
	Server    string             `json:"server"`
	At        time.Time          `json:"at"`
	Disks     []protocol.Erasure `json:"disks"`
}
