package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

type (
	reasonBody struct {
		Reason string `json:"reason,omitempty" doc:"Why; kept in the audit log."`
	}
	approveBody struct {
		Reason     string `json:"reason,omitempty" doc:"Why; kept in the audit log."`
		Commission *bool  `json:"commission,omitempty" doc:"Put it into service too (B21): all its disks are then erased. False unless given."`
	}
	untilBody struct {
		Reason string    `json:"reason,omitempty" doc:"Why; kept in the audit log."`
		Until  time.Time `json:"until,omitzero" required:"false" doc:"When it should be over. Not given: not known."`
	}
	moveBody struct {
		Location string `json:"location" doc:"Id of the location where it stands now."`
		Rack     string `json:"rack,omitempty" doc:"Where it is in the location."`
		Reason   string `json:"reason" doc:"Why; kept in the audit log."`
	}
	retireBody struct {
		Reason string `json:"reason" doc:"What becomes of the machine; kept in the audit log."`
		Dirty  bool   `json:"dirty,omitempty" doc:"Its disks are not proven clean, and it goes all the same."`
	}
	identityBody struct {
		Identity string `json:"identity" doc:"Id of pending_identity, as it was looked at: the machine may report something else by now."`
		Reason   string `json:"reason" doc:"What was found; kept in the audit log."`
	}
	adoptBody struct {
		As     string `json:"as" doc:"Id of the server that the machine is."`
		Reason string `json:"reason" doc:"What was replaced; kept in the audit log."`
	}
	operationBody struct {
		Kind   string          `json:"kind" doc:"diagnose, erase, install, power or inspect."`
		Params operationParams `json:"params,omitzero" required:"false"`
	}
	operationParams struct {
		Profile  string   `json:"profile,omitempty" doc:"diagnose: quick (the default), standard, burn-in (8 hours) or burn-in:HOURS, such as burn-in:24h."`
		Image    string   `json:"image,omitempty" doc:"install: id of the image."`
		Hostname string   `json:"hostname,omitempty" doc:"install."`
		SSHKeys  []string `json:"ssh_keys,omitempty" doc:"install: one line each, as in authorized_keys."`
		Action   string   `json:"action,omitempty" doc:"power: on, off, hard-off, cycle or boot-ram."`
	}
)

func (b *operationBody) check(c *fault.Check, look intake.Lookup, _ *state) {
	switch b.Kind {
	case operation.Diagnose:
		_, _, err := protocol.ParseProfile(b.Params.Profile)
		c.Require(err == nil, "params.profile", "is %.40q; use quick, standard, burn-in (8 hours) or burn-in:HOURS up to burn-in:72h", b.Params.Profile)
	case operation.Erase, operation.Inspect:
	case operation.Power:
		known := []string{operation.PowerOn, operation.PowerOff, operation.PowerHardOff, operation.PowerCycle, operation.PowerBootRAM}
		c.Require(slices.Contains(known, b.Params.Action), "params.action", "is %.40q; use on, off, hard-off, cycle or boot-ram", b.Params.Action)
	case operation.Install:
		img, ok := look.Image(b.Params.Image)
		c.Require(ok, "params.image", "%.80q does not exist; see: steelyard image list", b.Params.Image)
		c.Require(!ok || !img.Retired, "params.image", "%s is retired", img.Name)
		order.CheckHostname(c, "params.hostname", b.Params.Hostname)
		order.CheckSSHKeys(c, "params.ssh_keys", b.Params.SSHKeys)
	default:
		c.Add("kind", "is %.40q; use diagnose, erase, install, power or inspect", b.Kind)
	}
}

