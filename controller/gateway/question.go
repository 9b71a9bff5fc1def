package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// Bounds of questions. An agent lets 16 wait; each reads files of its node.
const (
	questionTimeout  = 15 * time.Second
	questionsOfAgent = 8
	maxQuestions     = 64 // of this controller
)

// question waits for the answer of one session. Whoever takes it out of the list closes over.
type question struct {
	agent  *agent
	until  time.Time // it is given up then
	over   chan struct{}
	answer *protocol.UsageAnswer // set before over is closed; nil: the session has ended, or it is given up
}

// questions holds those that an answer may still come for, by their ids. The zero value is ready. One that nobody waits for any more keeps its place until it is answered or
// given up: who asks and hangs up all the time does not make a node work without bounds.
type questions struct {
	mu   sync.Mutex
	open map[string]*question
}

// enter makes a place for a question.
func (t *questions) enter(name string, q *question, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	of := 0
	for other, o := range t.open {
		if now.After(o.until) {
			t.end(other, nil)
		} else if o.agent == q.agent {
			of++
		}
	}
	switch {
	case of >= questionsOfAgent:
		return fault.Unavailable("%d questions wait for an answer of server %s already; ask again in a moment", of, q.agent.server)
	case len(t.open) >= maxQuestions:
		return fault.Unavailable("%d questions wait for answers of nodes already; ask again in a moment", len(t.open))
	}
	if t.open == nil {
		t.open = map[string]*question{}
	}
	t.open[name] = q
	return nil
}

// end takes a question out and tells who waits. The mutex is held.
func (t *questions) end(name string, answer *protocol.UsageAnswer) {
	q := t.open[name]
	delete(t.open, name)
	q.answer = answer
	close(q.over)
}

// give hands an answer to who waits for it; false: nobody does, or not from this session.
func (t *questions) give(a *agent, answer *protocol.UsageAnswer) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q := t.open[answer.ID]; q == nil || q.agent != a {
		return false
	}
	t.end(answer.ID, answer)
	return true
}

// giveUp is for a question whose time is over, or that was not sent.
func (t *questions) giveUp(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open[name] != nil {
		t.end(name, nil)
	}
}

// left tells those who wait for a session that it has ended.
func (t *questions) left(a *agent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, q := range t.open {
		if q.agent == a {
			t.end(name, nil)
		}
	}
}

// onUsageAnswer pays for an answer that nobody waits for alone: those that were asked for are bounded by the questions.
func (a *agent) onUsageAnswer(m session.Message) error {
	var answer protocol.UsageAnswer
	if err := m.Decode(&answer); err != nil {
		return err
	}
	if a.gate.questions.give(a, &answer) {
		return nil
	}
	a.gate.count.stray.Add(1)
	if !a.allowed.take(time.Now(), usageCost) {
		return errFlood
	}
	return nil
}

// Quarters asks the agent of a server for the quarter-hours of an account (rule U2), those in [from, to) in which it had traffic, in their order. Faults: unavailable when the agent is not
// connected here, leaves or does not answer in time, and when too much is asked already; refused when it counts nothing; invalid for what cannot be asked.
func (g *Gateway) Quarters(ctx context.Context, server, account string, from, to int64) ([]protocol.QuarterUsage, error) {
	ask := protocol.UsageAsk{ID: id.New("ask"), Account: account, From: from, To: to}
	if err := ask.Check(); err != nil {
		return nil, err
	}
	a := g.table.get(server)
	if a == nil {
		return nil, fault.Unavailable("the agent of server %s is not connected here", server)
	}
	if !a.meters {
		return nil, fault.Refused("the agent of server %s (version %s) counts no traffic of accounts; install a newer one", server, a.version)
	}
	answer, err := a.question(ctx, &ask)
	if err != nil {
		return nil, err
	}
	return quartersOf(server, &ask, answer)
}

// question asks, and waits for the answer.
func (a *agent) question(ctx context.Context, ask *protocol.UsageAsk) (*protocol.UsageAnswer, error) {
	g, now := a.gate, time.Now()
	q := &question{agent: a, until: now.Add(questionTimeout), over: make(chan struct{})}
	if err := g.questions.enter(ask.ID, q, now); err != nil {
		return nil, err
	}
	if g.table.get(a.server) != a { // it left before it could be told that somebody waits
		g.questions.giveUp(ask.ID)
		return nil, a.unanswered()
	}
	if err := a.conn.Send(protocol.KindUsageAsk, ask); err != nil {
		g.questions.giveUp(ask.ID)
		return nil, a.unanswered()
	}
	late := time.NewTimer(questionTimeout)
	defer late.Stop()
	select {
	case <-q.over:
	case <-late.C:
		g.questions.giveUp(ask.ID)
	case <-ctx.Done():
		return nil, fault.Unavailable("nobody waits for the answer of server %s any more: %w", a.server, ctx.Err())
	}
	<-q.over
	if q.answer == nil {
		return nil, a.unanswered()
	}
	return q.answer, nil
}

func (a *agent) unanswered() error {
	return fault.Unavailable("the agent of server %s left, or did not answer within %v; ask again in a minute", a.server, questionTimeout)
}

// quartersOf reads an answer. What was not asked for is not handed on, and neither is what no account can have.
func quartersOf(server string, ask *protocol.UsageAsk, answer *protocol.UsageAnswer) (list []protocol.QuarterUsage, err error) {
	if answer.Fault != nil {
		return nil, fault.Unavailable("the agent of server %s does not tell quarter-hours: %s", server, hardware.CleanString(answer.Fault.Error()))
	}
	good := true
	err = answer.Each(func(q protocol.QuarterUsage) {
		good = good && ask.From <= q.Quarter && q.Quarter < ask.To
		for _, t := range q.Traffic {
			good = good && t.In <= maxQuarterBytes && t.Out <= maxQuarterBytes
		}
		list = append(list, q)
	})
	if err != nil || !good {
		return nil, fault.Unavailable("the agent of server %s answered with quarter-hours that cannot be; look at its version and its log", server)
	}
	return list, nil
}

// maxQuarterBytes is what nothing transfers in a quarter-hour; no sum of a month of such overflows.
const maxQuarterBytes = 1 << 50
