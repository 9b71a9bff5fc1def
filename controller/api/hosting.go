package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/pkg/fault"
)

type (
	// ServerGroup is a kind of logical server.
	ServerGroup struct {
		reselling.ServerGroup
		Rev int64 `json:"rev"`
	}
	// ServerPool is a group of servers that carry one service.
	ServerPool struct {
		reselling.Pool
		Rev int64 `json:"rev"`
	}
	// Placement is one thing that a customer has on a server.
	Placement struct {
		hosting.Placement
		Rev int64 `json:"rev"`
	}
)

type (
	serverGroupBody struct{ intake.ServerGroupDraft }
	serverPoolBody  struct{ intake.ServerPoolDraft }
	rolesBody       struct{ intake.RolesDraft }
	placementBody   struct{ intake.PlacementDraft }
	moveContentBody struct {
		To     string `json:"to" doc:"Id of the server that gets it."`
		Reason string `json:"reason" doc:"Why; kept in the audit log, and told to the person who copies."`
	}
	stateBody struct {
		State   string `json:"state" doc:"making, there, leaving or stuck."`
		Message string `json:"message,omitempty" doc:"Why; such as what could not be removed."`
	}
)

func (b *serverGroupBody) check(c *fault.Check, look intake.Lookup, _ *state) { b.Check(c, look, "") }
func (b *rolesBody) check(c *fault.Check, look intake.Lookup, _ *state)       { b.Check(c, look) }
func (b *placementBody) check(c *fault.Check, look intake.Lookup, _ *state)   { b.Check(c, look) }
func (b *moveContentBody) check(c *fault.Check, look intake.Lookup, _ *state) {
	_, known := look.Server(b.To)
	c.Require(known, "to", "%.80q does not exist; see: steelyard server list", b.To)
	c.Require(b.Reason != "", "reason", "is empty; the person who copies is told why")
	c.Require(len(b.Reason) <= intake.MaxReason, "reason", "is longer than %d bytes", intake.MaxReason)
}

func (b *serverPoolBody) check(c *fault.Check, look intake.Lookup, st *state) {
	b.Check(c, look, "")
	st.call.api.in.CheckMembers(c, b.ServerPoolDraft)
}

func (a *API) registerHosting() {
	a.lister("server-groups", "Groups of logical servers", ServerGroup{})
	a.getter("server-groups", "One group of logical servers", ServerGroup{})
	withBody(a, "POST /v1/server-groups", about{summary: "Add a group of logical servers", tag: "server-groups", answer: ServerGroup{}, status: http.StatusCreated, creates: true},
		func(c *call, b *serverGroupBody) (reply, error) {
			g, _, err := a.in.CreateServerGroup(c.ctx(), c.actor(), b.ServerGroupDraft)
			return c.created("server-groups", g.ID, &g, "", err)
		})
	editor(a, "server-groups", "Change a group of logical servers", ServerGroup{}, intake.ServerGroupDraft.Check,
		func(c *call, id string, rev int64, apply func(intake.ServerGroupDraft) (intake.ServerGroupDraft, error)) error {
			_, _, err := a.in.EditServerGroup(c.ctx(), c.actor(), id, rev, apply)
			return err
		})
	a.remover("server-groups", "Delete a group that no logical server is in", func(c *call, id string, rev int64) (int64, error) {
		return a.in.DeleteServerGroup(c.ctx(), c.actor(), id, rev)
	})
	a.registerServerPools()
	a.registerPlacements()
	withBody(a, "PUT /v1/servers/{id}/roles", about{
		summary: "Say which logical servers a server carries", tag: "servers", answer: Server{}, edits: true,
		detail: "All of them at once. A server that is assigned to a plan keeps its own (H13), and a type that customers use stays.",
	}, a.setRoles)
	withBody(a, "POST /v1/servers/{id}/move-content", about{
		summary: "Move what customers have on a server to another one", tag: "servers", answer: Operation{}, status: http.StatusCreated, creates: true,
		detail: "A task asks a person to copy it; when that is closed, all its placements are recorded on the other server. Until it ends nothing new is placed on either of the two, " +
			"and neither is given to anybody (H6). It is refused for servers that are assigned to a plan (H13). The operation can be canceled while it is being copied.",
	}, a.moveContent)
}

