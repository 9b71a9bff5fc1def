package link

import (
	"time"

	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// have tells which accounts the node carries, in as many frames as it takes.
func (s *live) have() {
	if s.opt.Host == nil {
		return
	}
	list := s.opt.Host.Have()
	for {
		n := min(len(list), protocol.MaxHosted)
		frame := protocol.HostedHave{Accounts: list[:n], More: n < len(list)}
		s.send(protocol.KindHostedHave, &frame)
		if list = list[n:]; !frame.More {
			break
		}
	}
	s.pushHosted(time.Now())
}

// hostedChanged never signals where no accounts are.
func (s *live) hostedChanged() <-chan struct{} {
	if s.opt.Host == nil {
		return nil
	}
	return s.opt.Host.Changed()
}

// hostedEvery is the least time between two reports of accounts: the controller bounds what an agent may send.
const hostedEvery = 600 * time.Millisecond

// hosted is what became of the reports of accounts in this session.
type hosted struct {
	seq  uint64    // sent last
	at   time.Time // when it was sent
	next time.Time // when it, or the next one, is sent; zero: nothing is to be sent
}

// pushHosted sends the report that is due: a new one soon, one that was not acknowledged after [ResendAfter].
func (s *live) pushHosted(now time.Time) {
	h := &s.hosted
	r, ok := s.opt.Host.Report()
	if !ok {
		h.next = time.Time{}
		return
	}
	h.next = h.at.Add(hostedEvery)
	if r.Seq == h.seq {
		h.next = h.at.Add(ResendAfter)
	}
	if now.Before(h.next) {
		return
	}
	s.pushUsage(now) // what an account used is told before that it is gone
	s.send(protocol.KindHostedReport, &r)
	h.seq, h.at, h.next = r.Seq, now, now.Add(ResendAfter)
}

func (s *live) onHostedSet(m session.Message) error {
	var set protocol.HostedSet
	if err := m.Decode(&set); err != nil {
		return err
	}
	if s.opt.Host == nil {
		return session.Bad(session.ReasonOutOfOrder, "documents of accounts came to an agent that carries none")
	}
	return s.opt.Host.Set(set)
}

func (s *live) onHostedAck(m session.Message) error {
	var ack protocol.HostedAck
	if err := m.Decode(&ack); err != nil {
		return err
	}
	if s.opt.Host != nil {
		s.opt.Host.Told(ack.Seq)
	}
	return nil
}
