package link

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/protocol"
)

// counter is a meter that has one thing to say in each session, again each minute until it was heard.
type counter struct {
	*machine
	attached int
	months   []protocol.UsageMonths
	told     []uint64
	next     time.Time
	changed  chan struct{}
	slow     chan struct{} // Answer waits for it
}

func (c *counter) Attach() { c.with(func() { c.attached++; c.months, c.next = nil, time.Time{} }) }

func (c *counter) SetMonths(m protocol.UsageMonths) {
	c.with(func() { c.months = append(c.months, m) })
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

func (c *counter) Report(now time.Time) (kind protocol.Kind, message any, again time.Time) {
	c.with(func() {
		switch {
		case len(c.months) == 0 || len(c.told) > 0:
		case now.Before(c.next):
			again = c.next
		default:
			c.next = now.Add(time.Minute)
			kind, message, again = protocol.KindUsageReport, &protocol.UsageReport{Seq: 7}, c.next
		}
	})
	return kind, message, again
}

func (c *counter) Told(seq uint64)          { c.with(func() { c.told = append(c.told, seq) }) }
func (c *counter) Changed() <-chan struct{} { return c.changed }

func (c *counter) Answer(ctx context.Context, ask protocol.UsageAsk) protocol.UsageAnswer {
	select {
	case <-c.slow:
	case <-ctx.Done():
	}
	return protocol.UsageAnswer{Quarters: []byte(ask.Account)}
}

// counting gives the link of a bench a meter, before its first session.
func counting(b *bench) *counter {
	c := &counter{machine: b.m, changed: make(chan struct{}, 1), slow: make(chan struct{})}
	b.link.opt.Meter = c
	return c
}

var november = protocol.UsageMonths{Months: []protocol.UsageMonth{{Name: "2026-11", From: 1, To: 97}}}

func TestU4_UsageIsToldOnceMonthsAreKnownAndUntilItIsStored(t *testing.T) {
	onBench(t, time.Hour, func(b *bench) {
		defer b.stop()
		c := counting(b)
		for session := range 2 {
			conn, _ := b.welcome()
			begun := time.Now()
			for time.Since(begun) < 5*time.Minute {
				m, err := conn.Receive()
				if err != nil {
					t.Fatal(err)
				}
				if m.Kind == protocol.KindUsageReport {
					t.Fatal("usage is told before the months are known")
				}
				if m.Kind == protocol.KindPing {
					b.pong(conn, m)
				}
			}
			if err := conn.Send(protocol.KindUsageMonths, &november); err != nil {
				t.Fatal(err)
			}
			var r protocol.UsageReport
			b.until(conn, protocol.KindUsageReport, &r)
			first := time.Now()
			b.until(conn, protocol.KindUsageReport, &r)
			if waited := time.Since(first); r.Seq != 7 || waited < time.Minute {
				t.Errorf("%+v again after %s", r, waited)
			}
			if session == 1 {
				if err := conn.Send(protocol.KindUsageAck, &protocol.UsageAck{Seq: 7}); err != nil {
					t.Fatal(err)
				}
				var p protocol.SampleReport
				b.until(conn, protocol.KindSample, &p)
			}
			_ = conn.Close()
		}
		c.with(func() {
			if c.attached != 2 || len(c.told) != 1 || c.told[0] != 7 {
				t.Errorf("%d sessions, told %v", c.attached, c.told)
			}
		})
	})
}

func TestU2_QuestionsAreAnsweredInTheirOrderAndAreBounded(t *testing.T) {
	onBench(t, time.Hour, func(b *bench) {
		defer b.stop()
		c := counting(b)
		conn, _ := b.welcome()
		var asking sync.WaitGroup
		defer asking.Wait()
		asking.Go(func() {
			for i := range questions + 5 {
				ask := protocol.UsageAsk{ID: "ask", Account: string(rune('a' + i)), To: 1}
				if err := conn.Send(protocol.KindUsageAsk, &ask); err != nil {
					t.Error(err)
				}
			}
		})
		refused, answered := 0, ""
		for refused+len(answered) < questions+5 {
			var a protocol.UsageAnswer
			b.until(conn, protocol.KindUsageAnswer, &a)
			if a.Fault != nil {
				refused++
			} else {
				answered += string(a.Quarters)
			}
			if refused == 4 && answered == "" { // one is read, as many as may wait do
				close(c.slow)
			}
		}
		if (refused != 4 || answered != "abcdefghijklmnopq") && (refused != 5 || len(answered) != questions) { // the first one may be taken late
			t.Errorf("%d refused, %q answered", refused, answered)
		}
		_ = conn.Close()
	})
}

func TestAMeterIsAskedNothingThatCannotBe(t *testing.T) {
	for name, m := range map[string]struct {
		kind protocol.Kind
		msg  any
	}{
		"months":   {protocol.KindUsageMonths, &protocol.UsageMonths{Months: []protocol.UsageMonth{{Name: "x"}}}},
		"question": {protocol.KindUsageAsk, &protocol.UsageAsk{ID: "a"}},
	} {
		onBench(t, time.Hour, func(b *bench) {
			defer b.stop()
			c := counting(b)
			conn, _ := b.welcome()
			if err := conn.Send(m.kind, m.msg); err != nil {
				t.Fatal(err)
			}
			for {
				if _, err := conn.Receive(); err != nil {
					break
				}
			}
			if len(c.months) > 0 {
				t.Error(name, "was taken")
			}
		})
	}
}
