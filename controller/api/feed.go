package api

import (
	"github.com/steelyard/steelyard/controller/store"
)

// everything yields all records of a snapshot that the API shows.
func everything(snap *store.Snapshot) func(yield func(delta)) {
	return func(yield func(delta)) {
		whole(snap, store.Servers, yield)
		whole(snap, store.Facts, yield)
		whole(snap, store.Presences, yield)
		whole(snap, store.Loads, yield)
		whole(snap, store.Traffic, yield)
		whole(snap, store.ServerGroups, yield)
		whole(snap, store.ServerPools, yield)
		whole(snap, store.Placements, yield)
		whole(snap, store.Locations, yield)
		whole(snap, store.Pools, yield)
		whole(snap, store.Addresses, yield)
		whole(snap, store.Modules, yield)
		whole(snap, store.Remotes, yield)
		whole(snap, store.Tariffs, yield)
		whole(snap, store.Orders, yield)
		whole(snap, store.Services, yield)
		whole(snap, store.Operations, yield)
		whole(snap, store.Erasures, yield)
		whole(snap, store.Tasks, yield)
		whole(snap, store.Images, yield)
		whole(snap, store.Users, yield)
		whole(snap, store.Tokens, yield)
		whole(snap, store.Audit, yield)
		whole(snap, store.BMCs, yield)
		whole(snap, store.Wirings, yield)
		whole(snap, store.Observations, yield)
		whole(snap, store.Switches, yield)
		whole(snap, store.Resellers, yield)
		whole(snap, store.Sales, yield)
		whole(snap, store.ResellerPlans, yield)
		whole(snap, store.SignUps, yield)
		whole(snap, store.Webhooks, yield)
		whole(snap, store.MailRoutes, yield)
		whole(snap, store.Deliveries, yield)
		whole(snap, store.Customers, yield)
		whole(snap, store.Accounts, yield)
		whole(snap, store.Forwards, yield)
		whole(snap, store.OfferUses, yield)
		whole(snap, store.Offers, yield)
		whole(snap, store.Subscriptions, yield)
	}
}

func whole[T any](snap *store.Snapshot, t store.Table[T], yield func(delta)) {
	for i := range t.Items(snap) {
		yield(delta{table: t.Name(), id: i.ID, value: i.Value, rev: i.ModRev, created: i.CreateRev})
	}
}

// revisionOf is the revision of a record in the store's present snapshot, 0 when it
// is not there: what the board must reach to show it.
func revisionOf(snap *store.Snapshot, table, id string) int64 {
	if look := revisions[table]; look != nil {
		return look(snap, id)
	}
	return 0
}

var revisions = map[string]func(*store.Snapshot, string) int64{
	"servers": modRev(store.Servers), "locations": modRev(store.Locations), "modules": modRev(store.Modules),
	"remotes": modRev(store.Remotes), "tariffs": modRev(store.Tariffs), "orders": modRev(store.Orders), "services": modRev(store.Services),
	"operations": modRev(store.Operations), "erasures": modRev(store.Erasures), "tasks": modRev(store.Tasks), "images": modRev(store.Images),
	"pools": modRev(store.Pools), "addresses": modRev(store.Addresses),
	"users": modRev(store.Users), "tokens": modRev(store.Tokens), "audit": modRev(store.Audit),
	"bmcs": modRev(store.BMCs), "switches": modRev(store.Switches), "wirings": modRev(store.Wirings),
	"sales":     modRev(store.Sales),
	"resellers": modRev(store.Resellers), "reseller-plans": modRev(store.ResellerPlans), "signups": modRev(store.SignUps),
	"server-groups": modRev(store.ServerGroups), "server-pools": modRev(store.ServerPools), "placements": modRev(store.Placements),
	"webhooks": modRev(store.Webhooks), "mail-routes": modRev(store.MailRoutes), "deliveries": modRev(store.Deliveries),
	"customers": modRev(store.Customers), "accounts": modRev(store.Accounts), "forwards": modRev(store.Forwards),
	"offers": modRev(store.Offers), "subscriptions": modRev(store.Subscriptions),
}

func modRev[T any](t store.Table[T]) func(*store.Snapshot, string) int64 {
	return func(snap *store.Snapshot, id string) int64 {
		i, _ := t.Item(snap, id)
		return i.ModRev
	}
}

// follow takes changes as the store tells them: several commits at once, in order.
// Each commit becomes visible as a whole.
func (b *board) follow(changes []store.Change) {
	for from := 0; from < len(changes); {
		to := from + 1
		for to < len(changes) && changes[to].Rev == changes[from].Rev {
			to++
		}
		if changes[from].Rev <= b.revision() { // the snapshot that the board was filled from had it
			from = to
			continue
		}
		deltas := make([]delta, 0, to-from)
		for _, c := range changes[from:to] {
			d := delta{table: c.Table, id: c.ID, value: c.New, rev: c.Rev}
			if c.Old == nil {
				d.created = c.Rev
			}
			deltas = append(deltas, d)
		}
		b.apply(deltas, changes[from].Rev)
		from = to
	}
}
