package intake

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/pkg/logging"
)

// ModuleDraft is what a person says of a processing module (rules B6–B16).
type ModuleDraft struct {
	Name                  string         `json:"name" doc:"Shown to people; unique without regard to case."`
	Kind                  string         `json:"kind,omitempty" doc:"local: this fleet; remote: another operator's controller. local unless given."`
	Location              string         `json:"location" doc:"Id of the location whose servers it hands out (B2)."`
	Department            string         `json:"department" doc:"Gets the build tasks (B9)."`
	SortOrder             int            `json:"sort_order,omitempty" doc:"Lowest is asked first (B11)."`
	Pools                 []string       `json:"pools,omitempty" doc:"Ids of the IP pools that its servers get addresses from, the first to be used first; all of the location in their order unless given (B4)."`
	ByServerType          bool           `json:"by_server_type,omitempty" doc:"Only servers of the ordered server type count (B9)."`
	DiagTimeout           int            `json:"diagtimeout" doc:"Minutes that diagnostics may take, 1 to 720 (B13)."`
	InstallTimeoutLinux   int            `json:"installtimeout_linux" doc:"Minutes that an installation of Linux may take, 1 to 720 (B14)."`
	InstallTimeoutWindows int            `json:"installtimeout_windows" doc:"Minutes that an installation of Windows may take, 1 to 720 (B15)."`
	Weights               map[string]int `json:"weights,omitempty" doc:"Points of rework that differ from the published ones, for example dimm_add (B28a)."`
	URL                   string         `json:"url,omitempty" doc:"remote: https:// with domain name or public address of the other controller (B6)."`
	Username              string         `json:"username,omitempty" doc:"remote: an administrator's e-mail address there."`
	Password              logging.Secret `json:"password,omitempty" doc:"remote: used once, to get a token, and not kept. Needed again when url, username, ca or remote_module changes."`
	CA                    string         `json:"ca,omitempty" doc:"remote: authorities of its certificate, PEM; those of the system unless given."`
	RemoteModule          string         `json:"remote_module,omitempty" doc:"remote: name or id of the local module there that takes the orders; needed when there are several."`
}

// DraftOfModule is the draft that would make m.
func DraftOfModule(m order.Module) ModuleDraft {
	return ModuleDraft{
		Name: m.Name, Kind: m.Kind, Location: m.Location, Department: m.Department, SortOrder: m.SortOrder,
		ByServerType: m.ByServerType, DiagTimeout: m.DiagTimeout, InstallTimeoutLinux: m.InstallTimeoutLinux,
		InstallTimeoutWindows: m.InstallTimeoutWindows, Weights: pointsOf(m.Weights), Pools: m.Pools,
		URL: m.URL, Username: m.Username, CA: m.CA, RemoteModule: m.RemoteModule,
	}
}

// module is the record that the draft asks for. Weights that are not named are the
// published ones.
func (d ModuleDraft) module() order.Module {
	points := pointsOf(match.DefaultWeights())
	maps.Copy(points, d.Weights)
	kind := d.Kind
	if kind == "" {
		kind = order.ModuleLocal
	}
	return order.Module{
		Name: d.Name, Kind: kind, Location: d.Location, Department: d.Department, SortOrder: d.SortOrder,
		ByServerType: d.ByServerType, DiagTimeout: d.DiagTimeout, InstallTimeoutLinux: d.InstallTimeoutLinux,
		InstallTimeoutWindows: d.InstallTimeoutWindows, Weights: weightsOf(points), Pools: d.Pools,
		URL: strings.TrimRight(d.URL, "/"), Username: d.Username, CA: d.CA, RemoteModule: d.RemoteModule,
	}
}

// pointsOf and weightsOf turn weights into a map by their JSON names and back.
func pointsOf(w match.Weights) map[string]int {
	var m map[string]int
	text, err := json.Marshal(w)
	if err != nil || json.Unmarshal(text, &m) != nil {
		panic("intake: weights are not a flat record of numbers")
	}
	return m
}

func weightsOf(m map[string]int) (w match.Weights) {
	text, err := json.Marshal(m)
	if err != nil || json.Unmarshal(text, &w) != nil {
		panic("intake: weights are not a flat record of numbers")
	}
	return w
}

// Check records all fields that are wrong; self is the module that is edited.
func (d ModuleDraft) Check(c *fault.Check, look Lookup, self string) {
	m := d.module()
	m.Check(c)
	known := pointsOf(match.DefaultWeights())
	for _, name := range slices.Sorted(maps.Keys(d.Weights)) {
		if _, ok := known[name]; !ok {
			c.Add("weights", "names %.40q, which is no weight", name)
		}
	}
	d.checkPassword(c, look, self)
	checkTaken(c, look, "modules", "name", d.Name, self)
	if d.Location == "" {
		return
	}
	l, ok := look.Location(d.Location)
	if !ok {
		c.Add("location", "%q does not exist; see: steelyard location list", d.Location)
		return
	}
	if backend := order.BackendGeneration(m.Kind); backend != "" && l.Generation != backend {
		c.Add("location", "%s was made for a backend of generation %q; this module drives one of generation %q (B3)", l.Name, l.Generation, backend)
	}
	if m.Kind == order.ModuleRemote { // addresses are the other operator's
		c.Require(len(d.Pools) == 0, "pools", "are only for modules of kind %q", order.ModuleLocal)
		return
	}
	d.checkPools(c, look, l)
}

