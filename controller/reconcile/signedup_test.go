package reconcile

import (
	"cmp"
	"context"
	"slices"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
)

const (
	gold = "rpl-gold"
	beta = "res-beta"
)

// goldPlan stores a plan that hands out servers, and two who may sign up for it.
func goldPlan(tx *store.Tx) error {
	who := func(id string) reselling.Reseller {
		return reselling.Reseller{ID: id, Path: id, Name: id, Email: id + "@example.org", State: reselling.Active, Limits: reselling.Limits{reselling.Servers: reselling.NoLimit}}
	}
	return cmp.Or(store.ResellerPlans.Put(tx, gold, reselling.Plan{ID: gold, Name: "gold", AllocatedServer: true}),
		store.Resellers.Put(tx, acme, who(acme)), store.Resellers.Put(tx, beta, who(beta)))
}

// allotted is an available server that may be assigned to a plan.
func (s *saga) allotted(n int) (server string) {
	s.t.Helper()
	var now time.Time
	read(s.ledger, func(l *ledger) bool {
		now = time.Now()
		for _, id := range []string{"srv-000000000000000" + string(rune('0'+n))} {
			inv := machine(n, 1, 1)
			l.proof[id] = proof{rev: 1, disks: map[string]bool{inv.Disks[0].Serial: true}}
			l.lives.plant(id, fleet.StateAvailable)
			server = id
		}
		return true
	})
	s.ask2(func(tx *store.Tx) error { _, err := allotable(tx, n, now); return err })
	return server
}

// signUp signs up once, however often it has to be said.
func (s *saga) signUp(reseller, reference string) (id string) {
	s.t.Helper()
	key := intake.NewOnce("ann", reference, "")
	key.Digest = reference
	s.must(func(in *intake.Intake) error {
		if a, _, ok, err := in.Recall(key); ok || err != nil {
			id = a.ID
			return err
		}
		su, _, err := in.SignUp(intake.WithOnce(s.ctx, key), ann, intake.SignUpDraft{Plan: gold, Reseller: reseller})
		id = su.ID
		return err
	})
	return id
}

// assigns a server to the plan; what is said again is done already, or more has come of it.
func (s *saga) assigns(server string) {
	s.t.Helper()
	s.must(func(in *intake.Intake) error {
		a, _, err := in.AssignAll(s.ctx, ann, gold, []string{server})
		heard := func(l *ledger) bool { return l.servers[server].Claim.Owned() }
		if err != nil || a.Servers[0].Outcome == "assigned" || a.Servers[0].Outcome == "already assigned" || read(s.ledger, heard) {
			return err
		}
		return fault.Unavailable("%s: %s", a.Servers[0].Outcome, a.Servers[0].Message)
	})
}

// decides about a sign-up; one that it was heard of before is refused.
func (s *saga) decides(f func(in *intake.Intake) error) {
	s.t.Helper()
	s.must(func(in *intake.Intake) error {
		if err := f(in); !fault.Is(err, fault.KindRefused) {
			return err
		}
		return nil
	})
}

func (s *saga) untilSignUp(id, state string) {
	s.t.Helper()
	s.until("sign-up "+id+" "+state, func(l *ledger) bool { return l.signUps[id].State == state })
}

// signedUp: two wait and get their servers in their turn, one of them after a person has looked; others are refused and canceled. Nobody hears
// anything twice, and nothing is left to do (rules H11 to H16).
func signedUp(s *saga) {
	s.ask2(goldPlan)
	first := s.signUp(acme, "first")
	s.untilSignUp(first, reselling.SignUpModeration)
	second := s.signUp(beta, "second")
	s.untilSignUp(second, reselling.SignUpModeration)
	s.decides(func(in *intake.Intake) error {
		_, _, err := in.HoldSignUp(s.ctx, ann, second, "is it real?")
		return err
	})
	one, two := s.allotted(1), s.allotted(2)
	s.assigns(one)
	s.untilSignUp(first, reselling.SignUpActive)
	s.assigns(two)
	s.until("who is held for a person gets nothing", func(l *ledger) bool { return l.servers[two].Claim.Kind == fleet.ClaimPlan })
	s.decides(func(in *intake.Intake) error { _, _, err := in.ResumeSignUp(s.ctx, ann, second, "it is"); return err })
	s.untilSignUp(second, reselling.SignUpActive)
	refused, canceled := s.signUp(acme, "third"), s.signUp(beta, "fourth")
	s.untilSignUp(refused, reselling.SignUpModeration)
	s.untilSignUp(canceled, reselling.SignUpModeration)
	s.decides(func(in *intake.Intake) error {
		_, _, err := in.RefuseSignUp(s.ctx, ann, refused, "too many")
		return err
	})
	s.decides(func(in *intake.Intake) error { _, _, err := in.CancelSignUp(s.ctx, ann, canceled, ""); return err })
	s.untilSignUp(refused, reselling.SignUpRefused)
	s.untilSignUp(canceled, reselling.SignUpCanceled)
	s.until("nobody has anything to do", func(l *ledger) bool {
		return !slices.ContainsFunc(slices.Collect(values(l.tasks)), func(k task.Task) bool { return k.State == task.Open })
	})
	read(s.ledger, func(l *ledger) bool {
		const promise, done, no = "Your plan gold will be activated", "Your plan gold is active", "Your sign-up was refused"
		for who, want := range map[string][]string{acme: {promise, done, promise, no}, beta: {promise, done, promise}} {
			if got := l.letters[who+"@example.org"]; !slices.Equal(got, want) {
				s.t.Errorf("%s got the letters %q, want %q", who, got, want)
			}
		}
		for _, id := range []string{first, second, refused, canceled} {
			n := 0
			for _, k := range l.tasks {
				if k.DedupeKey == reselling.ModerationKey(id) {
					n++
				}
			}
			if n != 1 {
				s.t.Errorf("%d tasks were filed about sign-up %s", n, id)
			}
		}
		if l.signUps[first].Server != one || l.signUps[second].Server != two {
			s.t.Errorf("%+v and %+v", l.signUps[first], l.signUps[second])
		}
		return true
	})
}

