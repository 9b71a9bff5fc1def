package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/pkg/fault"
)

type (
	// Sale gives a reseller the exclusive right to a server.
	Sale struct {
		reselling.Sale
		ResellerName string `json:"reseller_name"`
		SellerName   string `json:"seller_name,omitempty" doc:"The reseller who sold it onward to the one below him; none is the provider."`
		SoldOnTo     string `json:"sold_on_to,omitempty" doc:"Name of the reseller to whom this one sold it onward."`
		ServerName   string `json:"server_name"`
		Revocable    bool   `json:"revocable" doc:"The server could be taken back now (S7)."`
		WhyNot       string `json:"why_not,omitempty" doc:"Why it could not: offer no such action."`
		Rev          int64  `json:"rev"`
	}
	saleBody struct {
		Reseller string   `json:"reseller" doc:"Id of the reseller who gets them."`
		Servers  []string `json:"servers" doc:"Ids of the servers, 1 to 100. Each is sold by itself: that one cannot be sold keeps no other from it."`
	}
)

func (b *saleBody) check(c *fault.Check, look intake.Lookup, st *state) {
	intake.CheckBuyer(c, look, st.actor, b.Reseller)
	c.Require(len(b.Servers) > 0, "servers", "is empty; name at least one server")
	c.Require(len(b.Servers) <= reselling.MaxSold, "servers", "has %d entries; at most %d may be sold with one request", len(b.Servers), reselling.MaxSold)
	for i, id := range b.Servers[:min(len(b.Servers), reselling.MaxSold)] {
		field := fmt.Sprintf("servers[%d]", i)
		c.Require(id != "", field, "is empty")
		c.Require(id == "" || slices.Index(b.Servers, id) == i, field, "names %.80q again", id)
	}
}

func (a *API) registerSales() {
	a.lister("sales", "Sales of servers to resellers, also those that were revoked", Sale{})
	a.getter("sales", "One sale", Sale{})
	withBody(a, "POST /v1/sales", about{
		summary: "Sell free servers to a reseller (S2)", tag: "sales", answer: intake.SaleAnswer{}, creates: true,
		detail: "Each server is sold by itself, and the answer tells of each what became of it (S5): sold, already his, refused (with whose it is, or what is wrong with it), or " +
			"unknown when the state did not answer; ask again then. To sell a reseller what he has by sale already changes nothing. A reseller sells onward, to one directly below " +
			"him, what he was sold himself; when that is taken back it is his again.",
	}, a.sell)
	deciding(a, "revoke", "Take a sold server back (S7, S8)", a.in.Revoke)
	deciding(a, "continue", "Release a server that is being taken back in spite of what is left on it (S9)", a.in.ContinueRevoke)
	deciding(a, "cancel", "Do not take the server back after all", a.in.CancelRevoke)
}

// deciding registers a decision about a sale.
func deciding(a *API, action, summary string, f func(ctx context.Context, actor access.Actor, id, reason string) (reselling.Sale, int64, error)) {
	acting(a, "sales", action, summary, Sale{}, func(ctx context.Context, actor access.Actor, id, reason string) (reselling.Sale, error) {
		sale, _, err := f(ctx, actor, id, reason)
		return sale, err
	})
}

func (a *API) sell(c *call, b *saleBody) (reply, error) {
	answer, rev, err := a.in.SellAll(c.ctx(), c.actor(), b.Reseller, b.Servers)
	if err == nil {
		err = a.board.wait(c.ctx(), rev)
	}
	return c.created("sales", "", &answer, "", err)
}

// sold is what the sheet of sales holds: a sale, and what follows from other records.
type sold struct {
	sale         *reselling.Sale
	rev, created int64
	reseller     string // name
	server       string // name
	seller       string // name; "" is the provider
	onward       string // name of who has it from the reseller
	placements   uint64
}

func (s *sold) view() Sale {
	v := Sale{Sale: *s.sale, ResellerName: s.reseller, ServerName: s.server, SellerName: s.seller, SoldOnTo: s.onward, Rev: s.rev}
	switch {
	case v.State != reselling.Sold:
		v.WhyNot = "it is " + v.State
	case s.onward != "":
		v.WhyNot = "it was sold on to " + s.onward
	case s.placements > 0:
		v.WhyNot = fmt.Sprintf("customers have %d things on it", s.placements)
	default:
		v.Revocable = true
	}
	return v
}

// takeSale updates a sale.
func (b *board) takeSale(d delta, tell bool) {
	s := b.sales[d.id]
	if s == nil {
		s = &sold{}
		b.sales[d.id] = s
	}
	before := s.sale
	s.sale, _ = d.value.(*reselling.Sale)
	s.rev = d.rev
	if before == nil && s.sale != nil {
		b.salesOn[s.sale.Server] = append(b.salesOn[s.sale.Server], d.id)
	}
	if d.created != 0 {
		s.created = d.created
	}
	if tell {
		b.putSale(d.id, d.rev, true)
		b.putSeller(s, d.rev)
	}
}

