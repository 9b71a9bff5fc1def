package intake

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
)

// SignUpDraft asks for a plan (rule H2).
type SignUpDraft struct {
	Plan     string `json:"plan" doc:"Id of the reseller plan."`
	Reseller string `json:"reseller" doc:"Id of the reseller who gets it."`
	Email    string `json:"email,omitempty" doc:"Where letters about it go; unless given, those of the reseller."`
}

// Check records all fields that are wrong.
func (d SignUpDraft) Check(c *fault.Check, _ Lookup) {
	if d.Email != "" {
		notify.CheckAddress(c, "email", d.Email)
	}
	c.Require(d.Plan != "", "plan", "is empty; name a reseller plan")
	c.Require(d.Reseller != "", "reseller", "is empty; name a reseller")
}

// SignUp records that a reseller wants a plan; reconcile gives him what comes with it.
func (in *Intake) SignUp(ctx context.Context, actor access.Actor, d SignUpDraft) (s reselling.SignUp, rev int64, err error) {
	now, fresh := in.now(), id.New("sgn")
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		if err := answered(tx, now); err != nil {
			return err
		}
		_, planned, err := store.ResellerPlans.Find(tx, d.Plan)
		if err != nil {
			return err
		}
		r, known, err := store.Resellers.Find(tx, d.Reseller)
		if err != nil {
			return err
		}
		if err := checked(tx, "the sign-up cannot be made", func(c *fault.Check, look Lookup) {
			d.Check(c, look)
			c.Require(planned || d.Plan == "", "plan", "%.80q does not exist; see: steelyard reseller-plan list", d.Plan)
			c.Require(known || d.Reseller == "", "reseller", "%.80q does not exist; see: steelyard reseller list", d.Reseller)
			if known && d.Email == "" {
				notify.CheckAddress(c, "email", r.Email)
			}
		}); err != nil {
			return err
		}
		s = reselling.SignUp{
			ID: fresh, Plan: d.Plan, Reseller: r.ID, Path: r.Path, Email: cmp.Or(d.Email, r.Email), State: reselling.SignUpNew,
			Message: "it is looked at", CreatedAt: now, CreatedBy: actor.Name, ChangedAt: now,
		}
		return cmp.Or(store.SignUps.Create(tx, s.ID, s), audit(tx, actor, "signup.make", "signups/"+s.ID, nil, s, "", now), remember(tx, "signups", s.ID, s, now))
	})
	return s, rev, err
}

// CancelSignUp withdraws a sign-up that is not active yet.
func (in *Intake) CancelSignUp(ctx context.Context, actor access.Actor, signUpID, reason string) (reselling.SignUp, int64, error) {
	return in.endSignUp(ctx, actor, "cancel", signUpID, reselling.SignUpCanceled, reason)
}

// RefuseSignUp says no to one that is not active yet. The applicant is told, with the reason.
func (in *Intake) RefuseSignUp(ctx context.Context, actor access.Actor, signUpID, reason string) (s reselling.SignUp, rev int64, err error) {
	if err := needReason(reason, "the applicant is told"); err != nil {
		return s, 0, err
	}
	return in.endSignUp(ctx, actor, "refuse", signUpID, reselling.SignUpRefused, reason)
}

func (in *Intake) endSignUp(ctx context.Context, actor access.Actor, deed, signUpID, state, reason string) (reselling.SignUp, int64, error) {
	now := in.now()
	return in.changeSignUp(ctx, actor, "signup."+deed, signUpID, reason, now, func(tx *store.Tx, s *reselling.SignUp) error {
		switch {
		case s.State == state:
			return nil
		case !s.Waits():
			return fault.Refused("sign-up %s is %s", s.ID, s.State)
		}
		s.State, s.Message, s.Reasons = state, state, nil
		if reason != "" {
			s.Message += ": " + reason
		}
		return cmp.Or(CloseTask(tx, reselling.ModerationKey(s.ID), actor.Name, "the sign-up was "+state, now), tellRefused(tx, *s, reason, now))
	})
}

// tellRefused tells the applicant that he does not get the plan.
func tellRefused(tx *store.Tx, s reselling.SignUp, reason string, now time.Time) error {
	if s.State != reselling.SignUpRefused {
		return nil
	}
	return Post(tx, Letter{To: s.Email, Subject: "Your sign-up was refused", Body: "Your sign-up " + s.ID + " was refused: " + reason + "\n"}, now)
}

// HoldSignUp keeps a sign-up from being completed until somebody of the provider has looked at it.
func (in *Intake) HoldSignUp(ctx context.Context, actor access.Actor, signUpID, reason string) (s reselling.SignUp, rev int64, err error) {
	if err := needReason(reason, "say what is looked at"); err != nil {
		return s, 0, err
	}
	return in.holdSignUp(ctx, actor, "hold", signUpID, actor.Name, reason)
}

