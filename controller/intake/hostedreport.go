package intake

import (
	"context"
	"reflect"
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/protocol"
)

// resultsAtOnce is how many results go into one commit: each is two records that are read and one that is written.
const resultsAtOnce = 30

// HostedReport keeps what a node says of its accounts and of itself. What is as it was is not written; what is about an account that is not, or not any more,
// on this node, or about a version that was never sent, is left out.
func (in *Intake) HostedReport(ctx context.Context, server string, rep protocol.HostedReport) error {
	now := in.now()
	if rep.Provided != nil || rep.Told {
		if err := in.keepProvision(ctx, server, &rep, now); err != nil {
			return err
		}
	}
	snap := in.store.Snapshot()
	fresh := slices.DeleteFunc(slices.Clone(rep.Results), func(r protocol.HostedResult) bool {
		o, known := store.HostedResults.In(snap, r.ID)
		return known && o.Server == server && o.Digest == r.Digest()
	})
	for part := range slices.Chunk(fresh, resultsAtOnce) {
		if err := in.change(ctx, func(tx *store.Tx) error { return keepResults(tx, server, part, now) }); err != nil {
			return err
		}
	}
	return nil
}

func keepResults(tx *store.Tx, server string, list []protocol.HostedResult, now time.Time) error {
	for i := range list {
		r := &list[i]
		d, known, err := store.Hosted.Find(tx, r.ID)
		if err != nil {
			return err
		}
		old, _, err := store.HostedResults.Find(tx, r.ID)
		if err != nil {
			return err
		}
		// An older result than is known comes from a report that was late.
		if !known || d.Server != server || r.Version > d.Account.Version || old.Server == server && r.Version < old.Result.Version {
			continue
		}
		next := hosting.Outcome{Server: server, Result: *r, Digest: r.Digest(), At: now}
		if old.Server == server && old.Digest == next.Digest {
			continue
		}
		if err := store.HostedResults.Put(tx, r.ID, next); err != nil {
			return err
		}
	}
	return nil
}

func (in *Intake) keepProvision(ctx context.Context, server string, rep *protocol.HostedReport, now time.Time) error {
	if old, ok := store.Provisions.In(in.store.Snapshot(), server); ok && reflect.DeepEqual(*old, provision(*old, rep, old.At)) {
		return nil
	}
	return in.change(ctx, func(tx *store.Tx) error {
		old, _, err := store.Provisions.Find(tx, server)
		if err != nil {
			return err
		}
		if next := provision(old, rep, old.At); !reflect.DeepEqual(old, next) {
			next.At = now
			return store.Provisions.Put(tx, server, next)
		}
		return nil
	})
}

// provision is old with what a report tells.
func provision(old hosting.Provision, rep *protocol.HostedReport, at time.Time) hosting.Provision {
	next := hosting.Provision{Provided: old.Provided, Strangers: old.Strangers, At: at}
	if rep.Provided != nil {
		next.Provided = *rep.Provided
	}
	if rep.Told {
		next.Strangers = slices.Clone(rep.Strangers)
	}
	if len(next.Strangers) == 0 {
		next.Strangers = nil
	}
	return next
}