// putSeller shows the sale again by which the seller of an onward one has the server: it says to whom it went.
func (b *board) putSeller(s *sold, rev int64) {
	if s.sale == nil || b.sales[s.sale.Under] == nil {
		return
	}
	b.putSale(s.sale.Under, rev, false)
}

// soldOn is the name of the reseller who has a server by a sale under this one.
func (b *board) soldOn(id string, s *sold) string {
	for _, other := range b.salesOn[s.sale.Server] {
		if o := b.sales[other]; o != nil && o.sale != nil && o.sale.Under == id && o.sale.State != reselling.Revoked {
			return b.sellers[o.sale.Reseller]
		}
	}
	return ""
}

// putSale shows a sale as it is now; news of its server or reseller alone is no event.
func (b *board) putSale(id string, rev int64, tell bool) {
	s, sheet := b.sales[id], b.sheets["sales"]
	if s.sale == nil {
		delete(b.sales, id)
		if gone := sheet.drop(id, rev); gone != nil && tell {
			b.events.add(event{Rev: rev, Table: "sales", ID: id, At: b.now(), row: gone, gone: true})
		}
		return
	}
	s.reseller, s.seller, s.onward = b.sellers[s.sale.Reseller], b.sellers[s.sale.Seller], b.soldOn(id, s)
	if m := b.machines[s.sale.Server]; m != nil && m.server != nil {
		s.server, s.placements = m.server.Name, m.placements()
	}
	c := *s
	found := []string{id, c.reseller, c.sale.Reseller, c.sale.Server}
	if c.sale.State != reselling.Revoked { // its present name is no more his to find it by
		found = append(found, c.server)
	}
	search := strings.ToLower(strings.Join(found, "\n"))
	r := &row{id: id, rev: s.rev, state: rev, created: s.created, value: &c, search: search, render: renderSale, narrow: narrowSale}
	sheet.put(r)
	if tell {
		b.events.add(event{Rev: rev, Table: "sales", ID: id, At: b.now(), row: r})
	}
}

func renderSale(r *row) []byte {
	v := r.value.(*sold).view()
	return render(&v)
}

// putSalesOf shows the sales of a server again when they show something else of it now.
func (b *board) putSalesOf(server string, rev int64) {
	m := b.machines[server]
	for _, id := range b.salesOn[server] {
		if s := b.sales[id]; s != nil && m != nil && m.server != nil && (s.server != m.server.Name || s.placements != m.placements()) {
			b.putSale(id, rev, false)
		}
	}
}

// takeSeller notes the name of a reseller, which his sales and servers show.
func (b *board) takeSeller(d delta, tell bool) {
	r, _ := d.value.(*reselling.Reseller)
	before := b.sellers[d.id]
	if r == nil {
		delete(b.sellers, d.id)
	} else {
		b.sellers[d.id] = r.Name
	}
	if !tell || before == b.sellers[d.id] {
		return
	}
	for id, s := range b.sales {
		if s.sale != nil && (s.sale.Reseller == d.id || s.sale.Seller == d.id) {
			b.putSale(id, d.rev, false)
			b.putSeller(s, d.rev)
		}
	}
	for id, m := range b.machines {
		if m.server != nil && m.server.Claim.Kind == fleet.ClaimReseller && m.server.Claim.Ref == d.id {
			b.putMachine(id, d.rev, false)
		}
	}
}

// ownerOf says which reseller has a server, and how he came by it (rule S6).
func (b *board) ownerOf(c fleet.Claim) string {
	switch {
	case c.Kind != fleet.ClaimReseller:
		return ""
	case c.Via == fleet.ViaPlan:
		return "taken by " + b.sellers[c.Ref]
	}
	return "sold to " + b.sellers[c.Ref]
}

func saleSheet() *sheet {
	return newSheet("sales",
		label("id", func(s *sold) string { return s.sale.ID }),
		text("state", func(s *sold) string { return s.sale.State }, reselling.SaleStates...),
		path("reseller", func(s *sold) string { return s.sale.Path }),
		text("server", func(s *sold) string { return s.sale.Server }),
		label("reseller_name", func(s *sold) string { return s.reseller }),
		inside(label("server_name", func(s *sold) string { return s.server })), // of a revoked sale it is the next owner's business
		moment("sold_at", func(s *sold) time.Time { return s.sale.SoldAt }),
		moment("changed_at", func(s *sold) time.Time { return s.sale.ChangedAt }),
	)
}
