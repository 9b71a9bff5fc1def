package rounds

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/steelyard/steelyard/agent/meter"
	"github.com/steelyard/steelyard/agent/meter/book"
	"github.com/steelyard/steelyard/agent/meter/owners"
	"github.com/steelyard/steelyard/agent/meter/report"
	"github.com/steelyard/steelyard/protocol"
)

// Every is the time between two rounds.
const Every = 15 * time.Second

// tidyEvery is the time between two looks at who is gone.
const tidyEvery = time.Hour

// Options of the rounds.
type Options struct {
	Dir    string        // of the book and the owners, made when missing
	Logs   meter.Options // paths of the logs; Book and Now are set here
	Ports  report.Ports  // of the machine; nil: not counted
	Logger *slog.Logger
	Now    func() time.Time // nil: the clock
}

// Rounds are open until Close.
type Rounds struct {
	opt  Options
	book *book.Book
	tell *report.Reporter

	mu     sync.Mutex // the meter and the owners
	meter  *meter.Meter
	owners *owners.Owners
	logged string // the last problem
}

// Open opens what was counted so far. The faults name the files.
func Open(o Options) (*Rounds, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	names, err := owners.Open(filepath.Join(o.Dir, "owners.json"), o.Now)
	if err != nil {
		return nil, err
	}
	b, err := book.Open(filepath.Join(o.Dir, "book"), o.Now)
	if err != nil {
		return nil, err
	}
	o.Logs.Book, o.Logs.Now = b, o.Now
	return &Rounds{opt: o, book: b, meter: meter.New(o.Logs), owners: names, tell: report.New(report.Options{Counts: b, Ports: o.Ports})}, nil
}

// Reporter tells what is counted.
func (r *Rounds) Reporter() *report.Reporter { return r.tell }

// Close closes the book; everything is on the disk already.
func (r *Rounds) Close() error { return r.book.Close() }

// Run counts until ctx ends. each calls its argument for all documents of the node.
func (r *Rounds) Run(ctx context.Context, each func(func(*protocol.HostedAccount))) {
	var tidied time.Time
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.tell.Wanted():
			if err := r.tell.Apply(); err != nil {
				r.opt.Logger.Error("totals of months are not made", "error", err)
			}
			continue
		case <-timer.C:
		}
		if now := r.opt.Now(); now.Sub(tidied) >= tidyEvery {
			r.tidy(each)
			tidied = now
		}
		r.mu.Lock()
		r.look(ctx)
		r.mu.Unlock()
		timer.Reset(Every)
	}
}

// look reads the logs to their end. r.mu is held.
func (r *Rounds) look(ctx context.Context) {
	problem := ""
	if err := r.meter.Look(ctx, r.owners.Map()); err != nil && ctx.Err() == nil {
		problem = err.Error()
	}
	if problem != "" && problem != r.logged {
		r.opt.Logger.Warn("not everything that accounts used is counted yet", "error", problem)
	}
	if r.logged = problem; ctx.Err() == nil {
		r.tell.Looked(r.opt.Now(), r.meter.Sources())
	}
}

// tidy learns the names of all accounts, and forgets those that are gone for long.
func (r *Rounds) tidy(each func(func(*protocol.HostedAccount))) {
	has, list := map[string]string{}, map[string][]string{}
	each(func(a *protocol.HostedAccount) {
		if a.State != protocol.HostedGone {
			list[a.ID] = meter.Names(a)
			for _, name := range list[a.ID] {
				has[name] = a.ID
			}
		}
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err := r.owners.Learn(list)
	r.kept(err)
	r.kept(r.owners.Tidy(has))
}

// Before is hosting.Options.Before.
func (r *Rounds) Before(ctx context.Context, batch []protocol.HostedAccount) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var gone []string
	fresh := map[string][]string{}
	for i := range batch {
		if a := &batch[i]; a.State == protocol.HostedGone {
			gone = append(gone, a.ID)
		} else if names := meter.Names(a); !r.owners.Known(a.ID, names) {
			fresh[a.ID] = names
		}
	}
	taken := false
	if len(fresh) > 0 {
		var err error
		taken, err = r.owners.Learn(fresh)
		r.kept(err)
	}
	if len(gone) == 0 && !taken {
		return
	}
	r.look(ctx)
	for _, id := range gone {
		r.tell.Final(id)
	}
	if taken {
		r.kept(r.owners.Hand(fresh))
	}
}

func (r *Rounds) kept(err error) {
	if err != nil {
		r.opt.Logger.Error("whose the names in logs are is not kept", "error", err)
	}
}
