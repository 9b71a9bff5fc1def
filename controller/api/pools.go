package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/address"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/pkg/fault"
)

type (
	// Pool is an IP pool, and how many of its addresses are in use.
	Pool struct {
		address.Pool
		Use address.Use `json:"use"`
		Rev int64       `json:"rev"`
	}
	// Address is what a server has, or had until a short time ago, out of a pool.
	Address struct {
		address.Address
		Rev int64 `json:"rev"`
	}
)

type (
	poolBody    struct{ intake.PoolDraft }
	addressBody struct{ intake.AddressWish }
)

func (b *poolBody) check(c *fault.Check, look intake.Lookup, _ *state) { b.Check(c, look, "") }

func (b *addressBody) check(c *fault.Check, look intake.Lookup, _ *state) {
	_, known := look.Atlas().Find(b.Pool)
	c.Require(b.Pool == "" || known, "pool", "%.40q does not exist; see: steelyard pool list", b.Pool)
}

func (a *API) registerAddresses() {
	a.lister("pools", "IP pools, with how much of them is in use", Pool{})
	a.getter("pools", "One IP pool", Pool{})
	withBody(a, "POST /v1/pools", about{summary: "Add an IP pool", tag: "pools", answer: Pool{}, status: http.StatusCreated, creates: true},
		func(c *call, b *poolBody) (reply, error) {
			p, _, err := a.in.CreatePool(c.ctx(), c.actor(), b.PoolDraft)
			return c.created("pools", p.ID, &p, "", err)
		})
	editor(a, "pools", "Change an IP pool", Pool{}, intake.PoolDraft.Check,
		func(c *call, id string, rev int64, apply func(intake.PoolDraft) (intake.PoolDraft, error)) error {
			_, _, err := a.in.EditPool(c.ctx(), c.actor(), id, rev, apply)
			return err
		})
	a.remover("pools", "Delete an IP pool out of which no server has an address", func(c *call, id string, rev int64) (int64, error) {
		return a.in.DeletePool(c.ctx(), c.actor(), id, rev)
	})

	a.lister("addresses", "Addresses of servers, and those that rest after they were released", Address{})
	a.getter("addresses", "One address", Address{})
	editor(a, "addresses", "Say which name the reverse record of an address should have", Address{},
		func(d intake.AddressDraft, c *fault.Check, _ intake.Lookup, _ string) { d.Check(c) },
		func(c *call, id string, rev int64, apply func(intake.AddressDraft) (intake.AddressDraft, error)) error {
			_, _, err := a.in.EditAddress(c.ctx(), c.actor(), id, rev, apply)
			return err
		})
	without(a, "DELETE /v1/addresses/{id}", about{
		summary: "Take an address off its server; it rests before anybody gets it", tag: "addresses", answer: Address{}, params: reasonParam,
		detail: "An address of a service needs a reason.",
	}, a.release)
	withBody(a, "POST /v1/servers/{id}/addresses", about{
		summary: "Give a server another address", tag: "servers", answer: Address{}, status: http.StatusCreated, creates: true,
	}, a.assign)
}

func (a *API) release(c *call) (reply, error) {
	r, err := a.find(c, "addresses")
	if err != nil {
		return reply{}, err
	}
	if _, _, err := a.in.ReleaseAddress(c.ctx(), c.actor(), r.id, c.r.URL.Query().Get("reason")); err != nil {
		return reply{}, err
	}
	return a.shown(c, "addresses", r.id)
}

func (a *API) assign(c *call, b *addressBody) (reply, error) {
	r, err := a.find(c, "servers")
	if err != nil {
		return reply{}, err
	}
	given, _, err := a.in.AssignAddress(c.ctx(), c.actor(), r.id, b.AddressWish)
	return c.created("addresses", given.ID, &given, "", err)
}

// pooled is what the sheet of pools holds.
type pooled struct {
	pool          *address.Pool
	rev, created  int64
	used, resting uint64
}

func (p *pooled) view() Pool { return poolView(p.pool, p.used, p.resting, p.rev) }

func poolView(p *address.Pool, used, resting uint64, rev int64) Pool {
	var capacity uint64
	if space, err := address.SpaceOf(*p); err == nil {
		capacity = space.Capacity()
	}
	return Pool{Pool: *p, Use: address.UseOf(capacity, used, resting), Rev: rev}
}

