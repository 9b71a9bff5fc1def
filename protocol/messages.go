package protocol

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
)

// Versions of this protocol that this tree speaks.
const (
	VersionMin = 1
	VersionMax = 1
)

// Application protocols (ALPN, RFC 7301).
const (
	ALPNEnrol   = "steelyard-enrol/1"
	ALPNControl = "steelyard/1"
	ALPNBulk    = "steelyard-bulk/1"
	ALPNSucceed = "steelyard-succeed/1"
	ALPNConsole = "steelyard-console/1"
	ALPNEnter   = "steelyard-enter/1"
)

// ControllerName is the DNS name in every controller certificate.
const ControllerName = "controller.steelyard"

// Limits.
const (
	MaxFrame        = 1 << 20   // bytes after the length field
	MaxControlFrame = 64 << 10  // bytes; larger control messages than this are only Report, Command and Result
	MaxDepth        = 32        // nested maps and arrays
	MaxElements     = 32768     // elements of arrays and entries of maps in one frame, all together
	MaxEntries      = 1024      // of one map
	MaxEnrolFrame   = 256 << 10 // bytes
)

// Kind is the second field of a frame.
type Kind uint8

// Kinds. A receiver ends the session on a kind that it does not know.
const (
	KindHello        Kind = 1
	KindWelcome      Kind = 2
	KindGoodbye      Kind = 3
	KindPing         Kind = 4
	KindPong         Kind = 5
	KindReport       Kind = 6
	KindSample       Kind = 7
	KindWant         Kind = 8
	KindCommand      Kind = 9
	KindCancel       Kind = 10
	KindProgress     Kind = 11
	KindResult       Kind = 12
	KindAck          Kind = 13
	KindRenew        Kind = 14
	KindRenewed      Kind = 15
	KindEnrolRequest Kind = 16
	KindEnrolReply   Kind = 17
	KindFetch        Kind = 18
	KindFetchReply   Kind = 19
	KindSucceed      Kind = 20
	KindSucceeded    Kind = 21
	KindConsole      Kind = 22
	KindConsoleData  Kind = 23
	KindConsoleSize  Kind = 24
	KindConsoleExit  Kind = 25
	KindEnter        Kind = 26
	KindEntry        Kind = 27
	KindHostedHave   Kind = 28
	KindHostedSet    Kind = 29
	KindHostedReport Kind = 30
	KindHostedAck    Kind = 31
	KindUsageMonths  Kind = 32
	KindUsageReport  Kind = 33
	KindServerUsage  Kind = 34
	KindUsageAck     Kind = 35
	KindUsageAsk     Kind = 36
	KindUsageAnswer  Kind = 37
)

// Environments of an agent.
const (
	EnvRAM       = "ram"       // netbooted; may diagnose, erase, install
	EnvInstalled = "installed" // on somebody's system; measures, never erases
	EnvRescue    = "rescue"    // netbooted for a customer who repairs his system; touches no disk
	EnvSimulated = "simulated" // fake drivers
	EnvSandbox   = "sandbox"   // real machine, erase and install only on loop files it was started with (steelyard dev, tests)
)

// Capabilities that an agent may name in Hello.
const (
	CanDiagnose = "diagnose"
	CanErase    = "erase"
	CanInstall  = "install"
	CanPower    = "power"   // shut down and reboot
	CanConsole  = "console" // give a shell to a person; in EnvRAM only
	CanRescue   = "rescue"  // let a customer in; in EnvRescue only
	CanHost     = "host"    // carry customers' accounts
	CanMeter    = "meter"   // tell what was used, once UsageMonths says of which months
	CanInspect  = "inspect" // tell what is on the system that customers may have left there
)

// Hello opens a control stream.
type Hello struct {
	VersionMin      int               `json:"version_min"`
	VersionMax      int               `json:"version_max"`
	AgentVersion    string            `json:"agent_version"`
	Environment     string            `json:"environment"`
	BootID          string            `json:"boot_id"`     // changes with every start of the machine (or of a simulated one)
	InstanceID      string            `json:"instance_id"` // random, made once with the key; tells a copy of a disk from the machine
	Capabilities    []string          `json:"capabilities"`
	InventoryDigest string            `json:"inventory_digest"`
	Identity        hardware.Identity `json:"identity"`
	Running         string            `json:"running,omitempty"` // id of the command in work
	Unacked         []string          `json:"unacked,omitempty"` // ids of commands whose results wait for an Ack
}

