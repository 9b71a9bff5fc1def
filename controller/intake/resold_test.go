package intake

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/embedded/etcdtest"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// bazaar is replicas over one state, and a crowd at all of them that makes resellers several levels deep, changes what they may have, and sells to them.
type bazaar struct {
	*testing.T
	replicas []*Intake
	servers  []string

	mu        sync.Mutex
	resellers []string
	below     map[string][]string // reseller → those directly below him
	paths     map[string]string
	sales     []string
	told      map[string]int // deeds that were done, and that were refused
}

func openBazaar(t *testing.T, replicas int, open func() kv.KV) *bazaar {
	t.Helper()
	b := &bazaar{T: t, below: map[string][]string{}, paths: map[string]string{}, told: map[string]int{}}
	for range replicas {
		b.replicas = append(b.replicas, openGateOver(t, open()).Intake)
	}
	for i := range 12 {
		b.servers = append(b.servers, fmt.Sprintf("srv-%016d", i))
		b.change(0, func(tx *store.Tx) error { return putSellable(tx, b.servers[i], i) })
	}
	top, _, err := b.replicas[0].CreateReseller(b.Context(), ann, draftFor("top", "", 60))
	if err != nil {
		t.Fatal(err)
	}
	b.born(top)
	return b
}

// born notes a new reseller.
func (b *bazaar) born(r reselling.Reseller) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.resellers, b.paths[r.ID] = append(b.resellers, r.ID), r.Path
	b.below[r.Parent] = append(b.below[r.Parent], r.ID)
}

// heir is somebody to whom the buyer of a sale may sell its server on, and who that buyer is.
func (b *bazaar) heir(rng *rand.Rand, sale reselling.Sale) (to string, seller access.Actor) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if list := b.below[sale.Reseller]; len(list) > 0 {
		to = list[rng.IntN(len(list))]
	}
	return to, access.Actor{Name: "boss", Role: access.RoleReseller, Reseller: sale.Path}
}

// putSellable stores a hosting node that nothing keeps from being sold, again and again.
func putSellable(tx *store.Tx, server string, n int) error {
	now := time.Now()
	inv := hardware.Inventory{Schema: 1, Identity: hardware.Identity{UUID: "uuid-" + server, MACs: []string{fmt.Sprintf("02:00:00:00:01:%02x", n)}}}
	c := inv.Configuration()
	return cmp.Or(
		store.Facts.Put(tx, server, fleet.Facts{Server: server, At: now, Digest: inv.Digest(), Inventory: inv, Configuration: c, Key: c.Key()}),
		store.Presences.Put(tx, server, fleet.Presence{Server: server}),
		store.Servers.Put(tx, server, fleet.Server{
			ID: server, Name: server, Location: "loc-1", Approval: fleet.Approved, Claim: fleet.Claim{Kind: fleet.ClaimNone, Since: now}, InService: true,
			Node: &fleet.Node{Note: fleet.Note{Reason: "web"}}, Cleanliness: fleet.Dirty, CreatedAt: now,
			Diagnosis: &fleet.DiagnosisSummary{ID: "opn-1", At: now, Checks: []protocol.Check{{Name: "cpu", Verdict: protocol.VerdictOK}}, ConfigurationKey: c.Key()},
		}))
}

func (b *bazaar) change(replica int, f func(tx *store.Tx) error) {
	b.Helper()
	if err := b.replicas[replica].change(b.Context(), f); err != nil {
		b.Error(err)
	}
}

func (b *bazaar) one(rng *rand.Rand, of *[]string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(*of) == 0 {
		return "" // there is none yet
	}
	return (*of)[rng.IntN(len(*of))]
}

// note counts what became of a deed. Only refusals that a person may meet are taken.
func (b *bazaar) note(deed string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err == nil:
		b.told[deed]++
	case fault.Is(err, fault.KindInvalid), fault.Is(err, fault.KindRefused), deed == "sell on" && fault.Is(err, fault.KindNotFound): // it is another's by now
		b.told["no "+deed]++
	default:
		b.Errorf("%s: %v", deed, err)
	}
}

