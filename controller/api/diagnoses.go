package api

import (
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/store"
)

// Diagnoses are the past diagnostics of a server with their numbers over time.
type Diagnoses struct {
	fleet.Diagnoses
	Rev int64 `json:"rev"`
}

func (a *API) registerDiagnoses() {
	without(a, "GET /v1/servers/{id}/diagnoses", about{
		summary: "Its past diagnostics, and what they measured over time", tag: "servers", answer: Diagnoses{},
		detail: "The last ten. Each number of each part is a series with one value for each of them, null where it was not measured; parts are named by serial number or MAC address.",
	}, a.diagnoses)
}

func (a *API) diagnoses(c *call) (reply, error) {
	r, err := a.find(c, "servers")
	if err != nil {
		return reply{}, err
	}
	out := Diagnoses{Diagnoses: fleet.Diagnoses{Server: r.id}}
	item, ok := store.Diagnoses.Item(a.opt.Store.Snapshot(), r.id)
	if ok {
		out.Diagnoses, out.Rev = *item.Value, item.ModRev
	}
	if c.narrowed("servers") {
		out.Diagnoses = narrowDiagnoses(out.Diagnoses, r.value.(*machine).server.Claim)
	}
	if out.Past == nil {
		out.Past = []fleet.PastDiagnosis{}
	}
	if out.Series == nil {
		out.Series = []fleet.Series{}
	}
	return reply{etag: tag(out.Rev, 0), body: render(&out)}, nil
}