func (a *API) registerServers() {
	a.lister("servers", "Servers", Server{})
	without(a, "GET /v1/servers/{id}", about{summary: "One server with its inventory and latest figures", tag: "servers", answer: ServerDetail{}}, a.server)
	without(a, "GET /v1/servers/{id}/why", about{summary: "Why it is, or is not, available", tag: "servers", answer: Why{}}, a.why)
	editor(a, "servers", "Rename or move a server", Server{},
		func(d intake.ServerDraft, c *fault.Check, look intake.Lookup, _ string) { d.Check(c, look) },
		func(c *call, id string, rev int64, apply func(intake.ServerDraft) (intake.ServerDraft, error)) error {
			_, _, err := a.in.EditServer(c.ctx(), c.actor(), id, rev, apply)
			return err
		})
	withBody(a, "POST /v1/servers/{id}/approve", about{summary: "Let an enrolled machine in", tag: "servers", answer: Server{}},
		func(c *call, b **approveBody) (reply, error) {
			body := orZero(*b)
			commission := body.Commission != nil && *body.Commission
			return a.decided(c, func(ctx context.Context, id string) (fleet.Server, int64, error) {
				return a.in.ApproveServer(ctx, c.actor(), id, body.Reason, commission)
			})
		})
	a.decision("POST", "reject", "Refuse an enrolled machine", a.in.RejectServer)
	a.decision("POST", "commission", "Put a server into service: its disks are erased, then it may be handed out", commission(a.in, true))
	a.decision("POST", "decommission", "Take a server out of service", commission(a.in, false))
	a.until("maintenance", "Put a server into maintenance", "No clock ends it: when until is over, a task reminds.", a.in.SetMaintenance)
	a.until("override", "Accept errors of the last diagnostics (B24)", "Until is at most 30 days away.", a.in.SetOverride)
	a.decision("DELETE", "quarantine", "End a quarantine", a.in.EndQuarantine)
	a.ending("maintenance", "End the maintenance", a.in.EndMaintenance)
	a.ending("override", "Take the acceptance back", a.in.EndOverride)
	a.registerLife()
	a.registerDiagnoses()
	a.registerInspections()
	a.registerProvisions()
	a.registerNodes()
	a.registerConsole()
	a.registerHosting()
	withBody(a, "POST /v1/servers/{id}/operations", about{summary: "Start an operation", tag: "servers", answer: Operation{}, status: http.StatusCreated, creates: true}, a.operate)
}

// registerLife registers what happens to a machine outside of orders.
func (a *API) registerLife() {
	withBody(a, "POST /v1/servers/{id}/move", about{summary: "Record that a server stands in another place", tag: "servers", answer: Server{}}, func(c *call, b *moveBody) (reply, error) {
		return a.decided(c, func(ctx context.Context, id string) (fleet.Server, int64, error) {
			return a.in.MoveServer(ctx, c.actor(), id, b.Location, b.Rack, b.Reason)
		})
	})
	withBody(a, "POST /v1/servers/{id}/retire", about{
		summary: "Take a server out of the fleet for good", tag: "servers", answer: Server{},
		detail: "Its certificate is void and its parts may come back in other machines; its history stays. Lists show it with approval=retired.",
	}, func(c *call, b *retireBody) (reply, error) {
		return a.decided(c, func(ctx context.Context, id string) (fleet.Server, int64, error) {
			return a.in.RetireServer(ctx, c.actor(), id, b.Reason, b.Dirty)
		})
	})
	for action, d := range map[string]struct {
		summary string
		f       func(ctx context.Context, actor access.Actor, id, pending, reason string) (fleet.Server, int64, error)
	}{
		"confirm": {"Say that parts of the machine were replaced", a.in.ConfirmIdentity},
		"reject":  {"Say that this is not the machine that it was", a.in.RejectIdentity},
	} {
		withBody(a, "POST /v1/servers/{id}/identity/"+action, about{summary: d.summary, tag: "servers", answer: Server{}}, func(c *call, b *identityBody) (reply, error) {
			return a.decided(c, func(ctx context.Context, id string) (fleet.Server, int64, error) {
				return d.f(ctx, c.actor(), id, b.Identity, b.Reason)
			})
		})
	}
	withBody(a, "POST /v1/servers/{id}/adopt", about{
		summary: "Say that a machine that asks to join is a server that is known", tag: "servers", answer: Server{},
		detail: "It has a new board or disk. Its record goes; the server that it is gets its certificate and its parts. That server is answered.",
	}, a.adopt)
}

func (a *API) adopt(c *call, b *adoptBody) (reply, error) {
	pending := c.id()
	if r, err := a.find(c, "servers"); err == nil { // adopted before: it is there no more
		pending = r.id
	}
	s, _, err := a.in.AdoptServer(c.ctx(), c.actor(), pending, b.As, b.Reason)
	if err != nil {
		return reply{}, err
	}
	return a.shown(c, "servers", s.ID)
}

// until registers PUT of a mark on a server that may have an end.
func (a *API) until(action, summary, detail string,
	f func(ctx context.Context, actor access.Actor, id, reason string, until time.Time) (fleet.Server, int64, error),
) {
	withBody(a, "PUT /v1/servers/{id}/"+action, about{summary: summary, detail: detail, tag: "servers", answer: Server{}}, func(c *call, b **untilBody) (reply, error) {
		return a.decided(c, func(ctx context.Context, id string) (fleet.Server, int64, error) {
			body := orZero(*b)
			return f(ctx, c.actor(), id, body.Reason, body.Until)
		})
	})
}