// checkPools records that the location has no IP pool yet, or that a pool is named
// which is not one of its own (rule B4).
func (d ModuleDraft) checkPools(c *fault.Check, look Lookup, l fleet.Location) {
	atlas := look.Atlas()
	if len(atlas.At(l.ID)) == 0 {
		c.Add("location", "%s has no IP pool, so its servers would have no address (B4); make one first: steelyard pool create --location %s", l.Name, l.Name)
	}
	for i, id := range d.Pools {
		p, ok := atlas.Find(id)
		switch {
		case !ok:
			c.Add(fmt.Sprintf("pools[%d]", i), "%.40q does not exist; see: steelyard pool list", id)
		case p.Location != l.ID:
			c.Add(fmt.Sprintf("pools[%d]", i), "%s is of another location than the module", p.Name)
		}
	}
}

// CreateModule adds a processing module.
func (in *Intake) CreateModule(ctx context.Context, actor access.Actor, d ModuleDraft) (m order.Module, rev int64, err error) {
	now, fresh := in.now(), id.New("mod")
	link, err := in.connect(ctx, d, "")
	if err != nil {
		return m, 0, err
	}
	defer func() { in.conclude(ctx, link, m, err) }()
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		if err := checked(tx, "the module cannot be made", func(c *fault.Check, look Lookup) { d.Check(c, look, "") }); err != nil {
			return err
		}
		m = d.module()
		m.ID, m.CreatedAt = fresh, now
		if err := in.linked(tx, &m, link, now); err != nil {
			return err
		}
		return cmp.Or(store.Modules.Create(tx, m.ID, m), rename(tx, "modules", "", m.Name, m.ID),
			use(tx, "locations", nil, []string{m.Location}, moduleUser(m)), use(tx, "pools", nil, m.Pools, moduleUser(m)),
			audit(tx, actor, "module.create", "modules/"+m.ID, nil, m, "", now),
			remember(tx, "modules", m.ID, m, now))
	})
	return m, rev, err
}

// EditModule changes a module that is still at revision rev. "By server type" is
// fixed while the module has tariffs (rule B10).
func (in *Intake) EditModule(ctx context.Context, actor access.Actor, modID string, rev int64,
	edit func(ModuleDraft) (ModuleDraft, error),
) (m order.Module, at int64, err error) {
	now := in.now()
	link, err := in.reconnect(ctx, modID, edit)
	if err != nil {
		return m, 0, err
	}
	defer func() { in.conclude(ctx, link, m, err) }()
	at, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.Modules.Get(tx, modID)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.Modules, modID, rev, before); err != nil {
			return err
		}
		d, err := edit(DraftOfModule(before))
		if err != nil {
			return err
		}
		tariffs, err := usersOf(tx, "modules", modID)
		if err != nil {
			return err
		}
		m = d.module()
		m.ID, m.CreatedAt = before.ID, before.CreatedAt
		if err := checked(tx, "the module cannot be changed", func(c *fault.Check, look Lookup) {
			d.Check(c, look, modID)
			order.CheckModuleEdit(c, before, m, tariffs)
		}); err != nil {
			return err
		}
		if err := in.linked(tx, &m, link, now); err != nil {
			return err
		}
		return cmp.Or(store.Modules.Put(tx, modID, m), rename(tx, "modules", before.Name, m.Name, modID),
			moveModule(tx, before, m),
			audit(tx, actor, "module.edit", "modules/"+modID, before, m, "", now))
	})
	return m, at, err
}

func moduleUser(m order.Module) string { return "module " + m.Name + " (" + m.ID + ")" }

// moveModule keeps the lists of who uses a location or a pool.
func moveModule(tx *store.Tx, before, after order.Module) error {
	return cmp.Or(
		use(tx, "locations", []string{before.Location}, nil, moduleUser(before)), use(tx, "pools", before.Pools, nil, moduleUser(before)),
		use(tx, "locations", nil, []string{after.Location}, moduleUser(after)), use(tx, "pools", nil, after.Pools, moduleUser(after)))
}

// DeleteModule removes a module that no tariff uses.
func (in *Intake) DeleteModule(ctx context.Context, actor access.Actor, modID string, rev int64) (at int64, err error) {
	now := in.now()
	link := in.present(modID)
	defer func() {
		if err == nil {
			in.conclude(ctx, link, order.Module{}, nil)
		}
	}()
	return in.store.Change(ctx, func(tx *store.Tx) error {
		m, err := store.Modules.Get(tx, modID)
		if err != nil {
			return err
		}
		if err := unchanged(in, store.Modules, modID, rev, m); err != nil {
			return err
		}
		tariffs, err := usersOf(tx, "modules", modID)
		if err != nil {
			return err
		}
		if len(tariffs) > 0 {
			return fault.Refused("module %s is used by %s; take it off them first", m.Name, order.Some(tariffs))
		}
		if left := in.served(modID); len(left) > 0 {
			return fault.Refused("module %s has orders and services at its backend (%s); cancel or delete them first", m.Name, order.Some(left))
		}
		return cmp.Or(store.Modules.Delete(tx, modID), store.Remotes.Delete(tx, modID), rename(tx, "modules", m.Name, "", modID),
			use(tx, "locations", []string{m.Location}, nil, moduleUser(m)), use(tx, "pools", m.Pools, nil, moduleUser(m)),
			audit(tx, actor, "module.delete", "modules/"+modID, m, nil, "", now))
	})
}
