package rmcp

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/bougou/go-ipmi/pkg/types"

	"github.com/steelyard/steelyard/pkg/bmc"
	"github.com/steelyard/steelyard/pkg/fault"
)

// waits are the patience for each try of a message: ten seconds together.
var waits = []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second}

// Longest user name and password of IPMI 2.0 (sections 22.28 and 22.30).
const (
	maxUser     = 16
	maxPassword = 20
)

// Session is an open session. It is used by one goroutine at a time.
type Session struct {
	conn     net.Conn
	keys     *keys
	sequence uint32 // of the last message out
	heard    uint32 // highest sequence number in
	rqSeq    uint8  // of the last request, 6 bits
	tag      uint8  // of the last message of the handshake
	buffer   [maxDatagram]byte
}

// Dial logs in at host:port (UDP) with the first of the suites that the controller
// speaks. Errors: refused (credentials, none of the suites), unavailable (silent, busy),
// invalid (user name or password too long for IPMI).
func Dial(ctx context.Context, address, user, password string, suites []Suite) (*Session, error) {
	if len(user) > maxUser || len(password) > maxPassword {
		return nil, fault.Invalid("IPMI user names have up to %d bytes and passwords up to %d; these are longer", maxUser, maxPassword)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", address)
	if err != nil {
		return nil, fault.Unavailable("reach the management controller %s: %w", address, err)
	}
	s := &Session{conn: conn}
	for _, suite := range suites {
		k, err := s.handshake(ctx, suite, user, password)
		if errors.Is(err, errSuite) {
			continue
		}
		if err == nil {
			s.keys = k
			err = s.raise(ctx)
		}
		if err != nil {
			s.Close(ctx)
			return nil, err
		}
		return s, nil
	}
	_ = conn.Close()
	return nil, errSuite
}

// NoSuite reports whether Dial failed because none of the suites is spoken.
func NoSuite(err error) bool { return errors.Is(err, errSuite) }

// Suite is the number of the suite in use.
func (s *Session) Suite() uint8 { return s.keys.suite.ID }

// raise takes up the operator privilege: a session starts as an ordinary user.
func (s *Session) raise(ctx context.Context) error {
	const app, setPrivilege = 0x06, 0x3b
	_, err := s.Command(ctx, app, setPrivilege, role&0x0f)
	return err
}

// Command sends one command and returns its data without the completion code; a
// code other than 00 is a [*Completion]. A command is sent again when no answer
// comes, so it must be safe to repeat.
func (s *Session) Command(ctx context.Context, netFn, command uint8, data ...byte) ([]byte, error) {
	out, err := s.exchange(ctx,
		func() ([]byte, error) {
			s.sequence++
			s.rqSeq = (s.rqSeq + 1) & 0x3f
			return s.keys.seal(payloadIPMI, s.sequence, request(netFn, command, s.rqSeq, data))
		},
		func(in []byte) ([]byte, bool) {
			payload, sequence, err := s.keys.open(payloadIPMI, in)
			if err != nil || s.keys.suite.integrity != types.IntegrityAlg_None && sequence <= s.heard {
				return nil, false
			}
			body, ok := answer(netFn, command, s.rqSeq, payload)
			if ok {
				s.heard = max(s.heard, sequence)
			}
			return body, ok
		},
		func(body []byte) error {
			if body[0] == 0 {
				return nil
			}
			return &bmc.Completion{Code: body[0], NetFn: netFn, Command: command}
		},
	)
	if err != nil {
		return nil, err
	}
	return append([]byte(nil), out[1:]...), nil
}

// Close ends the session at the controller, which has few of them, and frees the
// socket. It asks once and does not insist.
func (s *Session) Close(ctx context.Context) {
	const app, closeSession = 0x06, 0x3c
	if s.keys != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), waits[0])
		defer cancel()
		_, _ = s.Command(ctx, app, closeSession, binary.LittleEndian.AppendUint32(nil, s.keys.remote)...)
	}
	_ = s.conn.Close()
}

// exchange sends what make builds until take accepts an answer; judge says what the answer
// means. Each try sends a new datagram: a controller drops a repeated sequence number.
func (s *Session) exchange(ctx context.Context, build func() ([]byte, error), take func([]byte) ([]byte, bool), judge func([]byte) error) ([]byte, error) {
	stop := context.AfterFunc(ctx, func() { _ = s.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	for _, wait := range waits {
		out, err := build()
		if err != nil {
			return nil, fault.Internal("build an IPMI message: %w", err)
		}
		if _, err := s.conn.Write(out); err != nil {
			return nil, s.silent(ctx, err)
		}
		body, err := s.listen(ctx, wait, take)
		if errors.Is(err, errTry) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return body, judge(body)
	}
	return nil, fault.Unavailable("the management controller %s does not answer; check its address, and that IPMI over LAN is on", s.conn.RemoteAddr())
}

// errTry asks for another try.
var errTry = errors.New("no answer")

// listen reads datagrams for at most wait and drops those that are not the answer.
func (s *Session) listen(ctx context.Context, wait time.Duration, take func([]byte) ([]byte, bool)) ([]byte, error) {
	deadline := time.Now().Add(wait)
	for {
		_ = s.conn.SetReadDeadline(deadline)
		if err := ctx.Err(); err != nil { // after the deadline is set: AfterFunc may have come first
			return nil, s.silent(ctx, err)
		}
		n, err := s.conn.Read(s.buffer[:])
		if err != nil {
			var timeout net.Error
			if ctx.Err() == nil && errors.As(err, &timeout) && timeout.Timeout() {
				return nil, errTry
			}
			return nil, s.silent(ctx, err)
		}
		if body, ok := take(s.buffer[:n]); ok {
			return body, nil
		}
	}
}

func (s *Session) silent(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fault.Unavailable("the management controller %s did not answer in time: %w", s.conn.RemoteAddr(), ctx.Err())
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fault.Unavailable("nothing answers IPMI at %s: %w", s.conn.RemoteAddr(), err)
	}
	return fault.Unavailable("talk to the management controller %s: %w", s.conn.RemoteAddr(), err)
}
