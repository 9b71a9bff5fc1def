package api

import (
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/protocol"
)

func TestB46_PastDiagnosticsAreShownWithTheirNumbers(t *testing.T) {
	h := newHouse(t)
	server := h.addServer("node", nil)
	var d Diagnoses
	a := h.must(200, "GET", "/v1/servers/node/diagnoses", "")
	a.json(t, &d)
	if d.Server != server || d.Past == nil || d.Series == nil || len(d.Past) != 0 {
		t.Errorf("a server that was never tested: %s", a.body)
	}
	limit := 80.0
	for i, rate := range []float64{181, 79} {
		measured := fleet.Measure("opn-"+string(rune('1'+i)), &protocol.Diagnosis{Profile: "quick", StartedAt: time.Unix(int64(i), 0), Checks: []protocol.Check{
			{Name: "disk sda read", Part: "S1", Verdict: "ok", Figures: []protocol.Figure{{Name: "rate", Value: rate, Unit: "MB/s", Limit: &limit}}},
		}}, h.now())
		h.change(func(tx *store.Tx) error {
			old, _, err := store.Diagnoses.Find(tx, server)
			if err != nil {
				return err
			}
			old.Server = server
			return store.Diagnoses.Put(tx, server, old.With(measured))
		})
	}
	h.must(200, "GET", "/v1/servers/node/diagnoses", "").json(t, &d)
	if len(d.Past) != 2 || len(d.Series) != 1 || *d.Series[0].Values[1] != 79 || *d.Series[0].Limit != 80 || d.Series[0].Part != "S1" || d.Rev == 0 {
		t.Errorf("%+v", d)
	}
	h.must(404, "GET", "/v1/servers/srv-none/diagnoses", "")
}

func TestB46_AProfileIsChosenAndItsTimeFollows(t *testing.T) {
	h := newHouse(t)
	h.addServer("node", nil)
	for _, bad := range []string{"burn", "burn-in:90h", "burn-in:30m", "quick:1h"} {
		p := h.must(422, "POST", "/v1/servers/node/operations", `{"kind":"diagnose","params":{"profile":"`+bad+`"}}`).problem(t)
		if !p.names("body.params.profile") {
			t.Errorf("%s: %+v", bad, p.Errors)
		}
	}
	var op Operation
	h.must(201, "POST", "/v1/servers/node/operations", `{"kind":"diagnose","params":{"profile":"burn-in:24h"}}`).json(t, &op)
	if op.Allowed != 25*time.Hour || op.Params.Profile != "burn-in:24h" {
		t.Errorf("%+v", op)
	}
}