// Welcome accepts a session.
type Welcome struct {
	Version          int    `json:"version"`
	ServerID         string `json:"server_id"`
	Former           string `json:"former_id,omitempty"` // the id in the agent's certificate, when a person said that its machine is ServerID: the agent renews at once
	Approval         string `json:"approval"`            // "pending", "approved"
	Epoch            uint64 `json:"epoch"`               // the server's present epoch; commands of older ones are refused
	HeartbeatSeconds int    `json:"heartbeat_seconds"`
	SampleSeconds    int    `json:"sample_seconds"`
	BackoffMaxSecs   int    `json:"backoff_max_seconds"` // cap of the reconnect back-off; grows with the fleet
	WantReport       bool   `json:"want_report"`
	SigningKey       []byte `json:"signing_key"` // Ed25519 public key of permits and images
	UnixMillis       int64  `json:"unix_millis"` // the controller's clock
}

// Goodbye ends a session and says why. RetrySeconds is the least time to wait; 0 leaves it to the back-off.
type Goodbye struct {
	Fault        *fault.Fault `json:"fault"`
	RetrySeconds int          `json:"retry_seconds,omitempty"`
}

// Ping is the heartbeat.
type Ping struct {
	Seq uint64 `json:"seq"`
}

// Pong answers Ping.
type Pong struct {
	Seq uint64 `json:"seq"`
}

// Report carries a full inventory.
type Report struct {
	Digest    string             `json:"digest"`
	Inventory hardware.Inventory `json:"inventory"`
}

// SampleReport carries what moves all the time.
type SampleReport struct {
	Sample hardware.Sample `json:"sample"`
}

// Want asks for a full Report now.
type Want struct{}

// Command kinds.
const (
	CommandDiagnose = "diagnose"
	CommandErase    = "erase"
	CommandImage    = "image"     // write an image to a disk
	CommandConfirm  = "confirm"   // say that the written system is the one that is wanted
	CommandPowerOff = "power-off" // shut down in good order; the Result comes before the deed
	CommandReboot   = "reboot"    // start again in good order; the Result comes before the deed
	CommandRescue   = "rescue"    // let the customer in by SSH; in EnvRescue only. Result.Detail tells the host key
	CommandInspect  = "inspect"   // tell what is on the running system that customers may have left there
)

// Where a reboot shall lead.
const (
	IntoRAM  = "ram"  // the RAM environment: from the network
	IntoDisk = "disk" // the system on its disk
)

// Command is one step of an operation.
type Command struct {
	ID        string           `json:"id"`
	Server    string           `json:"server"`
	Operation string           `json:"operation"`
	Step      string           `json:"step"`
	Epoch     uint64           `json:"epoch"`
	Kind      string           `json:"kind"`               // one of the Command… constants
	Deadline  time.Time        `json:"deadline"`           // zero: none
	Into      string           `json:"into,omitempty"`     // reboot: IntoRAM, IntoDisk or "", as the machine likes
	Boot      string           `json:"boot,omitempty"`     // power-off, reboot: Hello.BootID when the command was made; "" any
	Firmware  bool             `json:"firmware,omitempty"` // reboot into RAM: this machine's firmware is to be tried first, before kexec
	Diagnose  *DiagnoseCommand `json:"diagnose,omitempty"`
	Erase     *EraseCommand    `json:"erase,omitempty"`
	Image     *ImageCommand    `json:"image,omitempty"`
	Confirm   *ConfirmCommand  `json:"confirm,omitempty"`
	Rescue    *RescueCommand   `json:"rescue,omitempty"`
	Inspect   *InspectCommand  `json:"inspect,omitempty"`
}

// DiagnoseCommand asks for diagnostics (rule B46).
type DiagnoseCommand struct {
	Profile string `json:"profile"` // see ParseProfile
}

// EraseCommand asks to erase the disks of a permit, and only those (rule B44).
type EraseCommand struct {
	SignedPermit []byte `json:"signed_permit"` // JSON of a Permit
	Signature    []byte `json:"signature"`
}

