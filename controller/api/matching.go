package api

import (
	"net/http"

	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
)

type (
	// matchBody asks for a tariff, or for a configuration in the words of a wish.
	matchBody struct {
		Tariff        string                 `json:"tariff,omitempty" doc:"Id of a tariff; its modules are asked in their order (B11). Leave the rest out."`
		Module        string                 `json:"module,omitempty" doc:"Id of a module, whose location and weights then count, with configuration. Leave tariff and location out."`
		Location      string                 `json:"location,omitempty" doc:"Id of the location; any unless given."`
		ServerType    string                 `json:"server_type,omitempty" doc:"Only servers of this type (B9)."`
		Configuration hardware.Configuration `json:"configuration,omitzero" required:"false" doc:"What is wished; whatever is left out may be anything."`
	}
	// MatchAnswer is the best server now. Nothing is claimed.
	MatchAnswer struct {
		Found  bool          `json:"found"`
		Module string        `json:"module,omitempty"`
		Server string        `json:"server,omitempty" doc:"Name of the server."`
		Result *match.Result `json:"result,omitempty"`
	}
	// Stock is the catalogue: available servers by class (rule B12).
	Stock struct {
		Classes []StockClass `json:"classes"`
		Free    int          `json:"free"`
	}
	// StockClass is a number of servers that are exchangeable.
	StockClass struct {
		match.Class
		Text string `json:"text" doc:"The configuration in words."`
	}
)

func (b *matchBody) check(c *fault.Check, look intake.Lookup, st *state) {
	if b.Tariff != "" {
		c.Require(st.call.api.board.sheets["tariffs"].get(b.Tariff) != nil, "tariff", "%.80q does not exist; see: steelyard tariff list", b.Tariff)
		return
	}
	if b.Module != "" {
		c.Require(b.Location == "", "location", "is that of the module; leave it out")
		(&intake.ConfiguredWish{Module: b.Module, ServerType: b.ServerType, Configuration: b.Configuration}).Check(c, look)
		return
	}
	if b.Location != "" {
		_, ok := look.Location(b.Location)
		c.Require(ok, "location", "%.80q does not exist; see: steelyard location list", b.Location)
	}
	if err := b.wish().Validate(""); err != nil {
		for _, f := range fault.From(err).Fields {
			c.Add(f.Name, "%s", f.Message)
		}
	}
}

func (b *matchBody) wish() match.Wish {
	return match.Wish{Location: b.Location, ServerType: b.ServerType, Configuration: b.Configuration.AsSold()}
}

func (a *API) registerMatching() {
	withBody(a, "POST /v1/match", about{summary: "Which server would be chosen now; nothing is claimed", tag: "matching", answer: MatchAnswer{}}, a.match)
	without(a, "GET /v1/catalogue", about{summary: "Available servers by class", tag: "matching", answer: Stock{}}, func(*call) (reply, error) { return a.stock() })
	without(a, "POST /v1/catalogue/refresh", about{summary: "Build the catalogue anew (B12)", tag: "matching", answer: Stock{}}, func(c *call) (reply, error) {
		if a.opt.Refresh != nil {
			if err := a.opt.Refresh(c.ctx()); err != nil {
				return reply{}, err
			}
		}
		return a.stock()
	})
}

var noCatalogue = newProblem(http.StatusServiceUnavailable, "the catalogue is not ready; try again")

func (a *API) stock() (reply, error) {
	if a.opt.Catalogue == nil {
		return reply{}, noCatalogue
	}
	var out Stock
	for _, k := range a.opt.Catalogue.Classes() {
		out.Classes = append(out.Classes, StockClass{Class: k, Text: k.Configuration.String()})
		out.Free += k.Free
	}
	return reply{body: render(&out)}, nil
}

func (a *API) match(_ *call, b *matchBody) (reply, error) {
	if a.opt.Catalogue == nil {
		return reply{}, noCatalogue
	}
	modules := []match.Module{{Wish: b.wish().Normalise()}}
	switch {
	case b.Tariff != "":
		modules = a.modulesOf(b.Tariff)
	case b.Module != "":
		modules = a.moduleOf(b)
	}
	offer, ok := a.opt.Catalogue.BestOf(modules)
	out := MatchAnswer{Found: ok && offer.Found}
	if out.Found {
		out.Module, out.Result = offer.Module, &offer.Result
		if r := a.board.sheets["servers"].get(offer.Result.ServerID); r != nil {
			out.Server = r.value.(*machine).server.Name
		}
	}
	return reply{body: render(&out)}, nil
}

// moduleOf is the module that a wish names, with its location and weights; a server type that
// is given counts whatever module it is.
func (a *API) moduleOf(b *matchBody) []match.Module {
	row := a.board.sheets["modules"].get(b.Module)
	if row == nil {
		return nil
	}
	m := row.value.(*order.Module)
	w := b.wish()
	w.Location, w.Weights = m.Location, &m.Weights
	return []match.Module{{ID: m.ID, Wish: w.Normalise()}}
}

// modulesOf are the modules of a tariff, each with the wish as it has it.
func (a *API) modulesOf(tariff string) (list []match.Module) {
	r := a.board.sheets["tariffs"].get(tariff)
	if r == nil {
		return nil
	}
	t := r.value.(*order.Tariff)
	for _, id := range t.Modules {
		row := a.board.sheets["modules"].get(id)
		if row == nil {
			continue
		}
		m := row.value.(*order.Module)
		if m.Kind != order.ModuleLocal {
			continue // its stock is another operator's
		}
		w := match.Wish{Location: m.Location, Configuration: t.Configuration, Weights: &m.Weights}
		if m.ByServerType {
			w.ServerType = t.ServerType
		}
		list = append(list, match.Module{ID: m.ID, Sort: m.SortOrder, CreatedAt: m.CreatedAt.UnixNano(), Wish: w.Normalise()})
	}
	return list
}
