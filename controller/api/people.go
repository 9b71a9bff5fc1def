package api

import (
	"net/http"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/pkg/fault"
)

type (
	tokenBody    struct{ intake.TokenDraft }
	ownTokenBody struct{ intake.OwnTokenDraft }
	userBody     struct{ intake.UserDraft }
	passwordBody struct {
		Password string `json:"password" doc:"At least 12 characters."`
	}
)

func (b *tokenBody) check(c *fault.Check, look intake.Lookup, st *state) {
	b.Check(c, look, st.call.api.opt.Now())
}

func (b *ownTokenBody) check(c *fault.Check, _ intake.Lookup, st *state) {
	b.Check(c, st.call.may)
}

func (b *userBody) check(c *fault.Check, look intake.Lookup, st *state) {
	b.Check(c, look, st.actor)
	if access.Allowed(st.actor.Role, access.UserManage) { // the role may; does the token too?
		ofOthers := b.Role == access.RoleReseller || b.Role == access.RoleCustomer
		c.Require(ofOthers || st.call.may(access.UserManage), "role", "is %.40q, which needs the permission %s; this token was made without it", b.Role, access.UserManage)
	}
}

func (b *passwordBody) check(c *fault.Check, _ intake.Lookup, _ *state) {
	access.CheckPassword(c, "password", b.Password, "")
}

func (a *API) registerPeople() {
	a.lister("tokens", "Tokens, without their secrets", Token{})
	a.getter("tokens", "One token, without its secret", Token{})
	withBody(a, "POST /v1/tokens", about{
		summary: "Make a token; its secret is shown once", tag: "tokens", answer: NewToken{}, status: http.StatusCreated, creates: true,
		detail: "A repetition with the same Idempotency-Key shows the secret again for ten minutes, to the same login only.",
	}, func(c *call, b *tokenBody) (reply, error) {
		t, secret, _, err := a.in.CreateToken(c.ctx(), c.actor(), b.TokenDraft)
		return c.created("tokens", t.ID, &t, secret, err)
	})
	withBody(a, "POST /v1/tokens/own", about{
		summary: "Make a token for a program that does some of what you may do", tag: "tokens", answer: NewToken{}, status: http.StatusCreated, creates: true,
		detail: "Such a token can make the next one before it ends. It ends with its user, and with a new password. API tokens cannot make one.",
	}, func(c *call, b *ownTokenBody) (reply, error) {
		t, secret, _, err := a.in.CreateOwnToken(c.ctx(), c.actor(), c.state.token, b.OwnTokenDraft)
		return c.created("tokens", t.ID, &t, secret, err)
	})
	without(a, "DELETE /v1/tokens/{id}", about{summary: "Revoke a token", tag: "tokens", status: http.StatusNoContent}, func(c *call) (reply, error) {
		r, err := a.find(c, "tokens")
		if err != nil {
			return reply{}, err
		}
		_, rev, err := a.in.RevokeToken(c.ctx(), c.actor(), r.id)
		if err != nil {
			return reply{}, err
		}
		return reply{status: http.StatusNoContent}, a.board.wait(c.ctx(), rev)
	})

	a.lister("users", "Users", User{})
	a.getter("users", "One user", User{})
	withBody(a, "POST /v1/users", about{summary: "Add a user", tag: "users", answer: User{}, status: http.StatusCreated, creates: true},
		func(c *call, b *userBody) (reply, error) {
			u, _, err := a.in.CreateUser(c.ctx(), c.actor(), b.UserDraft)
			return c.created("users", u.ID, &u, "", err)
		})
	a.switching("disable", "Keep a user out; open logins end", true)
	a.switching("enable", "Let a user in again", false)
	withBody(a, "PUT /v1/users/{id}/password", about{summary: "Give a user a new password; open logins end", tag: "users", answer: User{}},
		func(c *call, b *passwordBody) (reply, error) {
			r, err := a.person(c)
			if err != nil {
				return reply{}, err
			}
			if _, _, err := a.in.SetPassword(c.ctx(), c.actor(), r.id, b.Password); err != nil {
				return reply{}, err
			}
			return a.shown(c, "users", r.id)
		})

	a.lister("audit", "Audit log", AuditLine{})
	a.getter("audit", "One line of the audit log", AuditLine{})
}

// person finds the user of a request that changes him. The provider's own people are changed by who may manage all users.
func (a *API) person(c *call) (*row, error) {
	r, err := a.find(c, "users")
	if err != nil {
		return nil, err
	}
	if u := r.value.(*access.User); u.Role.IsStaff() && !c.may(access.UserManage) {
		return nil, fault.Denied("%s works for the provider; that needs the permission %s", u.Name, access.UserManage)
	}
	return r, nil
}

func (a *API) switching(action, summary string, disabled bool) {
	without(a, "POST /v1/users/{id}/"+action, about{summary: summary, tag: "users", answer: User{}}, func(c *call) (reply, error) {
		r, err := a.person(c)
		if err != nil {
			return reply{}, err
		}
		if _, _, err := a.in.DisableUser(c.ctx(), c.actor(), r.id, disabled); err != nil {
			return reply{}, err
		}
		return a.shown(c, "users", r.id)
	})
}