// Permit allows one erase of named disks of one machine, once.
type Permit struct {
	ID        string            `json:"id"`
	Server    string            `json:"server"`
	Operation string            `json:"operation"`
	Epoch     uint64            `json:"epoch"`
	Identity  hardware.Identity `json:"identity"`
	Disks     []DiskRef         `json:"disks"`     // every disk of the machine that may be erased
	NotAfter  time.Time         `json:"not_after"` // an erase begins, or goes on after a restart, before that
}

// DiskRef names a disk. Name is only a hint; Serial or WWN, and Size, must be equal.
type DiskRef struct {
	Name      string `json:"name"`
	Serial    string `json:"serial,omitempty"`
	WWN       string `json:"wwn,omitempty"`
	SizeBytes uint64 `json:"size_bytes"`
}

// ImageCommand asks to write an image to one disk.
type ImageCommand struct {
	SignedManifest []byte   `json:"signed_manifest"` // JSON of an ImageManifest
	Signature      []byte   `json:"signature"`
	Disk           DiskRef  `json:"disk"`
	Hostname       string   `json:"hostname,omitempty"`
	SSHKeys        []string `json:"ssh_keys,omitempty"`
	Network        *Network `json:"network,omitempty"`
}

// ConfirmCommand asks whether the disk still holds what was written.
type ConfirmCommand struct {
	Disk      DiskRef `json:"disk"`
	RawBytes  uint64  `json:"raw_bytes"`
	RawSHA256 string  `json:"raw_sha256"`
}

// RescueCommand asks to let the customer in at the addresses that his system has.
type RescueCommand struct {
	SSHKeys []string `json:"ssh_keys"`          // lines of authorized_keys; nobody else is let in
	Network *Network `json:"network,omitempty"` // nil: the address that the machine has
}

// Cancel asks to stop a command.
type Cancel struct {
	Command string `json:"command"`
	Reason  string `json:"reason"`
}

// Progress tells how far a command is.
type Progress struct {
	Command string `json:"command"`
	Done    uint64 `json:"done"`
	Total   uint64 `json:"total"`                       // 0: unknown
	Unit    string `json:"unit"`                        // "bytes", "checks"
	Note    string `json:"note"`                        // what is being done, for a person
	Final   bool   `json:"final,omitempty"`             // what is being done cannot be interrupted any more; a Cancel is answered when it is over
	Silent  uint64 `json:"silent_seconds,omitempty"`    // that may go by before something new is told: a drive erases itself and does not say how far it is
	Rate    uint64 `json:"rate_per_second,omitempty"`   // of the unit, lately; 0: unknown
	Left    uint64 `json:"remaining_seconds,omitempty"` // at that rate; of several parts, of the slowest; 0: unknown
	Parts   []Part `json:"parts,omitempty"`             // what is done side by side: the disks of an erase
}

// MaxParts bounds the parts of one Progress.
const MaxParts = 256

// Part is how far one of several things is.
type Part struct {
	Name  string `json:"name"` // "sda (serial S4NXNX0N, 480 GB)"
	Done  uint64 `json:"done"`
	Total uint64 `json:"total"`
	Note  string `json:"note"` // what is being done to it, for a person
	Rate  uint64 `json:"rate_per_second,omitempty"`
	Left  uint64 `json:"remaining_seconds,omitempty"`
}

// Result ends a command.
type Result struct {
	Command    string        `json:"command"`
	Operation  string        `json:"operation"`
	Step       string        `json:"step"`
	Epoch      uint64        `json:"epoch"`
	At         time.Time     `json:"at"`
	Fault      *fault.Fault  `json:"fault,omitempty"` // nil: done
	Diagnosis  *Diagnosis    `json:"diagnosis,omitempty"`
	Erasures   []Erasure     `json:"erasures,omitempty"`
	Written    *WrittenImage `json:"written,omitempty"`
	Inspection *Inspection   `json:"inspection,omitempty"`
	Detail     string        `json:"detail,omitempty"` // what was found or done, for a person
}

// Check verdicts.
const (
	VerdictOK      = "ok"
	VerdictWarning = "warning"
	VerdictError   = "error"
)

