package session

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// Deadlines of a connection.
const (
	FrameTimeout = 30 * time.Second // from the first byte of a frame to its last
	WriteTimeout = 10 * time.Second // of one message
)

// Conn sends and receives messages on one connection or stream. One goroutine
// receives; any number send.
type Conn struct {
	raw   net.Conn
	close func() error // of the whole connection, also below raw
	idle  time.Duration

	head  [headerSize]byte
	frame *[]byte // the present frame's bytes; given back by the next Receive

	write sync.Mutex
}

// NewConn speaks frames on raw. A frame must begin within idle of the last one;
// 0 leaves that watch to the caller.
func NewConn(raw net.Conn, idle time.Duration) *Conn {
	return &Conn{raw: raw, close: raw.Close, idle: idle}
}

// SetIdle changes the idle limit, from the next Receive on. Only the receiving
// goroutine may call it.
func (c *Conn) SetIdle(d time.Duration) { c.idle = d }

// Close ends the connection and everything below it. It may be called again and
// from anywhere.
func (c *Conn) Close() error { return c.close() }

// RemoteAddr is the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.raw.RemoteAddr() }

// Send writes one message. After an error other than one about the message itself
// (a *BadFrame) the connection is closed.
func (c *Conn) Send(kind protocol.Kind, msg any) error {
	e, err := encode(kind, msg)
	if err != nil {
		return err
	}
	defer e.release()
	c.write.Lock()
	defer c.write.Unlock()
	err = c.raw.SetWriteDeadline(time.Now().Add(WriteTimeout))
	if err == nil {
		_, err = c.raw.Write(e.buf.Bytes())
	}
	if err != nil {
		_ = c.Close()
		return fault.Unavailable("send to %v: %w", c.RemoteAddr(), err)
	}
	return nil
}

// Message is one received frame. Its bytes are valid until the next Receive.
type Message struct {
	Kind protocol.Kind
	body []byte
}

// Size is the number of bytes of the encoded message.
func (m Message) Size() int { return len(m.body) }

// Decode fills to, a pointer to the struct that belongs to the kind.
func (m Message) Decode(to any) error { return unmarshal(m.body, to) }

// Receive waits for one frame and scans it. io.EOF means that the peer closed
// between two frames. A peer that breaks a rule gives a *BadFrame; a silent one an
// unavailable fault.
func (c *Conn) Receive() (Message, error) {
	c.release()
	err := c.raw.SetReadDeadline(c.patience())
	// An idle session waits in this Read, with few and small frames below it: so its stack stays at 2 KiB.
	for n := 0; n == 0 && err == nil; {
		n, err = c.raw.Read(c.head[:1])
	}
	if err != nil {
		return Message{}, c.silence(err)
	}
	return c.rest()
}

// patience is the deadline of a frame's first byte.
func (c *Conn) patience() time.Time {
	if c.idle == 0 {
		return time.Time{}
	}
	return time.Now().Add(c.idle)
}

// silence is what the end of waiting means.
func (c *Conn) silence(err error) error {
	if isTimeout(err) {
		return fault.Unavailable("nothing was heard from %v for %v: %w", c.RemoteAddr(), c.idle, err)
	}
	return err
}

// rest reads what follows the first byte.
func (c *Conn) rest() (Message, error) {
	size, kind, err := c.header()
	if err != nil {
		return Message{}, err
	}
	body, err := c.body(size - 1)
	if err != nil {
		return Message{}, err
	}
	if err := Scan(body); err != nil {
		return Message{}, err
	}
	return Message{Kind: kind, body: body}, nil
}

// Expect receives one message that must be of the given kind, or a Goodbye, whose
// fault it returns.
func (c *Conn) Expect(kind protocol.Kind, to any) error {
	m, err := c.Receive()
	if err != nil {
		return err
	}
	if m.Kind == protocol.KindGoodbye {
		return m.goodbye()
	}
	if m.Kind != kind {
		return Bad(ReasonOutOfOrder, "expected a message of kind %d, not %d", kind, m.Kind)
	}
	return m.Decode(to)
}

// Left is the error that a received Goodbye becomes.
type Left struct {
	Retry time.Duration // the least time to wait before the next attempt; 0 leaves it to the back-off
	fault *fault.Fault
}

// Error is the peer's sentence.
func (l *Left) Error() string { return l.fault.Error() }

// Unwrap gives the peer's fault.
func (l *Left) Unwrap() error { return l.fault }

func (m Message) goodbye() error {
	var g protocol.Goodbye
	if err := m.Decode(&g); err != nil {
		return err
	}
	return LeftBy(g)
}

// LeftBy turns a Goodbye into an error.
func LeftBy(g protocol.Goodbye) *Left {
	if g.Fault == nil {
		g.Fault = fault.Unavailable("the peer ended the session")
	}
	return &Left{Retry: time.Duration(min(max(g.RetrySeconds, 0), 86400)) * time.Second, fault: g.Fault}
}

// header reads the rest of length and kind, and checks both before a byte more is read.
func (c *Conn) header() (size int, kind protocol.Kind, err error) {
	if err := c.raw.SetReadDeadline(time.Now().Add(FrameTimeout)); err != nil {
		return 0, 0, err
	}
	if err := c.fill(c.head[1:4]); err != nil {
		return 0, 0, err
	}
	n := binary.BigEndian.Uint32(c.head[:4])
	if n == 0 {
		return 0, 0, Bad(ReasonEmpty, "a frame without a kind")
	}
	if n > protocol.MaxFrame {
		return 0, 0, Bad(ReasonTooLarge, "a frame of %d bytes; no frame has more than %d", n, protocol.MaxFrame)
	}
	if err := c.fill(c.head[4:]); err != nil {
		return 0, 0, err
	}
	return int(n), protocol.Kind(c.head[4]), checkSize(protocol.Kind(c.head[4]), int(n))
}

func checkSize(kind protocol.Kind, n int) error {
	limit := Limit(kind)
	if limit == 0 {
		return Bad(ReasonUnknown, "kind %d is not known to this version", kind)
	}
	if n > limit {
		return Bad(ReasonTooLarge, "a frame of kind %d with %d bytes; %d are allowed", kind, n, limit)
	}
	return nil
}

// fill reads bytes that must come.
func (c *Conn) fill(b []byte) error {
	_, err := io.ReadFull(c.raw, b)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Bad(ReasonTruncated, "the connection ended inside a frame")
	case isTimeout(err):
		return Bad(ReasonTruncated, "a frame did not arrive within %v", FrameTimeout)
	}
	return err
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// smallFrame is what most frames fit into. What is kept for reading them grows with those that do not, up to keep.
const smallFrame = 4 << 10

var frames = sync.Pool{New: func() any {
	b := make([]byte, smallFrame)
	return &b
}}

// body reads n bytes into memory that grows as they arrive.
func (c *Conn) body(n int) ([]byte, error) {
	c.frame = frames.Get().(*[]byte)
	buf := *c.frame
	for got := 0; ; {
		upto := min(n, len(buf))
		if err := c.fill(buf[got:upto]); err != nil {
			return nil, err
		}
		if upto == n {
			return buf[:n], nil
		}
		got = upto
		buf = append(buf, make([]byte, min(n, 2*len(buf))-len(buf))...)
		if cap(buf) <= keep {
			*c.frame = buf
		}
	}
}

// release gives the last frame back, and what the multiplexer held for it.
func (c *Conn) release() {
	if c.frame != nil {
		frames.Put(c.frame)
		c.frame = nil
	}
	if s, ok := c.raw.(interface{ Shrink() }); ok {
		s.Shrink()
	}
}