// anyLimits are numbers, and seldom none at all.
func anyLimits(rng *rand.Rand, most uint64) reselling.Limits {
	l := draftFor("", "", rng.Uint64N(most)).Limits
	if rng.IntN(12) == 0 {
		l[reselling.Servers] = reselling.NoLimit
	}
	return l
}

// deed is one thing that somebody of the crowd does.
func (b *bazaar) deed(in *Intake, rng *rand.Rand, name string) {
	ctx, who := b.Context(), b.one(rng, &b.resellers)
	edit := func(deed string, change func(*ResellerDraft)) {
		_, _, err := in.EditReseller(ctx, ann, who, AnyRevision, func(d ResellerDraft) (ResellerDraft, error) { change(&d); return d, nil })
		b.note(deed, err)
	}
	switch n := rng.IntN(20); {
	case n < 4:
		d := draftFor(name, who, 1)
		d.Limits, d.Oversell = anyLimits(rng, 14), rng.IntN(6) == 0
		r, _, err := in.CreateReseller(ctx, ann, d)
		if b.note("create", err); err == nil {
			b.born(r)
		}
	case n < 8:
		edit("limits", func(d *ResellerDraft) { d.Limits = anyLimits(rng, 30) })
	case n < 10:
		on := rng.IntN(2) == 0
		edit(fmt.Sprint("oversell ", on), func(d *ResellerDraft) { d.Oversell = on })
	case n < 11:
		state := reselling.Active // most work most of the time
		if r, known := store.Resellers.View(in.store, who); known && r.State == reselling.Active && r.Parent != "" {
			state = []string{reselling.Disabled, reselling.Suspended}[rng.IntN(2)]
		}
		_, _, err := in.SetResellerState(ctx, ann, who, state, "because")
		b.note(state, err)
	case n < 14:
		b.sell(in, "sell", ann, who, b.servers[rng.IntN(len(b.servers))])
	case n < 18:
		sale, known := store.Sales.View(in.store, b.one(rng, &b.sales))
		if !known {
			return
		}
		if to, seller := b.heir(rng, *sale); to != "" {
			b.sell(in, "sell on", seller, to, sale.Server)
		}
	default:
		one := b.one(rng, &b.sales)
		if one == "" {
			return
		}
		sale, _, err := in.Revoke(ctx, ann, one, "unpaid")
		b.note("revoke", err)
		if err == nil {
			b.note("release", letGo(ctx, in, sale.ID))
		}
	}
}

func (b *bazaar) sell(in *Intake, deed string, seller access.Actor, to, server string) {
	sale, fresh, _, err := in.Sell(b.Context(), seller, to, server)
	if err == nil && !fresh {
		return
	}
	if b.note(deed, err); err == nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.sales = append(b.sales, sale.ID)
	}
}

// letGo releases a server that is taken back, as reconcile does when nothing of the reseller's is left on it.
func letGo(ctx context.Context, in *Intake, saleID string) error {
	return in.change(ctx, func(tx *store.Tx) error {
		sale, err := store.Sales.Get(tx, saleID)
		if err != nil || sale.State != reselling.Revoking {
			return err
		}
		s, err := store.Servers.Get(tx, sale.Server)
		if err != nil {
			return err
		}
		if sale.Under != "" {
			_, _, err = HandBack(tx, access.System, sale, s, sale.Reason, in.now())
		} else {
			_, err = Release(tx, access.System, "server.release", s, sale.Reason, in.now())
			err = cmp.Or(err, store.SalesOf.Delete(tx, s.ID))
		}
		return cmp.Or(err, store.Sales.Put(tx, sale.ID, sale.Moved(reselling.Revoked, "it is free", in.now())))
	})
}

