package link

import (
	"context"
	"time"

	"github.com/steelyard/steelyard/protocol"
)

// push sends progress, and the results that are new or were not acknowledged in time.
func (s *live) push() {
	if p, ok := s.opt.Executor.Progress(); ok {
		s.send(protocol.KindProgress, &p)
	}
	now := time.Now()
	s.resendAt = time.Time{}
	open := make(map[string]time.Time)
	for _, r := range s.opt.Executor.Unacked() {
		at, known := s.sent[r.Command]
		if !known || now.Sub(at) >= ResendAfter {
			s.send(protocol.KindResult, &r)
			at = now
		}
		open[r.Command] = at
		if again := at.Add(ResendAfter); s.resendAt.IsZero() || again.Before(s.resendAt) {
			s.resendAt = again
		}
	}
	s.sent = open
}

// look reads the inventory in a goroutine, so that heartbeats go on.
func (s *live) look(ctx context.Context) {
	if s.busy {
		return
	}
	s.busy = true
	s.work.Go(func() {
		inv := s.opt.Source.Inventory(ctx)
		inv.Clean()
		s.reading <- reading{inv, inv.Digest()}
	})
}

// report sends the inventory if it changed or was asked for.
func (s *live) report(r reading) {
	s.busy = false
	changed := r.digest != s.digest
	s.digest, s.hardware, s.readAt = r.digest, r.inventory.Identity, time.Now()
	if !changed && !s.full {
		return
	}
	s.full = false
	s.send(protocol.KindReport, &protocol.Report{Digest: r.digest, Inventory: r.inventory})
}