// Diagnosis is the outcome of diagnostics.
type Diagnosis struct {
	Profile   string             `json:"profile"`
	StartedAt time.Time          `json:"started_at"`
	EndedAt   time.Time          `json:"ended_at"`
	Checks    []Check            `json:"checks"`
	Inventory hardware.Inventory `json:"inventory"` // as seen by the diagnostics: defines the configuration
	// BMCAddresses are what the machine's own management controller says that it has on its LAN ports (IPv4).
	BMCAddresses []string `json:"bmc_addresses,omitempty"`
}

// Check is one measured thing with its limit.
type Check struct {
	Name    string   `json:"name"` // "cpu", "memory", "disk nvme0n1 read", "nic eth0 link"
	Verdict string   `json:"verdict"`
	Value   string   `json:"value,omitempty"` // with unit, for a person
	Limit   string   `json:"limit,omitempty"`
	Detail  string   `json:"detail,omitempty"`
	Part    string   `json:"part,omitempty"`    // serial number, MAC address or slot of what was tested: names change between boots, this does not
	Figures []Figure `json:"figures,omitempty"` // Value in numbers
}

// Erasure says what happened to one disk, proven or not.
type Erasure struct {
	Disk          DiskRef   `json:"disk"`
	Method        string    `json:"method"`               // what emptied it: "overwrite zero", "nvme sanitize: block erase", …
	Attempts      []Attempt `json:"attempts"`             // everything that was tried, in order, and what came of it
	Proven        bool      `json:"proven"`               // read back and found empty
	Confidence    string    `json:"confidence,omitempty"` // what the reading back proves, for a person
	VerifiedBytes uint64    `json:"verified_bytes"`       // read back and found empty
	TotalBytes    uint64    `json:"total_bytes"`
	StartedAt     time.Time `json:"started_at"`
	EndedAt       time.Time `json:"ended_at"`
	Error         string    `json:"error,omitempty"`
	// Regained is what the drive hid of its end and gave back now: the disk is that much bigger than its ref says.
	Regained uint64 `json:"regained_bytes,omitempty"`
	// Unallocated is what the NVMe drive of the disk has in no namespace: nothing shows it, and only a sanitize reaches it.
	Unallocated uint64 `json:"unallocated_bytes,omitempty"`
}

// Outcomes of an Attempt.
const (
	AttemptProven    = "proven"              // read back and found empty
	AttemptClaimed   = "claimed, not proven" // the drive said that it was done, and was not found empty
	AttemptDone      = "done"                // it proves nothing and is not meant to
	AttemptFailed    = "failed"
	AttemptUnfit     = "not available"
	AttemptContinued = "continued" // after a restart
)

// Attempt is one thing that was tried to empty a disk.
type Attempt struct {
	Method  string `json:"method"`
	Outcome string `json:"outcome"` // one of the Attempt… constants
	Detail  string `json:"detail,omitempty"`
}

// WrittenImage says what was written and read back.
type WrittenImage struct {
	Disk      DiskRef `json:"disk"`
	Image     string  `json:"image"`
	RawBytes  uint64  `json:"raw_bytes"`
	RawSHA256 string  `json:"raw_sha256"`
	ReadBack  bool    `json:"read_back"` // every frame's digest was computed again from the disk

	// What was changed on the disk after the proof, so that the system knows its name, its network and its controllers;
	// and what a person should look at. Both for a person.
	Configured []string `json:"configured,omitempty"`
	Warnings   []string `json:"warnings,omitempty"`
}

// Ack says that a result is durable; the agent may forget it.
type Ack struct {
	Command string `json:"command"`
}

// Renew asks for a new certificate.
type Renew struct {
	CSR []byte `json:"csr"` // PKCS#10, DER
}

// Renewed answers Renew.
type Renewed struct {
	Certificate []byte       `json:"certificate"` // X.509, DER
	Fault       *fault.Fault `json:"fault,omitempty"`
}

// EnrolRequest asks for a first certificate.
type EnrolRequest struct {
	Token       string             `json:"token"` // id.secret part of the join token
	CSR         []byte             `json:"csr"`
	Environment string             `json:"environment"`
	InstanceID  string             `json:"instance_id"`
	Inventory   hardware.Inventory `json:"inventory"`
}

