package execute

import (
	"maps"
	"slices"
	"testing"

	"github.com/steelyard/steelyard/protocol"
)

// What a customer is let into knows no command that reads, writes or tests a disk, and gives no capability for one.
func TestB44_AnAgentInRescueKnowsNoCommandForADisk(t *testing.T) {
	if got, want := slices.Sorted(maps.Keys(Deeds(protocol.EnvRescue, nil, nil))), []string{protocol.CommandPowerOff, protocol.CommandReboot}; !slices.Equal(got, want) {
		t.Errorf("it can %v, want %v", got, want)
	}
	if got, want := Capabilities(protocol.EnvRescue), []string{protocol.CanRescue, protocol.CanPower}; !slices.Equal(got, want) {
		t.Errorf("it says that it can %v, want %v", got, want)
	}
}
