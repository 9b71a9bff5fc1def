package api

import (
	"slices"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
)

// TestS13_WhatIsSomebodysIsNotFree: whoever has a server, and by whatever way, it is in no list of free ones, and is neither sold nor assigned
// to a plan.
func TestS13_WhatIsSomebodysIsNotFree(t *testing.T) {
	h := newHouse(t)
	g, plan, acme, bolt := h.group("plan", "web", "mail", "mysql"), h.gold(), h.reseller("acme", nil), h.reseller("bolt", nil)
	small := h.reseller("small", &acme)
	free := h.allotable("free", g)
	somebodys := map[string]struct {
		label fleet.Label
		words string
		make  func(server string)
	}{
		"sold":     {fleet.LabelSold, "already owned by acme", func(server string) { h.sell(acme, server) }},
		"resold":   {fleet.LabelSold, "already owned by small", func(server string) { h.sell(small, server) }},
		"assigned": {fleet.LabelAvailable, "plan", func(server string) { h.assigning(plan, server) }},
		"taken": {fleet.LabelTaken, "already owned by acme", func(server string) {
			h.become(server, claimed(fleet.Claim{Kind: fleet.ClaimReseller, Ref: acme.ID, Owner: acme.Path, Via: fleet.ViaPlan, Plan: plan}))
		}},
		"ordered": {fleet.LabelDedicated, "svc-1", func(server string) { h.become(server, claimed(fleet.Claim{Kind: fleet.ClaimClient, Ref: "svc-1"})) }},
		"held":    {fleet.LabelHeld, "ord-1", func(server string) { h.become(server, claimed(fleet.Claim{Kind: fleet.ClaimHeld, Ref: "ord-1"})) }},
	}
	for name, one := range somebodys {
		server := h.allotable(name, g)
		if got := h.labelOf(server); got != string(fleet.LabelUnassigned) {
			t.Fatalf("before: %s is %s", name, got)
		}
		one.make(server)
		before, _ := store.Servers.View(h.store, server)
		var v Server
		h.must(200, "GET", "/v1/servers/"+name, "").json(t, &v)
		if v.Label != one.label || v.Available {
			t.Errorf("%s: it is %s, available %v; not %s", name, v.Label, v.Available, one.label)
		}
		var sale intake.SaleAnswer
		h.must(200, "POST", "/v1/sales", wish(bolt, server)).json(t, &sale)
		if r := sale.Results[0]; r.Outcome != intake.NotSold || !strings.Contains(r.Message, one.words) {
			t.Errorf("%s is to be sold: %+v; want %q", name, r, one.words)
		}
		if outcome, why := h.assigning(plan, server); name != "assigned" && (outcome != "refused" || why == "") {
			t.Errorf("%s is to be assigned: %s, %s", name, outcome, why)
		}
		if after, _ := store.Servers.View(h.store, server); after.Claim != before.Claim {
			t.Errorf("%s: its claim was %+v and is %+v", name, before.Claim, after.Claim)
		}
	}
	for _, list := range []string{"label=free", "label=unassigned", "available=true", "claim=none"} {
		if got := h.ids("/v1/servers?" + list); !slices.Equal(got, []string{free}) {
			t.Errorf("%s has %v, not %v alone", list, got, free)
		}
	}
	if r, _ := store.Resellers.View(h.store, bolt.ID); r.Servers != 0 {
		t.Errorf("he who got nothing has %d servers", r.Servers)
	}
}

// TestH10_H17_PlansAndTheirServers by the API: a plan without the resource is given no server, and one with servers is not deleted.
func TestH10_H17_PlansAndTheirServers(t *testing.T) {
	h := newHouse(t)
	server, acme := h.allotable("a", h.group("plan", "web", "mail", "mysql")), h.reseller("acme", nil)
	gold, plain := h.gold(), h.id(h.must(201, "POST", "/v1/reseller-plans", `{"name":"plain"}`))
	if outcome, why := h.assigning(plain, server); outcome != "refused" || !strings.Contains(why, "plain") {
		t.Errorf("it is %s: %s", outcome, why)
	}
	if outcome, why := h.assigning(gold, server); outcome != "assigned" {
		t.Fatalf("it is %s: %s", outcome, why)
	}
	h.must(201, "POST", "/v1/signups", `{"plan":"`+plain+`","reseller":"`+acme.ID+`"}`)
	if label := h.labelOf(server); label != string(fleet.LabelAvailable) {
		t.Errorf("the server is %s", label)
	}
	p := h.must(409, "DELETE", "/v1/reseller-plans/"+gold, "", "If-Match", "*").problem(t)
	if !strings.Contains(p.Detail, server) {
		t.Errorf("a plan with a server is deleted: %+v", p)
	}
	h.must(204, "DELETE", "/v1/reseller-plans/"+h.id(h.must(201, "POST", "/v1/reseller-plans", `{"name":"none","allocated_server":true}`)), "", "If-Match", "*")
}
