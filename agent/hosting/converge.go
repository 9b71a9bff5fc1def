package hosting

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// job is one account on its way through the parts.
type job struct {
	account *account
	doc     part.Account
	result  protocol.HostedResult
	bad     bool // no controller would send such a document: nothing is touched
	failed  bool
}

// converge takes a batch through the parts: first those that go, so that names and space are free for those that come.
func (n *Node) converge(ctx context.Context, batch []*account) {
	n.through(ctx, batch, true)
	n.through(ctx, batch, false)
}

func (n *Node) through(ctx context.Context, batch []*account, gone bool) {
	var jobs []*job
	n.mu.Lock()
	for _, a := range batch {
		if (a.doc.State == protocol.HostedGone) == gone {
			jobs = append(jobs, n.job(a))
		}
	}
	n.mu.Unlock()
	if len(jobs) == 0 {
		return
	}
	n.before(ctx, jobs)
	state := protocol.HostedPresent
	if gone {
		state = protocol.HostedGone
		n.identify(jobs)
	}
	for i, p := range n.order(state) {
		if ctx.Err() != nil {
			return // nothing is told: it is begun again after the next start
		}
		n.pass(ctx, p, i, jobs)
	}
	if ctx.Err() == nil {
		n.finish(jobs)
	}
}

// before tells who counts for whom something is done now.
func (n *Node) before(ctx context.Context, jobs []*job) {
	if n.opt.Before == nil {
		return
	}
	list := make([]protocol.HostedAccount, 0, len(jobs))
	for _, j := range jobs {
		if !j.bad {
			list = append(list, j.doc.HostedAccount)
		}
	}
	n.opt.Before(ctx, list)
}

// identify tells those that go which user they had, because the part that knows comes last.
func (n *Node) identify(jobs []*job) {
	for _, p := range n.opt.Parts {
		who, ok := p.(part.Identifier)
		if !ok {
			continue
		}
		for _, j := range jobs {
			if j.bad {
				continue
			}
			if _, err := who.Identify(&j.doc); err != nil {
				j.bad, j.failed = true, true // whose things would be removed is not known
				for i := range j.result.Steps {
					j.result.Steps[i].State, j.result.Steps[i].Message = protocol.HostedFailed, err.Error()
				}
			}
		}
	}
}

func (n *Node) job(a *account) *job {
	j := &job{account: a, doc: part.Account{HostedAccount: a.doc, Home: n.opt.Layout.Home(a.doc.User)}}
	j.result = protocol.HostedResult{ID: a.doc.ID, Version: a.doc.Version, State: protocol.HostedDone}
	err := a.doc.Check()
	j.bad, j.failed = err != nil, err != nil
	for _, p := range n.order(a.doc.State) {
		step := protocol.HostedStep{Part: p.Name(), State: protocol.HostedWaiting}
		if err != nil {
			step.State, step.Message = protocol.HostedFailed, err.Error()
		}
		j.result.Steps = append(j.result.Steps, step)
	}
	return j
}

// pass takes jobs through one part. One that failed in a part before goes no further on its way in; on its way out every part removes what it can.
func (n *Node) pass(ctx context.Context, p part.Part, i int, jobs []*job) {
	var mine []*job
	for _, j := range jobs {
		if j.bad || j.failed && j.doc.State != protocol.HostedGone {
			continue
		}
		mine = append(mine, j)
		n.step(j, i, protocol.HostedStep{Part: p.Name(), State: protocol.HostedWorking})
		n.conclude(j, i, p.Name(), n.do(ctx, p, j), protocol.HostedWorking)
	}
	err := p.Settle(ctx)
	var blamed *part.Blamed
	for _, j := range mine {
		each := err
		if errors.As(err, &blamed) {
			each = blamed.By[j.doc.ID]
		}
		if j.result.Steps[i].State == protocol.HostedWorking {
			n.conclude(j, i, p.Name(), each, protocol.HostedDone)
		}
	}
}

func (n *Node) do(ctx context.Context, p part.Part, j *job) error {
	if j.doc.State != protocol.HostedGone {
		return p.Ensure(ctx, &j.doc)
	}
	j.doc.Kept = j.failed
	left, err := p.Remove(ctx, &j.doc)
	j.result.LeftOvers = append(j.result.LeftOvers, left...)
	if err == nil && len(left) > 0 {
		err = fault.Unavailable("%d things could not be removed; they are listed", len(left))
	}
	return err
}

func (n *Node) conclude(j *job, i int, name string, err error, ok string) {
	step := protocol.HostedStep{Part: name, State: ok}
	if err != nil {
		step.State, step.Message = protocol.HostedFailed, err.Error()
		j.failed = true
	}
	n.step(j, i, step)
}

// step notes how a part is. People watch the steps of what changed; what is only looked at again is told when it is over.
func (n *Node) step(j *job, i int, step protocol.HostedStep) {
	j.result.Steps[i] = step
	n.mu.Lock()
	defer n.mu.Unlock()
	a := j.account
	if a.result.State == protocol.HostedWorking && a.result.Version == j.result.Version && i < len(a.result.Steps) && a.result.Steps[i] != step {
		a.result.Steps[i] = step
		n.tell(a)
	}
}

// finish notes what became of the accounts, and when they are looked at again.
func (n *Node) finish(jobs []*job) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	for _, j := range jobs {
		a := j.account
		if n.accounts[a.doc.ID] != a || a.doc.Version != j.result.Version {
			continue // a newer document came meanwhile, and is queued
		}
		wait := verifyEvery
		if j.failed {
			j.result.State = protocol.HostedFailed
			wait = min(max(2*a.wait, retryFirst), retryLast)
		}
		a.wait, a.due = wait, now.Add(spread(wait))
		if !j.failed {
			a.wait = 0
		}
		j.result.Clean()
		if cmp.Or(a.result.State, "none") != j.result.State || a.result.Digest() != j.result.Digest() {
			a.result = j.result
			n.tell(a)
		}
	}
}

// spread is a time between three quarters of d and d, so that not everything comes at once.
func spread(d time.Duration) time.Duration { return d - time.Duration(rand.Int64N(int64(d)/4+1)) }
