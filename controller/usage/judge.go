package usage

import (
	"context"
	"math"

	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/subscription"
	core "github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
)

// guard is between which figures, in MiB, nothing needs to be written of an account's use: from the first to before the second.
type guard struct{ traffic, space between }

type between struct{ from, to uint32 }

func (b between) has(mib uint64) bool { return mib >= uint64(b.from) && mib < uint64(b.to) }

// steps is how many writes a limit's worth of growth takes.
const steps = 16

// around is the range of figures that are told well enough by one that is stored: on the same side of the limit, and less than a step away.
func around(stored uint64, limit reselling.Limit) between {
	step := max(64, stored/4)
	if !limit.None {
		step = max(1, limit.Most/steps)
	}
	b := beside(stored, limit)
	if stored > step {
		b.from = max(b.from, clamp(stored-step))
	}
	b.to = min(b.to, clamp(stored+step))
	return b
}

// beside is the side of the limit on which a figure is. At the limit itself is a side of its own: a node that stops growth stops there.
func beside(mib uint64, limit reselling.Limit) between {
	switch {
	case limit.None:
		return between{0, math.MaxUint32}
	case mib < limit.Most:
		return between{0, clamp(limit.Most)}
	case mib == limit.Most:
		return between{clamp(limit.Most), clamp(limit.Most + 1)}
	}
	return between{clamp(limit.Most + 1), math.MaxUint32}
}

func clamp(mib uint64) uint32 { return uint32(min(mib, math.MaxUint32)) }

// judge looks at an account of a server that this replica has the session of.
func (l *Ledger) judge(server, account string) {
	n := l.find(server)
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.holder == nil {
		return
	}
	if g := n.guards.Find(account); g != nil {
		*g = guard{}
	}
	n.judge(account)
	if n.urgent {
		n.schedule(0)
	}
}

// judge is node.judge for an account of which there is news, unless nothing needs to be written. running is what it has in the running month by the book of the report, takes its disk space: both as just
// merged, nil where there is nothing.
func (in *incoming) judge(id []byte, running *core.Row, takes *core.Space) {
	var g *guard
	if g, in.guard = in.n.guards.FindBytes(id, in.guard); g == nil {
		in.n.judge(string(id))
		return
	}
	var traffic, space uint64
	if in.alone && running != nil {
		traffic = running.Traffic.Total()
	} else {
		traffic = in.n.total(id)
	}
	if takes != nil {
		space = takes.Total()
	}
	if !g.traffic.has(core.MiB(traffic)) || !g.space.has(core.MiB(space)) {
		in.n.judge(string(id))
	}
}

// total is the running month's traffic. The mutex is held.
func (n *node) total(id []byte) (bytes uint64) {
	now := n.l.calendar.Load().now
	for p, s := range n.sheets {
		if p.month == now {
			if r, _ := s.FindBytes(id, 0); r != nil {
				bytes += r.Traffic.Total()
			}
		}
	}
	return bytes
}

// judge notes whether what is stored of an account's use is to be written anew. The mutex is held.
func (n *node) judge(account string) {
	account, sub, stored, ok := n.l.bought(n.l.store.Snapshot(), account)
	if !ok {
		return
	}
	now := n.use(account)
	near, side, enough := guard{}, guard{}, true
	for name, r := range map[string][2]*between{plan.TrafficMiB: {&near.traffic, &side.traffic}, plan.DiskMiB: {&near.space, &side.space}} {
		was := stored[name] // what was never told is as if there was nothing
		is, known := now[name]
		limit := sub.Values.Of(name).Limit
		*r[0], *r[1] = around(was, limit), beside(is, limit)
		enough = enough && (!known || r[0].has(is))
		n.crossed = n.crossed || known && over(is, limit) != over(was, limit)
	}
	if enough {
		*n.guards.Cell(account) = near
		return
	}
	*n.guards.Cell(account) = side // what is written is what there is then: until that only another side is news
	if n.uses == nil {
		n.uses = map[string]struct{}{}
	}
	n.uses[account] = struct{}{}
	n.urgent = true
}

func over(mib uint64, limit reselling.Limit) bool { return !limit.None && mib > limit.Most }

// use is what is known of an account's use now. The mutex is held.
func (n *node) use(account string) subscription.Use {
	t := n.traffic(account, n.l.calendar.Load().now)
	u := subscription.Use{plan.TrafficMiB: core.MiB(t.Total())}
	if c := n.space.Find(account); c != nil {
		u[plan.DiskMiB] = core.MiB(c.Total())
	}
	return u
}

// bought is the subscription of an account that is there, and what is stored of its use.
func (l *Ledger) bought(snap *store.Snapshot, account string) (id string, sub *subscription.Subscription, use subscription.Use, ok bool) {
	a, ok := store.Accounts.In(snap, account)
	if !ok || !a.Live() {
		return "", nil, nil, false
	}
	if sub, ok = store.Subscriptions.In(snap, a.Subscription); !ok {
		return "", nil, nil, false
	}
	if stored, told := store.SubscriptionUses.In(snap, sub.ID); told {
		use = *stored
	}
	return a.ID, sub, use, true
}

// usesAtOnce is how many go into one commit, with what is counted for their resellers: at most 3 + reselling.MaxDepth records of each, of the 128 that etcd takes.
const usesAtOnce = 128 / (3 + reselling.MaxDepth)

// writeUses stores the use of some accounts. What is as it was is not written.
func (l *Ledger) writeUses(ctx context.Context, uses map[string]subscription.Use) error {
	list := make([]string, 0, len(uses))
	for account := range uses {
		list = append(list, account)
	}
	for len(list) > 0 {
		part := list[:min(len(list), usesAtOnce)]
		list = list[len(part):]
		if _, err := l.store.Change(ctx, func(tx *store.Tx) error {
			for _, account := range part {
				if err := putUse(tx, account, uses[account]); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

func putUse(tx *store.Tx, account string, use subscription.Use) error {
	a, known, err := store.Accounts.Find(tx, account)
	if err != nil || !known || !a.Live() {
		return err
	}
	before, _, err := store.SubscriptionUses.Find(tx, a.Subscription)
	if err != nil {
		return err
	}
	sub, sold, err := store.Subscriptions.Find(tx, a.Subscription)
	if err != nil || !sold || same(before, use) {
		return err
	}
	return intake.PutUse(tx, &sub, use)
}

// same reports whether a use was said before.
func same(before, use subscription.Use) bool {
	for name, n := range use {
		if was, told := before[name]; !told || was != n {
			return false
		}
	}
	return true
}
