package embedded

import (
	"context"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Health is what metrics tell about the embedded etcd.
type Health struct {
	DBSize       int64  // bytes of the database file
	DBInUse      int64  // bytes of it that hold data; the rest goes with Defragment
	Quota        int64  // bytes that DBSize may reach
	Free         int64  // bytes left on the file system
	Reserve      int64  // bytes of Free below which changes are refused
	AppliedIndex uint64 // entries of the log that were applied
	Alarms       int    // quota exceeded, corruption
	Full         error  // why changes are refused now, or nil
	Halted       bool   // etcd met a fatal error
}

// Health reads the figures; it does no I/O.
func (s *Server) Health() Health {
	b := s.etcd.Server.Backend()
	return Health{
		DBSize: b.Size(), DBInUse: b.SizeInUse(), Quota: s.etcd.Config().QuotaBackendBytes,
		Free: s.disk.left.Load(), Reserve: s.disk.reserve,
		AppliedIndex: s.etcd.Server.AppliedIndex(), Alarms: len(s.etcd.Server.Alarms()),
		Full: s.disk.full(), Halted: s.halt.halted.Load(),
	}
}

// Defragment gives unused pages of the database back to the file system. It
// blocks all requests while it runs (about a second per GiB in use) and needs
// room for a copy of what is in use.
func (s *Server) Defragment(ctx context.Context) error {
	if err := s.guard(true); err != nil {
		return err
	}
	if h := s.Health(); h.Free-h.Reserve < h.DBInUse {
		return fault.Unavailable("defragmenting needs %d MiB of free space; there are %d MiB above the reserve", h.DBInUse>>20, (h.Free-h.Reserve)>>20)
	}
	if err := ctx.Err(); err != nil {
		return fault.Unavailable("defragment: %w", err)
	}
	return s.etcd.Server.Backend().Defrag()
}
