package reconcile

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/subscription"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/protocol"
)

const tenant = "example.de"

// accountLife is what happens to an account from its making to its end.
var accountLife = []chapter{
	{"offers are made", offers},
	{"an account is made", accountMade},
	{"parts are added", partsAdded},
	{"another offer, an add-on and a pin", otherValues},
	{"another password", otherPassword},
	{"suspended and not any more", suspendedOnce},
	{"parts go", partsGo},
	{"removed, stuck, removed", removed},
}

func offers(h *tenancy) {
	for name, n := range map[string]uint64{"Gold": 100, "Silver": 50} {
		h.offers(intake.OfferDraft{Name: name, Values: plan.Values{
			plan.DiskMiB: plan.Number(n), plan.TrafficMiB: plan.Unlimited(), plan.Mailboxes: plan.Number(2), plan.MailingLists: plan.Number(1), plan.FTPLogins: plan.Number(1),
			plan.Subdomains: plan.Number(3), plan.Databases: plan.Number(1), plan.IMAP: plan.Switched(true),
		}})
	}
	h.offers(intake.OfferDraft{Name: "More", Kind: plan.AddOn, Values: plan.Values{plan.Mailboxes: plan.Number(5)}})
}

func (h *tenancy) offers(d intake.OfferDraft) {
	h.made(d.Name, func(ctx context.Context, in *intake.Intake) (string, error) {
		_, _, err := in.CreateOffer(ctx, ann, d)
		return "", err
	})
}

func accountMade(h *tenancy) {
	password := h.made("account", func(ctx context.Context, in *intake.Intake) (string, error) {
		a, _, err := in.CreateAccount(ctx, ann, intake.AccountDraft{Domain: tenant, Offer: h.theOffer("Gold").ID, Server: webNode})
		return string(a.Password), err
	})
	h.asShallBe(account.There)
	h.opens(password, h.document().Password)
}

// document is what the node is told, with its secrets.
func (h *tenancy) document() (d protocol.HostedAccount) {
	h.t.Helper()
	id := h.theAccount().ID
	h.must(func(in *intake.Intake) (err error) {
		d, err = in.HostedDocument(webNode, id)
		return err
	})
	return d
}

func partsAdded(h *tenancy) {
	id := h.theAccount().ID
	part := func(key string, f func(ctx context.Context, in *intake.Intake) (intake.MadeAccount, int64, error)) string {
		return h.made(key, func(ctx context.Context, in *intake.Intake) (string, error) {
			m, _, err := f(ctx, in)
			return string(m.Password), err
		})
	}
	box := part("mailbox", func(ctx context.Context, in *intake.Intake) (intake.MadeAccount, int64, error) {
		return in.PutMailbox(ctx, ann, id, account.Mailbox{Address: "info"}, "", true)
	})
	ftp := part("login", func(ctx context.Context, in *intake.Intake) (intake.MadeAccount, int64, error) {
		return in.PutLogin(ctx, ann, id, account.Login{Name: "web"}, "", true)
	})
	db := part("database", func(ctx context.Context, in *intake.Intake) (intake.MadeAccount, int64, error) {
		return in.AddDatabase(ctx, ann, id, "shop")
	})
	part("subdomain", func(ctx context.Context, in *intake.Intake) (intake.MadeAccount, int64, error) {
		return in.AddSubdomain(ctx, ann, id, "blog")
	})
	h.made("forward", func(ctx context.Context, in *intake.Intake) (string, error) {
		_, _, err := in.CreateForward(ctx, ann, intake.ForwardDraft{Domain: "example.org", Account: id})
		return "", err
	})
	h.asShallBe(account.There)
	d := h.document()
	h.opens(box, d.Mailboxes[0].Password)
	h.opens(ftp, d.FTPLogins[0].Password)
	if account.DatabaseDigest(db) != d.DatabasePassword {
		h.t.Error("the password of the database that was shown is not that of the node")
	}
}

