package api

import (
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Provision is what a hosting node can do for accounts, as its agent says.
type Provision struct {
	Server string `json:"server"`
	hosting.Provision
	Rev int64 `json:"rev"`
}

func (a *API) registerProvisions() {
	without(a, "GET /v1/servers/{id}/provision", about{
		summary: "What a hosting node can do for accounts, and what keeps it from doing more", tag: "servers", answer: Provision{},
		detail: "Components are the programs and the file system that accounts need, each with its problem and what to do about it. Strangers are accounts that are on the node and that nobody here knows; they are left alone.",
	}, a.provision)
}

func (a *API) provision(c *call) (reply, error) {
	r, err := a.find(c, "servers")
	if err != nil {
		return reply{}, err
	}
	item, ok := store.Provisions.Item(a.opt.Store.Snapshot(), r.id)
	if !ok {
		return reply{}, fault.NotFound("the agent of server %s does not carry accounts; on a hosting node it is started with --hosting, see docs/nodes.md", r.id)
	}
	out := Provision{Server: r.id, Provision: *item.Value, Rev: item.ModRev}
	return reply{etag: tag(out.Rev, r.rev), body: render(&out)}, nil
}