// ResumeSignUp lifts the hold of a person.
func (in *Intake) ResumeSignUp(ctx context.Context, actor access.Actor, signUpID, reason string) (reselling.SignUp, int64, error) {
	return in.holdSignUp(ctx, actor, "resume", signUpID, "", reason)
}

func (in *Intake) holdSignUp(ctx context.Context, actor access.Actor, deed, signUpID, by, why string) (reselling.SignUp, int64, error) {
	return in.changeSignUp(ctx, actor, "signup."+deed, signUpID, why, in.now(), func(_ *store.Tx, s *reselling.SignUp) error {
		if !s.Waits() {
			return fault.Refused("sign-up %s is %s", s.ID, s.State)
		}
		if s.HeldBy, s.HeldFor = by, why; by == "" {
			s.HeldFor = ""
		}
		return nil
	})
}

func (in *Intake) changeSignUp(ctx context.Context, actor access.Actor, action, signUpID, reason string, now time.Time,
	change func(*store.Tx, *reselling.SignUp) error,
) (s reselling.SignUp, rev int64, err error) {
	rev, err = in.store.Change(ctx, func(tx *store.Tx) error {
		before, err := store.SignUps.Get(tx, signUpID)
		if err != nil {
			return err
		}
		s = before
		if err := change(tx, &s); err != nil || s.State == before.State && s.HeldBy == before.HeldBy && s.HeldFor == before.HeldFor {
			return err
		}
		s.ChangedAt = now
		return cmp.Or(store.SignUps.Put(tx, s.ID, s), audit(tx, actor, action, "signups/"+s.ID, before, s, reason, now))
	})
	return s, rev, err
}

// Resellers finds resellers: in a commit, or in a snapshot.
type Resellers func(id string) (reselling.Reseller, bool, error)

// Barred tells what speaks against a sign-up for plan p, but for the servers of the plan: the reseller, the limit that he has with it, a person.
func Barred(books reselling.Books, s *reselling.SignUp, p *reselling.Plan) (list []reselling.Hold, err error) {
	r, known := books(s.Reseller)
	if !known {
		return []reselling.Hold{{Kind: reselling.ResellerBarred, Message: "the reseller is not there any more"}}, nil
	}
	if err := may(r, func(id string) (reselling.Reseller, bool, error) {
		r, known := books(id)
		return r, known, nil
	}); fault.Is(err, fault.KindRefused) {
		list = append(list, reselling.Hold{Kind: reselling.ResellerBarred, Message: err.Error()})
	} else if err != nil {
		return nil, err
	}
	if p.AllocatedServer {
		if r = withPlan(r, r, p, books); !r.Limits.Of(reselling.Servers).Allows(r.Servers + 1) {
			list = append(list, reselling.Hold{Kind: reselling.ServerLimit, Message: fullOf(r, r.Servers).Error()})
		}
	}
	if s.HeldBy != "" {
		list = append(list, reselling.Hold{Kind: reselling.HeldByProvider, Message: s.HeldBy + " wants to look at it first: " + s.HeldFor})
	}
	return list, nil
}

// may refuses a reseller that may not get anything now.
func may(r reselling.Reseller, find Resellers) error {
	if r.State == reselling.Disabled {
		return fault.Refused("reseller %s is disabled: %s", r.Name, r.Note)
	}
	for {
		if r.State == reselling.Suspended {
			return fault.Refused("reseller %s is suspended: %s", r.Name, r.Note)
		}
		if r.Parent == "" {
			return nil
		}
		up, known, err := find(r.Parent)
		if err != nil || !known {
			return err
		}
		r = up
	}
}

// BarredIn is Barred in a commit.
func BarredIn(tx *store.Tx, s *reselling.SignUp, p *reselling.Plan) ([]reselling.Hold, error) {
	b := &bookkeeper{tx: tx}
	list, err := Barred(b.find, s, p)
	return list, cmp.Or(b.err, err)
}

// ResellersIn finds them in a commit.
func ResellersIn(tx *store.Tx) Resellers {
	return func(id string) (reselling.Reseller, bool, error) { return store.Resellers.Find(tx, id) }
}

