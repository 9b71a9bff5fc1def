package simulate

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/steelyard/steelyard/agent/driver/fake"
	"github.com/steelyard/steelyard/agent/journal"
	"github.com/steelyard/steelyard/agent/link"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/pause"
)

// heavy is how many commands the whole process works on at once, and startEvery
// the time between the starts of two agents, so that a fleet does not enrol all at once.
const (
	heavy      = 32
	startEvery = 2 * time.Millisecond
	maxBoot    = time.Hour
)

// Options describe a simulated fleet.
type Options struct {
	Count       int
	Hosting     int // how many of them, the first ones, can carry customers' accounts: they remember them as long as the process lives
	Seed        uint64
	Faults      Faults
	Controllers []string      // host:port
	Join        string        // join token for Count servers
	State       string        // directory of the identities; "" keeps them in memory
	Control     string        // path of the socket by which machines are switched (package simulated); "" none
	BootTime    time.Duration // from the start of a machine to its agent; the machines that the fleet begins with are up already
	Version     string
	Logger      *slog.Logger
}

type fleet struct {
	opt   Options
	pages *fake.Pages
	turn  chan struct{} // one place for each command in work
	boot  int64         // tells this process from the last one

	agents []*agent // by number
}

// Run runs the agents until ctx ends, and then returns nil. An agent whose enrolment is
// refused for good ends all of them: the token is the same for all.
func Run(ctx context.Context, opt Options) error {
	if opt.Count < 1 || opt.Count > 1<<24 {
		return fault.Invalid("cannot simulate %d agents; give a number from 1 to %d", opt.Count, 1<<24)
	}
	if opt.BootTime < 0 || opt.BootTime > maxBoot {
		return fault.Invalid("a simulated machine cannot take %v to start; give 0 to %v", opt.BootTime, maxBoot)
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	f := newFleet(opt)
	g, ctx := errgroup.WithContext(ctx)
	if opt.Control != "" {
		ln, err := listen(ctx, opt.Control)
		if err != nil {
			return err
		}
		g.Go(func() error { return newControl(f).run(ctx, ln) })
	}
	for _, a := range f.agents {
		if pause.For(ctx, startEvery) != nil {
			break
		}
		g.Go(func() error {
			if err := a.run(ctx); err != nil {
				return fmt.Errorf("simulated agent %d: %w", a.number, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func newFleet(opt Options) *fleet {
	f := &fleet{opt: opt, pages: fake.NewPages(), turn: make(chan struct{}, heavy), boot: time.Now().UnixNano()}
	for i := range opt.Count {
		f.agents = append(f.agents, f.agent(i))
	}
	return f
}

func (f *fleet) agent(i int) *agent {
	var state link.State = &link.Memory{}
	if f.opt.State != "" {
		state = link.Dir(filepath.Join(f.opt.State, fmt.Sprintf("sim-%06d", i)))
	}
	return &agent{
		fleet: f, number: i, manners: f.opt.Faults.of(f.opt.Seed, i), state: state,
		journal: journal.InMemory(), started: time.Now(), power: newPower(),
	}
}
