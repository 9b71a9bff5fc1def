package nvme

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"
)

// page is the length of an identify structure.
const page = 4096

// What Identify can be asked for (CNS).
const (
	cnsNamespace  = 0x00
	cnsController = 0x01
	cnsActive     = 0x02 // namespaces that are attached to this controller
	cnsAllocated  = 0x10 // namespaces that exist
)

// Sanitize capabilities (SANICAP).
const (
	canCrypto    = 1 << 0
	canBlock     = 1 << 1
	canOverwrite = 1 << 2
)

// Optional admin commands (OACS).
const (
	canFormat = 1 << 1
	canManage = 1 << 3 // namespace management
)

// Format attributes (FNA).
const (
	formatsAll = 1 << 0
	erasesAll  = 1 << 1
	fnaCrypto  = 1 << 2
)

// Controller is what the identify controller structure says about erasing.
type Controller struct {
	Serial   string
	OACS     uint16
	FNA      uint8
	Sanicap  uint32
	Total    uint64 // capacity, bytes; 0 not told
	Free     uint64 // of that in no namespace, bytes
	MaxSpace uint32 // highest namespace id
}

// ParseController reads an identify controller structure.
func ParseController(b []byte) (Controller, error) {
	if len(b) < page {
		return Controller{}, fmt.Errorf("the identify controller structure has %d bytes", len(b))
	}
	return Controller{
		Serial:   strings.TrimSpace(strings.Trim(string(b[4:24]), "\x00")),
		OACS:     binary.LittleEndian.Uint16(b[256:]),
		Total:    clipped128(b[280:]),
		Free:     clipped128(b[296:]),
		Sanicap:  binary.LittleEndian.Uint32(b[328:]),
		MaxSpace: binary.LittleEndian.Uint32(b[516:]),
		FNA:      b[524],
	}, nil
}

// clipped128 reads a 128-bit number; what no disk has counts as the largest that fits.
func clipped128(b []byte) uint64 {
	if binary.LittleEndian.Uint64(b[8:]) != 0 {
		return math.MaxUint64
	}
	return binary.LittleEndian.Uint64(b)
}

// Namespace is what the identify namespace structure says.
type Namespace struct {
	Blocks uint64
	Format uint8 // index of the LBA format in use, 0 to 63
	Block  int   // bytes of one block, without metadata; 0 not told
	flbas  uint8
	dps    uint8
}

// ParseNamespace reads an identify namespace structure.
func ParseNamespace(b []byte) (Namespace, error) {
	if len(b) < page {
		return Namespace{}, fmt.Errorf("the identify namespace structure has %d bytes", len(b))
	}
	n := Namespace{Blocks: binary.LittleEndian.Uint64(b), flbas: b[26], dps: b[29]}
	n.Format = n.flbas&0x0F | n.flbas>>5&0x03<<4
	if shift := b[128+4*int(n.Format)+2]; shift >= 9 && shift <= 16 {
		n.Block = 1 << shift
	}
	return n, nil
}

// formatWord is CDW10 of a format that keeps everything as it is and erases by ses.
func (n Namespace) formatWord(ses uint32) uint32 {
	return uint32(n.Format&0x0F) | uint32(n.flbas>>4&1)<<4 | uint32(n.dps&0x07)<<5 | uint32(n.dps>>3&1)<<8 | ses<<9 | uint32(n.Format>>4)<<12
}

// ParseList reads a list of namespace ids, which ends with 0.
func ParseList(b []byte) []uint32 {
	var ids []uint32
	for ; len(b) >= 4 && len(ids) < page/4; b = b[4:] {
		id := binary.LittleEndian.Uint32(b)
		if id == 0 {
			break
		}
		ids = append(ids, id)
	}
	return ids
}

// Sanitize states (SSTAT bits 2:0).
const (
	sanitizeNever      = 0
	sanitizeDone       = 1
	sanitizeRunning    = 2
	sanitizeFailed     = 3
	sanitizeDoneNoDeal = 4 // done, without deallocating
)

// Sanitize is the sanitize status log page (81h).
type Sanitize struct {
	Share  float64 // that is done of the one in progress
	State  int
	Action uint32                       // of the most recent one
	Takes  [actCrypto + 1]time.Duration // what the drive says that each action takes; 0: it does not say
}

// ParseSanitize reads a sanitize status log page.
func ParseSanitize(b []byte) (Sanitize, error) {
	if len(b) < 20 {
		return Sanitize{}, fmt.Errorf("the sanitize log has %d bytes", len(b))
	}
	s := Sanitize{
		Share:  float64(binary.LittleEndian.Uint16(b)) / 65536,
		State:  int(b[2] & 0x07),
		Action: binary.LittleEndian.Uint32(b[4:]) & 0x07,
	}
	for action, at := range map[int]int{actOverwrite: 8, actBlock: 12, actCrypto: 16} {
		if seconds := binary.LittleEndian.Uint32(b[at:]); seconds != math.MaxUint32 {
			s.Takes[action] = time.Duration(seconds) * time.Second
		}
	}
	return s, nil
}
