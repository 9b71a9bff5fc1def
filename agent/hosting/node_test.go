package hosting

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/fake"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

// bench is a node over fake parts, and the controller's side of it.
type bench struct {
	*testing.T
	node  *Node
	dir   string
	parts []*fake.Part
	deeds []string // "ensure user acc-1"
	stop  func()

	results   map[string]protocol.HostedResult
	provided  *protocol.Provided
	strangers []string
}

func newBench(t *testing.T) *bench {
	b := &bench{T: t, dir: t.TempDir(), results: map[string]protocol.HostedResult{}}
	for _, name := range []string{"user", "site", "mail"} {
		p := &fake.Part{Called: name, Gives: part.Provision{Switches: map[string]bool{name: true}}}
		p.Before = func(deed string, a *part.Account) error {
			b.deeds = append(b.deeds, deed+" "+name+" "+a.ID)
			return nil
		}
		b.parts = append(b.parts, p)
	}
	b.start()
	return b
}

func (b *bench) start() {
	b.Helper()
	o := Options{Dir: b.dir, Layout: part.Standard}
	for _, p := range b.parts {
		o.Parts = append(o.Parts, p)
	}
	n, err := New(o)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.Run(ctx)
	}()
	b.node, b.stop = n, func() { cancel(); <-done }
}

func (b *bench) set(list ...protocol.HostedAccount) {
	b.Helper()
	if err := b.node.Set(protocol.HostedSet{Accounts: list}); err != nil {
		b.Fatal(err)
	}
	synctest.Wait()
}

// hear takes all reports and stores them.
func (b *bench) hear() {
	synctest.Wait()
	for r, ok := b.node.Report(); ok; r, ok = b.node.Report() {
		if again, _ := b.node.Report(); again.Seq != r.Seq {
			b.Error("a report changed before it was stored")
		}
		for _, result := range r.Results {
			b.results[result.ID] = result
		}
		if r.Provided != nil {
			b.provided = r.Provided
		}
		if r.Told {
			b.strangers = r.Strangers
		}
		b.node.Told(r.Seq)
	}
}

func document(id string, version uint64, state string) protocol.HostedAccount {
	return protocol.HostedAccount{ID: id, Version: version, State: state, User: "u" + strings.ReplaceAll(id, "-", ""), Shell: protocol.ShellFalse, Domain: id + ".example"}
}

func TestC12_AnAccountIsMadePartByPartAndToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer func() { b.stop() }()
		b.set(document("acc-1", 1, protocol.HostedPresent))
		b.hear()
		if want := []string{"ensure user acc-1", "ensure site acc-1", "ensure mail acc-1"}; !slices.Equal(b.deeds, want) {
			t.Errorf("%q", b.deeds)
		}
		r := b.results["acc-1"]
		if r.State != protocol.HostedDone || r.Version != 1 || len(r.Steps) != 3 || r.Steps[2] != (protocol.HostedStep{Part: "mail", State: protocol.HostedDone}) {
			t.Errorf("%+v", r)
		}
		if b.provided == nil || !b.provided.Switches["site"] || len(b.provided.Components) != 3 {
			t.Errorf("provided: %+v", b.provided)
		}
		b.set(document("acc-1", 1, protocol.HostedSuspended)) // not newer: it is not taken
		if doc, _ := b.parts[0].Has("acc-1"); doc.State != protocol.HostedPresent {
			t.Error("a document of the same version replaced the one that the node has")
		}
		b.deeds = nil
		b.set(document("acc-1", 3, protocol.HostedSuspended))
		b.set(document("acc-1", 2, protocol.HostedPresent))
		b.hear()
		if doc, _ := b.parts[0].Has("acc-1"); doc.State != protocol.HostedSuspended || b.results["acc-1"].Version != 3 || len(b.deeds) != 3 {
			t.Errorf("%+v, %+v after %q", doc, b.results["acc-1"], b.deeds)
		}
	})
}

func TestC14_WhatGoesIsRemovedBackwardsAndForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer func() { b.stop() }()
		b.set(document("acc-1", 1, protocol.HostedPresent))
		left := []protocol.Found{{Name: "/srv/hosting/uacc1", Detail: "is busy"}}
		var freed atomic.Bool
		b.parts[0].Leaves = func(*part.Account) []protocol.Found {
			if freed.Load() {
				return nil
			}
			return left
		}
		b.deeds = nil
		b.set(document("acc-1", 2, protocol.HostedGone))
		b.hear()
		if want := []string{"remove mail acc-1", "remove site acc-1", "remove user acc-1"}; !slices.Equal(b.deeds, want) {
			t.Errorf("%q", b.deeds)
		}
		if r := b.results["acc-1"]; r.State != protocol.HostedFailed || len(r.LeftOvers) != 1 || r.LeftOvers[0] != left[0] {
			t.Errorf("with left-overs: %+v", r)
		}
		if len(b.node.Have()) != 1 {
			t.Error("an account with left-overs was forgotten")
		}
		freed.Store(true)
		time.Sleep(retryLast)
		b.hear()
		if r := b.results["acc-1"]; r.State != protocol.HostedDone || r.Version != 2 {
			t.Errorf("after the left-overs are gone: %+v", r)
		}
		if have := b.node.Have(); len(have) != 0 {
			t.Errorf("%+v is kept", have)
		}
		b.stop()
		b.start()
		if have := b.node.Have(); len(have) != 0 {
			t.Errorf("after a start %+v is there again", have)
		}
	})
}

