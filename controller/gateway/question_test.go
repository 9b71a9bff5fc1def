package gateway_test

import (
	"context"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/controller/gateway"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// ledger takes everything and remembers nothing.
type ledger struct{}

func (ledger) Calendar() protocol.UsageMonths { return protocol.UsageMonths{Zone: 1} }
func (ledger) Report(_ string, _ any, rep *protocol.UsageReport, done func(uint64)) error {
	done(rep.Seq)
	return nil
}

func (ledger) ServerReport(_ string, _ any, rep *protocol.ServerUsage, done func(uint64)) error {
	done(rep.Seq)
	return nil
}
func (ledger) Left(string, any) {}

// asking is a gateway with a node that counts.
type asking struct {
	*house
	t    *testing.T
	node *member
	conn *session.Conn
}

// replied is what a question came to.
type replied struct {
	list []protocol.QuarterUsage
	err  error
}

func newAsking(t *testing.T) *asking {
	h := open(t, func(o *gateway.Options) { o.Usage = ledger{} })
	a := &asking{house: h, t: t}
	a.node, a.conn = a.counting()
	return a
}

// counting is one more node.
func (a *asking) counting() (*member, *session.Conn) {
	a.t.Helper()
	m := a.member(0)
	conn, _, err := m.greet(func(h *protocol.Hello) { h.Capabilities = []string{protocol.CanMeter} })
	if err != nil {
		a.t.Fatal(err)
	}
	return m, conn
}

func (a *asking) begins(ctx context.Context, m *member) <-chan replied {
	out := make(chan replied, 1)
	go func() {
		list, err := a.Quarters(ctx, m.id, "acc-1", 100, 200)
		out <- replied{list, err}
	}()
	return out
}

// hears is the next question that a node gets.
func (a *asking) hears(conn *session.Conn) (ask protocol.UsageAsk) {
	a.t.Helper()
	for {
		m, err := conn.Receive()
		if err != nil {
			a.t.Fatal(err)
		}
		if m.Kind != protocol.KindUsageAsk {
			continue
		}
		if err := m.Decode(&ask); err != nil {
			a.t.Fatal(err)
		}
		return ask
	}
}

func (a *asking) says(conn *session.Conn, id string, quarters ...int64) {
	a.t.Helper()
	answer, before := protocol.UsageAnswer{ID: id}, int64(0)
	for _, n := range quarters {
		q := protocol.QuarterUsage{Quarter: n}
		q.Traffic[protocol.UsageMail].In = uint64(n)
		answer.Quarters, before = protocol.AppendQuarter(answer.Quarters, before, &q), n
	}
	if err := conn.Send(protocol.KindUsageAnswer, &answer); err != nil {
		a.t.Fatal(err)
	}
}

func (a *asking) want(what string, r replied, kind fault.Kind, words string) {
	a.t.Helper()
	if !fault.Is(r.err, kind) || !strings.Contains(r.err.Error(), words) || r.list != nil {
		a.t.Errorf("%s: %d quarter-hours, %v", what, len(r.list), r.err)
	}
}

func TestU2_AnAnswerReachesWhoAskedForIt(t *testing.T) {
	a := newAsking(t)
	_, other := a.counting()
	first, second := a.begins(t.Context(), a.node), a.begins(t.Context(), a.node)
	one, two := a.hears(a.conn), a.hears(a.conn)
	if one.ID == two.ID || one.Account != "acc-1" || one.From != 100 || one.To != 200 {
		t.Fatalf("asked %+v and %+v", one, two)
	}
	a.says(a.conn, "ask-nobody", 101) // nobody asked this
	a.says(other, one.ID, 102)        // nor this node
	eventually(t, "both are counted", func() bool { return a.Stats().Stray == 2 })
	a.says(a.conn, two.ID, 103, 150)
	a.says(a.conn, one.ID)
	a.says(a.conn, two.ID, 104) // it was answered
	eventually(t, "it is counted", func() bool { return a.Stats().Stray == 3 })
	got := map[int]int{}
	for _, r := range []replied{<-first, <-second} {
		if got[len(r.list)]++; r.err != nil || len(r.list) == 2 && (r.list[0].Quarter != 103 || r.list[1].Traffic[protocol.UsageMail].In != 150) {
			t.Errorf("%+v", r)
		}
	}
	if got[0] != 1 || got[2] != 1 || !a.Connected(a.node.id) {
		t.Errorf("by how many quarter-hours: %v", got)
	}
}

func TestU2_WhatCannotBeAnAnswerIsNotHandedOn(t *testing.T) {
	a := newAsking(t)
	for what, quarter := range map[string]int64{"one before": 99, "one behind": 200} {
		r := a.begins(t.Context(), a.node)
		a.says(a.conn, a.hears(a.conn).ID, quarter)
		a.want(what, <-r, fault.KindUnavailable, "cannot be")
	}
	r := a.begins(t.Context(), a.node)
	if err := a.conn.Send(protocol.KindUsageAnswer, &protocol.UsageAnswer{ID: a.hears(a.conn).ID, Fault: fault.NotFound("no \x1b[2J book")}); err != nil {
		t.Fatal(err)
	}
	got := <-r
	if a.want("a fault", got, fault.KindUnavailable, "book"); strings.Contains(got.err.Error(), "\x1b") {
		t.Errorf("%q", got.err)
	}
	silent := a.member(0)
	silent.session()
	a.want("one that does not count", <-a.begins(t.Context(), silent), fault.KindRefused, "counts no traffic")
	a.want("one that is not here", <-a.begins(t.Context(), a.member(0)), fault.KindUnavailable, "not connected")
}

// TestU2_QuestionsOfANodeAreBoundedAndEndWithItsSession: who hangs up does not make room for more work of the node.
func TestU2_QuestionsOfANodeAreBoundedAndEndWithItsSession(t *testing.T) {
	a := newAsking(t)
	ctx, cancel := context.WithCancel(t.Context())
	gone, asked := a.begins(ctx, a.node), a.hears(a.conn)
	cancel()
	a.want("who hung up", <-gone, fault.KindUnavailable, "nobody waits")
	var waiting []<-chan replied
	for range 7 {
		waiting = append(waiting, a.begins(t.Context(), a.node))
		a.hears(a.conn)
	}
	a.want("the ninth", <-a.begins(t.Context(), a.node), fault.KindUnavailable, "ask again")
	a.says(a.conn, asked.ID) // late: but it is no stray one
	if err := a.conn.Send(protocol.KindPing, &protocol.Ping{Seq: 1}); err != nil {
		t.Fatal(err)
	}
	if err := a.conn.Expect(protocol.KindPong, &protocol.Pong{}); err != nil { // it was taken in
		t.Fatal(err)
	}
	waiting = append(waiting, a.begins(t.Context(), a.node))
	a.hears(a.conn)
	if n := a.Stats().Stray; n != 0 {
		t.Errorf("%d stray answers", n)
	}
	_ = a.conn.Close()
	for _, r := range waiting {
		a.want("the session ended", <-r, fault.KindUnavailable, "left")
	}
}

// TestU2_AnswersThatWereAskedForCostTheAgentNothing, however many they are; those that nobody asked for end the session.
func TestU2_AnswersThatWereAskedForCostTheAgentNothing(t *testing.T) {
	a := newAsking(t)
	for range 150 { // a hundred and some would have been a flood
		r := a.begins(t.Context(), a.node)
		a.says(a.conn, a.hears(a.conn).ID, 101)
		if got := <-r; got.err != nil {
			t.Fatal(got.err)
		}
	}
	for range 1000 {
		if a.conn.Send(protocol.KindUsageAnswer, &protocol.UsageAnswer{ID: "x"}) != nil {
			break
		}
	}
	eventually(t, "the session is over", func() bool { return !a.Connected(a.node.id) && a.Stats().BadFrames[session.ReasonFlood] == 1 })
}
