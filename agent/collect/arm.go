package collect

import "strings"

// armDesigns name cores by the numbers of the main id register (MIDR_EL1):
// implementer, then part.
var armDesigns = map[string]struct {
	vendor string
	parts  map[string]string
}{
	"0x41": {"ARM", map[string]string{
		"0xd03": "Cortex-A53", "0xd04": "Cortex-A35", "0xd05": "Cortex-A55", "0xd07": "Cortex-A57", "0xd08": "Cortex-A72",
		"0xd09": "Cortex-A73", "0xd0a": "Cortex-A75", "0xd0b": "Cortex-A76", "0xd0c": "Neoverse-N1", "0xd40": "Neoverse-V1",
		"0xd49": "Neoverse-N2", "0xd4f": "Neoverse-V2", "0xd83": "Neoverse-V3AE", "0xd84": "Neoverse-V3", "0xd8e": "Neoverse-N3",
	}},
	"0x43": {"Cavium", map[string]string{"0x0a1": "ThunderX", "0x0af": "ThunderX2"}},
	"0x48": {"HiSilicon", map[string]string{"0xd01": "Kunpeng-920"}},
	"0x4e": {"NVIDIA", map[string]string{"0x004": "Carmel"}},
	"0x46": {"Fujitsu", map[string]string{"0x001": "A64FX"}},
	"0x50": {"AppliedMicro", map[string]string{"0x000": "X-Gene"}},
	"0x61": {"Apple", map[string]string{}},
	"0xc0": {"Ampere", map[string]string{"0xac3": "Ampere-1", "0xac4": "Ampere-1a"}},
}

// armName returns vendor and design; unknown numbers stay numbers.
func armName(implementer, part string) (vendor, model string) {
	implementer, part = strings.ToLower(implementer), strings.ToLower(part)
	design, ok := armDesigns[implementer]
	if !ok {
		return implementer, strings.TrimSpace("ARM implementer " + implementer + " part " + part)
	}
	if name, ok := design.parts[part]; ok {
		return design.vendor, name
	}
	return design.vendor, design.vendor + " part " + part
}
