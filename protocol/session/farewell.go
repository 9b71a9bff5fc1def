package session

import (
	"time"

	"github.com/steelyard/steelyard/protocol"
)

// linger is how long a connection stays open after a Goodbye, so that the peer can
// read it: closing with unread data would throw it away.
const linger = time.Second

// Farewell says why and closes. Only the receiving goroutine may call it.
func (c *Conn) Farewell(g protocol.Goodbye) {
	c.Dismiss(g)
	c.Drain()
	_ = c.Close()
}

// Drain throws away what still arrives until the peer closes or a second has passed.
// Only the receiving goroutine may call it.
func (c *Conn) Drain() {
	_ = c.raw.SetReadDeadline(time.Now().Add(linger))
	var rest [512]byte
	for {
		if _, err := c.raw.Read(rest[:]); err != nil {
			return
		}
	}
}

// Dismiss says why and sees to it that the connection ends soon, whatever the
// peer does. It may be called from any goroutine; the receiver then finds the end.
func (c *Conn) Dismiss(g protocol.Goodbye) {
	time.AfterFunc(linger, func() { _ = c.Close() })
	_ = c.Send(protocol.KindGoodbye, &g)
}
