package app

import (
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/metrics"
	"github.com/steelyard/steelyard/controller/store"
)

// figures tells the metrics where the standing figures come from.
func (c *Controller) figures() metrics.Options {
	return metrics.Options{
		Version: c.opt.Version, Fleet: c.fleetFigures, Sessions: c.sessionFigures, Leader: c.leads.Load, Etcd: c.backend.size, Notify: c.notifyFigures, Netboot: c.netbootFigures,
		Store: func() metrics.Store {
			n := c.Store.Stats()
			return metrics.Store{Commits: n.Transactions, Changes: n.Changes, Conflicts: n.Conflicts + n.GaveUp, Retries: n.Conflicts}
		},
		View: func() metrics.View {
			rev := c.Store.Snapshot().Rev
			return metrics.View{Revision: rev, Committed: rev, StaleSince: c.Store.Stale()}
		},
	}
}

func (c *Controller) fleetFigures() metrics.Fleet {
	var f metrics.Fleet
	c.Stock.Index.Each(func(s *fleet.Server, _, connected bool, reasons []fleet.Reason) { f.AddServer(s, connected, reasons) })
	snap := c.Store.Snapshot()
	for i := range store.Servers.Items(snap) {
		if i.Value.Approval != fleet.Retired {
			f.AddLabel(intake.LabelIn(snap, i.Value))
		}
	}
	for i := range store.Orders.Items(snap) {
		f.AddOrder(i.Value.State)
	}
	for i := range store.Services.Items(snap) {
		f.AddService(i.Value.State)
	}
	for i := range store.Operations.Items(snap) {
		f.AddOperation(i.Value.Kind, i.Value.State)
	}
	for i := range store.Tasks.Items(snap) {
		if i.Value.State == task.Open {
			f.AddTask(i.Value.Kind, i.Value.Department)
		}
	}
	for i := range store.Pools.Items(snap) {
		use := intake.PoolUse(snap, i.Value)
		f.Pools = append(f.Pools, metrics.Pool{Name: i.Value.Name, Family: i.Value.Family, Used: use.Used, Resting: use.Resting, Free: use.Free})
	}
	f.Classes = len(c.Stock.Catalogue.Classes())
	return f
}

func (c *Controller) sessionFigures() metrics.Sessions {
	s := c.Gateway.Stats()
	return metrics.Sessions{
		Open: s.Sessions, Handshakes: s.Handshakes, Resumed: s.Resumed, Enrolled: s.Enrolled, Lost: s.Lost, Reports: s.Reports,
		BytesIn: s.BytesIn, BytesOut: s.BytesOut, Refused: s.Refused, BadFrames: s.BadFrames,
	}
}

func (c *Controller) notifyFigures() metrics.Notify {
	s := c.notify.Stats()
	out := metrics.Notify{Attempts: map[metrics.Attempted]uint64{}, Pending: s.Pending, Dead: s.Dead, Events: s.Events, Oldest: s.Oldest}
	for k, n := range s.Attempts {
		out.Attempts[metrics.Attempted(k)] = n
	}
	return out
}

// netbootFigures are zero where no machine boots from.
func (c *Controller) netbootFigures() metrics.Netboot {
	if c.netboot == nil {
		return metrics.Netboot{}
	}
	return metrics.Netboot(c.netboot.Stats())
}
