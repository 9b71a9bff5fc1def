package api

import (
	"net/http"

	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/pkg/fault"
)

type (
	bmcBody    struct{ intake.BMCDraft }
	portsBody  struct{ intake.WiringDraft }
	switchBody struct{ intake.SwitchDraft }
	pinBody    struct {
		SHA256 string `json:"sha256" doc:"Of the certificate that was seen, 64 hexadecimal digits; colons do not matter."`
	}
)

func (b *bmcBody) check(c *fault.Check, look intake.Lookup, st *state) {
	if r, err := st.call.api.find(st.call, "servers"); err == nil {
		b.Check(c, look, r.id)
	}
}

func (b *portsBody) check(c *fault.Check, look intake.Lookup, st *state) {
	if r, err := st.call.api.find(st.call, "servers"); err == nil {
		b.Check(c, look, r.id)
	}
}

func (b *switchBody) check(c *fault.Check, look intake.Lookup, _ *state) { b.Check(c, look, "") }

func (a *API) registerHands() {
	a.lister("bmcs", "Management controllers, without their passwords", BMC{})
	without(a, "GET /v1/servers/{id}/bmc", about{summary: "How the server's power is switched", tag: "servers", answer: BMC{}}, a.bmc)
	withBody(a, "PUT /v1/servers/{id}/bmc", about{
		summary: "Say how the server's power is switched", tag: "servers", answer: BMC{},
		detail: "Replaces all that was said before. The password is written, never read: left out, the stored one stays, as long as driver, address and user name stay. " +
			"Refused when another server has the management controller, and while an operation uses it. An If-Match is honoured.",
	}, func(c *call, b *bmcBody) (reply, error) {
		return a.reached(c, "bmcs", func(id string, rev int64) (int64, error) { return a.in.SetBMC(c.ctx(), c.actor(), id, rev, b.BMCDraft) }, a.bmc)
	})
	without(a, "DELETE /v1/servers/{id}/bmc", about{summary: "Forget the management controller", tag: "servers", status: http.StatusNoContent}, func(c *call) (reply, error) {
		return a.reached(c, "bmcs", func(id string, rev int64) (int64, error) { return a.in.DeleteBMC(c.ctx(), c.actor(), id, rev) }, gone)
	})
	withBody(a, "POST /v1/servers/{id}/bmc/pin", about{
		summary: "Accept the certificate that the management controller showed", tag: "servers", answer: BMC{},
		detail: "Only the one that was seen is accepted, so say which: compare it with what the machine itself tells.",
	}, func(c *call, b *pinBody) (reply, error) {
		return a.reached(c, "bmcs", func(id string, _ int64) (int64, error) { return a.in.ApprovePin(c.ctx(), c.actor(), id, b.SHA256) }, a.bmc)
	})

	without(a, "GET /v1/servers/{id}/ports", about{summary: "Its switch ports, and how they were last seen", tag: "servers", answer: Ports{}}, a.ports)
	withBody(a, "PUT /v1/servers/{id}/ports", about{
		summary: "Say which switch ports the server is plugged into", tag: "servers", answer: Ports{},
		detail: "Replaces the whole list. Refused when another server has a port, and while an operation switches them. An If-Match is honoured.",
	}, func(c *call, b *portsBody) (reply, error) {
		return a.reached(c, "wirings", func(id string, rev int64) (int64, error) {
			return a.in.SetPorts(c.ctx(), c.actor(), id, rev, b.WiringDraft)
		}, a.ports)
	})
	without(a, "DELETE /v1/servers/{id}/ports", about{summary: "Say that the server is plugged into no known port", tag: "servers", status: http.StatusNoContent}, func(c *call) (reply, error) {
		return a.reached(c, "wirings", func(id string, rev int64) (int64, error) {
			return a.in.SetPorts(c.ctx(), c.actor(), id, rev, intake.WiringDraft{})
		}, gone)
	})
}

func gone(*call) (reply, error) { return reply{status: http.StatusNoContent}, nil }

// reached changes how the server of the path is reached, and shows it. If-Match is the revision of the
// record of table; without it the change is made whatever is there.
func (a *API) reached(c *call, table string, change func(id string, rev int64) (int64, error), show func(*call) (reply, error)) (reply, error) {
	r, err := a.find(c, "servers")
	if err != nil {
		return reply{}, err
	}
	rev := int64(intake.AnyRevision)
	if c.r.Header.Get("If-Match") != "" {
		if rev, err = c.ifMatch(); err != nil {
			return reply{}, err
		}
	}
	at, err := change(r.id, rev)
	if err != nil {
		return reply{}, stale(err)
	}
	if err := a.board.wait(c.ctx(), max(at, revisionOf(a.opt.Store.Snapshot(), table, r.id))); err != nil {
		return reply{}, err
	}
	return show(c)
}

func (a *API) bmc(c *call) (reply, error) {
	r, err := a.find(c, "servers")
	if err != nil {
		return reply{}, err
	}
	b := a.board.sheets["bmcs"].get(r.id)
	if b == nil {
		return reply{}, fault.NotFound("server %s has no management controller; its agent switches it off, a person on", r.id)
	}
	return c.replyOf("bmcs", b), nil
}

func (a *API) ports(c *call) (reply, error) {
	r, err := a.find(c, "servers")
	if err != nil {
		return reply{}, err
	}
	m := r.value.(*machine)
	out := Ports{Server: r.id, Ports: a.portsOf(m)}
	if m.wiring == nil {
		return reply{body: render(&out)}, nil
	}
	out.ChangedAt, out.Rev = m.wiring.ChangedAt, m.wiringRev
	return reply{etag: tag(m.wiringRev, a.stateOf(r)), body: render(&out)}, nil
}

func (a *API) registerSwitches() {
	a.lister("switches", "Switches, without their secrets", Switch{})
	a.getter("switches", "One switch, without its secrets", Switch{})
	withBody(a, "POST /v1/switches", about{summary: "Add a switch", tag: "switches", answer: Switch{}, status: http.StatusCreated, creates: true},
		func(c *call, b *switchBody) (reply, error) {
			s, _, err := a.in.CreateSwitch(c.ctx(), c.actor(), b.SwitchDraft)
			return c.created("switches", s.ID, &s, "", err)
		})
	editor(a, "switches", "Change a switch; secrets that are left out stay, unless it is another switch then", Switch{}, intake.SwitchDraft.Check,
		func(c *call, id string, rev int64, apply func(intake.SwitchDraft) (intake.SwitchDraft, error)) error {
			_, _, err := a.in.EditSwitch(c.ctx(), c.actor(), id, rev, apply)
			return err
		})
	a.remover("switches", "Delete a switch that no server is plugged into", func(c *call, id string, rev int64) (int64, error) {
		return a.in.DeleteSwitch(c.ctx(), c.actor(), id, rev)
	})
}
