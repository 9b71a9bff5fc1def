package outofband

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/stock"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/pause"
	"github.com/steelyard/steelyard/protocol"
)

// Limits.
const (
	// Every is how often a server is looked at.
	Every = time.Minute
	// looksPerSecond bounds that for a large fleet: a look logs in to a device.
	looksPerSecond = 50
	lookers        = 32
	lookFor        = 20 * time.Second
	// retryAfter is how long a command waits that could not be taken or whose result could not be stored.
	retryAfter = 2 * time.Second
)

// Hands carries out commands and looks at devices.
type Hands struct {
	store  *store.Store
	stock  *stock.Stock
	intake *intake.Intake
	reach  Reach
	log    *slog.Logger
	now    func() time.Time

	fence store.Fence
	mu    sync.Mutex
	jobs  map[string]*job // by command key
	begun int             // jobs, ever
	news  *news
	looks *looks
}

// New makes hands. They do nothing before Run.
func New(s *store.Store, k *stock.Stock, in *intake.Intake, reach Reach, log *slog.Logger, now func() time.Time) *Hands {
	return &Hands{store: s, stock: k, intake: in, reach: reach, log: log, now: now}
}

// Run works until ctx ends, which it does when leadership is lost. It returns when
// every job has ended.
func (h *Hands) Run(ctx context.Context, fence store.Fence) error {
	h.fence, h.jobs, h.looks = fence, map[string]*job{}, newLooks()
	g, ctx := errgroup.WithContext(ctx)
	h.news = newNews()
	stop := h.stock.Listen(h.noticed)
	defer stop()
	h.everything()
	g.Go(func() error {
		for {
			keys, err := h.news.next(ctx)
			if err != nil {
				return err
			}
			for _, key := range keys {
				h.consider(ctx, g, key)
			}
		}
	})
	g.Go(func() error { return h.schedule(ctx) })
	for range lookers {
		g.Go(func() error { return h.look(ctx) })
	}
	return g.Wait()
}

func (h *Hands) noticed(table, id string) {
	switch table {
	case store.Commands.Name():
		h.news.add(id)
	case store.BMCs.Name(), store.Wirings.Name(), store.Presences.Name():
		h.looks.soon(id, h.now())
	case stock.Resynced:
		h.everything()
	}
}

// everything is looked at at the start, and when changes were missed.
func (h *Hands) everything() {
	for i := range store.Commands.Items(h.store.Snapshot()) {
		h.news.add(i.ID)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for key := range h.jobs { // whose command may be gone
		h.news.add(key)
	}
}

// consider starts a job for a command that is a hand's, or ends the one whose command was
// recalled or is gone.
func (h *Hands) consider(ctx context.Context, g *errgroup.Group, key string) {
	cmd, ok := store.Commands.View(h.store, key)
	mine := ok && (cmd.Hand == operation.HandPower || cmd.Hand == operation.HandPorts)
	h.mu.Lock()
	defer h.mu.Unlock()
	j := h.jobs[key]
	switch {
	case j != nil && (!mine || cmd.Cancel != nil):
		j.cancel()
	case j == nil && mine:
		j = &job{hands: h, key: key, server: cmd.Server, ended: make(chan struct{}), after: h.last(cmd.Server), number: h.begun}
		var life context.Context
		life, j.cancel = context.WithDeadline(ctx, cmd.Deadline)
		if cmd.Cancel != nil {
			j.cancel()
		}
		h.jobs[key] = j
		g.Go(func() error {
			defer h.forget(key, j)
			j.run(ctx, life)
			return nil
		})
	}
}

// last is the end of the newest job of a server: one device, one pair of hands. The caller
// holds the lock.
func (h *Hands) last(server string) <-chan struct{} {
	var newest *job
	for _, j := range h.jobs {
		if j.server == server && (newest == nil || j.number > newest.number) {
			newest = j
		}
	}
	h.begun++
	if newest == nil {
		return nil
	}
	return newest.ended
}

func (h *Hands) forget(key string, j *job) {
	j.cancel()
	close(j.ended)
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.jobs, key)
}

// busy reports whether a command is carried out on a server: it is not looked at meanwhile.
func (h *Hands) busy(server string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, j := range h.jobs {
		if j.server == server {
			return true
		}
	}
	return false
}

func (h *Hands) change(ctx context.Context, f func(tx *store.Tx) error) error {
	_, err := h.store.Change(store.WithFence(ctx, h.fence), f)
	return err
}

// patiently repeats a commit that others or the backend hindered, until ctx ends.
func (h *Hands) patiently(ctx context.Context, f func(tx *store.Tx) error) error {
	for {
		err := h.change(ctx, f)
		if !fault.Is(err, fault.KindUnavailable) && !fault.Is(err, fault.KindConflict) || ctx.Err() != nil {
			return err
		}
		if err := pause.For(ctx, retryAfter); err != nil {
			return err
		}
	}
}

// answer is the result of a command.
func answer(cmd *operation.Command, detail string, err error, now time.Time) protocol.Result {
	res := protocol.Result{Command: cmd.ID, Operation: cmd.Operation, Step: cmd.Step, Epoch: cmd.Epoch, At: now, Detail: detail}
	if err != nil {
		res.Fault = fault.From(err)
	}
	return res
}
