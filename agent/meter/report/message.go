package report

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/steelyard/steelyard/protocol"
)

// Report is the next message, or nil and when to ask again; zero: when Changed signals.
func (r *Reporter) Report(now time.Time) (kind protocol.Kind, message any, again time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ready() {
		return 0, nil, time.Time{}
	}
	if soonest := r.tell.last.Add(Least); now.Before(soonest) && !r.tell.final {
		return 0, nil, soonest
	}
	r.expire(now)
	at := r.due(now)
	if r.opt.Ports != nil && !now.Before(r.tell.ports.Add(Idle)) && (now.Before(at) || !r.tell.urgent) {
		if u := r.ports(now); u != nil {
			return protocol.KindServerUsage, u, now.Add(Least)
		}
	}
	if r.opt.Ports != nil {
		at = earlier(at, r.tell.ports.Add(Idle))
	}
	if r.opt.Counts == nil || now.Before(r.due(now)) {
		return 0, nil, at
	}
	if u := r.usage(now); u != nil {
		return protocol.KindUsageReport, u, now.Add(Least)
	}
	return 0, nil, earlier(now.Add(Every), at)
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// due is when accounts are told next. r.mu is held.
func (r *Reporter) due(now time.Time) time.Time {
	if r.opt.Counts == nil {
		return time.Time{}
	}
	if r.tell.first || r.tell.urgent {
		return now
	}
	return r.tell.regular.Add(Every)
}

// expire tells again what was not acknowledged in time.
func (r *Reporter) expire(now time.Time) {
	for len(r.flights) > 0 && !now.Before(r.flights[0].sent.Add(protocol.UsageAgain)) {
		for _, a := range r.accounts {
			if a.seq == r.flights[0].seq {
				a.dirty, a.seq = true, 0
			}
		}
		if r.flights[0].ports {
			r.tell.version = 0
		}
		r.flights = r.flights[1:]
	}
}

// fly numbers a message.
func (r *Reporter) fly(now time.Time, ports bool) uint64 {
	r.seq++
	r.flights = append(r.flights, flight{r.seq, now, ports})
	r.tell.last = now
	return r.seq
}

// usage is what changed of accounts, as much as goes into one message; nil: nothing.
func (r *Reporter) usage(now time.Time) *protocol.UsageReport {
	r.pull()
	u := &protocol.UsageReport{Book: r.opt.Counts.ID(), Zone: r.has.Zone, Counted: r.counted, Deleted: r.deleted}
	for _, m := range r.has.Months {
		u.Months = append(u.Months, m.Name)
	}
	list, more := r.dirty()
	idle := r.counted == r.tell.counted || now.Before(r.tell.last.Add(Idle))
	if len(list) == 0 && !r.tell.sources && !r.tell.first && idle {
		r.tell.regular, r.tell.urgent, r.tell.final = now, false, false
		return nil
	}
	if r.tell.sources {
		u.Sources, r.tell.sources = r.sources, false
	}
	u.Final = r.tell.final
	u.Seq = r.fly(now, false)
	for _, id := range list {
		a := r.accounts[id]
		var x protocol.AccountUsage
		for i := range a.months {
			for c, t := range a.months[i] {
				x.Months[i][c] = protocol.Traffic(t)
			}
		}
		x.Stored = a.stored
		u.Accounts = protocol.AppendUsage(u.Accounts, id, &x)
		a.dirty, a.goes, a.seq, a.told = false, false, u.Seq, a.stored.At
	}
	r.tell.counted, r.tell.final = r.counted, more && r.going()
	if !more {
		r.tell.first, r.tell.urgent, r.tell.final, r.tell.regular = false, false, false, now
	}
	return u
}

// dirty are accounts to tell, as many as go into one message.
func (r *Reporter) dirty() (list []string, more bool) {
	size := 0
	for _, id := range r.order() {
		a := r.accounts[id]
		if !a.dirty {
			continue
		}
		if size >= piece {
			return list, true
		}
		list = append(list, id)
		size += len(id) + 48 + 24*len(a.months)
	}
	return list, false
}

// order is that of their ids, but those that go come first.
func (r *Reporter) order() []string {
	list := slices.Sorted(maps.Keys(r.accounts))
	if r.tell.final {
		slices.SortStableFunc(list, func(a, b string) int {
			return cmp.Compare(goes(r.accounts[b]), goes(r.accounts[a]))
		})
	}
	return list
}

func goes(a *account) int {
	if a.goes && a.dirty {
		return 1
	}
	return 0
}

// going tells whether one that goes was not told yet.
func (r *Reporter) going() bool {
	for _, a := range r.accounts {
		if goes(a) > 0 {
			return true
		}
	}
	return false
}

// pull takes over what was counted since.
func (r *Reporter) pull() {
	list, version := r.opt.Counts.Changed(r.since)
	r.since = version
	for _, x := range list {
		a := r.account(x.Account)
		a.months, a.dirty = x.Months, true
	}
}

// ports is what went through the machine's ports; nil: nothing new.
func (r *Reporter) ports(now time.Time) *protocol.ServerUsage {
	r.tell.ports = now
	u, version := r.opt.Ports.Usage(r.has.Months)
	if version == r.tell.version {
		return nil
	}
	r.tell.version = version
	u.Zone, u.Seq = r.has.Zone, r.fly(now, true)
	return &u
}
