package reconcile

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// loss is a sale that was refused.
type loss struct{ server, said string }

// TestX2_S5_H14_AThousandWhoOrderBuyAndSignUpForFiftyServersHaveFiftyWinners: fifteen servers are assigned to a plan, the others go to who comes
// first by an order or a sale. Every loser hears the truth.
func TestX2_S5_H14_AThousandWhoOrderBuyAndSignUpForFiftyServersHaveFiftyWinners(t *testing.T) {
	for _, replicas := range []int{1, 2, 3} {
		t.Run(fmt.Sprint(replicas, " replicas"), func(t *testing.T) { melee(t, replicas) })
	}
}

// knows reports whether a snapshot has all of the resellers.
func knows(snap *store.Snapshot, resellers []string) bool {
	return !slices.ContainsFunc(resellers, func(id string) bool { _, known := store.Resellers.In(snap, id); return !known })
}

func melee(t *testing.T, replicas int) {
	const assigned, tries = 15, 1000
	r := newRush(t, replicas, func(int) int { return 1 })
	in := r.replicas[0].intake
	for i := range r.servers {
		if _, err := r.replicas[0].store.Commit(r.ctx, func(tx *store.Tx) error { _, err := allotable(tx, i, time.Now()); return err }); err != nil {
			t.Fatal(err)
		}
	}
	plan, _, err := in.CreatePlan(r.ctx, ann, intake.PlanDraft{Name: "gold", AllocatedServer: true})
	if err != nil {
		t.Fatal(err)
	}
	var resellers []string
	for i := range 10 {
		d := intake.ResellerDraft{Name: fmt.Sprint("reseller ", i), Company: "x", Email: "ops@example.org", Limits: reselling.Limits{reselling.Servers: reselling.NoLimit}}
		one, _, err := in.CreateReseller(r.ctx, ann, d)
		if err != nil {
			t.Fatal(err)
		}
		resellers = append(resellers, one.ID)
	}
	a, _, err := in.AssignAll(r.ctx, ann, plan.ID, r.servers[:assigned])
	if err != nil || slices.ContainsFunc(a.Servers, func(s intake.Assigned) bool { return s.Outcome != "assigned" }) {
		t.Fatalf("%v %+v", err, a)
	}
	r.until("all replicas know the resellers", func() bool {
		return !slices.ContainsFunc(r.replicas, func(rep *replica) bool { return !knows(rep.store.Snapshot(), resellers) })
	})
	var crowd sync.WaitGroup
	var next, orders, sold, signed atomic.Int64
	var mu sync.Mutex
	var losses []loss
	for worker := range 24 {
		rep, rng := r.replicas[worker%replicas], rand.New(rand.NewPCG(3, uint64(worker)))
		crowd.Go(func() {
			for i := next.Add(1); i <= tries; i = next.Add(1) {
				who := resellers[rng.IntN(len(resellers))]
				switch i % 3 {
				case 0:
					orders.Add(1)
					w := intake.OrderWish{Tariff: "tar-1", Customer: fmt.Sprint("cus-", i), Image: "img-1", Hostname: fmt.Sprintf("web%d.example.org", i)}
					if _, err := rep.intake.PlaceOrder(r.ctx, ann, w, nil); err != nil {
						t.Errorf("order %d: %v", i, err)
					}
				case 1:
					server := r.servers[rng.IntN(len(r.servers))]
					_, fresh, _, err := rep.intake.Sell(r.ctx, ann, who, server)
					switch {
					case err == nil && fresh:
						sold.Add(1)
					case err != nil && !fault.Is(err, fault.KindRefused):
						t.Errorf("sale %d: %v", i, err)
					case err != nil:
						mu.Lock()
						losses = append(losses, loss{server, err.Error()})
						mu.Unlock()
					}
				case 2:
					signed.Add(1)
					if _, _, err := rep.intake.SignUp(r.ctx, ann, intake.SignUpDraft{Plan: plan.ID, Reseller: who}); err != nil {
						t.Errorf("sign-up %d: %v", i, err)
					}
				}
			}
		})
	}
	crowd.Wait()
	r.settled(int(orders.Load()))
	ends := func() map[string]int {
		count := map[string]int{}
		for i := range store.SignUps.Items(r.replicas[0].store.Snapshot()) {
			count[i.Value.State]++
		}
		return count
	}
	r.until("every sign-up is answered", func() bool {
		c := ends()
		return c[reselling.SignUpActive]+c[reselling.SignUpModeration] == int(signed.Load())
	})
	won := r.orders()[order.Preparing]
	if c := ends(); c[reselling.SignUpActive] != assigned || won+int(sold.Load()) != len(r.servers)-assigned {
		t.Errorf("%d servers by plan, %d by sale, %d by order", c[reselling.SignUpActive], sold.Load(), won)
	}
	r.truthful(losses, plan.ID)
	for i := range store.SignUps.Items(r.replicas[0].store.Snapshot()) {
		if s := i.Value; s.State == reselling.SignUpModeration && !s.Only(reselling.NoServer) {
			t.Errorf("sign-up %s is held for %+v", s.ID, s.Reasons)
		}
	}
	alias := read(r.ledger, func(l *ledger) map[string]string {
		owner := map[string]string{}
		for id, svc := range l.services {
			owner[id] = svc.Order
		}
		return owner
	})
	for _, b := range r.ledger.broken {
		t.Error(b)
	}
	r.rec.check(t, alias)
}

// truthful holds what the losers were told against the state: a server that somebody has is given back by nobody here, and goes on to nobody
// but from the plan to who signed up.
func (r *rush) truthful(losses []loss, plan string) {
	r.t.Helper()
	if len(losses) == 0 {
		r.t.Error("no sale was refused")
	}
	claims := read(r.ledger, func(l *ledger) map[string]fleet.Claim {
		all := map[string]fleet.Claim{}
		for id, s := range l.servers {
			all[id] = s.Claim
		}
		return all
	})
	for _, l := range losses {
		c := claims[l.server]
		name := c.Ref
		if one, ok := store.Resellers.View(r.replicas[0].store, c.Ref); ok {
			name = one.Name
		}
		if !strings.HasSuffix(l.said, " "+name) && (c.Plan != plan || !strings.Contains(l.said, "is assigned to plan "+plan)) {
			r.t.Errorf("who wanted server %s was told %q; it is %s %s", l.server, l.said, c.Kind, c.Ref)
		}
	}
}
