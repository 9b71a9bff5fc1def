package report

import (
	"slices"
	"time"

	"github.com/steelyard/steelyard/protocol"
)

// Looked hears that the logs were read to their end, as far as they could be.
func (r *Reporter) Looked(at time.Time, sources []protocol.UsageSource) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counted = at.Unix(); slices.ContainsFunc(sources, func(s protocol.UsageSource) bool { return s.Problem != "" }) {
		r.counted = oldest(sources)
	}
	if !slices.EqualFunc(sources, r.sources, alike) {
		r.tell.sources = true
	}
	r.sources = sources
	nudge(r.changed)
}

// oldest is the time until which all logs were read; 0: one never was.
func oldest(sources []protocol.UsageSource) int64 {
	first := sources[0].Until
	for _, s := range sources {
		first = min(first, s.Until)
	}
	return first
}

// alike compares what is told of logs, but for the time.
func alike(a, b protocol.UsageSource) bool {
	return a.Name == b.Name && a.Problem == b.Problem && a.Unknown == b.Unknown && a.Sample == b.Sample && a.Skipped == b.Skipped && slices.Equal(a.Gaps, b.Gaps)
}

// Stored hears what an account takes of the disk. Urgent: it passed a limit, in one direction or the other.
func (r *Reporter) Stored(id string, s protocol.Stored, urgent bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.account(id)
	was := a.stored
	a.stored = s
	was.At = s.At
	if was == s && s.At < a.told+uint64(Renew/time.Second) && !urgent {
		return
	}
	a.dirty = true
	if r.tell.urgent = r.tell.urgent || urgent; urgent {
		nudge(r.changed)
	}
}

// Deleted hears how much of accounts' space is taken by files that are deleted and held open.
func (r *Reporter) Deleted(bytes uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deleted = bytes
}

// Final asks for an account to be told before anything else is said of it: it goes, and its logs were read to their end.
func (r *Reporter) Final(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.account(id)
	a.dirty, a.goes = true, true
	r.tell.urgent, r.tell.final = true, true
	nudge(r.changed)
}

func (r *Reporter) account(id string) *account {
	a := r.accounts[id]
	if a == nil {
		a = &account{}
		r.accounts[id] = a
	}
	return a
}