func otherValues(h *tenancy) {
	sub := h.theSub(tenant).ID
	h.wants(func(in *intake.Intake) error {
		_, _, err := in.SwitchPlan(h.ctx, ann, sub, h.theOffer("Silver").ID)
		return err
	})
	h.wants(func(in *intake.Intake) error {
		_, _, err := in.AddAddOn(h.ctx, ann, sub, h.theOffer("More").ID)
		return err
	})
	h.wants(func(in *intake.Intake) error {
		_, _, err := in.SetValues(h.ctx, ann, sub, plan.Values{plan.IMAP: plan.Switched(false)}, plan.OfPin, "")
		return err
	})
	h.asShallBe(account.There)
	if d := h.document(); *d.DiskMiB != 50 || d.IMAP {
		h.t.Errorf("C13: the node has %+v", d)
	}
	if got := rows(h, store.OfferUses); got[h.theOffer("Silver").ID].Subscriptions != 1 || got[h.theOffer("More").ID].Subscriptions != 1 || len(got) != 2 {
		h.t.Errorf("C7: uses of offers: %v", got)
	}
	if got := rows(h, store.Loads)[webNode].PromisedMiB; got != 50 {
		h.t.Errorf("%d MiB are promised on the node", got)
	}
}

// otherPassword: who does not know whether he was heard looks whether the new password is there before he says it again.
func otherPassword(h *tenancy) {
	id, before := h.theAccount().ID, h.document().Password
	var console string
	for _, u := range rows(h, store.Users) {
		console = u.PasswordHash
	}
	h.must(func(in *intake.Intake) error {
		if h.document().Password != before {
			return nil
		}
		_, _, err := in.SetAccountPassword(h.ctx, ann, id, "a long secret 7")
		return err
	})
	h.asShallBe(account.There)
	h.opens("a long secret 7", h.document().Password)
	for _, u := range rows(h, store.Users) {
		if u.PasswordHash == console {
			h.t.Error("C15: the console has the old password, and the node the new one")
		}
	}
}

func suspendedOnce(h *tenancy) {
	sub := h.theSub(tenant).ID
	for _, off := range []bool{true, false} {
		h.wants(func(in *intake.Intake) error {
			_, _, err := in.Suspend(h.ctx, ann, sub, "unpaid", off)
			return err
		})
		h.asShallBe(account.There)
		want := map[bool]string{true: protocol.HostedSuspended, false: protocol.HostedPresent}[off]
		if got := h.document().State; got != want {
			h.t.Errorf("P10: the node shall have it %s, not %s", got, want)
		}
	}
}

func partsGo(h *tenancy) {
	a := h.theAccount()
	for _, f := range []func(in *intake.Intake) error{
		func(in *intake.Intake) error { _, _, err := in.DropMailbox(h.ctx, ann, a.ID, "info"); return err },
		func(in *intake.Intake) error { _, _, err := in.DropLogin(h.ctx, ann, a.ID, "web"); return err },
		func(in *intake.Intake) error { _, _, err := in.DropDatabase(h.ctx, ann, a.ID, "shop"); return err },
		func(in *intake.Intake) error { _, _, err := in.DropSubdomain(h.ctx, ann, a.ID, "blog"); return err },
	} {
		h.wants(f)
		h.asShallBe(account.There)
	}
}

func removed(h *tenancy) {
	a := h.theAccount()
	h.clings.Store(true)
	h.wants(func(in *intake.Intake) error {
		_, _, err := in.RemoveAccount(h.ctx, ann, a.ID, tenant, "over")
		return err
	})
	h.comes("it is stuck", func() bool { return h.theAccount().State == account.Stuck })
	h.clings.Store(false)
	h.must(func(in *intake.Intake) error {
		if h.theAccount().State != account.Stuck {
			return nil // it was heard
		}
		_, _, err := in.RetryAccount(h.ctx, ann, a.ID, "again")
		return err
	})
	h.comes("it is gone", func() bool { return h.theAccount().State == account.Gone })
	if left := len(rows(h, store.Users)) + len(rows(h, store.Hosted)) + len(rows(h, store.HostedResults)) + len(rows(h, store.Placements)) + len(rows(h, store.Loads)) +
		len(rows(h, store.Forwards)) + len(rows(h, store.Subscriptions)) + len(rows(h, store.SubscriptionUses)) + len(rows(h, store.OfferUses)); left != 0 {
		h.t.Errorf("%d records are left", left)
	}
}

