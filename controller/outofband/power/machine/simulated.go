package machine

import (
	"context"
	"sync"
	"time"

	"github.com/steelyard/steelyard/pkg/simulated"
)

// askFor bounds one question to the simulated fleet; a simulator may stand still meanwhile.
const askFor = 2 * time.Second

// Simulated is a machine of a simulated fleet (package simulated). While the fleet does not answer
// it is as it was last, and cannot be switched.
type Simulated struct {
	Client simulated.Client
	Name   string // number, system serial or UUID

	mu   sync.Mutex
	last string
}

// Power asks the fleet.
func (s *Simulated) Power() string {
	ctx, cancel := context.WithTimeout(context.Background(), askFor)
	defer cancel()
	m, err := s.Client.Machine(ctx, s.Name)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil && m.Power == simulated.Off:
		s.last = Off
	case err == nil || s.last == "": // a fleet starts with every machine on
		s.last = On
	}
	return s.last
}

// Start turns it on.
func (s *Simulated) Start(boot string) {
	from := simulated.BootDisk
	if boot == Network {
		from = simulated.BootNetwork
	}
	ctx, cancel := context.WithTimeout(context.Background(), askFor)
	defer cancel()
	_, _ = s.Client.Power(ctx, s.Name, simulated.Change{On: true, Boot: from}) // who wanted it asks for the state
}

// Stop turns it off.
func (s *Simulated) Stop(orderly bool) {
	ctx, cancel := context.WithTimeout(context.Background(), askFor)
	defer cancel()
	if orderly {
		_, _ = s.Client.Shutdown(ctx, s.Name, 0)
		return
	}
	_, _ = s.Client.Power(ctx, s.Name, simulated.Change{})
}
