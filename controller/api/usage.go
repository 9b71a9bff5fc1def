package api

import (
	"context"
	"iter"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/pkg/fault"
)

// maxLooks bounds how many overviews are made at once: each goes through all accounts, and this must not be what an installation is slow for.
const maxLooks = 2

func (a *API) registerUsage() {
	detail := "Answered from memory. Sums are of all accounts that fit, whatever the page shows. What reached the limit exactly is not over it (C23). " +
		"With format=csv a sheet with a head line, all rows and a line of sums."
	without(a, "GET /v1/usage/storage", about{summary: "What accounts take of the disk, by class (C20)", tag: "usage", answer: StorageOverview{}, params: storageAsk.document(), detail: detail}, func(c *call) (reply, error) {
		return a.overview(c, &storageAsk)
	})
	without(a, "GET /v1/usage/traffic", about{
		summary: "What accounts transferred in a month, by class (C21)", tag: "usage", answer: TrafficOverview{}, params: trafficAsk.document(),
		detail: detail + " Accounts that were deleted since are in the months in which they used something.",
	}, func(c *call) (reply, error) { return a.overview(c, &trafficAsk) })
	without(a, "GET /v1/accounts/{id}/usage", about{summary: "What one account uses and used: storage, and traffic by month, the newest first (C20, C21)", tag: "accounts", answer: AccountUsage{}, detail: "Also of one that was deleted."}, a.accountUsage)
	without(a, "GET /v1/servers/{id}/usage", about{summary: "What one server transferred, by month, the newest first (U5)", tag: "servers", answer: ServerUsage{}}, a.serverUsage)
	a.registerQuarterHours()
}

// reader is who knows the figures.
func (a *API) reader() (usage.Reader, error) {
	if a.opt.Usage == nil {
		return nil, fault.Unavailable("this controller keeps no usage of accounts")
	}
	return a.opt.Usage, nil
}

func (a *API) overview(c *call, s *usageSheet) (reply, error) {
	reader, err := a.reader()
	if err != nil {
		return reply{}, err
	}
	q, err := s.queryOf(c, reader)
	if err != nil {
		return reply{}, err
	}
	if err := a.enterLook(c.ctx()); err != nil {
		return reply{}, err
	}
	defer func() { <-a.looks }()
	o := usage.Look(q.all(reader), q.ask)
	if q.csv {
		return s.sheetOf(c, q, reader.Zone(), &o)
	}
	page := overviewPage{month: q.ask.Month, zone: reader.Zone(), months: reader.Months(), narrow: q.narrow}
	if o.More {
		page.next = q.cursorAfter(o.Rows[len(o.Rows)-1])
		c.w.Header().Set("Link", "<"+nextURL(c.r.URL, page.next)+`>; rel="next"`)
	}
	return reply{body: s.render(&o, page)}, nil
}

// enterLook waits until one of the few may go on.
func (a *API) enterLook(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	select {
	case a.looks <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fault.Unavailable("several overviews of usage are being made at this moment; ask again")
	}
}

// all are the accounts of which some may fit.
func (q *usageQuery) all(r usage.Reader) iter.Seq[*usage.Figures] {
	if q.server != "" {
		return r.On(q.server, q.ask.Month)
	}
	return r.Each(q.ask.Month)
}

// seenAccount reports whether somebody who sees this part of the accounts sees one.
func seenAccount(scope access.Scope, f *usage.Figures) bool {
	switch scope.Field {
	case "":
		return true
	case "reseller":
		return scope.Sees(f.Reseller)
	case "customer":
		return scope.Sees(f.Owner)
	}
	return false
}

func (a *API) accountUsage(c *call) (reply, error) {
	reader, err := a.reader()
	if err != nil {
		return reply{}, err
	}
	scope := access.ScopeOf(c.actor(), "accounts")
	f, ok := reader.Account(c.id())
	if !ok || !seenAccount(scope, &f) {
		return reply{}, fault.NotFound("account %q does not exist", clip(c.id()))
	}
	v := accountUsageOf(&f, reader.Zone(), scope.Field != "")
	return reply{body: render(&v)}, nil
}

func (a *API) serverUsage(c *call) (reply, error) {
	reader, err := a.reader()
	if err != nil {
		return reply{}, err
	}
	r, err := a.find(c, "servers")
	if err != nil {
		return reply{}, err
	}
	m := r.value.(*machine)
	f, _ := reader.Server(r.id)
	v := serverUsageOf(r.id, m.server.Name, reader.Zone(), &f)
	if c.narrowed("servers") {
		v = v.since(m.server.Claim.Since)
	} else if c.may(access.AccountRead) {
		v.hosted(reader)
	}
	return reply{body: render(&v)}, nil
}