// TestX5_WhatIsNotNamedIsLeftAlone: a document that is missing never removes anything.
func TestX5_WhatIsNotNamedIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer func() { b.stop() }()
		b.set(document("acc-1", 1, protocol.HostedPresent), document("acc-2", 1, protocol.HostedPresent))
		b.hear()
		if err := b.node.Set(protocol.HostedSet{Complete: true, All: []string{"acc-2"}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * verifyEvery)
		b.hear()
		if !slices.Equal(b.strangers, []string{"acc-1"}) {
			t.Errorf("strangers: %q", b.strangers)
		}
		if _, ok := b.parts[1].Has("acc-1"); !ok || slices.ContainsFunc(b.deeds, func(d string) bool { return strings.HasPrefix(d, "remove") }) {
			t.Errorf("it was touched: %q", b.deeds)
		}
	})
}

func TestOneThatFailsKeepsNoOtherWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer func() { b.stop() }()
		tries := 0
		b.parts[1].Before = func(_ string, a *part.Account) error {
			if a.ID == "acc-1" {
				if tries++; tries < 4 {
					return errors.New("the disk of the site is full")
				}
			}
			return nil
		}
		b.set(document("acc-1", 1, protocol.HostedPresent), document("acc-2", 1, protocol.HostedPresent))
		b.hear()
		if r := b.results["acc-2"]; r.State != protocol.HostedDone {
			t.Errorf("the other one: %+v", r)
		}
		r := b.results["acc-1"]
		if r.State != protocol.HostedFailed || r.Steps[1].Message != "the disk of the site is full" || r.Steps[2].State != protocol.HostedWaiting {
			t.Errorf("%+v", r)
		}
		began := time.Now()
		for b.results["acc-1"].State != protocol.HostedDone && time.Since(began) < time.Hour {
			time.Sleep(time.Second)
			b.hear()
		}
		if d := time.Since(began); d < 12*time.Second || d > 40*time.Second || tries != 4 { // 5, 10 and 20 s, each a quarter less at most
			t.Errorf("done after %v and %d attempts", d, tries)
		}
	})
}

func TestABatchIsSettledOnceAndTheOneToBlameIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer func() { b.stop() }()
		b.parts[1].Settling = func(changed []string) error {
			if slices.Contains(changed, "acc-007") {
				return &part.Blamed{By: map[string]error{"acc-007": errors.New("its file is wrong")}}
			}
			return nil
		}
		var list []protocol.HostedAccount
		for i := range 250 {
			list = append(list, document(fmt.Sprintf("acc-%03d", i), 1, protocol.HostedPresent))
		}
		b.set(list...)
		b.hear()
		for id, r := range b.results {
			want := protocol.HostedDone
			if id == "acc-007" {
				want = protocol.HostedFailed
			}
			if r.State != want {
				t.Errorf("%s: %+v", id, r)
			}
		}
		if n := b.parts[0].Reloads(); n != 3 || len(b.results) != 250 {
			t.Errorf("%d reloads for %d accounts", n, len(b.results))
		}
	})
}

// TestAKilledNodeGoesOn: what was taken is on disk, and is converged after the next start.
func TestAKilledNodeGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer func() { b.stop() }()
		b.stop()
		if err := b.node.Set(protocol.HostedSet{Accounts: []protocol.HostedAccount{document("acc-1", 7, protocol.HostedPresent)}}); err != nil {
			t.Fatal(err)
		}
		b.start()
		if have := b.node.Have(); len(have) != 1 || have[0].Version != 7 {
			t.Errorf("%+v", have)
		}
		b.hear()
		if r := b.results["acc-1"]; r.State != protocol.HostedDone || r.Version != 7 {
			t.Errorf("%+v", r)
		}
		// A new session tells only what the controller asks for.
		r := b.results["acc-1"]
		clear(b.results)
		if have := b.node.Have(); have[0].Result != r.Digest() {
			t.Errorf("%+v", have)
		}
		b.hear()
		if len(b.results) != 0 {
			t.Errorf("told again: %+v", b.results)
		}
		_ = b.node.Set(protocol.HostedSet{Complete: true, All: []string{"acc-1"}, Tell: []string{"acc-1"}})
		b.hear()
		if b.results["acc-1"].State != protocol.HostedDone {
			t.Error("not told although it was asked for")
		}
	})
}

func TestADocumentThatCannotBeRightTouchesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		defer func() { b.stop() }()
		bad := document("acc-1", 1, protocol.HostedPresent)
		bad.User = "root\nx"
		b.set(bad, document("../x", 1, protocol.HostedPresent))
		b.hear()
		if r := b.results["acc-1"]; r.State != protocol.HostedFailed || !strings.Contains(r.Steps[0].Message, "user") || len(b.deeds) != 0 || len(b.results) != 1 {
			t.Errorf("%+v after %q", b.results, b.deeds)
		}
	})
}
