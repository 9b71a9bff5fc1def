package reconcile

import (
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/protocol"
)

// TestH5_B44_WhatCustomersHaveOnAServerIsNeverErased: not by itself when its disks count as dirty, and not by an operator who forgot.
func TestH5_B44_WhatCustomersHaveOnAServerIsNeverErased(t *testing.T) {
	inShop(t, func(s *shop) {
		server := s.machine()
		_, _, err := s.intake.Place(ctx, ann, intake.PlacementDraft{Kind: hosting.Database, Name: "db1", Server: server})
		s.ok(err)
		var told []string
		s.obey(func(c protocol.Command) (protocol.Result, bool) {
			told = append(told, c.Kind)
			return s.obedient(c)
		})
		s.edit(server, func(srv *fleet.Server) { srv.Cleanliness = fleet.Dirty }) // a disk came, or it was taken back
		pass(time.Hour)
		if len(told) != 0 || s.server(server).Operation != "" {
			t.Fatalf("its agent was told to %v", told)
		}
		for kind, p := range map[string]operation.Params{operation.Erase: {}, operation.Install: {Image: "img-1"}} {
			_, err := s.intake.RequestOperation(ctx, ann, intake.OperationWish{Server: server, Kind: kind, Params: p}, nil)
			refused(t, err, "customers have 1 things on server")
		}
		for i := range store.Placements.Items(s.store.Snapshot()) {
			_, err := s.intake.Unplace(ctx, ann, i.ID, intake.AnyRevision)
			s.ok(err)
		}
		pass(time.Minute)
		if srv := s.server(server); len(told) == 0 || told[0] != protocol.CommandErase || srv.Cleanliness != fleet.Clean {
			t.Errorf("when nothing is on it any more it is %s, and its agent was told to %v", srv.Cleanliness, told)
		}
	})
}

func TestH5_NothingIsPlacedOnAServerThatIsBeingErased(t *testing.T) {
	inShop(t, func(s *shop) {
		server := s.machine()
		s.obey(s.silentFor(protocol.CommandErase))
		_, err := s.intake.RequestOperation(ctx, ann, intake.OperationWish{Server: server, Kind: operation.Erase}, nil)
		s.ok(err)
		_, _, err = s.intake.Place(ctx, ann, intake.PlacementDraft{Kind: hosting.Database, Name: "db1", Server: server})
		refused(t, err, "are being written", s.server(server).Operation)
	})
}
