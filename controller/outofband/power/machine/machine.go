// Package machine is the box behind a simulated management controller: something that
// starts, stops and boots from somewhere. The simulators of this tree ([redfishsim], [ipmisim]) drive
// any [Machine]; [Slow] is one that takes its time, as real ones do, and [Simulated] one of a simulated fleet.
//
// [redfishsim]: https://pkg.go.dev/github.com/steelyard/steelyard/controller/outofband/power/redfishsim
// [ipmisim]: https://pkg.go.dev/github.com/steelyard/steelyard/controller/outofband/power/ipmisim
package machine

import (
	"slices"
	"sync"
	"time"
)

// States of a machine.
const (
	On       = "on"
	Off      = "off"
	Starting = "starting"
	Stopping = "stopping"
)

// What a machine boots from.
const (
	Network = "network"
	Disk    = "disk"
)

// Machine is what a management controller switches. Its methods return at once, are safe
// for several goroutines, do not call the simulator back, and mean nothing when there is nothing to do.
type Machine interface {
	Power() string     // On, Off, Starting, Stopping
	Start(boot string) // Network or Disk
	Stop(orderly bool) // orderly asks the operating system, which may not listen
}

// Slow changes its state after a while. The zero value is off and changes at once.
type Slow struct {
	Delay  time.Duration
	Notify func(state string, b string) // hears On with the boot device, and Off; may be nil

	mu    sync.Mutex
	deaf  bool
	dead  bool
	state string
	timer *time.Timer
	boots []string
}

// Power is the state now.
func (s *Slow) Power() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now()
}

func (s *Slow) now() string {
	if s.state == "" {
		return Off
	}
	return s.state
}

// Start begins to run from a boot device.
func (s *Slow) Start(boot string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead || s.now() == On || s.now() == Starting {
		return
	}
	s.boots = append(s.boots, boot)
	s.change(Starting, On, boot)
}

// Stop begins to stop.
func (s *Slow) Stop(orderly bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead || orderly && s.deaf || s.now() == Off || s.now() == Stopping {
		return
	}
	s.change(Stopping, Off, "")
}

// change goes through one state to another. A change under way is overtaken.
func (s *Slow) change(through, to, boot string) {
	if s.timer != nil {
		s.timer.Stop()
	}
	done := func() {
		s.state = to
		if s.Notify != nil {
			s.Notify(to, boot)
		}
	}
	if s.Delay == 0 {
		done()
		return
	}
	s.state = through
	var mine *time.Timer
	mine = time.AfterFunc(s.Delay, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.timer == mine {
			done()
		}
	})
	s.timer = mine
}

// Boots are the devices it was started from, oldest first.
func (s *Slow) Boots() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.boots)
}

// Deafen makes its operating system ignore the button.
func (s *Slow) Deafen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deaf = true
}

// Kill makes it ignore everything.
func (s *Slow) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = true
}
