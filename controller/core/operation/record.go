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
	Power    = "power"   // on, off or cycle
	Stop     = "stop"    // rule B31
	Resume   = "resume"  // rule B32a
	Rescue   = "rescue"  // a system in memory that the customer is let into, to repair his own
	Delete   = "delete"  // rules B33–B40
	Inspect  = "inspect" // what customers may have left on a running system (rule S9); nothing is changed

	MoveContent = "move-content" // what customers have on its server goes to Params.To, which it runs on as well (rule H6)
)

// Hands carry out steps and commands.
const (
	HandAgent      = ""           // the server's agent, over its session
	HandPower      = "power"      // the management controller
	HandPorts      = "ports"      // the switches
	HandPerson     = "person"     // a person, asked by a task; closing it is the answer
	HandController = "controller" // reconcile itself, in the commit of the decision
)

// Commands of the hands that need no agent.
const (
	CommandPowerOn  = "power-on"  // on, with the boot of Power.Boot; confirmed by reading it back
	CommandPowerOff = "power-off" // orderly first, hard when that is not heard; confirmed
	CommandBootDisk = "boot-disk" // start from the disk, whatever runs now; its agent is waited for by a step of its own
	CommandPortsOn  = "ports-on"  // every port up, in the VLAN of Ports; confirmed
	CommandPortsOff = "ports-off" // every port shut; confirmed
	CommandCopy     = "copy"      // what customers have on the server, to Params.To: a person does it
)

// Acts of the controller: steps without a command.
const (
	ActAwaitAgent      = "await-agent"      // in an environment that may erase and install
	ActAwaitSystem     = "await-system"     // the agent of the system that this operation wrote (rule B1)
	ActStopRunning     = "stop-running"     // the operation that this one replaces (rule B35)
	ActRemoveAddresses = "remove-addresses" // rule B36
	ActRemoveOwner     = "remove-owner"     // rule B37
	ActMovePlacements  = "move-placements"  // those of the server become those of Params.To, some in each commit
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
	Kind        string        `json:"kind" enum:"diagnose,erase,install,power,stop,resume,rescue,delete,inspect,move-content"`
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
	Replaces    string        `json:"replaces,omitempty"`    // the operation that this one stops (rule B35)
	ReplacedBy  string        `json:"replaced_by,omitempty"` // the operation that will stop this one: it starts no new step
	Late        []Late        `json:"late,omitempty"`        // results that came after the end; they changed nothing (rule X5)
}

// Late is a result that came when nobody waited for it any more.
type Late struct {
	Command string       `json:"command"`
	At      time.Time    `json:"at"`
	Fault   *fault.Fault `json:"fault,omitempty"`
}

// Ask is a person's wish about an operation.
type Ask struct {
	Reason string    `json:"reason"`
	Actor  string    `json:"actor"`
	At     time.Time `json:"at"`
}

// Params is what an operation was asked to do.
type Params struct {
	Profile  string             `json:"profile,omitempty"`   // diagnose
	Image    string             `json:"image,omitempty"`     // install: image id
	Hostname string             `json:"hostname,omitempty"`  // install
	SSHKeys  []string           `json:"ssh_keys,omitempty"`  // install, rescue
	Disk     protocol.DiskRef   `json:"disk,omitzero"`       // install: chosen when the operation was made
	Disks    []protocol.DiskRef `json:"disks,omitempty"`     // erase: all that are to be erased, as known when its permit was made
	Action   string             `json:"action,omitempty"`    // power: PowerOn, PowerOff, PowerHardOff, PowerCycle
	Cause    string             `json:"cause,omitempty"`     // power: the rule that asked for it, "" a person
	FromDisk bool               `json:"from_disk,omitempty"` // resume: start from the disk, whatever runs now
	To       string             `json:"to,omitempty"`        // move-content: id of the server that gets it
	Reason   string             `json:"reason,omitempty"`    // move-content: why, for the person who copies
	Capable  bool               `json:"-"`                   // recipe: the agent is connected, and may erase and install
	Virtual  bool               `json:"-"`                   // recipe: simulated or a sandbox: there is no system to start from a disk
	Driver   string             `json:"-"`                   // recipe: how the server is switched
}

// Actions of a power operation.
const (
	PowerOn      = "on"
	PowerOff     = "off"
	PowerHardOff = "hard-off"
	PowerCycle   = "cycle"
	PowerBootRAM = "boot-ram" // on, or off and on, into the RAM environment
)

// Step is one step and its last outcome.
type Step struct {
	Name       string             `json:"name"`
	Command    string             `json:"command"`        // kind of command, or act of the controller
	Hand       string             `json:"hand,omitempty"` // who carries it out; a person may stand in for power and ports
	Power      *PowerAct          `json:"power,omitempty"`
	Ports      *PortsAct          `json:"ports,omitempty"`
	Detail     string             `json:"detail,omitempty"` // what came of it, or why there was nothing to do
	Allowed    time.Duration      `json:"allowed_ns"`
	Retries    int                `json:"retries"` // attempts after the first
	State      string             `json:"state"`
	Attempt    int                `json:"attempt"`
	Relieved   int                `json:"relieved,omitempty"` // attempts for which a person was asked who was not needed after all
	CommandID  string             `json:"command_id,omitempty"`
	BootID     string             `json:"boot_id,omitempty"`   // of the agent when the command was made; the command goes when it is answered
	NotBefore  time.Time          `json:"not_before,omitzero"` // back-off of a retry
	StartedAt  time.Time          `json:"started_at,omitzero"`
	Deadline   time.Time          `json:"deadline,omitzero"`
	FinishedAt time.Time          `json:"finished_at,omitzero"`
	Progress   *protocol.Progress `json:"progress,omitempty"`
	ProgressAt time.Time          `json:"progress_at,omitzero"` // when it told something new
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
	Task      string    `json:"task,omitempty"`    // dedupe key of the task by which a person is asked
	Mark      string    `json:"mark,omitempty"`    // how far the hand got, so that another replica goes on there
	BootID    string    `json:"boot_id,omitempty"` // of the agent when a reboot was sent
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