func values[T any](m map[string]T) func(yield func(T) bool) {
	return func(yield func(T) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

// everyCommit plays one story with a fate at every commit of the first life.
func everyCommit(t *testing.T, story func(*saga), f fate) {
	commits := inSaga(t, never, story)
	if commits < 15 {
		t.Fatalf("the story has %d commits only", commits)
	}
	for at := 1; at <= commits && !t.Failed(); at++ {
		if inSaga(t, once(f, at), story); t.Failed() {
			t.Logf("after commit %d of %d", at, commits)
		}
	}
}

// TestH12_H14_H16_SignUpsSurviveACrashAfterEveryCommit: neither a letter nor a task is lost or doubled, whatever the controller dies of.
func TestH12_H14_H16_SignUpsSurviveACrashAfterEveryCommit(t *testing.T) {
	for name, f := range map[string]fate{"it dies": dies, "it does not know the outcome": unknown, "the commit fails": rejected} {
		t.Run(name, func(t *testing.T) { everyCommit(t, signedUp, f) })
	}
}

// assigned is a server that is assigned to a plan, that something happens to, and that is taken out again.
func assigned(f func(*roaming)) func(*roaming) {
	return func(r *roaming) {
		r.ready()
		r.assign()
		f(r)
		r.unassign()
	}
}

// assign gives the server what a plan asks of one, and assigns it.
func (r *roaming) assign() {
	r.t.Helper()
	r.change(goldPlan)
	r.change(func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, r.id)
		s.Roles = []fleet.LogicalServer{{Type: reselling.Web, Group: twoGroups}, {Type: reselling.Mail, Group: twoGroups}, {Type: reselling.MySQL, Group: twoGroups}}
		f, err2 := store.Facts.Get(tx, r.id)
		f.Inventory.OS = hardware.OS{Name: "Debian GNU/Linux 13", ID: "debian", Kernel: "6.12"}
		return cmp.Or(err, err2, store.Servers.Put(tx, r.id, s), store.Facts.Put(tx, r.id, f),
			store.ServerGroups.Put(tx, twoGroups, reselling.ServerGroup{ID: twoGroups, Name: "all", Types: []string{reselling.Web, reselling.Mail, reselling.MySQL}}))
	})
	a, _, err := r.intake.AssignAll(ctx, ann, gold, []string{r.id})
	r.do(err)
	if a.Servers[0].Outcome != "assigned" {
		r.t.Errorf("assigned: %+v", a.Servers)
	}
}

func (r *roaming) unassign() {
	r.t.Helper()
	a, _, err := r.intake.UnassignAll(ctx, ann, gold, []string{r.id}, "not needed")
	r.do(err)
	if a.Servers[0].Outcome != "unassigned" {
		r.t.Errorf("unassigned: %+v", a.Servers)
	}
	r.h.settle()
}

func (r *roaming) signUp() string {
	r.t.Helper()
	su, _, err := r.intake.SignUp(ctx, ann, intake.SignUpDraft{Plan: gold, Reseller: acme, Email: "ops@example.org"})
	r.do(err)
	return su.ID
}

// rules decides about a new sign-up.
func (r *roaming) rules(decide func(context.Context, access.Actor, string, string) (reselling.SignUp, int64, error)) {
	r.t.Helper()
	_, _, err := decide(ctx, ann, r.signUp(), "because")
	r.do(err)
}
