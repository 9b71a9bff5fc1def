package netboot

import (
	"strings"
	"testing"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
)

// at is an operation whose current step is the one with this name.
func at(kind, step string, p operation.Params) *operation.Operation {
	op := operation.Operation{ID: "op-1", Kind: kind, State: operation.Running, Steps: operation.Recipe(kind, 0, p), Params: p}
	for i, s := range op.Steps {
		if s.Name == step {
			op.Current = i
			return &op
		}
	}
	panic("the recipe of " + kind + " has no step " + step)
}

// TestB43_WhatAMachineBoots: each row is one way in which a machine may stand.
func TestB43_WhatAMachineBoots(t *testing.T) {
	server := func(approval, claim string) *fleet.Server {
		return &fleet.Server{ID: "srv-1", Name: "web1", Approval: approval, Claim: fleet.Claim{Kind: claim}}
	}
	customer := server(fleet.Approved, fleet.ClaimClient)
	free := server(fleet.Approved, fleet.ClaimNone)
	metal := operation.Params{}
	ended := at(operation.Delete, "power-on", operation.Params{})
	ended.State = operation.Canceled
	ram := operation.Params{Action: operation.PowerBootRAM}
	for name, row := range map[string]struct {
		of         []Standing
		boot, mode string
	}{
		"unknown":                           {nil, RAM, ""},
		"pending":                           {[]Standing{{server(fleet.Pending, fleet.ClaimNone), nil}}, RAM, ""},
		"rejected":                          {[]Standing{{server(fleet.Rejected, fleet.ClaimNone), nil}}, Disk, ""},
		"retired":                           {[]Standing{{server(fleet.Retired, fleet.ClaimNone), nil}}, Disk, ""},
		"nobody's":                          {[]Standing{{free, nil}}, RAM, ""},
		"held":                              {[]Standing{{server(fleet.Approved, fleet.ClaimHeld), nil}}, RAM, ""},
		"a client's":                        {[]Standing{{customer, nil}}, Disk, ""},
		"a plan's":                          {[]Standing{{server(fleet.Approved, fleet.ClaimPlan), nil}}, Disk, ""},
		"a reseller's":                      {[]Standing{{server(fleet.Approved, fleet.ClaimReseller), nil}}, Disk, ""},
		"installing, before the image":      {[]Standing{{customer, at(operation.Install, "power-on", metal)}}, RAM, ""},
		"installing, at the image":          {[]Standing{{customer, at(operation.Install, "image", metal)}}, RAM, ""},
		"installed, starting its disk":      {[]Standing{{customer, at(operation.Install, operation.ActAwaitSystem, metal)}}, Disk, ""},
		"nobody's, starting what was put":   {[]Standing{{free, at(operation.Install, operation.ActAwaitSystem, metal)}}, Disk, ""},
		"being taken back":                  {[]Standing{{customer, at(operation.Delete, "power-on", operation.Params{})}}, RAM, ""},
		"a delete that was canceled":        {[]Standing{{customer, ended}}, Disk, ""},
		"RAM asked for, a client's":         {[]Standing{{customer, at(operation.Power, "power-on", ram)}}, RAM, ""},
		"rescue":                            {[]Standing{{customer, at(operation.Rescue, "power-on", metal)}}, RAM, ModeRescue},
		"rescue, letting the customer in":   {[]Standing{{customer, at(operation.Rescue, "rescue", metal)}}, RAM, ModeRescue},
		"rescued, started again":            {[]Standing{{customer, at(operation.Rescue, "ports-service", metal)}}, Disk, ""},
		"RAM asked for, nobody's":           {[]Standing{{free, at(operation.Power, "power-on", ram)}}, RAM, ""},
		"resumed":                           {[]Standing{{customer, at(operation.Resume, "power-on", operation.Params{})}}, Disk, ""},
		"parts of a free and a used server": {[]Standing{{free, nil}, {customer, nil}}, Disk, ""},
		"parts of two free servers":         {[]Standing{{free, nil}, {server(fleet.Pending, ""), nil}}, RAM, ""},
	} {
		d := Decide(row.of)
		if d.Boot != row.boot || d.Mode != row.mode || d.Why == "" {
			t.Errorf("%s: %+v, want %s %q", name, d, row.boot, row.mode)
		}
		for _, line := range strings.Split(screen(Machine{MAC: "52:54:00:00:00:01"}, row.of, d), "\n") {
			if strings.ContainsAny(strings.TrimPrefix(line, "#!ipxe"), "${}|&;#") || len(line) > 170 {
				t.Errorf("%s: the screen says %q", name, line)
			}
		}
	}
}

// TestX5_NobodyWritesScriptsByAName: a server's name and what its firmware says reach the script as words only.
func TestX5_NobodyWritesScriptsByAName(t *testing.T) {
	s := &fleet.Server{ID: "srv-1", Name: "x\nchain http://evil/ ||${net0/mac};exit #", Approval: fleet.Pending}
	text := screen(Machine{MAC: "52:54:00:00:00:01", Serial: "1\r\nexit && boot"}, []Standing{{s, nil}}, Decide([]Standing{{s, nil}}))
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if i > 0 && !strings.HasPrefix(line, "echo") || strings.ContainsAny(line[min(len(line), 6):], "$|&;#\r") {
			t.Errorf("line %d of the script is %q", i, line)
		}
	}
}
