package firmware

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Next lets the very next start, and only that one, be from the network. The fault is refused when the menu has no such entry:
// network boot is switched off in the firmware's setup.
func (v Variables) Next() (number uint16, err error) {
	number, ok := v.network()
	if !ok {
		return 0, fault.Refused("the firmware's boot menu has no entry for the network; switch network boot on in its setup")
	}
	return number, v.Set("BootNext", Numbers([]uint16{number}))
}

// network is the first entry of the menu that starts from a network card: the entry that this machine was started by if it is one,
// then those of the boot order, then any other.
func (v Variables) network() (uint16, bool) {
	for _, n := range slices.Concat(v.List("BootCurrent"), v.List("BootOrder"), v.Entries()) {
		if fromNetwork(v.Get(fmt.Sprintf("Boot%04X", n))) {
			return n, true
		}
	}
	return 0, false
}

// Device path nodes (UEFI specification, section 10.3) and the attribute of a load option (3.1.3).
const (
	active       = 1
	messaging    = 3
	messagingMAC = 11
	endOfPath    = 0x7F
)

// fromNetwork tells whether a load option is active and leads through a network card.
func fromNetwork(option []byte) bool {
	if len(option) < 6 || binary.LittleEndian.Uint32(option)&active == 0 {
		return false
	}
	length := int(binary.LittleEndian.Uint16(option[4:]))
	path := option[6:]
	for len(path) >= 2 && (path[0] != 0 || path[1] != 0) { // the description
		path = path[2:]
	}
	if len(path) < 2 || len(path)-2 < length {
		return false
	}
	for path = path[2 : 2+length]; len(path) >= 4 && path[0] != endOfPath; {
		size := int(binary.LittleEndian.Uint16(path[2:]))
		if size < 4 || size > len(path) {
			return false
		}
		if path[0] == messaging && path[1] == messagingMAC {
			return true
		}
		path = path[size:]
	}
	return false
}
