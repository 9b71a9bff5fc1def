package link

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/pause"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// dialTimeout bounds a connection until it can carry messages.
const dialTimeout = 15 * time.Second

// Link is one agent's connection to its fleet. Make one with [New].
type Link struct {
	opt     Options
	log     *slog.Logger
	join    session.JoinToken
	joins   bool
	tickets session.Tickets
	open    func(ctx context.Context) (*session.Conn, error) // a control connection

	// Used by Run alone.
	back      backoff
	digest    string // of the inventory that was read last
	hardware  hardware.Identity
	readAt    time.Time
	renewedAt time.Time

	mu      sync.Mutex
	rec     Record
	id      *identity // nil before enrolment
	address string    // of the controller that was reached last
	status  Status
}

// Status tells how the link is.
type Status struct {
	ServerID  string
	Approval  string // "pending" or "approved", as of the last session
	Connected bool
	Since     time.Time // of the present session, or of its loss
	LastError string    // why the last session or attempt ended
}

// New makes a link. It reads the state, and on first use makes and keeps an instance id and
// a key; it starts nothing.
func New(o Options) (*Link, error) {
	if len(o.Controllers) == 0 || o.State == nil || o.Source == nil || o.Executor == nil {
		return nil, fault.Internal("a link needs controllers, a state, a source and an executor")
	}
	orDefault(&o.InventoryEvery, 10*time.Minute)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Shell != nil {
		o.Capabilities = append(slices.Clone(o.Capabilities), protocol.CanConsole)
	}
	if o.Dial == nil {
		o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}
	}
	l := &Link{opt: o, log: o.Logger, joins: o.Join != ""}
	l.open = l.openControl
	var err error
	if l.joins {
		if l.join, err = session.ParseJoinToken(o.Join); err != nil {
			return nil, err
		}
	}
	if l.rec, err = load(o.State); err != nil {
		return nil, err
	}
	if l.rec.ServerID != "" {
		if l.id, err = l.rec.identity(); err != nil {
			return nil, err
		}
	}
	if l.id == nil && !l.joins {
		return nil, fault.Invalid("this agent has not enrolled yet and needs a join token; give it with --join-file, naming a file that exists, or make one with: steelyard token create --join")
	}
	l.status.ServerID = l.rec.ServerID
	l.address = o.Controllers[rand.IntN(len(o.Controllers))]
	return l, nil
}

func orDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// Status is the present one.
func (l *Link) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

// Run keeps the session until ctx ends, and then returns nil. It returns a fault
// only when enrolment was refused for good.
func (l *Link) Run(ctx context.Context) error {
	for {
		err := l.attempt(ctx)
		if ctx.Err() != nil {
			return nil
		}
		var never *refusal
		if errors.As(err, &never) {
			return never.cause
		}
		if errors.Is(err, errRenewed) {
			continue
		}
		l.lost(err)
		wait := l.back.next(err)
		l.log.Info("no session", "error", err, "next_attempt_in", wait.Round(time.Millisecond).String())
		l.rotate()
		if pause.For(ctx, wait) != nil {
			return nil
		}
	}
}

// attempt enrols if need be and runs one session to its end.
func (l *Link) attempt(ctx context.Context) error {
	if l.identity() == nil || l.identity().ended(time.Now()) {
		if err := l.enrol(ctx); err != nil {
			return err
		}
	}
	if l.digest == "" {
		l.inventory(ctx)
	}
	return l.session(ctx)
}

func (l *Link) identity() *identity {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.id
}

// adopt takes over a record and keeps it.
func (l *Link) adopt(rec Record) error {
	id, err := rec.identity()
	if err != nil {
		return err
	}
	if err := l.opt.State.Save(rec); err != nil {
		return err
	}
	l.tickets.Forget() // a resumed session would show the old certificate
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rec, l.id, l.status.ServerID = rec, id, rec.ServerID
	return nil
}

func (l *Link) record() Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rec.clone()
}

func (l *Link) lost(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.status.Connected {
		l.status.Connected, l.status.Since = false, time.Now()
	}
	if err != nil {
		l.status.LastError = err.Error()
	}
}

func (l *Link) found(w protocol.Welcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status = Status{ServerID: l.rec.ServerID, Approval: w.Approval, Connected: true, Since: time.Now()}
}

// rotate goes on to the next controller.
func (l *Link) rotate() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, a := range l.opt.Controllers {
		if a == l.address {
			l.address = l.opt.Controllers[(i+1)%len(l.opt.Controllers)]
			return
		}
	}
}

// dial opens a TLS connection to the present controller.
func (l *Link) dial(ctx context.Context, config *tls.Config) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	l.mu.Lock()
	address := l.address
	l.mu.Unlock()
	raw, err := l.opt.Dial(ctx, address)
	if err != nil {
		return nil, fault.Unavailable("reach the controller %s: %w", address, err)
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		if fault.KindOf(err) == fault.KindDenied {
			return nil, err
		}
		return nil, fault.Unavailable("speak TLS with the controller %s (is it the agents' port, not that of the API?): %w", address, err)
	}
	return conn, nil
}

// openControl opens a multiplexed control connection.
func (l *Link) openControl(ctx context.Context) (*session.Conn, error) {
	id := l.identity()
	conn, err := l.dial(ctx, session.ControlTLS(protocol.ALPNControl, id.cert, id.authority, &l.tickets))
	if err != nil {
		return nil, err
	}
	return session.Client(conn, nil)
}
