package operation

import (
	"testing"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// TestS9_AnInspectionEndsBySayingSo: it neither erases nor switches anything, and one that fails holds nobody up.
func TestS9_AnInspectionEndsBySayingSo(t *testing.T) {
	op := New("opn-1", Inspect, "srv-1", 7, InspectAllowed, Params{}, t0)
	if len(op.Steps) != 1 || op.Steps[0].Command != protocol.CommandInspect || Wakes(op) || WantsRAM(op) {
		t.Fatalf("its steps are %+v", op.Steps)
	}
	there := Input{Connected: true, Environment: protocol.EnvInstalled}
	d := Next(op, there, t0)
	in := there
	in.Result = &protocol.Result{Fault: fault.Refused(`this agent cannot "inspect"`)}
	if d = Next(d.Op, in, t0.Add(time.Second)); d.Verb != Close || d.Op.State != Failed {
		t.Errorf("an older agent: %s, %s", d.Verb, d.Op.State)
	}
}
