package app

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/pause"
)

// nodes is how many simulated servers become hosting nodes.
const nodes = 2

// resellers makes what reselling needs, once: two resellers, server groups, and hosting nodes named node-1 and node-2.
func (d *fleetOnOneMachine) resellers(ctx context.Context) error {
	for _, r := range []intake.ResellerDraft{
		{Name: "acme", Company: "Acme Hosting Ltd", Email: "ops@acme.example", Limits: reselling.Limits{reselling.Servers: reselling.AtMost(5), reselling.Customers: reselling.AtMost(100), reselling.Disk: reselling.NoLimit, reselling.Traffic: reselling.NoLimit}},
		{Name: "nordlicht", Company: "Nordlicht Webservice GmbH", Email: "technik@nordlicht.example", Limits: reselling.Limits{reselling.Servers: reselling.AtMost(2), reselling.Customers: reselling.NoLimit, reselling.Disk: reselling.NoLimit, reselling.Traffic: reselling.NoLimit}},
	} {
		if _, _, err := d.Intake.CreateReseller(ctx, access.System, r); err != nil {
			return err
		}
	}
	groups := map[string]string{}
	for _, g := range []intake.ServerGroupDraft{{Name: "front", Types: []string{reselling.Web}}, {Name: "back", Types: []string{reselling.Mail, reselling.MySQL}}} {
		made, _, err := d.Intake.CreateServerGroup(ctx, access.System, g)
		if err != nil {
			return err
		}
		groups[g.Name] = made.ID
	}
	roles := []fleet.LogicalServer{
		{Type: reselling.Web, Group: groups["front"]}, {Type: reselling.Mail, Group: groups["back"]}, {Type: reselling.MySQL, Group: groups["back"]},
	}
	for i, server := range d.spare(nodes) {
		if err := d.node(ctx, server, "node-"+strconv.Itoa(i+1), roles); err != nil {
			return err
		}
	}
	return nil
}

// spare are the last simulated servers that are free.
func (d *fleetOnOneMachine) spare(n int) (ids []string) {
	names := map[string]string{}
	for i := range store.Servers.Items(d.Store.Snapshot()) {
		if s := i.Value; strings.HasPrefix(s.Name, "sim-") && d.Stock.Index.Available(s.ID) {
			names[s.Name] = s.ID
		}
	}
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(names))) {
		if len(ids) < n {
			ids = append(ids, names[name])
		}
	}
	return ids
}

// node inspects a server, makes it a hosting node and names it.
func (d *fleetOnOneMachine) node(ctx context.Context, server, name string, roles []fleet.LogicalServer) error {
	if _, _, err := d.Intake.EditServer(ctx, access.System, server, intake.AnyRevision, func(s intake.ServerDraft) (intake.ServerDraft, error) {
		s.Name = name
		return s, nil
	}); err != nil {
		return err
	}
	if _, _, err := d.Intake.SetRoles(ctx, access.System, server, intake.AnyRevision, intake.RolesDraft{Roles: roles}); err != nil {
		return err
	}
	op, err := d.Intake.RequestOperation(ctx, access.System, intake.OperationWish{Server: server, Kind: operation.Inspect}, nil)
	if err != nil {
		return err
	}
	for limit := time.Now().Add(patience); time.Now().Before(limit); {
		if present, ok := store.Operations.View(d.Store, op.ID); ok && present.State == operation.Done {
			_, _, err := d.Intake.MakeNode(ctx, access.System, server, intake.NodeWish{Inspection: op.ID, Reason: "demo of a hosting node"})
			return err
		}
		if err := pause.For(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	d.log.Warn("a hosting node was not made: its inspection takes too long", "server", name)
	return nil
}
