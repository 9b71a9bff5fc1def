package ports

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/steelyard/steelyard/protocol"
)

// Times.
const (
	LookEvery  = 15 * time.Second
	WriteEvery = time.Minute
	Keep       = 64 // days of quarter-hours: two months, wherever they begin
)

// Options of a book.
type Options struct {
	Dir    string           // made when missing
	Net    string           // "" is /sys/class/net
	Boot   string           // of the machine now
	Booted time.Time        // when that was; zero: not known
	Now    func() time.Time // nil: the clock
	Logger *slog.Logger

	Counts    func(name string) bool               // whether an interface is a port that counts; nil: as the package comment says
	Permanent func(name string) (mac string)       // the address that it was made with; nil: the kernel is asked
	sync      func(path string, text []byte) error // nil: replace
}

// Book has what was counted. Safe for concurrent use.
type Book struct {
	opt Options

	mu      sync.Mutex
	state   state
	days    map[int64]*day // those before today
	fresh   bool           // there was no state: counters have what nobody counted
	links   map[string]link
	version uint64
	written time.Time
}

// link is what is known of an interface's name.
type link struct{ index, mac string }

// state is the file that is written again and again.
type state struct {
	ID    string              `json:"id"`
	Boot  string              `json:"boot"`
	At    time.Time           `json:"at"`    // of the last look
	Began int64               `json:"began"` // the first quarter-hour that was counted
	Clean bool                `json:"clean,omitempty"`
	Ports map[string]*port    `json:"ports"` // by address
	Today *day                `json:"today"`
	Gaps  []protocol.UsageGap `json:"gaps,omitempty"`
}

// port is where the kernel's counters of one were.
type port struct {
	Name  string `json:"name"`
	Index string `json:"index"` // of the interface
	In    uint64 `json:"in"`
	Out   uint64 `json:"out"`
}

// day is the quarter-hours of one day of UTC.
type day struct {
	Day   int64              `json:"day"` // since 1970
	Ports map[string]*series `json:"ports"`
}

// series is one port's.
type series struct {
	Name string     `json:"name"`
	In   [96]uint64 `json:"in"`
	Out  [96]uint64 `json:"out"`
}

// Run looks until ctx ends, and writes a last time.
func (b *Book) Run(ctx context.Context) {
	ticker := time.NewTicker(LookEvery)
	defer ticker.Stop()
	for {
		b.note(b.Look())
		select {
		case <-ctx.Done():
			b.note(b.Close())
			return
		case <-ticker.C:
		}
	}
}

func (b *Book) note(err error) {
	if err != nil {
		b.opt.Logger.Warn("the traffic of the machine's ports is not all counted", "error", err)
	}
}

// Look adds what went by since the last look, and writes it down when it is time to. What cannot be read or written is told, and is tried again with the next look.
func (b *Book) Look() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.opt.Now().UTC()
	today := now.Unix() / 86400
	if today < b.state.Today.Day-1 { // the clock was wrong, and is right now
		if err := b.turn(today); err != nil {
			return err
		}
	}
	err := b.read(now)
	if today > b.state.Today.Day {
		if err := b.turn(today); err != nil {
			return err
		}
	} else if now.Sub(b.written) < WriteEvery && now.After(b.written) {
		return err
	}
	if err := b.save(); err != nil {
		return err
	}
	b.written = now
	return err
}

// Close looks and writes a last time: what follows up to the end of the machine is lost without a gap, for nobody can know of it.
func (b *Book) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.read(b.opt.Now().UTC())
	b.state.Clean = true
	if err := b.save(); err != nil {
		return err
	}
	return err
}
