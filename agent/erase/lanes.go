package erase

import (
	"context"
	"sync"

	"github.com/steelyard/steelyard/agent/driver"
)

// How many disks move data at a time. Beyond that a controller gets no faster; each disk needs memory for its
// buffers, and the RAM environment has little.
const (
	perBus     = 16
	perMachine = 32
)

// lanes let only so many disks move data at a time. Drives that erase themselves need none.
type lanes struct {
	bus func(name string) string
	all chan struct{}

	mu  sync.Mutex
	one map[string]chan struct{}
}

func newLanes(disks driver.Disks) *lanes {
	l := &lanes{bus: func(string) string { return "" }, all: make(chan struct{}, perMachine), one: map[string]chan struct{}{}}
	if w, ok := disks.(driver.Wired); ok {
		l.bus = w.Bus
	}
	return l
}

// enter waits for a place on the disk's bus.
func (l *lanes) enter(ctx context.Context, name string) (leave func(), err error) {
	lane := l.of(l.bus(name))
	select {
	case lane <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case l.all <- struct{}{}:
	case <-ctx.Done():
		<-lane
		return nil, ctx.Err()
	}
	return func() { <-l.all; <-lane }, nil
}

func (l *lanes) of(bus string) chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.one[bus]
	if c == nil {
		c = make(chan struct{}, perBus)
		l.one[bus] = c
	}
	return c
}
