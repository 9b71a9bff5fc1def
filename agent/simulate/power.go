package simulate

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/steelyard/steelyard/pkg/simulated"
)

// Why the life of an agent ends, but for the end of the process.
var (
	errCut    = errors.New("the power was cut")
	errOff    = errors.New("the machine was shut down")
	errReboot = errors.New("the machine starts again")
	errDied   = errors.New("the machine crashed")
)

// life is one start of a machine until it goes down; context.Cause tells why it did.
type life struct {
	context.Context
	cancel context.CancelCauseFunc
	cord   cord
}

// end ends the life. Without power, and in a crash, nothing more is said.
func (l *life) end(why error) {
	if errors.Is(why, errCut) || errors.Is(why, errDied) {
		l.cord.pull()
	}
	l.cancel(why)
}

// power is the switch of one machine. Make one with newPower.
type power struct {
	mu     sync.Mutex
	on     bool
	boot   string // what the last start was from
	starts int
	life   *life         // nil: there is none
	turned chan struct{} // one signal: it was turned on
	later  *time.Timer   // the change that waits
}

// newPower is a machine that is on and has not started yet.
func newPower() *power {
	return &power{on: true, boot: simulated.BootDisk, turned: make(chan struct{}, 1)}
}

// start waits until the machine is on, and begins a life. Whoever lives it calls over when it has ended. The error
// is that of ctx.
func (p *power) start(ctx context.Context) (*life, error) {
	for ctx.Err() == nil {
		if l := p.begin(ctx); l != nil {
			return l, nil
		}
		select {
		case <-p.turned:
		case <-ctx.Done():
		}
	}
	return nil, ctx.Err()
}

func (p *power) begin(ctx context.Context) *life {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.on {
		return nil
	}
	p.starts++
	p.life = &life{}
	p.life.Context, p.life.cancel = context.WithCancelCause(ctx)
	return p.life
}

// over lets go of the life that has ended.
func (p *power) over() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.life.cancel(nil)
	p.life = nil
}

// turnOn starts the machine, if it is off.
func (p *power) turnOn(boot string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.on {
		return
	}
	p.on, p.boot = true, cmp.Or(boot, simulated.BootDisk)
	select {
	case p.turned <- struct{}{}:
	default:
	}
}

// turnOff ends the machine's life, for errCut or errOff.
func (p *power) turnOff(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.on = false
	p.kill(why)
}

// restart lets the machine die and start again by itself, for errReboot or errDied.
func (p *power) restart(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.on {
		p.boot = simulated.BootDisk
		p.kill(why)
	}
}

// kill ends the life; the caller holds the lock.
func (p *power) kill(why error) {
	if p.life != nil {
		p.life.end(why)
	}
}

// forget drops the change that waits.
func (p *power) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.later != nil {
		p.later.Stop()
		p.later = nil
	}
}

// after lets a change happen after a while, instead of the one that waits.
func (p *power) after(d time.Duration, change func()) {
	p.forget()
	if d == 0 {
		change()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.later = time.AfterFunc(d, change)
}

// state is whether it is on, what it was started from, and which start that was.
func (p *power) state() (on bool, boot string, starts int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.on, p.boot, p.starts
}
