package lldp

import (
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/netip"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
)

// EtherType of LLDP frames.
const EtherType = 0x88CC

// Group is the multicast address that switches send to; bridges do not forward it.
var Group = net.HardwareAddr{0x01, 0x80, 0xC2, 0x00, 0x00, 0x0E}

// Announcement is what one frame says.
type Announcement struct {
	Neighbour hardware.Neighbour
	TTL       time.Duration // how long it holds; 0 takes an earlier one back
}

// Types of TLVs (802.1AB-2016, 8.4).
const (
	tlvEnd        = 0
	tlvChassisID  = 1
	tlvPortID     = 2
	tlvTTL        = 3
	tlvPortName   = 4
	tlvSystemName = 5
	tlvVendor     = 127
)

// Parse reads an Ethernet frame. One that is not LLDP, or lacks what the standard
// demands, is [fault.KindInvalid]. Texts come bounded and without control
// characters.
func Parse(frame []byte) (Announcement, error) {
	if len(frame) < 14 || binary.BigEndian.Uint16(frame[12:]) != EtherType {
		return Announcement{}, fault.Invalid("this frame is no LLDP")
	}
	var a Announcement
	var seen [tlvTTL + 1]bool
	for rest := frame[14:]; len(rest) >= 2; {
		head := binary.BigEndian.Uint16(rest)
		kind, length := int(head>>9), int(head&0x1FF)
		if kind == tlvEnd {
			break
		}
		if length > len(rest)-2 {
			return Announcement{}, fault.Invalid("the LLDP frame ends inside a value of type %d", kind)
		}
		value := rest[2 : 2+length]
		if kind <= tlvTTL {
			seen[kind] = true
		}
		a.add(kind, value)
		rest = rest[2+length:]
	}
	if !seen[tlvChassisID] || !seen[tlvPortID] || !seen[tlvTTL] || a.Neighbour.ChassisID == "" || a.Neighbour.PortID == "" {
		return Announcement{}, fault.Invalid("the LLDP frame names no chassis, port or time to live")
	}
	return a, nil
}

func (a *Announcement) add(kind int, value []byte) {
	n := &a.Neighbour
	switch kind {
	case tlvChassisID:
		n.ChassisID = identifier(value, 4, 5)
	case tlvPortID:
		n.PortID = identifier(value, 3, 4)
	case tlvTTL:
		if len(value) >= 2 {
			a.TTL = time.Duration(binary.BigEndian.Uint16(value)) * time.Second
		}
	case tlvPortName:
		n.PortDescription = hardware.CleanString(string(value))
	case tlvSystemName:
		n.SystemName = hardware.CleanString(string(value))
	case tlvVendor:
		if len(value) >= 6 && [4]byte(value) == [4]byte{0x00, 0x80, 0xC2, 1} { // 802.1: port VLAN id
			n.VLAN = int(binary.BigEndian.Uint16(value[4:]) & 0x0FFF)
		}
	}
}

// identifier writes an id by its subtype: a MAC, a network address, or a text.
// The numbers of the first two differ between chassis and port.
func identifier(value []byte, macType, addressType byte) string {
	if len(value) < 2 {
		return ""
	}
	kind, id := value[0], value[1:]
	switch {
	case kind == macType && len(id) == 6:
		return net.HardwareAddr(id).String()
	case kind == addressType && (id[0] == 1 || id[0] == 2): // IANA family: IPv4, IPv6
		if ip, ok := netip.AddrFromSlice(id[1:]); ok {
			return ip.String()
		}
		return hex.EncodeToString(id)
	default:
		return hardware.CleanString(string(id))
	}
}
