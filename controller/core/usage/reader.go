package usage

import (
	"iter"
	"time"
)

// Reader tells figures from memory, on every replica: what is stored, and what this replica heard since. All methods may be called at any time by anybody.
type Reader interface {
	// Account is all of one account, there or gone, with its months, newest first. false: it was never heard of.
	Account(id string) (Figures, bool)
	// Each goes through all accounts, there and gone, with storage and with one month, in no order that is promised. Those that are there come even where they had nothing in it; those that are gone
	// come where they had something, or where the month is that in which they went. f and what it points to are good until the next one.
	Each(month string) iter.Seq[*Figures]
	// On is Each for the accounts of one server.
	On(server, month string) iter.Seq[*Figures]
	// Months are those of which there are figures, and the one of now, newest first.
	Months() []string
	// Now is the name of the running month.
	Now() string
	// Zone is the time zone by which months begin now (rule U7), by its name in the IANA database.
	Zone() string
	// Server is what a server's interfaces transferred. false: nothing was ever heard.
	Server(id string) (ServerFigures, bool)
}

// Sources of a server's figures.
const (
	SourceSwitch = "switch" // counters of the switch's ports
	SourceAgent  = "agent"  // counters of the interfaces, by the agent
)

// ServerFigures are what the interfaces of one server transferred, in bytes (rule U5). Directions are the server's. One source alone makes a month: the switch where the server is wired,
// else the agent; they are never added.
type ServerFigures struct {
	Server  string
	Source  string
	In, Out uint64        // since it is counted
	Since   time.Time     // when that began
	At      time.Time     // until when it was counted
	Months  []ServerMonth // newest first
}

// ServerMonth is one month of a server.
type ServerMonth struct {
	Month         string // 2026-11
	Source        string
	In, Out       uint64 // bytes
	P95In, P95Out uint64 // 95th percentile of the quarter-hours, in bits a second; 0 while none ended
	Days          []Day  // in their order
	At            time.Time
	Gap           bool // something was not counted
}

// Day is one of a month.
type Day struct {
	Day     int // 1 to 31
	In, Out uint64
}
