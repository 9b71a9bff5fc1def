package diagnose

import (
	"time"

	"github.com/steelyard/steelyard/protocol"
)

// Profile says how thoroughly to test.
type Profile struct {
	Name        string
	CPU         time.Duration
	MemoryBytes uint64 // at most
	Memory      time.Duration
	ReadBytes   int64         // in a row, from each disk
	Read        time.Duration // at most, for that
	Randoms     int           // small reads at random places of each disk
	Random      time.Duration // at most, for them
	Samples     int           // pieces of each disk, all over it
	Surface     time.Duration // at most, for them
	SelfTest    bool          // let each drive test itself, a few minutes side by side
	Echoes      int           // to the gateway of each port
	Load        time.Duration // burn-in: everything at once, after the tests before
}

// The profiles. Quick takes a few seconds in all, standard some minutes. A burn-in is standard, and then load.
var (
	Quick = Profile{
		Name: protocol.ProfileQuick, CPU: 1500 * time.Millisecond, MemoryBytes: 128 << 20, Memory: 1500 * time.Millisecond,
		ReadBytes: 64 << 20, Read: time.Second, Randoms: 100, Random: 500 * time.Millisecond, Samples: 32, Surface: time.Second, Echoes: 10,
	}
	Standard = Profile{
		Name: protocol.ProfileStandard, CPU: time.Minute, MemoryBytes: 1 << 50, Memory: 3 * time.Minute,
		ReadBytes: 4 << 30, Read: 20 * time.Second, Randoms: 4096, Random: 20 * time.Second, Samples: 4096, Surface: 90 * time.Second,
		SelfTest: true, Echoes: 100,
	}
)

// loadRound is how long the processors and then the memory are worked in one round of a burn-in.
const loadRound = 10 * time.Minute

// ProfileOf finds a profile by its text; see protocol.ParseProfile. Faults: invalid for an unknown one.
func ProfileOf(text string) (Profile, error) {
	name, load, err := protocol.ParseProfile(text)
	switch {
	case err != nil:
		return Profile{}, err
	case name == protocol.ProfileQuick:
		return Quick, nil
	}
	p := Standard
	p.Name, p.Load = name, load
	return p, nil
}
