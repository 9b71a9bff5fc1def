package link

import (
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// read hands on what the controller says, and ends the session when it ends.
func (s *live) read() {
	for {
		m, err := s.conn.Receive()
		if err == nil {
			err = s.handle(m)
		}
		if err != nil {
			s.ended <- err
			_ = s.conn.Close()
			return
		}
	}
}

// handlers by kind; another kind ends the session.
var handlers = map[protocol.Kind]func(*live, session.Message) error{
	protocol.KindGoodbye: (*live).onGoodbye,
	protocol.KindPong:    (*live).onPong,
	protocol.KindWant:    (*live).onWant,
	protocol.KindCommand: (*live).onCommand,
	protocol.KindCancel:  (*live).onCancel,
	protocol.KindAck:     (*live).onAck,
	protocol.KindRenewed: (*live).onRenewed,
	protocol.KindConsole: (*live).onConsole,

	protocol.KindHostedSet: (*live).onHostedSet,
	protocol.KindHostedAck: (*live).onHostedAck,

	protocol.KindUsageMonths: (*live).onUsageMonths,
	protocol.KindUsageAck:    (*live).onUsageAck,
	protocol.KindUsageAsk:    (*live).onUsageAsk,
}

func (s *live) handle(m session.Message) error {
	h := handlers[m.Kind]
	if h == nil {
		return session.Bad(session.ReasonOutOfOrder, "a message of kind %d may not come from a controller in a session", m.Kind)
	}
	return h(s, m)
}

func (s *live) onGoodbye(m session.Message) error {
	var g protocol.Goodbye
	if err := m.Decode(&g); err != nil {
		return err
	}
	return session.LeftBy(g)
}

// onPong has nothing to do: that something came is what counts.
func (s *live) onPong(m session.Message) error { return m.Decode(&protocol.Pong{}) }

func (s *live) onWant(session.Message) error {
	select {
	case s.want <- struct{}{}:
	default: // asked for already
	}
	return nil
}

func (s *live) onCommand(m session.Message) error {
	var c protocol.Command
	if err := m.Decode(&c); err != nil {
		return err
	}
	s.opt.Executor.Execute(c)
	return nil
}

func (s *live) onCancel(m session.Message) error {
	var c protocol.Cancel
	if err := m.Decode(&c); err != nil {
		return err
	}
	s.opt.Executor.Cancel(c)
	return nil
}

func (s *live) onAck(m session.Message) error {
	var a protocol.Ack
	if err := m.Decode(&a); err != nil {
		return err
	}
	s.opt.Executor.Acked(a.Command)
	return nil
}

func (s *live) onRenewed(m session.Message) error {
	var r protocol.Renewed
	if err := m.Decode(&r); err != nil {
		return err
	}
	select {
	case s.renewed <- r:
		return nil
	default:
		return session.Bad(session.ReasonReplayed, "a certificate that was not asked for")
	}
}
