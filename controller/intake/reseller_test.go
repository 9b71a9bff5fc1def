package intake

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/embedded/etcdtest"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
	"github.com/steelyard/steelyard/pkg/fault"
)

func draftFor(name, parent string, most uint64) ResellerDraft {
	return ResellerDraft{
		Name: name, Company: name, Email: "ops@example.org", Parent: parent,
		Limits: reselling.Limits{reselling.Servers: reselling.AtMost(most), reselling.Disk: reselling.AtMost(10 * most)},
	}
}

func (g *gate) resold(d ResellerDraft) reselling.Reseller {
	g.t.Helper()
	r, _, err := g.CreateReseller(context.Background(), ann, d)
	if err != nil {
		g.t.Fatal(err)
	}
	return r
}

// sums holds every reseller of one moment against those below him, counted anew.
func sums(t *testing.T, at int64, all map[string]reselling.Reseller) {
	t.Helper()
	below := map[string]reselling.Sum{}
	for _, r := range all {
		below[r.Parent] = below[r.Parent].Change(nil, r.Limits)
	}
	for id, r := range all {
		want := below[id]
		for _, name := range reselling.Resources {
			if r.Below[name] != want[name] {
				t.Errorf("revision %d: reseller %s counts %+v of %s below him; there are %+v", at, r.Name, r.Below[name], name, want[name])
			}
		}
		if over := want.Exceeds(r.Limits); len(over) > 0 && !r.Oversell {
			t.Errorf("revision %d: those below reseller %s have more %v than he", at, r.Name, over)
		}
	}
}

// TestX12_S12_LimitsOfChildrenNeverExceedTheParents at any revision, whoever makes and changes resellers of three generations at once.
func TestX12_S12_LimitsOfChildrenNeverExceedTheParents(t *testing.T) {
	for name, open := range map[string]func() kv.KV{
		"memkv": func() kv.KV { return memkv.New(memkv.Options{}) },
		"etcd":  func() kv.KV { return etcdtest.Single(t).KV() },
	} {
		t.Run(name, func(t *testing.T) {
			g := openGateOver(t, open())
			sub := g.store.Subscribe()
			defer sub.Close()
			if _, _, err := sub.Next(context.Background()); err != nil { // there is nobody yet
				t.Fatal(err)
			}
			top := g.resold(draftFor("top", "", 100))
			parents := []string{top.ID, g.resold(draftFor("left", top.ID, 30)).ID, g.resold(draftFor("right", top.ID, 30)).ID}
			var crowd sync.WaitGroup
			var mu sync.Mutex
			made, refusals := []string{parents[1], parents[2]}, 0
			for worker := range 8 {
				rng := rand.New(rand.NewPCG(7, uint64(worker)))
				crowd.Go(func() {
					for i := range 25 {
						mu.Lock()
						one := made[rng.IntN(len(made))]
						mu.Unlock()
						var err error
						if rng.IntN(3) == 0 {
							var r reselling.Reseller
							r, _, err = g.CreateReseller(context.Background(), ann, draftFor(fmt.Sprint("child ", worker, " ", i), parents[rng.IntN(3)], rng.Uint64N(20)))
							if err == nil {
								mu.Lock()
								made = append(made, r.ID)
								mu.Unlock()
							}
						} else {
							most := rng.Uint64N(60)
							_, _, err = g.EditReseller(context.Background(), ann, one, AnyRevision, func(d ResellerDraft) (ResellerDraft, error) {
								d.Limits = draftFor("", "", most).Limits
								return d, nil
							})
						}
						if err != nil && !fault.Is(err, fault.KindInvalid) {
							t.Error(err)
						}
						if err != nil {
							mu.Lock()
							refusals++
							mu.Unlock()
						}
					}
				})
			}
			crowd.Wait()
			if refusals == 0 || len(made) < 10 {
				t.Errorf("%d resellers, %d refusals: nothing was tried", len(made), refusals)
			}
			g.commit(func(tx *store.Tx) error {
				return store.Resellers.Create(tx, "rsl-end", reselling.Reseller{ID: "rsl-end"})
			})
			everyRevision(t, sub)
		})
	}
}

// everyRevision holds the sums at each revision up to the last one.
func everyRevision(t *testing.T, sub *store.Subscription) {
	t.Helper()
	all, at := map[string]reselling.Reseller{}, int64(0)
	for {
		changes, resync, err := sub.Next(context.Background())
		if err != nil || resync {
			t.Fatalf("resync %v, %v", resync, err)
		}
		for _, c := range changes {
			if c.Rev != at {
				sums(t, at, all)
				at = c.Rev
			}
			if r, ok := c.New.(*reselling.Reseller); ok {
				if r.ID == "rsl-end" {
					return
				}
				all[r.ID] = *r
			}
		}
	}
}

// TestX7_AResellerDecidesAboutThoseBelowHimOnly: about himself those above him do, and of others he learns nothing.
func TestX7_AResellerDecidesAboutThoseBelowHimOnly(t *testing.T) {
	g := openGate(t)
	acme, other := g.resold(draftFor("acme", "", 10)), g.resold(draftFor("other", "", 10))
	he := access.Actor{Name: "boss", Role: access.RoleReseller, Reseller: acme.Path}
	child, _, err := g.CreateReseller(context.Background(), he, draftFor("child", acme.ID, 5))
	if err != nil {
		t.Fatal(err)
	}
	if child.Path != acme.ID+"/"+child.ID {
		t.Errorf("path %s", child.Path)
	}
	edit := func(id string) error {
		_, _, err := g.EditReseller(context.Background(), he, id, AnyRevision, func(d ResellerDraft) (ResellerDraft, error) { d.Company = "Child Ltd"; return d, nil })
		return err
	}
	if err := edit(child.ID); err != nil {
		t.Error(err)
	}
	if err := edit(acme.ID); !fault.Is(err, fault.KindDenied) {
		t.Errorf("himself: %v", err)
	}
	if err := edit(other.ID); !fault.Is(err, fault.KindNotFound) {
		t.Errorf("another one: %v", err)
	}
	if _, _, err := g.SetResellerState(context.Background(), he, acme.ID, reselling.Disabled, "why not"); !fault.Is(err, fault.KindDenied) {
		t.Errorf("disables himself: %v", err)
	}
	_, _, foreign := g.CreateReseller(context.Background(), he, draftFor("x", other.ID, 1))
	_, _, absent := g.CreateReseller(context.Background(), he, draftFor("x", "rsl-nobody", 1))
	for _, err := range []error{foreign, absent} {
		if f := fault.From(err); f == nil || len(f.Fields) != 1 || f.Fields[0].Name != "parent" {
			t.Fatalf("%v", err)
		}
	}
	if a, b := fault.From(foreign).Fields[0].Message, fault.From(absent).Fields[0].Message; len(a)-len(other.ID) != len(b)-len("rsl-nobody") {
		t.Errorf("%q tells more than %q", a, b)
	}
	if _, _, err := g.CreateReseller(context.Background(), he, draftFor("x", "", 1)); !fault.Is(err, fault.KindInvalid) {
		t.Errorf("beside himself: %v", err)
	}
	if _, _, err := g.CreateReseller(context.Background(), he, draftFor("OTHER", acme.ID, 1)); err != nil {
		t.Errorf("the name of somebody he does not know: %v", err)
	}
}
