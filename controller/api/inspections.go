package api

import (
	"context"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

type (
	nodeBody struct {
		Inspection string `json:"inspection" doc:"Id of the inspection that was looked at: it must be the last one."`
		Reason     string `json:"reason" doc:"Why; kept in the audit log."`
	}
	// Inspection is what the last inspection of a server found, and what of it is left over.
	Inspection struct {
		ID       string        `json:"id" doc:"Of the operation. Making the server a hosting node names it, so that what was seen is what is accepted."`
		Server   string        `json:"server"`
		At       time.Time     `json:"at"`
		Digest   string        `json:"digest" doc:"Of what was found: the same things have the same digest."`
		Node     bool          `json:"node" doc:"It is a hosting node: what is not in its baseline is left over."`
		Baseline string        `json:"baseline,omitempty" doc:"Id of the inspection that says what belongs to the node itself."`
		Clean    bool          `json:"clean" doc:"A hosting node without left-overs. A server that is none is erased instead."`
		LeftOver int           `json:"left_over" doc:"How many things are not in the baseline."`
		Unseen   []string      `json:"unseen" doc:"What could not be looked at, and why. It may be there (S9)."`
		Subjects []SubjectView `json:"subjects"`
		Rev      int64         `json:"rev"`
	}
	// SubjectView is what was found of one kind.
	SubjectView struct {
		Kind     string      `json:"kind"`
		How      string      `json:"how,omitempty" doc:"What was looked at."`
		Unseen   string      `json:"unseen,omitempty" doc:"Why it was not looked at, or not at all of it."`
		Count    int         `json:"count" doc:"Of everything that was found; items lists at most some hundred."`
		LeftOver int         `json:"left_over"`
		Items    []FoundView `json:"items"`
	}
	// FoundView is one thing.
	FoundView struct {
		Name     string `json:"name"`
		Detail   string `json:"detail,omitempty"`
		Owner    string `json:"owner,omitempty"`
		LeftOver bool   `json:"left_over" doc:"It is not in the baseline."`
	}
)

func (a *API) registerInspections() {
	without(a, "GET /v1/servers/{id}/inspection", about{
		summary: "What the last inspection found on it, and what is left over", tag: "servers", answer: Inspection{},
		detail: "An inspection is started as an operation. The left-overs of a hosting node are what its baseline does not have (S9).",
	}, a.inspection)
}

// registerNodes registers what makes a server one that carries customers' accounts.
func (a *API) registerNodes() {
	withBody(a, "POST /v1/servers/{id}/node", about{
		summary: "Make it a hosting node", tag: "servers", answer: Server{},
		detail: "What its last inspection found is accepted as its own: its baseline. It must be nobody's and unused, and nothing may have been done to it since. " +
			"A hosting node is not erased between two owners; it is clean when an inspection finds nothing beyond the baseline.",
	}, func(c *call, b *nodeBody) (reply, error) {
		return a.decided(c, func(ctx context.Context, id string) (fleet.Server, int64, error) {
			return a.in.MakeNode(ctx, c.actor(), id, intake.NodeWish(*b))
		})
	})
	a.decision("DELETE", "node", "End a hosting node: it is a bare server then, and has to be erased", a.in.EndNode)
	withBody(a, "POST /v1/servers/{id}/left-overs/clear", about{
		summary: "Say that what a former owner left is in nobody's way (S9)", tag: "servers", answer: Server{},
		detail: "It does not become a part of the baseline: the next inspection that finds it says so again.",
	}, func(c *call, b *nodeBody) (reply, error) {
		return a.decided(c, func(ctx context.Context, id string) (fleet.Server, int64, error) {
			return a.in.ClearLeftOvers(ctx, c.actor(), id, intake.NodeWish(*b))
		})
	})
}

func (a *API) inspection(c *call) (reply, error) {
	r, err := a.find(c, "servers")
	if err != nil {
		return reply{}, err
	}
	snap := a.opt.Store.Snapshot()
	item, ok := store.Inspections.Item(snap, r.id)
	if !ok {
		return reply{}, fault.NotFound("server %s was never inspected; start it: steelyard server inspect %s", r.id, r.id)
	}
	base, based := store.Baselines.In(snap, r.id)
	if !based {
		base = &fleet.Inspection{}
	}
	out := inspectionView(item.Value, base)
	out.Node, out.Rev = r.value.(*machine).server.Node != nil, item.ModRev
	out.Clean = out.Node && out.LeftOver == 0 && len(out.Unseen) == 0
	return reply{etag: tag(out.Rev, r.rev), body: render(&out)}, nil
}

func inspectionView(i, base *fleet.Inspection) Inspection {
	known := map[string]bool{}
	for _, key := range base.Keys() {
		known[key] = true
	}
	left := i.Beyond(base)
	out := Inspection{
		ID: i.ID, Server: i.Server, At: i.At, Digest: i.Digest, Baseline: base.ID, LeftOver: left.Count,
		Unseen: append([]string{}, left.Unseen...), Subjects: []SubjectView{},
	}
	counts := map[string]int{}
	for _, s := range left.Items {
		counts[s.Kind] = s.Count
	}
	for _, s := range i.Subjects {
		out.Subjects = append(out.Subjects, subjectView(s, counts[s.Kind], known))
	}
	return out
}

func subjectView(s protocol.Subject, left int, known map[string]bool) SubjectView {
	v := SubjectView{Kind: s.Kind, How: s.How, Unseen: s.Unseen, Count: s.Count, LeftOver: left, Items: []FoundView{}}
	for _, f := range s.Items {
		v.Items = append(v.Items, FoundView{Name: f.Name, Detail: f.Detail, Owner: f.Owner, LeftOver: !known[f.Key(s.Kind)]})
	}
	return v
}
