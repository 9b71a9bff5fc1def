package erase

import (
	"encoding/json"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// Format names the shape of the signed text; it changes when a field changes its meaning.
const Format = "steelyard-erasure/1"

// Certificate is what is signed.
type Certificate struct {
	Format            string             `json:"format"` // Format
	ID                string             `json:"id"`
	Operation         string             `json:"operation"`
	RequestedBy       string             `json:"requested_by"`
	Server            Machine            `json:"server"`
	Disk              Disk               `json:"disk"`
	Proven            bool               `json:"proven" doc:"It was read back and found empty."`
	Method            string             `json:"method" doc:"What emptied it."`
	Attempts          []protocol.Attempt `json:"attempts" doc:"Everything that was tried, in order."`
	Verification      Verification       `json:"verification"`
	StartedAt         time.Time          `json:"started_at"`
	EndedAt           time.Time          `json:"ended_at"`
	IssuedAt          time.Time          `json:"issued_at"`
	AgentVersion      string             `json:"agent_version"`
	ControllerVersion string             `json:"controller_version"`
	Error             string             `json:"error,omitempty" doc:"Why it is not proven."`
}

// Machine is the server that the disk was in.
type Machine struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Identity hardware.Identity `json:"identity"`
}

// Disk is the disk, by everything that names it.
type Disk struct {
	Name      string `json:"name" doc:"What the system called it then."`
	Type      string `json:"type,omitempty"`
	Vendor    string `json:"vendor,omitempty"`
	Model     string `json:"model,omitempty"`
	Firmware  string `json:"firmware,omitempty"`
	Serial    string `json:"serial,omitempty"`
	WWN       string `json:"wwn,omitempty"`
	SizeBytes uint64 `json:"size_bytes"`
}

// Verification is what was read back.
type Verification struct {
	Bytes      uint64 `json:"bytes" doc:"Read back and found empty."`
	Confidence string `json:"confidence,omitempty"`
	// Unallocated is in no namespace of the NVMe drive, and was not reached.
	Unallocated uint64 `json:"unallocated_bytes,omitempty" doc:"What the drive has in no namespace: no disk shows it, and the method did not reach it."`
}

// Erasure is a certificate as it is kept.
type Erasure struct {
	ID        string    `json:"id"`
	Server    string    `json:"server"`
	Operation string    `json:"operation"`
	Serial    string    `json:"serial,omitempty"`
	WWN       string    `json:"wwn,omitempty"`
	Model     string    `json:"model,omitempty"`
	SizeBytes uint64    `json:"size_bytes"`
	Method    string    `json:"method"`
	Proven    bool      `json:"proven"`
	At        time.Time `json:"at" doc:"When it was issued."`
	Signed    []byte    `json:"signed" doc:"The certificate as it was signed."`
	Signature []byte    `json:"signature" doc:"Ed25519, of signed."`
}

// Case is everything that a certificate is made of besides the disk's own result.
type Case struct {
	Operation, RequestedBy          string
	Server                          Machine
	Inventory                       *hardware.Inventory // for model and firmware; nil: not known
	AgentVersion, ControllerVersion string
	Now                             time.Time
}

// Touched reports whether anything was done to the disk: what was refused beforehand needs no certificate.
func Touched(e protocol.Erasure) bool { return e.Proven || len(e.Attempts) > 0 }

// Certify makes and signs the certificate of one disk.
func Certify(id string, c Case, e protocol.Erasure, sign func([]byte) []byte) (Erasure, error) {
	cert := Certificate{
		Format: Format, ID: id, Operation: c.Operation, RequestedBy: c.RequestedBy, Server: c.Server, Disk: diskOf(c.Inventory, e.Disk),
		Proven: e.Proven, Method: e.Method, Attempts: e.Attempts, Verification: Verification{Bytes: e.VerifiedBytes, Confidence: e.Confidence, Unallocated: e.Unallocated},
		StartedAt: e.StartedAt.UTC(), EndedAt: e.EndedAt.UTC(), IssuedAt: c.Now.UTC(),
		AgentVersion: c.AgentVersion, ControllerVersion: c.ControllerVersion, Error: e.Error,
	}
	if cert.Attempts == nil {
		cert.Attempts = []protocol.Attempt{}
	}
	signed, signature, err := protocol.Sign(cert, sign)
	if err != nil {
		return Erasure{}, fault.Internal("sign the certificate of disk %s: %w", e.Disk.Name, err)
	}
	return Erasure{
		ID: id, Server: c.Server.ID, Operation: c.Operation, Serial: cert.Disk.Serial, WWN: cert.Disk.WWN, Model: cert.Disk.Model,
		SizeBytes: cert.Disk.SizeBytes, Method: cert.Method, Proven: cert.Proven, At: c.Now.UTC(), Signed: signed, Signature: signature,
	}, nil
}

// diskOf adds what the inventory says of a disk.
func diskOf(inv *hardware.Inventory, ref protocol.DiskRef) Disk {
	d := Disk{Name: ref.Name, Serial: ref.Serial, WWN: ref.WWN, SizeBytes: ref.SizeBytes}
	if inv == nil {
		return d
	}
	for _, known := range inv.Disks {
		if known.Serial == ref.Serial && known.WWN == ref.WWN && known.SizeBytes == ref.SizeBytes {
			d.Type, d.Vendor, d.Model, d.Firmware = known.Type, known.Vendor, known.Model, known.Firmware
		}
	}
	return d
}

// Read is the certificate that was signed.
func (e *Erasure) Read() (Certificate, error) {
	var c Certificate
	if err := json.Unmarshal(e.Signed, &c); err != nil {
		return c, fault.Internal("certificate %s cannot be read: %w", e.ID, err)
	}
	return c, nil
}