// Complete gives a sign-up what comes with its plan: the server, when there is one, is its reseller's from now on, by one commit (rules H8, H11). seen is
// what is known of its surroundings.
// The fault is refused when the server is not what it seemed: take another one.
func Complete(tx *store.Tx, s reselling.SignUp, p reselling.Plan, serverID string, seen fleet.Surroundings, now time.Time) error {
	was := s
	s.State, s.Reasons, s.ChangedAt, s.ActivatedAt, s.Server = reselling.SignUpActive, nil, now, now, serverID
	s.Message = "active"
	before, err := store.Resellers.Get(tx, s.Reseller)
	if err != nil {
		return err
	}
	r, err := follow(tx, before, before.SignedUp(p.ID), &p, now)
	if err != nil {
		return err
	}
	if serverID != "" {
		name, err := handOut(tx, s, serverID, seen, now)
		if err != nil {
			return err
		}
		s.Message = "active; server " + name + " is his"
	}
	return cmp.Or(store.SignUps.Put(tx, s.ID, s), Audit(tx, access.System, "signup.activate", "signups/"+s.ID, was, s, "", now),
		Audit(tx, access.System, "reseller.plan", "resellers/"+r.ID, before, r, "", now),
		CloseTask(tx, reselling.ModerationKey(s.ID), access.System.Name, "the sign-up is active", now), tellDone(tx, was, p, now))
}

// handOut gives an assigned server to who signed up.
func handOut(tx *store.Tx, s reselling.SignUp, serverID string, seen fleet.Surroundings, now time.Time) (name string, err error) {
	free, skipped, err := forSignUp(tx, serverID, s.Plan, seen)
	if err != nil {
		return "", err
	}
	before := free.Server()
	if len(skipped) > 0 {
		return "", fault.Refused("server %s cannot be handed out: %s", before.Name, Sentences(skipped))
	}
	srv := free.To(fleet.Claim{Kind: fleet.ClaimReseller, Ref: s.Reseller, Via: fleet.ViaPlan, Plan: s.Plan, Owner: s.Path}, now)
	return srv.Name, cmp.Or(store.Servers.Put(tx, serverID, srv), count(tx, srv.Claim, 1),
		allotment(tx, s.Plan, func(a reselling.Allotment) reselling.Allotment { return a.Took(serverID) }),
		CloseTask(tx, reselling.SkippedKey(serverID), access.System.Name, "it was handed out", now),
		Audit(tx, access.System, "server.take", "servers/"+serverID, before, srv, "", now))
}

// tellDone tells an applicant who was promised that activation follows that it is done (rule H12).
func tellDone(tx *store.Tx, s reselling.SignUp, p reselling.Plan, now time.Time) error {
	if !s.Promised {
		return nil
	}
	return Post(tx, Letter{To: s.Email, Subject: "Your plan " + p.Name + " is active", Body: "Your sign-up " + s.ID + " for plan " + p.Name + " is done: it is active now.\n"}, now)
}

// Moderate holds a sign-up for the reasons given, with one task and one letter, however often they change (rule H12).
func Moderate(tx *store.Tx, s reselling.SignUp, p reselling.Plan, reasons []reselling.Hold, taskID string, now time.Time) error {
	was := s
	s.State, s.Reasons, s.ChangedAt, s.Promised = reselling.SignUpModeration, reasons, now, true
	s.Message = "held: " + reasons[0].Message
	for _, r := range reasons[1:] {
		s.Message += "; " + r.Message
	}
	k := task.New(taskID, "systems", task.Moderation, reselling.ModerationKey(s.ID), "A sign-up for plan "+p.Name+" waits",
		fmt.Sprintf("Sign-up %s of reseller %s is %s. It is completed by itself when that is gone (steelyard reseller-plan assign gives the plan a server), or "+
			"refuse it: steelyard signup refuse.", s.ID, s.Reseller, s.Message), now)
	err := cmp.Or(FileTask(tx, k), store.SignUps.Put(tx, s.ID, s), Audit(tx, access.System, "signup.hold", "signups/"+s.ID, was, s, "", now))
	if err != nil || was.Promised {
		return err
	}
	return Post(tx, Letter{To: s.Email, Subject: "Your plan " + p.Name + " will be activated", Body: "Your sign-up " + s.ID + " for plan " + p.Name +
		" has arrived. It is looked at, and activation follows; you are told when it is done.\n"}, now)
}

// PlanGone ends a sign-up whose plan was deleted when it was made.
func PlanGone(tx *store.Tx, s reselling.SignUp, now time.Time) error {
	was := s
	s.State, s.Message, s.Reasons, s.ChangedAt = reselling.SignUpRefused, "the plan was deleted", nil, now
	return cmp.Or(store.SignUps.Put(tx, s.ID, s), Audit(tx, access.System, "signup.refuse", "signups/"+s.ID, was, s, s.Message, now),
		CloseTask(tx, reselling.ModerationKey(s.ID), access.System.Name, s.Message, now), tellRefused(tx, s, s.Message, now))
}
