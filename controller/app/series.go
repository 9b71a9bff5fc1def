package app

import (
	"cmp"
	"iter"
	"net"
	"os"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/controller/metrics"
	"github.com/steelyard/steelyard/controller/store"
)

// reached is the address of API and metrics for others: the first name that the operator gave, else where this replica listens.
func (c *Controller) reached() string {
	host, port, err := net.SplitHostPort(c.http.Addr().String())
	if err != nil {
		return c.http.Addr().String()
	}
	if ip := net.ParseIP(host); len(c.opt.Advertise) > 0 && !ip.IsLoopback() {
		host = c.opt.Advertise[0]
	} else if ip.IsUnspecified() {
		name, _ := os.Hostname() // the loopback address serves where even that is not known
		host = cmp.Or(name, "127.0.0.1")
	}
	return net.JoinHostPort(host, port)
}

// replicas are those that run.
func (c *Controller) replicas() (list []fleet.Replica) {
	for i := range store.Replicas.Items(c.Store.Snapshot()) {
		list = append(list, *i.Value)
	}
	return list
}

// ours reports whether this replica shows the figures of a server and of the accounts on it: it does if it holds the session of the server's agent. What nobody holds the leader shows. So each
// series is shown once, but for the seconds in which an agent or the leadership moves.
func (c *Controller) ours(snap *store.Snapshot, server string) bool {
	if p, ok := store.Presences.In(snap, server); ok {
		return p.Replica == c.replica
	}
	return c.leads.Load()
}

// machines are the servers whose figures this replica shows.
func (c *Controller) machines(yield func(*metrics.Machine)) {
	snap, month := c.Store.Snapshot(), c.usage.Now()
	for i := range store.Servers.Items(snap) {
		s := i.Value
		if s.Approval == fleet.Retired || !c.ours(snap, s.ID) {
			continue
		}
		m := metrics.Machine{ID: s.ID, Name: s.Name, Location: s.Location, Approval: s.Approval, Claim: s.Claim.Kind, Environment: s.Environment, Available: c.Stock.Index.Available(s.ID), Month: month, Gaps: -1}
		_, m.Connected = store.Presences.In(snap, s.ID)
		if f, ok := store.Facts.In(snap, s.ID); ok {
			m.Disks = f.Inventory.Disks
		}
		if sample, at, ok := c.Gateway.Sample(s.ID); ok {
			m.Sample, m.SampleAt = &sample, at
		}
		if t, ok := store.Traffic.In(snap, s.ID); ok {
			m.Gaps = t.GapCount
		}
		if f, ok := c.usage.Server(s.ID); ok {
			m.Traffic = &f
		}
		yield(&m)
	}
}

// hosted are the accounts whose figures this replica shows, of the running month.
func (c *Controller) hosted() iter.Seq[*usage.Figures] {
	return func(yield func(*usage.Figures) bool) {
		snap, ours := c.Store.Snapshot(), map[string]bool{}
		for f := range c.usage.Each(c.usage.Now()) {
			mine, known := ours[f.Server]
			if !known {
				mine = c.ours(snap, f.Server)
				ours[f.Server] = mine
			}
			if mine && !yield(f) {
				return
			}
		}
	}
}
