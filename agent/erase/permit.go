package erase

import (
	"crypto/ed25519"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// Standing is what a permit is compared with.
type Standing struct {
	SigningKey  []byte // the controller's, Ed25519
	Environment string // one of the protocol.Env… constants
	Command     protocol.Command
	Epoch       uint64 // newest seen
	Identity    hardware.Identity
	Now         time.Time
}

// Verify reads the permit of an erase command and refuses unless it allows exactly this erase
// of exactly this machine, now. Single use is the journal's to check. Faults: denied for a
// bad signature, invalid for a permit that cannot be read, refused for everything else.
func Verify(s Standing) (protocol.Permit, error) {
	var p protocol.Permit
	cmd := s.Command.Erase
	if cmd == nil {
		return p, fault.Invalid("the erase command carries no permit")
	}
	if len(s.SigningKey) != ed25519.PublicKeySize || !ed25519.Verify(s.SigningKey, cmd.SignedPermit, cmd.Signature) {
		return p, fault.Denied("the permit is not signed by this fleet's controller")
	}
	if err := json.Unmarshal(cmd.SignedPermit, &p); err != nil {
		return p, fault.Invalid("the permit cannot be read: %w", err)
	}
	return p, errorOf(refusals(s, p))
}

// refusals lists everything that is wrong with a permit.
func refusals(s Standing, p protocol.Permit) []string {
	var list []string
	refuse := func(when bool, why string) {
		if when {
			list = append(list, why)
		}
	}
	refuse(!mayErase(s.Environment), "an agent on an installed system never erases")
	refuse(p.ID == "", "the permit has no id")
	refuse(p.Server == "" || p.Server != s.Command.Server, "it is for server "+p.Server)
	refuse(p.Operation != s.Command.Operation, "it is for operation "+p.Operation)
	refuse(p.Epoch != s.Command.Epoch, "its epoch is not the command's")
	refuse(p.Epoch < s.Epoch, "its epoch is over")
	refuse(!s.Now.Before(p.NotAfter), "it ended at "+p.NotAfter.UTC().Format(time.RFC3339))
	refuse(len(p.Disks) == 0, "it names no disk")
	return append(list, differences(p.Identity, s.Identity)...)
}

func mayErase(environment string) bool {
	return slices.Contains([]string{protocol.EnvRAM, protocol.EnvSandbox, protocol.EnvSimulated}, environment)
}

// differences compares the machine with the one that the permit is for. Everything that the
// permit names must be here, exactly; that there must be a name at all, too.
func differences(want, have hardware.Identity) []string {
	var list []string
	named := 0
	for _, f := range []struct{ name, want, have string }{
		{"UUID", want.UUID, have.UUID},
		{"system serial", want.SystemSerial, have.SystemSerial},
		{"board serial", want.BoardSerial, have.BoardSerial},
		{"chassis serial", want.ChassisSerial, have.ChassisSerial},
	} {
		if f.want == "" {
			continue
		}
		named++
		if !strings.EqualFold(f.want, f.have) {
			list = append(list, "it is for a machine of "+f.name+" "+f.want+"; this one has "+orNone(f.have))
		}
	}
	for _, mac := range want.MACs {
		named++
		if !slices.ContainsFunc(have.MACs, func(m string) bool { return strings.EqualFold(m, mac) }) {
			list = append(list, "it is for a machine with MAC "+mac)
		}
	}
	if named > 0 {
		return list
	}
	if want.MachineID == "" || want.MachineID != have.MachineID { // a container or a virtual machine without SMBIOS
		list = append(list, "it does not name the machine")
	}
	return list
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func errorOf(list []string) error {
	if len(list) == 0 {
		return nil
	}
	return fault.Refused("the permit does not allow this erase: %s", strings.Join(list, "; "))
}