func (a *API) moveContent(c *call, b *moveContentBody) (reply, error) {
	r, err := a.find(c, "servers")
	if err != nil {
		return reply{}, err
	}
	op, err := a.in.MoveContent(c.ctx(), c.actor(), r.id, b.To, b.Reason)
	return c.created("operations", op.ID, &op, "", err)
}

func (a *API) registerServerPools() {
	a.lister("server-pools", "Pools of servers, one service each", ServerPool{})
	a.getter("server-pools", "One pool of servers", ServerPool{})
	withBody(a, "POST /v1/server-pools", about{summary: "Add a pool of servers", tag: "server-pools", answer: ServerPool{}, status: http.StatusCreated, creates: true},
		func(c *call, b *serverPoolBody) (reply, error) {
			p, _, err := a.in.CreateServerPool(c.ctx(), c.actor(), b.ServerPoolDraft)
			return c.created("server-pools", p.ID, &p, "", err)
		})
	editor(a, "server-pools", "Change a pool of servers", ServerPool{}, intake.ServerPoolDraft.Check,
		func(c *call, id string, rev int64, apply func(intake.ServerPoolDraft) (intake.ServerPoolDraft, error)) error {
			_, _, err := a.in.EditServerPool(c.ctx(), c.actor(), id, rev, apply)
			return err
		})
	a.remover("server-pools", "Delete a pool of servers; what was placed stays", func(c *call, id string, rev int64) (int64, error) {
		return a.in.DeleteServerPool(c.ctx(), c.actor(), id, rev)
	})
}

func (a *API) registerPlacements() {
	a.lister("placements", "What customers have on servers", Placement{})
	a.getter("placements", "One thing that a customer has on a server", Placement{})
	withBody(a, "POST /v1/placements", about{
		summary: "Register what a customer has on a server", tag: "placements", answer: Placement{}, status: http.StatusCreated, creates: true,
		detail: "The server is used from now on, also while the placement is half made. Without a server a pool that chooses by itself gives one (S12); " +
			"what is new of a reseller who has servers by plan goes to one of those (H18).",
	}, func(c *call, b *placementBody) (reply, error) {
		p, _, err := a.in.Place(c.ctx(), c.actor(), b.PlacementDraft)
		return c.created("placements", p.ID, &p, "", err)
	})
	withBody(a, "POST /v1/placements/{id}/state", about{summary: "Say how far a placement is made or removed", tag: "placements", answer: Placement{}},
		func(c *call, b *stateBody) (reply, error) {
			r, err := a.find(c, "placements")
			if err != nil {
				return reply{}, err
			}
			if _, _, err := a.in.SetPlacementState(c.ctx(), c.actor(), r.id, b.State, b.Message); err != nil {
				return reply{}, err
			}
			return a.shown(c, "placements", r.id)
		})
	a.remover("placements", "Record that a placement is gone, all of it", func(c *call, id string, rev int64) (int64, error) {
		return a.in.Unplace(c.ctx(), c.actor(), id, rev)
	})
}

func (a *API) setRoles(c *call, b *rolesBody) (reply, error) {
	r, err := a.find(c, "servers")
	if err != nil {
		return reply{}, err
	}
	rev, err := c.ifMatch()
	if err != nil {
		return reply{}, err
	}
	if _, _, err := a.in.SetRoles(c.ctx(), c.actor(), r.id, rev, b.RolesDraft); err != nil {
		return reply{}, stale(err)
	}
	return a.shown(c, "servers", r.id)
}

func serverGroupSheet() *sheet {
	return newSheet("server-groups",
		label("id", func(g *reselling.ServerGroup) string { return g.ID }),
		label("name", func(g *reselling.ServerGroup) string { return g.Name }),
		many(text("type", func(g *reselling.ServerGroup) string { return strings.Join(g.Types, ",") }, reselling.ServiceTypes...)),
		moment("created_at", func(g *reselling.ServerGroup) time.Time { return g.CreatedAt }),
	)
}

func serverPoolSheet() *sheet {
	return newSheet("server-pools",
		label("id", func(p *reselling.Pool) string { return p.ID }),
		label("name", func(p *reselling.Pool) string { return p.Name }),
		text("service", func(p *reselling.Pool) string { return p.Service }, reselling.ServiceTypes...),
		text("policy", func(p *reselling.Pool) string { return p.Policy }, reselling.Policies...),
		text("automatic", func(p *reselling.Pool) string { return strconv.FormatBool(p.Automatic) }, yesNo...),
		text("oversell", func(p *reselling.Pool) string { return strconv.FormatBool(p.Oversell) }, yesNo...),
		moment("created_at", func(p *reselling.Pool) time.Time { return p.CreatedAt }),
	)
}

