package smbios

import "strings"

// keys are the fields of mapped structures that the mapping reads or leaves on
// purpose, in lower case. Any other field is a gap: a newer dmidecode knows
// something that might matter.
var keys = map[int]map[string]bool{
	typeFirmware: set("vendor", "version", "release date", "rom size", "characteristics", "address",
		"runtime size", "bios revision", "firmware revision"),
	typeSystem: set("manufacturer", "product name", "version", "serial number", "wake-up type", "sku number",
		"family", "uuid"),
	typeBoard: set("manufacturer", "product name", "version", "serial number", "asset tag",
		"location in chassis", "chassis handle", "type", "contained object handles", "features"),
	typeChassis: set("manufacturer", "type", "lock", "version", "serial number", "power supply state",
		"thermal state", "security status", "oem information", "asset tag", "height", "number of power cords",
		"contained elements", "boot-up state", "sku number", "rack type", "rack height"),
	typeProcessor: set("socket designation", "type", "family", "manufacturer", "id", "version", "voltage",
		"external clock", "max speed", "current speed", "status", "upgrade", "l1 cache handle", "l2 cache handle",
		"l3 cache handle", "serial number", "characteristics", "part number", "asset tag", "signature", "flags",
		"core count", "core enabled", "thread count", "thread enabled", "socket type"),
	typeArray: set("location", "use", "error correction type", "maximum capacity", "error information handle",
		"number of devices"),
	typeModule: set("array handle", "error information handle", "total width", "data width", "size",
		"form factor", "set", "locator", "bank locator", "type", "type detail", "speed", "manufacturer",
		"serial number", "part number", "rank", "asset tag", "configured memory speed", "configured clock speed",
		"minimum voltage", "maximum voltage", "configured voltage", "memory technology",
		"memory operating mode capability", "firmware version", "module manufacturer id", "module product id",
		"memory subsystem controller manufacturer id", "memory subsystem controller product id",
		"non-volatile size", "volatile size", "cache size", "logical size", "pmic0 manufacturer id",
		"pmic0 revision number", "rcd manufacturer id", "rcd revision number"),
}

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

func (m *mapping) unknownFields() {
	for _, s := range m.table.Structures {
		mapped, ok := keys[s.Type]
		for _, f := range s.Fields {
			if ok && !mapped[strings.ToLower(f.Key)] {
				m.gap(s.Type, f.Key, "", "unknown field")
			}
		}
	}
}