// EnrolReply answers an EnrolRequest.
type EnrolReply struct {
	ServerID    string       `json:"server_id"`
	Certificate []byte       `json:"certificate"`
	Authority   []byte       `json:"authority"` // DER; must hash to the token's digest
	SigningKey  []byte       `json:"signing_key"`
	Approval    string       `json:"approval"`
	Fault       *fault.Fault `json:"fault,omitempty"`
}

// Fetch asks for the bytes of an image file from Offset on.
type Fetch struct {
	FileSHA256 string `json:"file_sha256"`
	Offset     uint64 `json:"offset"`
}

// FetchReply precedes the bytes.
type FetchReply struct {
	Bytes uint64       `json:"bytes"` // that follow
	Fault *fault.Fault `json:"fault,omitempty"`
}

// Succeed asks for a certificate for the agent of the system that is being installed.
type Succeed struct {
	CSR        []byte `json:"csr"`         // PKCS#10, DER, of the successor's own key
	InstanceID string `json:"instance_id"` // of the successor
}

// Succeeded answers Succeed.
type Succeeded struct {
	Certificate []byte       `json:"certificate"`         // X.509, DER
	UserData    string       `json:"user_data,omitempty"` // what the customer wrote for cloud-init
	Fault       *fault.Fault `json:"fault,omitempty"`
}

// Limits of a console.
const (
	MaxConsoleID   = 64      // bytes
	MaxConsoleSide = 1000    // rows or columns
	ConsoleChunk   = 4 << 10 // bytes of input or output in one ConsoleData; a slow line takes them within the time of one message
)

// Console asks the agent for a shell, on the control stream; on a connection of its own the agent answers with the
// same ID.
type Console struct {
	ID   string `json:"id"`
	Rows int    `json:"rows,omitempty"`
	Cols int    `json:"cols,omitempty"`
}

// ConsoleData is what was typed, or what the shell wrote.
type ConsoleData struct {
	Data []byte `json:"data"`
}

// ConsoleSize tells the shell how large the person's terminal is now.
type ConsoleSize struct {
	Rows int `json:"rows"`
	Cols int `json:"cols"`
}

// ConsoleExit ends a console: how the shell ended, or why there is none.
type ConsoleExit struct {
	Status int          `json:"status"` // of the shell; 128 and the signal that ended it
	Fault  *fault.Fault `json:"fault,omitempty"`
}

// Enter asks how the running system can start the RAM environment by itself (kexec).
type Enter struct {
	Architecture string `json:"architecture"` // GOARCH of the agent
}

// Entry is a kernel with its memory image and what to tell it. Both files are fetched like those of an image.
type Entry struct {
	Kernel    EntryFile    `json:"kernel"`
	Memory    EntryFile    `json:"memory"`
	Arguments []string     `json:"arguments"` // words of the kernel's command line, with the boot token; how the machine reaches its controller is the agent's to add
	Fault     *fault.Fault `json:"fault,omitempty"`
}

// EntryFile is one of the two files of an Entry.
type EntryFile struct {
	SHA256 string `json:"sha256"` // hex
	Bytes  uint64 `json:"bytes"`
}

// Bounds of an Entry.
const (
	MaxEntryBytes = 512 << 20 // of each file
	MaxArguments  = 2000      // bytes of the whole command line; a kernel takes 2048
)

// Validate finds everything that is wrong with an Entry. The fault is invalid.
func (e *Entry) Validate() error {
	var c fault.Check
	for field, f := range map[string]EntryFile{"kernel": e.Kernel, "memory": e.Memory} {
		c.Require(isDigest(f.SHA256), field, "has no SHA-256")
		c.Require(f.Bytes > 0 && f.Bytes <= MaxEntryBytes, field, "has %d bytes", f.Bytes)
	}
	length := 0
	for _, word := range e.Arguments {
		length += len(word) + 1
		c.Require(word != "" && !strings.ContainsFunc(word, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }), "arguments", "has a word that is none")
	}
	c.Require(length <= MaxArguments, "arguments", "has %d bytes; %d are taken", length, MaxArguments)
	return c.Err("the controller offers no RAM environment that could be started")
}

// Sign is the JSON of v, in the form that Permit and ImageManifest are signed in.
func Sign(v any, sign func([]byte) []byte) (signed, signature []byte, err error) {
	signed, err = json.Marshal(v)
	if err != nil {
		return nil, nil, err
	}
	return signed, sign(signed), nil
}
