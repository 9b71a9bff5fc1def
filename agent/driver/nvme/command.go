package nvme

import "fmt"

// Ioctl is NVME_IOCTL_ADMIN_CMD: _IOWR('N', 0x41, struct nvme_passthru_cmd).
const Ioctl = 0xC0484E41

// Command is struct nvme_passthru_cmd of linux/nvme_ioctl.h, 72 bytes.
type Command struct {
	Opcode      uint8
	Flags       uint8
	_           uint16
	Namespace   uint32
	CDW2        uint32
	CDW3        uint32
	Metadata    uint64
	Address     uint64 // of the data; the sender of the command fills it
	MetadataLen uint32
	DataLen     uint32
	CDW10       uint32
	CDW11       uint32
	CDW12       uint32
	CDW13       uint32
	CDW14       uint32
	CDW15       uint32
	TimeoutMS   uint32
	Result      uint32
}

// Opcodes of the admin command set.
const (
	opGetLog   = 0x02
	opIdentify = 0x06
	opFormat   = 0x80
	opSanitize = 0x84
)

// Everything names all namespaces of a controller.
const Everything = 0xFFFFFFFF

// Admin sends a command with data, which the drive fills, and returns a Status when the drive refuses it.
type Admin func(c *Command, data []byte) error

// Status is what a drive answers to a command that it did not carry out: the status field without the phase bit.
type Status uint16

func (s Status) Error() string {
	if text := statusTexts[s&0x7FF]; text != "" {
		return "the drive answers: " + text
	}
	return fmt.Sprintf("the drive answers status %#x", uint16(s&0x7FF))
}

// Statuses that are told apart.
const (
	StatusInvalidOpcode Status = 0x001
	StatusInvalidField  Status = 0x002
	StatusSanitizing    Status = 0x01D
)

var statusTexts = map[Status]string{
	StatusInvalidOpcode: "invalid command",
	StatusInvalidField:  "invalid field in the command",
	0x006:               "internal error",
	0x00C:               "command sequence error",
	0x01C:               "the last sanitize failed",
	StatusSanitizing:    "a sanitize is in progress",
	0x020:               "the namespace is write protected",
	0x10A:               "invalid format",
	0x10B:               "firmware activation needs a reset",
	0x286:               "access denied",
}

// unsupported tells whether the drive has no such command or variant.
func (s Status) unsupported() bool {
	return s&0x7FF == StatusInvalidOpcode || s&0x7FF == StatusInvalidField || s&0x7FF == 0x10A
}
