package link

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// parting is how long the controller has to hear how a shell ended.
const parting = 5 * time.Second

// Shell is a shell on a terminal. Read ends with io.EOF when the shell has ended; Write waits some seconds at most. Close ends
// the shell, and a Read or Write that waits, and may be called again.
type Shell interface {
	io.ReadWriteCloser
	Resize(rows, cols int) error
	Wait() (status int)
}

// onConsole opens a console beside the session, and ends it with the session.
func (s *live) onConsole(m session.Message) error {
	var ask protocol.Console
	if err := m.Decode(&ask); err != nil {
		return err
	}
	if s.opt.Shell == nil {
		return session.Bad(session.ReasonOutOfOrder, "an agent in environment %s gives no shell to anybody", s.opt.Environment)
	}
	if ask.ID == "" || len(ask.ID) > protocol.MaxConsoleID || !sized(ask.Rows, ask.Cols) {
		return session.Bad(session.ReasonDecode, "a console without an id, or of %d by %d characters", ask.Rows, ask.Cols)
	}
	s.work.Go(func() {
		s.log.Warn("a person opens a console", "console", ask.ID)
		if err := s.console(ask); err != nil {
			s.log.Warn("the console broke off", "console", ask.ID, "error", err)
			return
		}
		s.log.Info("the console is over", "console", ask.ID)
	})
	return nil
}

func sized(rows, cols int) bool {
	return min(rows, cols) >= 0 && max(rows, cols) <= protocol.MaxConsoleSide
}

// console dials the controller, and connects it with a shell until either ends.
func (s *live) console(ask protocol.Console) error {
	s.shell.Lock() // the controller asks for one at a time; the one before may be ending still
	defer s.shell.Unlock()
	id := s.identity()
	raw, err := s.dial(s.life, session.ControlTLS(protocol.ALPNConsole, id.cert, id.authority, &s.tickets))
	if err != nil {
		return err
	}
	conn := session.NewConn(raw, 0) // the session tells whether the controller is alive
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(s.life, func() { _ = conn.Close() })()
	if err := conn.Send(protocol.KindConsole, &protocol.Console{ID: ask.ID}); err != nil {
		return err
	}
	shell, err := s.opt.Shell(ask.Rows, ask.Cols)
	if err != nil {
		return refuse(conn, fault.Unavailable("%w", err))
	}
	defer context.AfterFunc(s.life, func() { _ = shell.Close() })()
	return connect(conn, shell)
}

// refuse says why there is no shell.
func refuse(conn *session.Conn, why *fault.Fault) error {
	if conn.Send(protocol.KindConsoleExit, &protocol.ConsoleExit{Fault: why}) == nil {
		conn.Drain()
	}
	return why
}

// connect carries what is typed to the shell and what it writes back, and ends the shell. It returns when both ends are closed.
func connect(conn *session.Conn, shell Shell) error {
	var output sync.WaitGroup
	output.Go(func() {
		if tell(conn, shell) == nil {
			_ = conn.Send(protocol.KindConsoleExit, &protocol.ConsoleExit{Status: shell.Wait()})
		}
		_ = shell.Close() // who types waits no longer
		time.AfterFunc(parting, func() { _ = conn.Close() })
	})
	err := listen(conn, shell)
	_ = shell.Close()
	_ = conn.Close()
	output.Wait()
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// tell sends what the shell writes, until its end. While the controller takes nothing the shell waits.
func tell(conn *session.Conn, shell Shell) error {
	buf := make([]byte, protocol.ConsoleChunk)
	for {
		n, err := shell.Read(buf)
		if n > 0 {
			if err := conn.Send(protocol.KindConsoleData, &protocol.ConsoleData{Data: buf[:n]}); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// listen hands on what is typed, until the controller closes.
func listen(conn *session.Conn, shell Shell) error {
	for {
		m, err := conn.Receive()
		if err != nil {
			return err
		}
		switch m.Kind {
		case protocol.KindConsoleData:
			var d protocol.ConsoleData
			if err := m.Decode(&d); err != nil {
				return err
			}
			if len(d.Data) > protocol.ConsoleChunk {
				return session.Bad(session.ReasonTooLarge, "%d bytes of a console in one message; %d are allowed", len(d.Data), protocol.ConsoleChunk)
			}
			_, _ = shell.Write(d.Data) // what nobody reads in time is lost, and a shell that has ended says so in tell
		case protocol.KindConsoleSize:
			var size protocol.ConsoleSize
			if err := m.Decode(&size); err != nil {
				return err
			}
			if !sized(size.Rows, size.Cols) {
				return session.Bad(session.ReasonDecode, "a terminal of %d by %d characters", size.Rows, size.Cols)
			}
			_ = shell.Resize(size.Rows, size.Cols) // the shell goes on in the size that it has
		default:
			return session.Bad(session.ReasonOutOfOrder, "a message of kind %d may not come in a console", m.Kind)
		}
	}
}
