package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
)

type (
	forgotBody struct {
		Name string `json:"name" minLength:"1" maxLength:"100" doc:"User name."`
	}
	resetBody struct {
		Token    string `json:"token" maxLength:"256" doc:"From the letter: what is behind the # of its link."`
		Password string `json:"password" maxLength:"1024" doc:"At least 12 characters."`
	}
	// Forgotten is the answer to who forgot a password: the same for every name.
	Forgotten struct {
		Detail string `json:"detail"`
	}
)

func (b *resetBody) check(c *fault.Check, _ intake.Lookup, st *state) {
	u, _, ok := st.call.api.in.ResetTarget(b.Token)
	c.Require(ok, "token", "has been used, or its time is over; ask for a new link: POST /v1/password/forgot")
	access.CheckPassword(c, "password", b.Password, u.Name)
}

func (a *API) registerPassword() {
	withBody(a, "POST /v1/password/forgot", about{
		summary: "Ask for a letter with a link for a new password", tag: "access", answer: Forgotten{}, status: http.StatusAccepted,
		detail: "The answer is the same whether the name is known or not. The link is good for an hour, once.",
	}, a.forgotPassword)
	withBody(a, "POST /v1/password/reset", about{
		summary: "Set a new password with the link of a letter; open logins end", tag: "access", status: http.StatusNoContent,
	}, a.resetPassword)
	editor(a, "users", "Change a user", User{}, func(d intake.UserEdit, c *fault.Check, _ intake.Lookup, self string) {
		if u, ok := store.Users.View(a.opt.Store, self); ok {
			d.Check(c, *u)
		}
	}, func(c *call, id string, rev int64, apply func(intake.UserEdit) (intake.UserEdit, error)) error {
		if _, err := a.person(c); err != nil {
			return err
		}
		_, _, err := a.in.EditUser(c.ctx(), c.actor(), id, rev, apply)
		return err
	})
}

// forgotPassword does nothing but note the name, so that the answer and its time say nothing about it; remind does
// the rest. Address and name each have their own pace.
func (a *API) forgotPassword(c *call, b *forgotBody) (reply, error) {
	now := a.opt.Now()
	if p := c.paced(a.letters, "address/"+peer(c.r), now); p != nil {
		return reply{}, p
	}
	if p := c.paced(a.letters, "name/"+strings.ToLower(b.Name), now); p != nil {
		return reply{}, p
	}
	select {
	case a.forgot <- b.Name:
	default:
		c.w.Header().Set("Retry-After", "60")
		return reply{}, newProblem(http.StatusTooManyRequests, "too many people forgot their passwords at once; try again in a minute")
	}
	return reply{status: http.StatusAccepted, body: render(&Forgotten{
		"if there is such a user with a mail address, a letter with a link is on its way; without one, an administrator can set a new password",
	})}, nil
}

// remind posts the letters until ctx ends.
func (a *API) remind(ctx context.Context) {
	a.work(ctx, a.forgot, a.in.ForgotPassword, "a letter for a new password was not posted")
}

// work does what requests left to be done after their answers, one thing after the other, until ctx ends. failed is logged when it was not done.
func (a *API) work(ctx context.Context, left <-chan string, do func(context.Context, string) error, failed string) {
	for {
		select {
		case <-ctx.Done():
			return
		case one := <-left:
			limit, cancel := context.WithTimeout(ctx, storeTime)
			if err := do(limit, one); err != nil && ctx.Err() == nil {
				a.opt.Logger.Warn(failed, logging.KeyError, err)
			}
			cancel()
		}
	}
}

func (a *API) resetPassword(c *call, b *resetBody) (reply, error) {
	if p := c.paced(a.logins, peer(c.r), a.opt.Now()); p != nil {
		return reply{}, p
	}
	_, t, ok := a.in.ResetTarget(b.Token)
	if !ok {
		return reply{}, fault.Denied("this link has been used meanwhile; ask for a new one")
	}
	if err := a.enterHashing(c); err != nil {
		return reply{}, err
	}
	defer a.leaveHashing()
	rev, err := a.in.ResetPassword(c.ctx(), t.ID, b.Password)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, a.board.wait(c.ctx(), rev)
}

// letterPace is how often one address, and one name, may ask for a letter: five at once, then one every five minutes.
const letterPace = 1 / float64(5*time.Minute/time.Second)
