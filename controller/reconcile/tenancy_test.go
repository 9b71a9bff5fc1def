package reconcile

import (
	std "cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"sync/atomic"
	"time"

	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// tenancy is a saga with a node that carries accounts. The node outlives the controller: it makes true what it is told, and says so until it is heard.
type tenancy struct {
	*saga
	clings atomic.Bool // something of what it removes is left
}

// settle lets the node live.
func settle(s *saga) *tenancy {
	h := &tenancy{saga: s}
	s.fanOut = 3 // so that few subscriptions are several turns of a fan-out
	s.running.Go(h.carry)
	return h
}

// furnish stores the node; it is there before anything can fail.
func furnish(s *saga) {
	provided := hosting.Provision{Provided: protocol.Provided{Switches: map[string]bool{
		"web": true, "ftp": true, "mail": true, "mailing_lists": true, "databases": true, "imap": true, "disk_quota": true,
	}}}
	s.seeds(func(w *world) {
		w.change(func(tx *store.Tx) error {
			pool := reselling.Pool{ID: "spl-1", Name: "web", Service: "web", Policy: reselling.FirstFit, Members: []string{webNode}, Automatic: true, Oversell: true}
			return std.Or(store.Provisions.Put(tx, webNode, provided), store.ServerPools.Put(tx, pool.ID, pool), store.Servers.Put(tx, webNode, fleet.Server{
				ID: webNode, Name: "web1", Environment: protocol.EnvInstalled, Approval: fleet.Approved, Claim: fleet.Claim{Kind: fleet.ClaimNone},
				Node: &fleet.Node{}, InService: true, Cleanliness: fleet.Clean, Roles: []fleet.LogicalServer{{Type: "web"}},
			}))
		})
	})
}

// carry is the node.
func (h *tenancy) carry() {
	ch, err := h.kv.Watch(h.ctx, store.Hosted.Name()+"/", 1)
	if err != nil {
		return
	}
	for b := range ch {
		for _, e := range b.Events {
			if e.Deleted {
				continue
			}
			var d hosting.Document
			must(json.Unmarshal(e.Value, &d))
			h.tell(&d.Account, protocol.HostedWorking)
			if d.Account.State == protocol.HostedGone && h.clings.Load() {
				h.tell(&d.Account, protocol.HostedFailed, protocol.Found{Name: "/srv/hosting/" + d.Account.User, Detail: "is busy"})
				continue
			}
			h.tell(&d.Account, protocol.HostedDone)
		}
	}
}

func (h *tenancy) tell(a *protocol.HostedAccount, state string, left ...protocol.Found) {
	rep := protocol.HostedReport{Results: []protocol.HostedResult{{
		ID: a.ID, Version: a.Version, State: state, Steps: []protocol.HostedStep{{Part: "site", State: state}}, LeftOvers: left,
	}}}
	_ = h.ask(func(in *intake.Intake) error { return in.HostedReport(h.ctx, webNode, rep) })
}

// quiet waits until nothing happens any more.
func (h *tenancy) quiet() {
	h.t.Helper()
	for last, n := h.revision(), 0; n < 6; n++ {
		sleepFor(h.ctx, 10*time.Second)
		if now := h.revision(); now != last {
			last, n = now, 0
		}
	}
}

// revision of the newest record.
func (h *tenancy) revision() (newest int64) {
	for _, e := range snapshotOf(h.saga).entries {
		newest = max(newest, e.ModRev)
	}
	return newest
}

// rows are the records of a table, by id.
func rows[T any](h *tenancy, t store.Table[T]) map[string]T {
	h.t.Helper()
	list, err := h.kv.List(context.Background(), t.Name()+"/", kv.ListOptions{})
	if err != nil {
		h.t.Fatal(err)
	}
	all := map[string]T{}
	for _, e := range list.Entries {
		var v T
		must(json.Unmarshal(e.Value, &v))
		all[strings.TrimPrefix(e.Key, t.Name()+"/")] = v
	}
	return all
}

func (h *tenancy) theAccount() account.Account {
	h.t.Helper()
	for _, a := range rows(h, store.Accounts) {
		return a
	}
	h.t.Fatal("there is no account")
	return account.Account{}
}

func (h *tenancy) theOffer(name string) plan.Offer {
	for _, o := range rows(h, store.Offers) {
		if o.Name == name {
			return o
		}
	}
	return plan.Offer{}
}

func (h *tenancy) theSub(name string) subscription.Subscription {
	h.t.Helper()
	for _, s := range rows(h, store.Subscriptions) {
		if s.Name == name {
			return s
		}
	}
	h.t.Fatalf("there is no subscription %s", name)
	return subscription.Subscription{}
}

// comes waits until something holds, for an hour at most.
func (h *tenancy) comes(what string, holds func() bool) {
	h.t.Helper()
	for range 360 {
		if holds() {
			return
		}
		sleepFor(h.ctx, 10*time.Second)
	}
	h.t.Fatalf("never came to pass: %s\n%s", what, strings.Join(snapshotOf(h.saga).portrait(), "\n"))
}

// asShallBe waits until the node has made true the newest of the account, which is in a state, and what it let go of is free.
func (h *tenancy) asShallBe(state string) {
	h.t.Helper()
	h.comes("the account is "+state, func() bool {
		a := h.theAccount()
		d, told := rows(h, store.Hosted)[a.ID]
		o := rows(h, store.HostedResults)[a.ID]
		letGo := len(a.Dropped)+len(a.Removing.Databases)+len(a.Removing.Mailboxes) == 0
		return a.State == state && letGo && (!told || o.Done(d.Account.Version))
	})
}

// made asks with one key until it is answered: whatever was lost, the answer is the same.
func (h *tenancy) made(key string, f func(ctx context.Context, in *intake.Intake) (secret string, err error)) (secret string) {
	h.t.Helper()
	o := intake.NewOnce("ann", key, "bearer")
	o.Digest = key
	h.must(func(in *intake.Intake) error {
		a, _, ok, err := in.Recall(o)
		if ok && err == nil {
			secret, err = in.Secret(o, a)
		}
		if ok || err != nil {
			return err
		}
		if secret, err = f(intake.WithOnce(h.ctx, o), in); errors.Is(err, intake.ErrAnswered) {
			return fault.Unavailable("the answer is not seen yet")
		}
		return err
	})
	return secret
}

// wants asks for something that may have been heard before: then it is there, is refused as done, or is gone already.
func (h *tenancy) wants(f func(in *intake.Intake) error) {
	h.t.Helper()
	first := true
	h.must(func(in *intake.Intake) error {
		err := f(in)
		again := !first
		first = false
		if again && (fault.Is(err, fault.KindRefused) || fault.Is(err, fault.KindNotFound) || fault.Is(err, fault.KindConflict)) {
			return nil
		}
		return err
	})
}

// edits an offer that is as it was when the person looked.
func (h *tenancy) edits(name string, change func(d *intake.OfferDraft)) {
	h.t.Helper()
	before := h.theOffer(name)
	rev := h.revisionOf(store.Offers.Name() + "/" + before.ID)
	h.wants(func(in *intake.Intake) error {
		_, _, err := in.EditOffer(h.ctx, ann, before.ID, rev, func(d intake.OfferDraft) (intake.OfferDraft, error) {
			d.Values = maps.Clone(d.Values) // those of the record are everybody's
			change(&d)
			return d, nil
		})
		return err
	})
}

func (h *tenancy) revisionOf(key string) int64 {
	e, err := h.kv.Get(context.Background(), key)
	if err != nil {
		h.t.Fatal(err)
	}
	return e.ModRev
}

// opens reports whether a password is what the node has the digest of.
func (h *tenancy) opens(password, digest string) {
	h.t.Helper()
	parts := strings.Split(digest, "$")
	got, err := account.SystemDigest(password, parts[len(parts)-2])
	if err != nil || got != digest {
		h.t.Errorf("the password that was shown is not that of the node: %v", err)
	}
}