func placementSheet() *sheet {
	return newSheet("placements",
		label("id", func(p *hosting.Placement) string { return p.ID }),
		label("name", func(p *hosting.Placement) string { return p.Name }),
		text("server", func(p *hosting.Placement) string { return p.Server }),
		text("kind", func(p *hosting.Placement) string { return p.Kind }, hosting.Kinds...),
		text("state", func(p *hosting.Placement) string { return p.State }, hosting.States...),
		path("reseller", func(p *hosting.Placement) string { return p.Reseller }),
		text("customer", func(p *hosting.Placement) string { return p.Customer }),
		number("disk_mib", func(p *hosting.Placement) int64 { return int64(p.DiskMiB) }),
		moment("created_at", func(p *hosting.Placement) time.Time { return p.CreatedAt }),
		moment("changed_at", func(p *hosting.Placement) time.Time { return p.ChangedAt }),
	)
}

// standing is what the board knows of roles: the groups of logical servers, and which pools a server is in.
type standing struct {
	groups map[string]reselling.ServerGroup
	pools  map[string][]string // server → ids of pools, sorted
}

func newStanding() standing {
	return standing{groups: map[string]reselling.ServerGroup{}, pools: map[string][]string{}}
}

// takeGroup updates a group; the labels of the servers in it may be others then (rule X3).
func (b *board) takeGroup(d delta, tell bool) {
	if g, ok := d.value.(*reselling.ServerGroup); ok && g != nil {
		b.standing.groups[d.id] = *g
	} else {
		delete(b.standing.groups, d.id)
	}
	b.takeRecord(d, tell)
	if !tell {
		return
	}
	for id, m := range b.machines {
		if m.server != nil && slices.ContainsFunc(m.server.Roles, func(l fleet.LogicalServer) bool { return l.Group == d.id }) {
			b.putMachine(id, d.rev, true)
		}
	}
}

// takeServerPool updates a pool, and which servers are found by it.
func (b *board) takeServerPool(d delta, tell bool) {
	var before, after []string
	if old := b.sheets["server-pools"].get(d.id); old != nil {
		before = old.value.(*reselling.Pool).Members
	}
	if p, ok := d.value.(*reselling.Pool); ok && p != nil {
		after = p.Members
	}
	b.takeRecord(d, tell)
	for _, id := range before {
		if !slices.Contains(after, id) {
			b.standing.pools[id] = slices.DeleteFunc(slices.Clone(b.standing.pools[id]), func(pool string) bool { return pool == d.id })
		}
	}
	for _, id := range after {
		if !slices.Contains(before, id) {
			list := append(slices.Clone(b.standing.pools[id]), d.id)
			slices.Sort(list)
			b.standing.pools[id] = list
		}
	}
	for _, id := range append(before, after...) {
		if tell && slices.Contains(before, id) != slices.Contains(after, id) {
			b.putMachine(id, d.rev, true)
		}
	}
}

// labelOf is the label of a server by what the board knows (rule X3).
func (b *board) labelOf(m *machine) fleet.Label {
	around := reselling.Around{Facts: m.facts, Groups: b.standing.groups}
	if m.load != nil {
		around.Load = *m.load
	}
	return fleet.LabelOf(m.server, fleet.Usage{Placed: around.Load.Placements > 0, Eligible: len(reselling.Ineligible(m.server, around)) == 0})
}

// labels are those that a server is found by: one that may be assigned to a plan is a free one too.
func (m *machine) labels() string {
	if m.label == fleet.LabelUnassigned {
		return string(fleet.LabelFree) + "," + string(fleet.LabelUnassigned)
	}
	return string(m.label)
}

// services are the types of its logical servers.
func (m *machine) services() string {
	var list []string
	for _, role := range m.server.Roles {
		if !slices.Contains(list, role.Type) {
			list = append(list, role.Type)
		}
	}
	return strings.Join(list, ",")
}

func labelNames() (names []string) {
	for _, l := range fleet.Labels {
		names = append(names, string(l))
	}
	return names
}