// TestX12_S2_S7_S12_LimitsOfChildrenNeverExceedTheParents at any revision unless he oversells, whoever makes, changes, disables, sells, sells onward and
// takes back at once, at one replica or several; and each server is with who bought it last.
func TestX12_S2_S7_S12_LimitsOfChildrenNeverExceedTheParents(t *testing.T) {
	for replicas := 1; replicas <= 3; replicas++ {
		t.Run(fmt.Sprint("memkv, ", replicas, " replicas"), func(t *testing.T) {
			one := memkv.New(memkv.Options{})
			bargain(t, replicas, func() kv.KV { return one })
		})
		t.Run(fmt.Sprint("etcd, ", replicas, " replicas"), func(t *testing.T) {
			server := etcdtest.Single(t)
			bargain(t, replicas, func() kv.KV { return server.KV() })
		})
	}
}

func bargain(t *testing.T, replicas int, open func() kv.KV) {
	b := openBazaar(t, replicas, open)
	var crowd sync.WaitGroup
	for worker := range 9 {
		in, rng := b.replicas[worker%replicas], rand.New(rand.NewPCG(12, uint64(worker)))
		crowd.Go(func() {
			for i := range 150 {
				b.deed(in, rng, fmt.Sprint("reseller ", worker, " ", i))
			}
		})
	}
	crowd.Wait()
	b.change(0, func(tx *store.Tx) error {
		return store.Resellers.Create(tx, theEnd, reselling.Reseller{ID: theEnd})
	})
	tl := everyRevision(t, open())
	for _, deed := range []string{"create", "limits", "oversell true", "oversell false", reselling.Active, reselling.Disabled, reselling.Suspended, "sell", "sell on", "revoke", "release"} {
		if b.told[deed] == 0 {
			t.Errorf("nobody did: %s; %v", deed, b.told)
		}
	}
	for _, deed := range []string{"create", "limits", "oversell false", "sell", "sell on", "revoke"} {
		if b.told["no "+deed] == 0 {
			t.Errorf("nobody was refused: %s; %v", deed, b.told)
		}
	}
	if tl.deepest != reselling.MaxDepth || tl.revisions < 100 || tl.longest < 2 {
		t.Errorf("%d levels, %d revisions, %d owners in a row: too little was tried", tl.deepest, tl.revisions, tl.longest)
	}
}

// theEnd is the record that is written last.
const theEnd = "rsl-end"

// tally is the state at one revision, and what was seen up to it.
type tally struct {
	*testing.T
	rev       int64
	resellers map[string]reselling.Reseller
	sales     map[string]reselling.Sale
	servers   map[string]fleet.Server
	last      map[string]store.SaleOf // by server
	fresh     []string                // sales that are new with this revision

	revisions, deepest, longest int
}