// takePool updates a pool.
func (b *board) takePool(d delta, tell bool) {
	p := b.poolOf(d.id)
	p.pool, _ = d.value.(*address.Pool)
	p.rev = d.rev
	if d.created != 0 || p.pool == nil {
		p.created = d.created
	}
	if tell {
		b.putPool(d.id, d.rev, true)
	}
}

// poolOf finds what is known of a pool; its addresses may come before itself.
func (b *board) poolOf(id string) *pooled {
	if b.pools[id] == nil {
		b.pools[id] = &pooled{}
	}
	return b.pools[id]
}

// takeAddress updates an address, and the figures of its pool.
func (b *board) takeAddress(d delta, tell bool) {
	if old := b.sheets["addresses"].get(d.id); old != nil {
		b.countAddress(old.value.(*address.Address), -1)
	}
	if a, ok := d.value.(*address.Address); ok && a != nil {
		b.countAddress(a, 1)
		if tell {
			defer b.putPool(a.Pool, d.rev, false)
		}
	} else if old := b.sheets["addresses"].get(d.id); old != nil && tell {
		defer b.putPool(old.value.(*address.Address).Pool, d.rev, false)
	}
	b.takeRecord(d, tell)
}

func (b *board) countAddress(a *address.Address, by int) {
	p := b.poolOf(a.Pool)
	if a.State == address.Resting {
		p.resting += uint64(by)
	} else {
		p.used += uint64(by)
	}
}

// putPool shows a pool as it is now; news of its figures alone is no event.
func (b *board) putPool(id string, rev int64, tell bool) {
	p, s := b.pools[id], b.sheets["pools"]
	if p.pool == nil {
		if p.used+p.resting == 0 {
			delete(b.pools, id)
		}
		if gone := s.drop(id, rev); gone != nil && tell {
			b.events.add(event{Rev: rev, Table: "pools", ID: id, At: b.now(), row: gone, gone: true})
		}
		return
	}
	c := *p
	r := &row{id: id, rev: p.rev, state: rev, created: p.created, value: &c, search: searchRecord(id, p.pool), render: renderPool}
	s.put(r)
	if tell {
		b.events.add(event{Rev: rev, Table: "pools", ID: id, At: b.now(), row: r})
	}
}

func renderPool(r *row) []byte {
	v := r.value.(*pooled).view()
	return render(&v)
}

// reborn reports whether an address that rested was given to somebody: to whom lists
// it, it is new.
func reborn(old *row, value any) bool {
	before, ok := old.value.(*address.Address)
	after, is := value.(*address.Address)
	return ok && is && before.State == address.Resting && after.State == address.Used
}

func poolSheet() *sheet {
	return newSheet("pools",
		label("id", func(p *pooled) string { return p.pool.ID }),
		label("name", func(p *pooled) string { return p.pool.Name }),
		text("location", func(p *pooled) string { return p.pool.Location }),
		text("family", func(p *pooled) string { return p.pool.Family }, address.IPv4, address.IPv6),
		number("sort_order", func(p *pooled) int64 { return int64(p.pool.SortOrder) }),
		number("free", func(p *pooled) int64 { return int64(p.view().Use.Free) }),
		moment("created_at", func(p *pooled) time.Time { return p.pool.CreatedAt }),
	)
}

func addressSheet() *sheet {
	return newSheet("addresses",
		label("id", func(a *address.Address) string { return a.ID }),
		label("address", func(a *address.Address) string { return address.Order(a.ID) }),
		inside(text("pool", func(a *address.Address) string { return a.Pool })),
		text("family", func(a *address.Address) string { return a.Family }, address.IPv4, address.IPv6),
		text("state", func(a *address.Address) string { return a.State }, address.Used, address.Resting),
		inside(text("server", func(a *address.Address) string { return a.Server })),
		text("service", func(a *address.Address) string { return a.Service }),
		text("customer", func(a *address.Address) string { return a.Customer }),
		label("rdns", func(a *address.Address) string { return a.RDNS }),
		moment("since", func(a *address.Address) time.Time { return a.Since }),
	)
}

// searchPool is what q looks at.
func searchPool(p *address.Pool) string { return p.Name + "\n" + p.Prefix }

func searchAddress(a *address.Address) string {
	return strings.Join([]string{a.Prefix, a.Address, a.Server, a.Customer, a.RDNS}, "\n")
}

// idOf is the id of the record that a path means: addresses may be written in any
// notation.
func idOf(table string, c *call) string {
	if table == "addresses" {
		return address.Canonical(c.id())
	}
	return c.id()
}
