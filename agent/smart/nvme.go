package smart

import (
	"encoding/binary"
	"fmt"
)

// Pages of NVMe drives that are read (NVM Express Base Specification 2.0, sections 5.16.1 and 5.17.2).
const (
	logHealth       = 0x02
	logSelfTest     = 0x06
	healthLength    = 512
	testsLength     = 564
	identifyLength  = 4096
	testEntries     = 20
	testEntryLength = 28
)

// ParseNVMe reads a drive's health log and its Identify Controller structure, which may be nil.
func ParseNVMe(identify, log []byte) (Health, error) {
	h := unknown()
	if len(log) < healthLength {
		return h, fmt.Errorf("the health log has %d bytes, not %d", len(log), healthLength)
	}
	h.Protocol = "NVMe"
	h.warnings(log[0])
	h.Celsius = kelvin(log[1:])
	h.Wear = int(log[5])
	h.spares(int(log[3]), int(log[4]))
	h.Hours, h.MediaErrors = wide(log[128:]), wide(log[160:])
	if len(identify) >= identifyLength {
		h.WarmCelsius, h.HotCelsius = kelvin(identify[266:]), kelvin(identify[268:])
		h.CanTest = identify[256]&(1<<4) != 0 // OACS: Device Self-test
	}
	return h, nil
}

// spares takes over what is left. A virtual drive fills in neither of the two numbers, and then they mean nothing.
func (h *Health) spares(left, limit int) {
	if left != 0 || limit != 0 || len(h.Failing) > 0 {
		h.Spare, h.SpareLimit = bounded(left), bounded(limit)
	}
}

func kelvin(b []byte) int { return degrees(int(binary.LittleEndian.Uint16(b)) - 273) }

// wide reads a number of 128 bits; what does not fit is the largest that does.
func wide(b []byte) *uint64 {
	n := binary.LittleEndian.Uint64(b)
	if binary.LittleEndian.Uint64(b[8:]) != 0 {
		n = 1<<64 - 1
	}
	return &n
}

// ParseNVMeTests adds the log of self-tests to h.
func ParseNVMeTests(h *Health, log []byte) error {
	if len(log) < testsLength {
		return fmt.Errorf("the log of self-tests has %d bytes, not %d", len(log), testsLength)
	}
	h.TestRunning, h.TestPercent = log[0]&0xF != 0, int(min(log[1]&0x7F, 100))
	h.Tests = nil
	for i := range testEntries {
		e := log[4+i*testEntryLength:]
		result := int(e[0] & 0xF)
		if result == nvmeUnused {
			break
		}
		h.Tests = append(h.Tests, Test{
			Kind: nvmeKinds[e[0]>>4], Result: nvmeResult(result), Failed: nvmeFailed(result), Hours: binary.LittleEndian.Uint64(e[4:]),
		})
	}
	return nil
}

const nvmeUnused = 0xF

var nvmeKinds = map[byte]string{1: "Short", 2: "Extended", 0xE: "Vendor specific"}

// nvmeResults are the words of smartctl, so that both ways tell the same.
var nvmeResults = map[int]string{
	0: "Completed without error", 1: "Aborted: Self-test command", 2: "Aborted: Controller Reset", 3: "Aborted: Namespace removed",
	4: "Aborted: Format NVM command", 5: "Fatal or unknown test error", 6: "Completed: unknown failed segment", 7: "Completed: failed segments",
	8: "Aborted: unknown reason", 9: "Aborted: Sanitize operation",
}

func nvmeResult(n int) string {
	if s, ok := nvmeResults[n]; ok {
		return s
	}
	return fmt.Sprintf("Result %#x", n)
}

func nvmeFailed(result int) bool { return result >= 5 && result <= 7 }

// command is struct nvme_passthru_cmd of <linux/nvme_ioctl.h>.
type command struct {
	Opcode, Flags        uint8
	_                    uint16
	Namespace            uint32
	_, _                 uint32
	Metadata, Address    uint64
	MetadataLen, DataLen uint32
	Dword                [6]uint32 // command dwords 10 to 15
	TimeoutMs, Result    uint32
}

// Admin commands.
const (
	opGetLog   = 0x02
	opIdentify = 0x06
	opSelfTest = 0x14
)

const everyNamespace = 0xFFFFFFFF

func getLog(page uint8, length int) command {
	words := uint32(length)/4 - 1
	return command{
		Opcode: opGetLog, Namespace: everyNamespace, DataLen: uint32(length), TimeoutMs: commandMs,
		Dword: [6]uint32{uint32(page) | words<<16, words >> 16},
	}
}

func identifyController() command {
	return command{Opcode: opIdentify, DataLen: identifyLength, TimeoutMs: commandMs, Dword: [6]uint32{1}}
}

func shortTest() command {
	return command{Opcode: opSelfTest, Namespace: everyNamespace, TimeoutMs: commandMs, Dword: [6]uint32{1}}
}

// commandMs is how long the drive may take for one command, in milliseconds.
const commandMs = 5000

// status explains what a drive answered to a command.
func status(n int) error {
	return fmt.Errorf("the drive refused the command with status %#x (type %d)", n&0xFF, n>>8&7)
}