// TestX10_C9_C13_C14_C15_P10_ACrashAtEveryCommitOfAnAccountsLife: the controller dies, or does not hear what became of a commit, and the same is asked again: exactly one
// complete account, with the password that was shown; nothing twice in the audit log; and nothing left at the end.
func TestX10_C9_C13_C14_C15_P10_ACrashAtEveryCommitOfAnAccountsLife(t *testing.T) {
	everyChapter(t, accountLife)
}

// fanOuts are edits of offers that reach many.
var fanOuts = []chapter{
	{"offers are made", offers},
	{"sold", sold},
	{"the plan is edited", planEdited},
	{"the add-on is edited", addOnEdited},
	{"update and sync", unlocked},
	{"replaced", replaced},
}

// sold: seven have Gold; one of them is locked, one has an add-on, one pins a value.
func sold(h *tenancy) {
	gold, more := h.theOffer("Gold").ID, h.theOffer("More").ID
	for i := range 7 {
		d := intake.SubscriptionDraft{Name: subName(i), Plan: gold}
		if i == 2 {
			d.AddOns = []string{more}
		}
		h.made(d.Name, func(ctx context.Context, in *intake.Intake) (string, error) {
			_, _, err := in.Subscribe(ctx, ann, d)
			return "", err
		})
	}
	for i, by := range map[int]string{1: plan.OfOwn, 3: plan.OfPin} {
		h.wants(func(in *intake.Intake) error {
			_, _, err := in.SetValues(h.ctx, ann, h.theSub(subName(i)).ID, plan.Values{plan.Mailboxes: plan.Number(1)}, by, "")
			return err
		})
	}
}

func subName(i int) string { return fmt.Sprintf("s%d.example", i) }

// mailboxes waits until each has as many, in order, by a sync that ended so.
func (h *tenancy) mailboxes(want ...uint64) {
	h.t.Helper()
	var got []uint64
	h.comes(fmt.Sprint("mailboxes ", want), func() bool {
		got = nil
		for i := range want {
			got = append(got, h.theSub(subName(i)).Values.Of(plan.Mailboxes).Limit.Most)
		}
		return slices.Equal(got, want)
	})
}

func planEdited(h *tenancy) {
	h.edits("Gold", func(d *intake.OfferDraft) { d.Values[plan.Mailboxes] = plan.Number(9) })
	h.mailboxes(9, 1, 14, 1, 9, 9, 9)
	for i := range 7 {
		want := map[bool]string{true: subscription.Skipped, false: subscription.Synced}[i == 1]
		h.comes("P6: the sync of each ended as it should", func() bool { return h.theSub(subName(i)).Result.Outcome == want })
	}
}

func addOnEdited(h *tenancy) {
	h.edits("More", func(d *intake.OfferDraft) { d.Values[plan.Mailboxes] = plan.Number(6) })
	h.mailboxes(9, 1, 15, 1, 9, 9, 9)
}

// unlocked follows again, and is brought to the present edition (rule P16).
func unlocked(h *tenancy) {
	id := h.theSub(subName(1)).ID
	h.wants(func(in *intake.Intake) error { _, _, err := in.Unlock(h.ctx, ann, id, "as all"); return err })
	h.wants(func(in *intake.Intake) error { _, _, err := in.Sync(h.ctx, ann, id, "as all"); return err })
	h.mailboxes(9, 9, 15, 1, 9, 9, 9)
}

// replaced: all have another offer then, and the first one is gone (rule C8).
func replaced(h *tenancy) {
	gold, silver := h.theOffer("Gold").ID, h.theOffer("Silver").ID
	h.wants(func(in *intake.Intake) error {
		_, _, err := in.ReplaceOffer(h.ctx, ann, gold, silver, "one is enough")
		return err
	})
	h.comes("it is gone", func() bool { return h.theOffer("Gold").ID == "" })
	h.mailboxes(2, 2, 8, 1, 2, 2, 2)
	if got := rows(h, store.OfferUses); got[silver].Subscriptions != 7 || len(got) != 2 {
		h.t.Errorf("C7: uses of offers: %v", got)
	}
}

// TestP6_P16_C8_ACrashAtEveryCommitOfAFanOut: who was not reached when the controller died is reached by the next one, and nobody twice.
func TestP6_P16_C8_ACrashAtEveryCommitOfAFanOut(t *testing.T) {
	everyChapter(t, fanOuts)
}
