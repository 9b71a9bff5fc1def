package diagnose

import (
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Profile says how thoroughly to test.
type Profile struct {
	Name        string
	CPU         time.Duration
	MemoryBytes uint64 // at most
	Memory      time.Duration
	ReadBytes   int64         // in a row, from each disk
	Read        time.Duration // at most, for that
	Samples     int           // random pieces of each disk
	Surface     time.Duration // at most, for them
}

// The profiles. Quick takes a few seconds in all, standard some minutes.
var (
	Quick = Profile{
		Name: "quick", CPU: 1500 * time.Millisecond, MemoryBytes: 128 << 20, Memory: 1500 * time.Millisecond,
		ReadBytes: 64 << 20, Read: time.Second, Samples: 32, Surface: time.Second,
	}
	Standard = Profile{
		Name: "standard", CPU: time.Minute, MemoryBytes: 16 << 30, Memory: 2 * time.Minute,
		ReadBytes: 2 << 30, Read: 20 * time.Second, Samples: 4096, Surface: 90 * time.Second,
	}
)

// ProfileOf finds a profile by name; "" is quick. Faults: invalid for an unknown one.
func ProfileOf(name string) (Profile, error) {
	switch name {
	case "", Quick.Name:
		return Quick, nil
	case Standard.Name:
		return Standard, nil
	default:
		return Profile{}, fault.Invalid("there is no diagnostics profile %q; use quick or standard", name)
	}
}
