package smbios

// Words of the enumerations of DSP0134, as dmidecode writes them. Index 0 is the
// first value; values beyond the list are out of specification.

const outOfSpec = "<OUT OF SPEC>"

func word(words []string, value, first byte) string {
	if i := int(value) - int(first); i >= 0 && i < len(words) {
		return words[i]
	}
	return outOfSpec
}

var boardTypes = []string{ // from 1
	"Unknown", "Other", "Server Blade", "Connectivity Switch", "System Management Module", "Processor Module",
	"I/O Module", "Memory Module", "Daughter Board", "Motherboard", "Processor+Memory Module",
	"Processor+I/O Module", "Interconnect Board",
}

var chassisTypes = []string{ // from 1
	"Other", "Unknown", "Desktop", "Low Profile Desktop", "Pizza Box", "Mini Tower", "Tower", "Portable", "Laptop",
	"Notebook", "Hand Held", "Docking Station", "All In One", "Sub Notebook", "Space-saving", "Lunch Box",
	"Main Server Chassis", "Expansion Chassis", "Sub Chassis", "Bus Expansion Chassis", "Peripheral Chassis",
	"RAID Chassis", "Rack Mount Chassis", "Sealed-case PC", "Multi-system", "CompactPCI", "AdvancedTCA", "Blade",
	"Blade Enclosing", "Tablet", "Convertible", "Detachable", "IoT Gateway", "Embedded PC", "Mini PC", "Stick PC",
}

var processorTypes = []string{ // from 1
	"Other", "Unknown", "Central Processor", "Math Processor", "DSP Processor", "Video Processor",
}

var processorStates = []string{ // from 0, bits 0–2 of the status
	"Unknown", "Enabled", "Disabled By User", "Disabled By BIOS", "Idle", outOfSpec, outOfSpec, "Other",
}

var arrayLocations = []string{ // from 1
	"Other", "Unknown", "System Board Or Motherboard", "ISA Add-on Card", "EISA Add-on Card", "PCI Add-on Card",
	"MCA Add-on Card", "PCMCIA Add-on Card", "Proprietary Add-on Card", "NuBus",
}

var arrayUses = []string{ // from 1
	"Other", "Unknown", "System Memory", "Video Memory", "Flash Memory", "Non-volatile RAM", "Cache Memory",
}

var arrayCorrections = []string{ // from 1
	"Other", "Unknown", "None", "Parity", "Single-bit ECC", "Multi-bit ECC", "CRC",
}

var moduleForms = []string{ // from 1
	"Other", "Unknown", "SIMM", "SIP", "Chip", "DIP", "ZIP", "Proprietary Card", "DIMM", "TSOP", "Row Of Chips",
	"RIMM", "SODIMM", "SRIMM", "FB-DIMM", "Die", "CAMM",
}

var moduleTypes = []string{ // from 1
	"Other", "Unknown", "DRAM", "EDRAM", "VRAM", "SRAM", "RAM", "ROM", "Flash", "EEPROM", "FEPROM", "EPROM", "CDRAM",
	"3DRAM", "SDRAM", "SGRAM", "RDRAM", "DDR", "DDR2", "DDR2 FB-DIMM", "Reserved", "Reserved", "Reserved", "DDR3",
	"FBD2", "DDR4", "LPDDR", "LPDDR2", "LPDDR3", "LPDDR4", "Logical non-volatile device", "HBM", "HBM2", "DDR5",
	"LPDDR5", "HBM3",
}
