package intake

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/protocol"
)

// TestB46_WhatWasMeasuredIsKeptBesideWhatWasMeasuredBefore once for each diagnosis, and numbers that are none harm nothing.
func TestB46_WhatWasMeasuredIsKeptBesideWhatWasMeasuredBefore(t *testing.T) {
	ctx := context.Background()
	g := openGate(t)
	s := g.join(parts("u1", "B1", "02:01"))
	for i, rate := range []float64{180, 120} {
		res := protocol.Result{Command: fmt.Sprintf("cmd-%d", i), Operation: fmt.Sprintf("opn-%d", i), Step: "diagnose", Diagnosis: &protocol.Diagnosis{
			Profile: "quick", StartedAt: time.Unix(int64(i), 0).UTC(), Checks: []protocol.Check{
				{Name: "disk sda read", Part: "S1", Verdict: "ok", Figures: []protocol.Figure{{Name: "rate", Value: rate, Unit: "MB/s"}, {Name: "broken", Value: math.NaN(), Unit: "MB/s"}}},
				{Name: "disk sda smart", Part: "S1", Verdict: "splendid", Detail: "evil\x1b[31m"},
			},
		}}
		g.commit(func(tx *store.Tx) error {
			return store.Commands.Create(tx, store.CommandKey(s.ID, res.Command), operation.Command{Command: protocol.Command{ID: res.Command, Server: s.ID, Operation: res.Operation}})
		})
		for range 2 { // told again: the answer was lost
			res.Diagnosis.Clean() // as the gateway does with what it decoded
			if err := g.Result(ctx, s.ID, res); err != nil {
				t.Fatal(err)
			}
		}
		g.commit(func(tx *store.Tx) error {
			kept, err := store.Results.Get(tx, store.CommandKey(s.ID, res.Command))
			if c := kept.Diagnosis.Checks; err == nil && (len(c[0].Figures) != 0 || c[1].Verdict != protocol.VerdictError || c[1].Detail != "evil[31m") {
				t.Errorf("the record of the server gets %+v", c)
			}
			return err
		})
	}
	g.commit(func(tx *store.Tx) error {
		d, err := store.Diagnoses.Get(tx, s.ID)
		if err == nil && (len(d.Past) != 2 || len(d.Series) != 1 || *d.Series[0].Values[0] != 180 || *d.Series[0].Values[1] != 120 || d.Past[1].Errors[0] != "disk sda smart") {
			t.Errorf("%+v", d)
		}
		return err
	})
}

// TestB16_ABurnInHasTheTimeThatItTakes and everything else an hour.
func TestB16_ABurnInHasTheTimeThatItTakes(t *testing.T) {
	for profile, want := range map[string]time.Duration{"": time.Hour, "standard": time.Hour, "burn-in": 9 * time.Hour, "burn-in:72h": 73 * time.Hour} {
		g := openGate(t)
		s := g.join(parts("u1", "B1", "02:01"))
		g.edit(s.ID, func(s *fleet.Server) { s.Operation = "" })
		op, err := g.RequestOperation(context.Background(), ann, OperationWish{Server: s.ID, Kind: operation.Diagnose, Params: operation.Params{Profile: profile}}, nil)
		if err != nil || op.Allowed != want || op.Steps[len(op.Steps)-1].Allowed != want {
			t.Errorf("%q: %v, %v, %v", profile, err, op.Allowed, op.Steps)
		}
	}
}

// TestB46_TheRecordedManagementControllerIsTheMachinesOwn else power acts on another machine.
func TestB46_TheRecordedManagementControllerIsTheMachinesOwn(t *testing.T) {
	for _, c := range []struct {
		bmc    outofband.BMC
		inside []string
		want   string // "": not compared
	}{
		{outofband.BMC{Driver: outofband.DriverIPMI, Address: "10.0.0.7"}, []string{"10.0.0.7"}, protocol.VerdictOK},
		{outofband.BMC{Driver: outofband.DriverIPMI, Address: "10.0.0.7:6230"}, []string{"192.168.0.120", "10.0.0.7"}, protocol.VerdictOK},
		{outofband.BMC{Driver: outofband.DriverRedfish, Address: "https://10.0.0.7"}, []string{"10.0.0.7"}, protocol.VerdictOK},
		{outofband.BMC{Driver: outofband.DriverRedfish, Address: "https://10.0.0.7:8443"}, []string{"10.0.0.8"}, protocol.VerdictWarning},
		{outofband.BMC{Driver: outofband.DriverIPMI, Address: "10.0.0.7"}, nil, ""},
		{outofband.BMC{Driver: outofband.DriverIPMI, Address: "bmc7.example.net"}, []string{"10.0.0.8"}, ""},
		{outofband.BMC{Driver: outofband.DriverIPMI, Address: "[2001:db8::7]:623"}, []string{"10.0.0.8"}, ""},
		{outofband.BMC{Driver: outofband.DriverWOL, Address: "10.0.0.255"}, []string{"10.0.0.8"}, ""},
		{outofband.BMC{Driver: outofband.DriverIPMI, Address: "127.0.9.7", Simulator: "ipmi_sim"}, []string{"10.0.0.8"}, ""},
		{outofband.BMC{}, []string{"10.0.0.8"}, ""},
	} {
		got, known := sameBMC(&c.bmc, c.inside)
		if known != (c.want != "") || got.Verdict != c.want {
			t.Errorf("%+v inside %v: %+v", c.bmc, c.inside, got)
		}
	}
}
