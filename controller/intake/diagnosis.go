package intake

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/protocol"
)

// keepDiagnosis compares what diagnostics saw with what is recorded, and keeps their numbers beside those of earlier ones:
// not in the record of the server, which is read and written all the time. What it returns is without them.
func keepDiagnosis(tx *store.Tx, server string, res protocol.Result, now time.Time) (protocol.Result, error) {
	if res.Diagnosis == nil || len(res.Diagnosis.Checks) == 0 {
		return res, nil
	}
	d := *res.Diagnosis // the turn may be taken again: what came is left as it is
	d.Checks = slices.Clone(d.Checks)
	bmc, _, err := store.BMCs.Find(tx, server)
	if err != nil {
		return res, err
	}
	if c, known := sameBMC(&bmc, d.BMCAddresses); known {
		d.Checks = append(d.Checks, c)
	}
	past, _, err := store.Diagnoses.Find(tx, server)
	if err != nil {
		return res, err
	}
	past.Server = server
	past = past.With(fleet.Measure(res.Operation, &d, now))
	for i := range d.Checks {
		d.Checks[i].Figures = nil
	}
	res.Diagnosis = &d
	return res, store.Diagnoses.Put(tx, server, past)
}

// sameBMC compares the management controller that is recorded with the one that the machine has inside. Another one means
// that power acts on another machine. Names, IPv6 addresses and simulators are not compared: the machine tells IPv4 addresses.
func sameBMC(b *outofband.BMC, inside []string) (c protocol.Check, known bool) {
	host, _, err := outofband.SplitAddress(strings.TrimPrefix(b.Address, "https://"), outofband.PortRedfish)
	recorded, parsed := netip.ParseAddr(host)
	if err != nil || parsed != nil || !recorded.Is4() || b.Simulator != "" || !b.Remote() || len(inside) == 0 {
		return c, false
	}
	c = protocol.Check{Name: "bmc address", Verdict: protocol.VerdictOK, Value: strings.Join(inside, ", "), Limit: host + ", as recorded"}
	if !slices.Contains(inside, host) {
		c.Verdict = protocol.VerdictWarning
		c.Detail = "the management controller that is recorded is not that of this machine: power would act on another one. Correct it (steelyard server bmc set), or the cabling"
	}
	return c, true
}