// everyRevision reads the state from its first revision to the last one, and holds each against the rules.
func everyRevision(t *testing.T, backend kv.KV) *tally {
	t.Helper()
	tl := &tally{T: t, resellers: map[string]reselling.Reseller{}, sales: map[string]reselling.Sale{}, servers: map[string]fleet.Server{}, last: map[string]store.SaleOf{}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	batches, err := backend.Watch(ctx, "", 1)
	if err != nil {
		t.Fatal(err)
	}
	for batch := range batches {
		if batch.Err != nil {
			t.Fatal(batch.Err)
		}
		for _, e := range batch.Events {
			if e.ModRev != tl.rev {
				tl.check()
				tl.rev, tl.fresh = e.ModRev, nil
			}
			if e.Key == "resellers/"+theEnd {
				return tl
			}
			tl.take(e)
		}
	}
	t.Fatalf("the watch ended at revision %d", tl.rev)
	return nil
}

func (tl *tally) take(e kv.Event) {
	table, id, _ := strings.Cut(e.Key, "/")
	switch table {
	case "resellers":
		decodeInto(tl.T, tl.resellers, id, e)
	case "servers":
		decodeInto(tl.T, tl.servers, id, e)
	case "sale-of":
		if delete(tl.last, id); !e.Deleted {
			decodeInto(tl.T, tl.last, id, e)
		}
	case "sales":
		if _, before := tl.sales[id]; !before {
			tl.fresh = append(tl.fresh, id)
		}
		decodeInto(tl.T, tl.sales, id, e)
	}
}

func decodeInto[T any](t *testing.T, into map[string]T, id string, e kv.Event) {
	var v T
	if err := json.Unmarshal(e.Value, &v); err != nil || e.Deleted {
		t.Fatalf("%s at revision %d: %v, deleted %v", e.Key, e.ModRev, err, e.Deleted)
	}
	into[id] = v
}

// check counts everything anew.
func (tl *tally) check() {
	tl.revisions++
	below, has := map[string]reselling.Sum{}, map[string]uint64{}
	for _, r := range tl.resellers {
		below[r.Parent] = below[r.Parent].Change(nil, r.Limits)
		tl.deepest = max(tl.deepest, r.Depth())
	}
	for _, s := range tl.sales {
		if s.State != reselling.Revoked {
			has[s.Reseller]++
		}
	}
	for id, r := range tl.resellers {
		for _, name := range reselling.Resources {
			if r.Below[name] != below[id][name] {
				tl.Errorf("revision %d: reseller %s counts %+v of %s below him; there are %+v", tl.rev, r.Name, r.Below[name], name, below[id][name])
			}
		}
		if over := below[id].Exceeds(r.Limits); len(over) > 0 && !r.Oversell {
			tl.Errorf("revision %d: those below reseller %s have more %v than he", tl.rev, r.Name, over)
		}
		if limit := r.Limits[reselling.Servers]; r.Servers != has[id] || !limit.Allows(has[id]) {
			tl.Errorf("revision %d: reseller %s counts %d servers, has %d and may have %s", tl.rev, r.Name, r.Servers, has[id], limit)
		}
	}
	for _, id := range tl.fresh {
		tl.lawful(tl.sales[id])
	}
	tl.chains()
}

// chains follows each server from the provider to who has it: each sale is under the one before, of whom it was bought, and the last one says whose it is.
func (tl *tally) chains() {
	next, length := map[string]string{}, map[string]int{}
	for id, s := range tl.sales {
		if s.State == reselling.Revoked {
			continue
		}
		from := cmp.Or(s.Under, s.Server)
		if other := next[from]; other != "" {
			tl.Errorf("revision %d: sales %s and %s are both under %s", tl.rev, id, other, from)
		}
		next[from] = id
		length[s.Server]++
	}
	for server, s := range tl.servers {
		at, path, n := server, "", 0
		for ; next[at] != ""; n++ {
			at = next[at]
			sale := tl.sales[at]
			if sale.Server != server || sale.Under != "" && (sale.SellerPath() != path || sale.Seller != reselling.Own(path)) {
				tl.Errorf("revision %d: server %s went from %s by %+v", tl.rev, server, path, sale)
			}
			path = sale.Path
		}
		if n != length[server] || s.Claim.Owner != path || n > 0 && tl.last[server].Sale != at || n == 0 && tl.last[server].Sale != "" {
			tl.Errorf("revision %d: server %s is of %q, its %d of %d sales lead to %q, the last is %q", tl.rev, server, s.Claim.Owner, n, length[server], path, tl.last[server].Sale)
		}
		tl.longest = max(tl.longest, n)
	}
}

// lawful holds a new sale against whoever got it: he may get something, nobody above him is suspended, and the server is his.
func (tl *tally) lawful(sale reselling.Sale) {
	r := tl.resellers[sale.Reseller]
	if r.State != reselling.Active {
		tl.Errorf("revision %d: server %s was sold to %s, who is %s", tl.rev, sale.Server, r.Name, r.State)
	}
	for id := range strings.SplitSeq(r.Path, "/") {
		if up := tl.resellers[id]; up.State == reselling.Suspended {
			tl.Errorf("revision %d: server %s was sold to %s below %s, who is suspended", tl.rev, sale.Server, r.Name, up.Name)
		}
	}
	if c := tl.servers[sale.Server].Claim; c.Ref != sale.Reseller || c.Owner != r.Path {
		tl.Errorf("revision %d: server %s was sold to %s and is %+v", tl.rev, sale.Server, r.Name, c)
	}
}
