package reconcile

import (
	"cmp"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/protocol"
)

// keys is a root of all keys that is always the same.
type keys struct{}

func (keys) Derive(label string, n int) ([]byte, error) {
	return []byte(strings.Repeat(label, n)[:n]), nil
}

const webNode = "srv-00000000000000aa"

// hoster is a world with a node that carries accounts.
type hoster struct{ *seller }

func inHosting(t *testing.T, f func(h *hoster)) {
	t.Helper()
	inTrade(t, func(s *seller) {
		ring, err := seal.Open(s.store, keys{})
		s.ok(err)
		s.intake.SetRing(ring)
		provided := hosting.Provision{Provided: protocol.Provided{Switches: map[string]bool{"web": true, "ftp": true, "mail": true, "databases": true, "disk_quota": true}}}
		s.change(func(tx *store.Tx) error {
			return cmp.Or(store.Provisions.Put(tx, webNode, provided), store.Servers.Create(tx, webNode, fleet.Server{
				ID: webNode, Name: "web1", Environment: protocol.EnvInstalled, Approval: fleet.Approved, Claim: fleet.Claim{Kind: fleet.ClaimNone},
				Node: &fleet.Node{}, InService: true, Cleanliness: fleet.Clean, CleanSince: time.Now(), Roles: []fleet.LogicalServer{{Type: "web"}},
			}))
		})
		f(&hoster{s})
	})
}

func (h *hoster) account(domain, offer string) account.Account {
	h.t.Helper()
	made, _, err := h.intake.CreateAccount(context.Background(), ann, intake.AccountDraft{Domain: domain, Offer: offer, Server: webNode})
	h.ok(err)
	return made.Account
}

// says lets the node say something of the newest version of an account.
func (h *hoster) says(id, state, message string, left ...protocol.Found) {
	h.t.Helper()
	d, ok := store.Hosted.View(h.store, id)
	if !ok {
		h.t.Fatalf("the node has no document of %s", id)
	}
	h.ok(h.intake.HostedReport(context.Background(), webNode, protocol.HostedReport{Results: []protocol.HostedResult{{
		ID: id, Version: d.Account.Version, State: state, Steps: []protocol.HostedStep{{Part: "site", State: state, Message: message}}, LeftOvers: left,
	}}}))
}

func (h *hoster) state(id string) string {
	a, ok := store.Accounts.View(h.store, id)
	if !ok {
		return ""
	}
	return a.State
}

func (h *hoster) tasks() (n int) {
	for i := range store.Tasks.Items(h.store.Snapshot()) {
		if i.Value.State == task.Open && strings.Contains(i.Value.Subject, "example") {
			n++
		}
	}
	return n
}

// TestC12_C14_AnAccountIsWhatItsNodeSaid: there when all is done, gone when nothing is left, stuck as long as something is; then names and user are free.
func TestC12_C14_AnAccountIsWhatItsNodeSaid(t *testing.T) {
	inHosting(t, func(h *hoster) {
		gold := h.offer(intake.OfferDraft{Name: "Gold"})
		a := h.account("a.example", gold.ID)
		h.says(a.ID, protocol.HostedWorking, "")
		if got := h.state(a.ID); got != account.Making {
			t.Errorf("while it is worked on it is %q", got)
		}
		h.says(a.ID, protocol.HostedDone, "")
		if got := h.state(a.ID); got != account.There {
			t.Errorf("done, it is %q", got)
		}
		_, _, err := h.intake.RemoveAccount(context.Background(), ann, a.ID, "a.example", "")
		h.ok(err)
		h.says(a.ID, protocol.HostedFailed, "busy", protocol.Found{Name: "/srv/hosting/a", Detail: "is busy"})
		if got := h.state(a.ID); got != account.Stuck {
			t.Errorf("with left-overs it is %q", got)
		}
		if _, _, err := h.intake.CreateAccount(context.Background(), ann, intake.AccountDraft{Domain: "a.example", Offer: gold.ID, Server: webNode}); err == nil {
			t.Error("its domain was given to another account while something was left")
		}
		h.says(a.ID, protocol.HostedDone, "")
		if got := h.state(a.ID); got != account.Gone {
			t.Errorf("with nothing left it is %q", got)
		}
		if n, _ := store.Loads.View(h.store, webNode); n != nil {
			t.Errorf("its server carries %+v", n)
		}
		if b := h.account("a.example", gold.ID); b.User != a.User {
			t.Logf("the next one is called %s", b.User)
		}
	})
}

// TestX6_ANodeThatCannotMakeAnAccountIsATask: after ten minutes, with its words; it closes itself.
func TestX6_ANodeThatCannotMakeAnAccountIsATask(t *testing.T) {
	inHosting(t, func(h *hoster) {
		a := h.account("b.example", h.offer(intake.OfferDraft{Name: "Gold"}).ID)
		h.says(a.ID, protocol.HostedFailed, "the disk is full")
		if n := h.tasks(); n != 0 {
			t.Errorf("%d tasks at once", n)
		}
		time.Sleep(accountPatience + time.Minute)
		synctest.Wait()
		if n := h.tasks(); n != 1 {
			t.Errorf("%d tasks after %v", n, accountPatience)
		}
		h.says(a.ID, protocol.HostedDone, "")
		if n := h.tasks(); n != 0 {
			t.Errorf("%d tasks are open although it is done", n)
		}
	})
}
