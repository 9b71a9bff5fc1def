package simulate

import (
	"context"
	"net"
	"sync"
)

// cord holds the connections of one life, so that a cut of the power ends them at once: a machine
// without power says no goodbye.
type cord struct {
	mu     sync.Mutex
	pulled bool
	conns  map[net.Conn]struct{}
}

type dialer func(ctx context.Context, address string) (net.Conn, error)

// through is dial, for connections that end with the cord.
func (c *cord) through(dial dialer) dialer {
	return func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := dial(ctx, address)
		if err != nil {
			return nil, err
		}
		return c.hold(conn)
	}
}

func (c *cord) hold(conn net.Conn) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pulled {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	if c.conns == nil {
		c.conns = map[net.Conn]struct{}{}
	}
	c.conns[conn] = struct{}{}
	return corded{conn, c}, nil
}

// pull closes all of them, and those that come.
func (c *cord) pull() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pulled = true
	for conn := range c.conns {
		_ = conn.Close()
	}
}

type corded struct {
	net.Conn
	cord *cord
}

func (c corded) Close() error {
	c.cord.mu.Lock()
	delete(c.cord.conns, c.Conn)
	c.cord.mu.Unlock()
	return c.Conn.Close()
}