func commission(in *intake.Intake, on bool) decide {
	return func(ctx context.Context, actor access.Actor, id, reason string) (fleet.Server, int64, error) {
		return in.CommissionServer(ctx, actor, id, reason, on)
	}
}

// decide is an act on a server for a reason.
type decide func(ctx context.Context, actor access.Actor, id, reason string) (fleet.Server, int64, error)

func orZero[T any](p *T) T {
	if p == nil {
		var none T
		return none
	}
	return *p
}

// decision registers an act on a server whose body is a reason. DELETE has no
// body (RFC 9110, section 9.3.5): its reason is a query parameter.
func (a *API) decision(method, action, summary string, f decide) {
	name := method + " /v1/servers/{id}/" + action
	d := about{summary: summary, tag: "servers", answer: Server{}}
	if method == http.MethodDelete {
		d.params = reasonParam
		without(a, name, d, func(c *call) (reply, error) {
			return a.decided(c, func(ctx context.Context, id string) (fleet.Server, int64, error) {
				return f(ctx, c.actor(), id, c.r.URL.Query().Get("reason"))
			})
		})
		return
	}
	withBody(a, name, d, func(c *call, b **reasonBody) (reply, error) {
		return a.decided(c, func(ctx context.Context, id string) (fleet.Server, int64, error) {
			return f(ctx, c.actor(), id, orZero(*b).Reason)
		})
	})
}

// ending registers DELETE of a mark on a server.
func (a *API) ending(action, summary string, f func(ctx context.Context, actor access.Actor, id string) (fleet.Server, int64, error)) {
	without(a, "DELETE /v1/servers/{id}/"+action, about{summary: summary, tag: "servers", answer: Server{}}, func(c *call) (reply, error) {
		return a.decided(c, func(ctx context.Context, id string) (fleet.Server, int64, error) { return f(ctx, c.actor(), id) })
	})
}

// decided runs an act on the server of the path and shows it.
func (a *API) decided(c *call, f func(ctx context.Context, id string) (fleet.Server, int64, error)) (reply, error) {
	r, err := a.find(c, "servers")
	if err != nil {
		return reply{}, err
	}
	if _, _, err := f(c.ctx(), r.id); err != nil {
		return reply{}, err
	}
	return a.shown(c, "servers", r.id)
}

// server is one server with everything that is known of it. Its ETag changes with
// its figures; what If-Match compares is the part before the hyphen.
func (a *API) server(c *call) (reply, error) {
	r, err := a.find(c, "servers")
	if err != nil {
		return reply{}, err
	}
	m := r.value.(*machine)
	v := ServerDetail{Server: m.view()}
	if m.facts != nil {
		inv := m.facts.Inventory
		v.Inventory = &inv
	}
	if c.may(access.HandsRead) {
		a.addHands(&v, m)
		if v.Traffic != nil {
			v.Traffic.Gaps = m.traffic.Gaps
		}
	}
	state := a.stateOf(r)
	etag := tag(r.rev, state)
	if a.opt.Sample != nil {
		if s, at, ok := a.opt.Sample(r.id); ok {
			v.Sample, v.SampleAt = &s, at
			etag = strings.TrimSuffix(tag(r.rev, max(state, r.rev+1)), `"`) + "." + strconv.FormatInt(at.UnixMilli(), 10) + `"`
		}
	}
	if c.narrowed("servers") {
		v = v.narrow()
	}
	fillInventory(v.Inventory)
	return reply{etag: etag, body: render(&v)}, nil
}

func (a *API) why(c *call) (reply, error) {
	r, err := a.find(c, "servers")
	if err != nil {
		return reply{}, err
	}
	m := r.value.(*machine)
	reasons := m.reasons
	if c.narrowed("servers") {
		reasons = narrowReasons(reasons)
	}
	return reply{etag: tag(r.rev, r.state), body: render(&Why{Server: r.id, Available: m.available, Reasons: reasons})}, nil
}

func (a *API) operate(c *call, b *operationBody) (reply, error) {
	r, err := a.find(c, "servers")
	if err != nil {
		return reply{}, err
	}
	p := operation.Params{Profile: b.Params.Profile, Image: b.Params.Image, Hostname: b.Params.Hostname, SSHKeys: b.Params.SSHKeys, Action: b.Params.Action}
	op, err := a.in.RequestOperation(c.ctx(), c.actor(), intake.OperationWish{Server: r.id, Kind: b.Kind, Params: p},
		func(tx *store.Tx, op operation.Operation) error {
			return intake.Remember(tx, "operations", op.ID, op, a.opt.Now())
		})
	return c.created("operations", op.ID, &op, "", err)
}
