package netboot

import (
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	scriptsPerSecond = 1    // of one address; a machine asks twice each boot
	scriptsAtOnce    = 20   //
	maxAsking        = 4096 // addresses that are remembered
	maxConnections   = 512  // on one listener
	patience         = 30 * time.Second
)

// pace limits how often one address may ask for a script. When there are too many addresses all begin anew.
type pace struct {
	mu     sync.Mutex
	limits map[string]*rate.Limiter
}

func (p *pace) allow(host string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.limits) >= maxAsking || p.limits == nil {
		p.limits = map[string]*rate.Limiter{}
	}
	l := p.limits[host]
	if l == nil {
		l = rate.NewLimiter(scriptsPerSecond, scriptsAtOnce)
		p.limits[host] = l
	}
	return l.Allow()
}

// few lets a bounded number of connections in at a time.
type few struct {
	net.Listener
	slots chan struct{}
}

func newFew(l net.Listener) *few { return &few{l, make(chan struct{}, maxConnections)} }

// Accept closes what comes while all slots are taken: who waits would block the others.
func (f *few) Accept() (net.Conn, error) {
	for {
		c, err := f.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case f.slots <- struct{}{}:
			return &counted{Conn: c, free: sync.OnceFunc(func() { <-f.slots })}, nil
		default:
			_ = c.Close()
		}
	}
}

type counted struct {
	net.Conn
	free func()
}

func (c *counted) Close() error {
	c.free()
	return c.Conn.Close()
}

// patient gives each piece of an answer a deadline of its own: a slow machine gets its memory image, one that stopped reading is left.
type patient struct{ http.ResponseWriter }

func (p patient) Write(b []byte) (int, error) {
	if err := http.NewResponseController(p.ResponseWriter).SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	return p.ResponseWriter.Write(b)
}

func (p patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }
