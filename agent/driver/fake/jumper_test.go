package fake

import (
	"fmt"
	"testing"

	"github.com/steelyard/steelyard/agent/driver/drivertest"
	"github.com/steelyard/steelyard/pkg/hardware"
)

func TestJumpConformance(t *testing.T) {
	drivertest.RunJump(t, func(*testing.T) drivertest.Jumped {
		var done []string
		var stuck error
		j := &Jumper{Machine: New(func() hardware.Inventory { return hardware.Inventory{} }, NewPages())}
		j.Start = func(image, memory []byte, line string) error {
			if stuck != nil {
				return stuck
			}
			done = append(done, fmt.Sprintf("%s %s %s", image, memory, line))
			return nil
		}
		return drivertest.Jumped{
			Machine: j, Loaded: func() bool { return false }, Started: func() []string { return done },
			Refuse: func(err error) { j.Takes = err }, Stick: func(err error) { stuck = err },
		}
	})
}
