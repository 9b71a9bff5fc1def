package lldp

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/mdlayher/packet"

	"github.com/steelyard/steelyard/pkg/hardware"
)

const (
	look    = time.Minute // between two looks at the ports
	maxTTL  = time.Hour   // a switch that says more is not believed
	maxSize = 1 << 11     // bytes of a frame; LLDP does not fragment
)

// port is an open port: what is used of a packet socket.
type port interface {
	ReadFrom([]byte) (int, net.Addr, error)
	Close() error
}

// Listener remembers the neighbour of each port. Its methods may be called from
// several goroutines.
type Listener struct {
	ports func() []string
	open  func(name string) (port, error)

	mu      sync.Mutex
	heard   map[string]memory
	refused error // why the last port could not be opened
}

type memory struct {
	neighbour hardware.Neighbour
	until     time.Time
}

// New returns a Listener; ports names the ports to listen on and is asked again
// each minute. Opening a port needs CAP_NET_RAW.
func New(ports func() []string) *Listener {
	return &Listener{ports: ports, open: openPort, heard: map[string]memory{}}
}

// Neighbour is what was last heard on the port and still holds.
func (l *Listener) Neighbour(name string) (hardware.Neighbour, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m, ok := l.heard[name]
	if !ok || time.Now().After(m.until) {
		delete(l.heard, name)
		return hardware.Neighbour{}, false
	}
	return m.neighbour, true
}

// Refused is why a port could not be opened at the last look; nil when all were.
func (l *Listener) Refused() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refused
}

// Run listens until ctx ends and returns nil; ports that come and go are followed.
func (l *Listener) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	open := map[string]chan struct{}{} // closed when the port's reader is done
	again := time.NewTicker(look)
	defer again.Stop()
	for {
		l.forgetDone(open)
		l.begin(ctx, open, &all)
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
		}
	}
}

func (l *Listener) forgetDone(open map[string]chan struct{}) {
	for name, done := range open {
		select {
		case <-done:
			delete(open, name)
		default:
		}
	}
}

// begin opens the ports that are not open yet.
func (l *Listener) begin(ctx context.Context, open map[string]chan struct{}, all *sync.WaitGroup) {
	var refused error
	for _, name := range l.ports() {
		if open[name] != nil || len(open) >= hardware.MaxNICs {
			continue
		}
		p, err := l.open(name)
		if err != nil {
			refused = errors.Join(refused, err)
			continue
		}
		done := make(chan struct{})
		open[name] = done
		all.Go(func() {
			defer close(done)
			l.read(ctx, name, p)
		})
	}
	l.mu.Lock()
	l.refused = refused
	l.mu.Unlock()
}

// read takes frames until the port fails or ctx ends, which closes it.
func (l *Listener) read(ctx context.Context, name string, p port) {
	stop := context.AfterFunc(ctx, func() { p.Close() })
	defer func() {
		if stop() {
			p.Close()
		}
	}()
	frame := make([]byte, maxSize)
	for {
		n, _, err := p.ReadFrom(frame)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				continue
			}
			return
		}
		if a, err := Parse(frame[:n]); err == nil {
			l.remember(name, a)
		}
	}
}

func (l *Listener) remember(name string, a Announcement) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a.TTL == 0 {
		delete(l.heard, name)
		return
	}
	l.heard[name] = memory{a.Neighbour, time.Now().Add(min(a.TTL, maxTTL))}
}

// openPort opens a packet socket that gets LLDP frames only.
func openPort(name string) (port, error) {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	conn, err := packet.Listen(ifi, packet.Raw, EtherType, nil)
	if err != nil {
		return nil, err
	}
	if err := conn.JoinGroup(Group); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}
