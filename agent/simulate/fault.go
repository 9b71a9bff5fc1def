package simulate

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/steelyard/steelyard/agent/driver/fake"
	"github.com/steelyard/steelyard/agent/install"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Faults are shares of the fleet, 0 to 1, that misbehave.
type Faults struct {
	Slow        float64 // late answers, slow downloads
	Flapping    float64 // the connection breaks every minute or so
	FailingDisk float64 // one disk cannot be read in its second half
	DieInstall  float64 // dies in the middle of the first installation
}

// ParseFaults reads "slow=0.05,flapping=0.02". Faults: invalid for an unknown name or a share
// outside 0 … 1.
func ParseFaults(text string) (Faults, error) {
	var f Faults
	names := map[string]*float64{"slow": &f.Slow, "flapping": &f.Flapping, "failing-disk": &f.FailingDisk, "die-install": &f.DieInstall}
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		share, err := strconv.ParseFloat(value, 64)
		to, known := names[name]
		if !known || err != nil || !(share >= 0 && share <= 1) {
			return f, fault.Invalid("fault %q: write slow=0.05, flapping=…, failing-disk=… or die-install=…, each 0 to 1", part)
		}
		*to = share
	}
	return f, nil
}

// manners is how one agent misbehaves.
type manners struct{ slow, flapping, failingDisk, dieInstall bool }

// of draws the faults of one agent; each fault is a draw of its own.
func (f Faults) of(seed uint64, i int) manners {
	r := rand.New(rand.NewPCG(seed^0xfa017, uint64(i)))
	draw := func(share float64) bool { return r.Float64() < share }
	return manners{draw(f.Slow), draw(f.Flapping), draw(f.FailingDisk), draw(f.DieInstall)}
}

// lag is how late a slow agent sends, and slowRate how fast it downloads, in bytes a second.
const (
	lag      = 250 * time.Millisecond
	slowRate = 4 << 20
)

// dial makes the connections of an agent with these manners.
func (m manners) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if m.flapping {
		life := 20*time.Second + rand.N(80*time.Second)
		conn = &flapping{Conn: conn, timer: time.AfterFunc(life, func() { _ = conn.Close() })}
	}
	if m.slow {
		conn = lagging{conn}
	}
	return conn, nil
}

// flapping is a connection that breaks by itself.
type flapping struct {
	net.Conn
	timer *time.Timer
}

func (c *flapping) Close() error {
	c.timer.Stop()
	return c.Conn.Close()
}

// lagging is a connection that sends late.
type lagging struct{ net.Conn }

func (c lagging) Write(p []byte) (int, error) {
	time.Sleep(lag)
	return c.Conn.Write(p)
}

// spoil makes the second half of a disk unreadable.
func spoil(d *fake.Disk) {
	half := int64(d.Ref.SizeBytes / 2)
	d.Fault = func(op fake.Op, off, _ int64) error {
		if op == fake.OpRead && off > half {
			return syscall.EIO
		}
		return nil
	}
}

// dying is a Fetcher whose first download ends the agent after a while.
type dying struct {
	from install.Fetcher
	die  func()
	once *sync.Once
}

func (d dying) Fetch(ctx context.Context, name string, offset uint64) (io.ReadCloser, uint64, error) {
	body, n, err := d.from.Fetch(ctx, name, offset)
	if err != nil {
		return nil, 0, err
	}
	return &lastWords{ReadCloser: body, left: int64(n / 3), die: func() { d.once.Do(d.die) }}, n, nil
}

type lastWords struct {
	io.ReadCloser
	left int64
	die  func()
}

func (l *lastWords) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	if l.left -= int64(n); l.left < 0 {
		l.die()
	}
	return n, err
}

// throttled is a Fetcher with a slow line.
type throttled struct{ from install.Fetcher }

func (t throttled) Fetch(ctx context.Context, name string, offset uint64) (io.ReadCloser, uint64, error) {
	body, n, err := t.from.Fetch(ctx, name, offset)
	if err != nil {
		return nil, 0, err
	}
	return &slowBody{body}, n, nil
}

type slowBody struct{ io.ReadCloser }

func (s *slowBody) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	time.Sleep(time.Duration(n) * time.Second / slowRate)
	return n, err
}
