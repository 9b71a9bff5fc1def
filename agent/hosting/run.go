package hosting

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

// Run converges accounts until ctx ends. What it does then is finished first, as far as the parts obey ctx.
func (n *Node) Run(ctx context.Context) {
	var providedAt time.Time
	timer := time.NewTimer(0)
	defer timer.Stop()
	every := provideEvery
	for ctx.Err() == nil {
		if time.Since(providedAt) >= every {
			changed, whole := n.look(ctx)
			if changed && !providedAt.IsZero() {
				n.tryFailed()
			}
			if every = provideSoon; whole {
				every = provideEvery
			}
			providedAt = time.Now()
		}
		batch, wait := n.next(time.Now())
		if len(batch) > 0 {
			n.converge(ctx, batch)
			continue
		}
		timer.Reset(min(wait, time.Until(providedAt.Add(every))))
		select {
		case <-ctx.Done():
		case <-n.work:
		case <-timer.C:
		}
	}
}

// look asks the parts what the node has; whole is that nothing has a problem.
func (n *Node) look(ctx context.Context) (changed, whole bool) {
	all := protocol.Provided{Components: []protocol.Component{}, Switches: map[string]bool{}}
	for _, p := range n.opt.Parts {
		v := p.Provide(ctx)
		all.Components = append(all.Components, v.Components...)
		maps.Copy(all.Switches, v.Switches)
		all.Shells = append(all.Shells, v.Shells...)
	}
	if ctx.Err() != nil {
		return false, false
	}
	whole = !slices.ContainsFunc(all.Components, func(c protocol.Component) bool { return c.Problem != "" })
	return n.provide(all), whole
}

// tryFailed tries what failed at once: something about the node changed.
func (n *Node) tryFailed() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(n.accounts)) {
		if a := n.accounts[id]; a.result.State == protocol.HostedFailed {
			n.queue(a)
		}
	}
}

// next are the accounts to converge now: changed ones first, then those whose time has come. Without any, wait is how long there is nothing to do.
func (n *Node) next(now time.Time) (batch []*account, wait time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	size := min(len(n.changed), max(batchSize, len(n.changed)/5)) // thousands at once, as after a reinstallation, shall not mean dozens of reloads of daemons that serve thousands
	batch = slices.Clone(n.changed[:size])
	n.changed = slices.Delete(n.changed, 0, size)
	for _, a := range batch {
		a.queued = false
	}
	if len(batch) > 0 {
		return batch, 0
	}
	wait = verifyEvery
	for _, a := range n.accounts {
		if d := a.due.Sub(now); d > 0 {
			wait = min(wait, d)
		} else if len(batch) < batchSize {
			batch = append(batch, a)
		}
	}
	return batch, wait
}

// order is that in which the parts of an account are done: the other way round to remove it.
func (n *Node) order(state string) []part.Part {
	if state != protocol.HostedGone {
		return n.opt.Parts
	}
	list := slices.Clone(n.opt.Parts)
	slices.Reverse(list)
	return list
}
