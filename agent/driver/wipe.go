package driver

import (
	"context"
	"time"
)

// Rung is one way in which a drive empties itself, a step of the ladder of rule B45.
type Rung struct {
	Method    string // "nvme sanitize: block erase"
	Unfit     string // why it is not to be tried, for a person; "" it is
	Running   bool   // the drive is at it already: Run waits for its end and starts nothing
	Whole     bool   // it reaches all of the drive, also what no disk shows
	Scrambles bool   // it throws a key away: what is read afterwards may be noise instead of zeros
	// Silent is how long it may tell nothing new although all is well; 0: it tells all the time.
	Silent time.Duration
	// Run does it and returns when the drive says that it is over; tell gets the share that is done, 0 to 1, now and
	// then. It ends early when ctx does and the drive can be left to itself. ErrUnsupported: the drive has no such command.
	Run func(ctx context.Context, tell func(share float64)) error
}

// SelfErasing is a Disk whose drive has commands to empty itself. What they claim proves nothing.
type SelfErasing interface {
	// Rungs asks the drive what it can do now, best first.
	Rungs(ctx context.Context) ([]Rung, error)
}

// Clip is a part of a drive that it does not show: its end.
type Clip struct {
	By    string // "a host protected area"
	Bytes uint64
	Stays string // why Unclip cannot give it back, and what can; "" it can
}

// Clipping is a Disk whose drive may hide its end.
type Clipping interface {
	// Clipped asks the drive; nil: it shows all of itself, as far as it tells.
	Clipped(ctx context.Context) (*Clip, error)
	// Unclip gives the end back. The disk has another size from then on.
	Unclip(ctx context.Context) error
}

// Allotting is a Disk whose drive may have capacity that belongs to no disk.
type Allotting interface {
	// Unallocated asks the drive how many bytes that are; 0: none that it tells of.
	Unallocated(ctx context.Context) (uint64, error)
}

// Hiding is a machine that may hold what List does not name.
type Hiding interface {
	// Hidden says what holds, or may hold, somebody's data and is not in List: a sentence each, with what to do about it.
	Hidden(ctx context.Context) ([]string, error)
}

// Wired is a machine that knows what its disks hang on.
type Wired interface {
	// Bus names the controller that the disk of List called name shares with others; "" nobody knows.
	Bus(name string) string
}
