package link

import (
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// questions is how many may wait for an answer: each reads files of the node.
const questions = 16

// usageChanged never signals where nothing is counted.
func (s *live) usageChanged() <-chan struct{} {
	if s.opt.Meter == nil {
		return nil
	}
	return s.opt.Meter.Changed()
}

// pushUsage sends what is to be said of usage now.
func (s *live) pushUsage(now time.Time) {
	if s.opt.Meter == nil {
		return
	}
	for {
		kind, message, at := s.opt.Meter.Report(now)
		if s.usageAt = at; message == nil {
			return
		}
		s.send(kind, message)
	}
}

func (s *live) onUsageMonths(m session.Message) error {
	var months protocol.UsageMonths
	if err := m.Decode(&months); err != nil {
		return err
	}
	if s.opt.Meter == nil {
		return session.Bad(session.ReasonOutOfOrder, "months came to an agent that counts nothing")
	}
	if err := months.Check(); err != nil {
		return session.Bad(session.ReasonDecode, "%v", err)
	}
	s.opt.Meter.SetMonths(months)
	return nil
}

func (s *live) onUsageAck(m session.Message) error {
	var ack protocol.UsageAck
	if err := m.Decode(&ack); err != nil {
		return err
	}
	if s.opt.Meter != nil {
		s.opt.Meter.Told(ack.Seq)
	}
	return nil
}

// onUsageAsk answers beside the loop, in the order of the questions: an answer is read from the disk.
func (s *live) onUsageAsk(m session.Message) error {
	var ask protocol.UsageAsk
	if err := m.Decode(&ask); err != nil {
		return err
	}
	if s.opt.Meter == nil {
		return session.Bad(session.ReasonOutOfOrder, "an agent that counts nothing is asked what was counted")
	}
	if err := ask.Check(); err != nil {
		return session.Bad(session.ReasonDecode, "%v", err)
	}
	select {
	case s.asked <- ask:
	default:
		s.send(protocol.KindUsageAnswer, &protocol.UsageAnswer{ID: ask.ID, Fault: fault.Unavailable("%d questions wait for an answer of this node already; ask again in a moment", questions)})
	}
	return nil
}

// answer answers questions until the session ends.
func (s *live) answer() {
	for {
		select {
		case <-s.life.Done():
			return
		case ask := <-s.asked:
			a := s.opt.Meter.Answer(s.life, ask)
			a.ID = ask.ID
			s.send(protocol.KindUsageAnswer, &a)
		}
	}
}
