package api

import (
	"net/http"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Bodies are the drafts of intake; the API adds nothing but the check at the door.
type (
	locationBody struct{ intake.LocationDraft }
	moduleBody   struct{ intake.ModuleDraft }
	tariffBody   struct{ intake.TariffDraft }
)

func (b *locationBody) check(c *fault.Check, look intake.Lookup, _ *state) { b.Check(c, look, "") }
func (b *moduleBody) check(c *fault.Check, look intake.Lookup, _ *state)   { b.Check(c, look, "") }
func (b *tariffBody) check(c *fault.Check, look intake.Lookup, _ *state)   { b.Check(c, look, "") }

func (a *API) registerSetup() {
	a.lister("locations", "Data centres", Location{})
	a.getter("locations", "One data centre", Location{})
	withBody(a, "POST /v1/locations", about{summary: "Add a data centre", tag: "locations", answer: Location{}, status: http.StatusCreated, creates: true},
		func(c *call, b *locationBody) (reply, error) {
			l, _, err := a.in.CreateLocation(c.ctx(), c.actor(), b.LocationDraft)
			return c.created("locations", l.ID, &l, "", err)
		})
	editor(a, "locations", "Change a data centre", Location{}, intake.LocationDraft.Check,
		func(c *call, id string, rev int64, apply func(intake.LocationDraft) (intake.LocationDraft, error)) error {
			_, _, err := a.in.EditLocation(c.ctx(), c.actor(), id, rev, apply)
			return err
		})
	a.remover("locations", "Delete a data centre that nothing refers to", func(c *call, id string, rev int64) (int64, error) {
		return a.in.DeleteLocation(c.ctx(), c.actor(), id, rev)
	})

	a.lister("modules", "Processing modules", Module{})
	a.getter("modules", "One processing module", Module{})
	withBody(a, "POST /v1/modules", about{summary: "Add a processing module", tag: "modules", answer: Module{}, status: http.StatusCreated, creates: true},
		func(c *call, b *moduleBody) (reply, error) {
			m, _, err := a.in.CreateModule(c.ctx(), c.actor(), b.ModuleDraft)
			return c.created("modules", m.ID, &m, "", err)
		})
	editor(a, "modules", "Change a processing module", Module{}, intake.ModuleDraft.Check,
		func(c *call, id string, rev int64, apply func(intake.ModuleDraft) (intake.ModuleDraft, error)) error {
			_, _, err := a.in.EditModule(c.ctx(), c.actor(), id, rev, apply)
			return err
		})
	a.remover("modules", "Delete a module that no tariff uses", func(c *call, id string, rev int64) (int64, error) {
		return a.in.DeleteModule(c.ctx(), c.actor(), id, rev)
	})

	a.lister("remotes", "How things stand with the backends of remote modules", Remote{})
	a.getter("remotes", "How things stand with the backend of one remote module", Remote{})

	a.lister("tariffs", "Tariffs", Tariff{})
	a.getter("tariffs", "One tariff", Tariff{})
	withBody(a, "POST /v1/tariffs", about{summary: "Add a tariff", tag: "tariffs", answer: Tariff{}, status: http.StatusCreated, creates: true},
		func(c *call, b *tariffBody) (reply, error) {
			t, _, err := a.in.CreateTariff(c.ctx(), c.actor(), b.TariffDraft)
			return c.created("tariffs", t.ID, &t, "", err)
		})
	editor(a, "tariffs", "Change a tariff; each change is a new revision", Tariff{}, intake.TariffDraft.Check,
		func(c *call, id string, rev int64, apply func(intake.TariffDraft) (intake.TariffDraft, error)) error {
			_, _, err := a.in.EditTariff(c.ctx(), c.actor(), id, rev, apply)
			return err
		})
	a.remover("tariffs", "Delete a tariff without unfinished orders", func(c *call, id string, rev int64) (int64, error) {
		return a.in.DeleteTariff(c.ctx(), c.actor(), id, rev)
	})
}

// remover registers DELETE of a record that the caller has read.
func (a *API) remover(table, summary string, remove func(c *call, id string, rev int64) (int64, error)) {
	without(a, "DELETE /v1/"+table+"/{id}", about{summary: summary, tag: table, status: http.StatusNoContent, edits: true},
		func(c *call) (reply, error) {
			r, err := a.find(c, table)
			if err != nil {
				return reply{}, err
			}
			rev, err := c.ifMatch()
			if err != nil {
				return reply{}, err
			}
			at, err := remove(c, r.id, rev)
			if err != nil {
				return reply{}, stale(err)
			}
			return reply{status: http.StatusNoContent}, a.board.wait(c.ctx(), at)
		})
}

// NewToken is a token with its secret, which is shown this once.
type NewToken struct {
	Token
	Secret string `json:"secret" doc:"Shown once; only its digest is kept (X9)."`
}

func (a *API) newToken(t *access.Token, secret string, rev int64) NewToken {
	if t.Kind == access.TokenJoin && a.opt.JoinToken != nil {
		secret = a.opt.JoinToken(t.ID, secret)
	}
	return NewToken{tokenView(t, rev), secret}
}
