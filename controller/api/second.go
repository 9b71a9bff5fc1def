package api

import (
	"net/http"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

type (
	enrolBody struct {
		Password string `json:"password" maxLength:"256" doc:"Your own: a login that somebody found open is not enough."`
	}
	codeBody struct {
		Code string `json:"code" minLength:"6" maxLength:"64" doc:"Of the authenticator, six digits."`
	}
	endFactorBody struct {
		Password string `json:"password" maxLength:"256"`
		Code     string `json:"code" minLength:"6" maxLength:"64" doc:"Of the authenticator, or a recovery code."`
	}
	whyFactorBody struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500"`
	}
	// SecondFactor is whether logins of the caller need a code.
	SecondFactor struct {
		Enabled  bool `json:"enabled"`
		Required bool `json:"required" doc:"The fleet wants one of you (require_second_factor)."`
		Recovery int  `json:"recovery_codes_left"`
	}
	// NewSecondFactor is what an authenticator needs. It is in use after the first code.
	NewSecondFactor struct {
		Secret string `json:"secret" doc:"To type in, base32; shown this once (X9)."`
		URI    string `json:"uri" doc:"The same for a QR code."`
	}
	// RecoveryCodes get in without the authenticator.
	RecoveryCodes struct {
		Codes []string `json:"recovery_codes" doc:"Each once; shown this once (X9)."`
	}
)

func (a *API) registerSecondFactor() {
	without(a, "GET /v1/second-factor", about{summary: "Whether your logins need a code", tag: "access", answer: SecondFactor{}}, func(c *call) (reply, error) {
		u, err := c.user()
		if err != nil {
			return reply{}, err
		}
		return a.factorOf(u.ID), nil
	})
	withBody(a, "POST /v1/second-factor", about{
		summary: "Begin with a second factor: its secret is shown once", tag: "access", answer: NewSecondFactor{},
		detail: "Time-based codes (RFC 6238: SHA-1, 30 s, six digits). It is in use when its first code was shown.",
	}, func(c *call, b *enrolBody) (reply, error) {
		u, err := c.userWith(b.Password)
		if err != nil {
			return reply{}, err
		}
		secret, err := a.in.EnrolSecondFactor(c.ctx(), u.ID)
		if err != nil {
			return reply{}, err
		}
		return reply{body: render(&NewSecondFactor{access.CodeText(secret), access.CodeURI(secret, "Steelyard", u.Name)})}, nil
	})
	withBody(a, "POST /v1/second-factor/confirm", about{summary: "Put the second factor into use; recovery codes are shown once", tag: "access", answer: RecoveryCodes{}},
		func(c *call, b *codeBody) (reply, error) {
			u, err := c.user()
			if err != nil {
				return reply{}, err
			}
			codes, err := a.in.ConfirmSecondFactor(c.ctx(), u.ID, b.Code)
			if err != nil {
				return reply{}, err
			}
			_, err = a.settle(c.ctx(), "users", u.ID)
			return reply{body: render(&RecoveryCodes{codes})}, err
		})
	withBody(a, "POST /v1/second-factor/disable", about{summary: "End your second factor, with password and code", tag: "access", answer: SecondFactor{}},
		func(c *call, b *endFactorBody) (reply, error) {
			u, err := c.userWith(b.Password)
			if err != nil {
				return reply{}, err
			}
			if err := a.in.DisableOwnSecondFactor(c.ctx(), u.ID, b.Code); err != nil {
				return reply{}, err
			}
			_, err = a.settle(c.ctx(), "users", u.ID)
			return a.factorOf(u.ID), err
		})
	withBody(a, "POST /v1/second-factor/recovery-codes", about{
		summary: "Make new recovery codes, with password and code; they are shown once, and the old ones end", tag: "access", answer: RecoveryCodes{},
	}, func(c *call, b *endFactorBody) (reply, error) {
		u, err := c.userWith(b.Password)
		if err != nil {
			return reply{}, err
		}
		codes, err := a.in.RenewRecoveryCodes(c.ctx(), u.ID, b.Code)
		return reply{body: render(&RecoveryCodes{codes})}, err
	})
	withBody(a, "POST /v1/users/{id}/second-factor/disable", about{summary: "End the second factor of a user who lost it", tag: "users", answer: User{}},
		func(c *call, b *whyFactorBody) (reply, error) {
			r, err := a.find(c, "users")
			if err != nil {
				return reply{}, err
			}
			if err := a.in.DisableSecondFactor(c.ctx(), c.actor(), r.id, b.Reason); err != nil {
				return reply{}, err
			}
			return a.shown(c, "users", r.id)
		})
}

// user is whose login this is. API tokens belong to none.
func (c *call) user() (access.User, error) {
	if u, ok := store.Users.View(c.api.opt.Store, c.state.token.User); ok && c.state.token.Kind == access.TokenSession {
		return *u, nil
	}
	return access.User{}, fault.Refused("a second factor is of a person; log in with name and password")
}

// userWith is user for who also knows the password. It is paced like a login.
func (c *call) userWith(password string) (access.User, error) {
	u, err := c.user()
	if err != nil {
		return u, err
	}
	if p := c.paced(c.api.names, "own/"+u.ID, c.api.opt.Now()); p != nil {
		return u, p
	}
	ok, err := c.api.verify(c, u.PasswordHash, password)
	if err == nil && !ok {
		err = fault.Denied("the password is wrong")
	}
	return u, err
}

func (a *API) factorOf(user string) reply {
	u, ok := store.Users.View(a.opt.Store, user)
	if !ok {
		u = &access.User{}
	}
	v := SecondFactor{Enabled: u.SecondFactor, Required: a.in.RequiresSecondFactor(*u)}
	if f, ok := store.SecondFactors.View(a.opt.Store, user); ok && u.SecondFactor {
		v.Recovery = len(f.Recovery)
	}
	return reply{body: render(&v)}
}

// problemSecondFactor is the kind of problem that asks for a code.
const problemSecondFactor = "second_factor_required"

// secondFactor asks who logs in with the right password for a code, if he has a second factor. That he has one is
// told to nobody else.
func (a *API) secondFactor(c *call, u *access.User, code string) error {
	if !u.SecondFactor {
		return nil
	}
	p := newProblem(http.StatusUnauthorized, "send the code of your second factor, or a recovery code, as \"code\" beside name and password")
	p.Type, p.Title = problemType+problemSecondFactor, "A code is needed"
	if code == "" {
		return p
	}
	ok, err := a.in.UseSecondFactor(c.ctx(), u.ID, code)
	if fault.Is(err, fault.KindRefused) {
		p := newProblem(http.StatusTooManyRequests, err.Error())
		c.w.Header().Set("Retry-After", "30")
		return p
	}
	if err == nil && !ok {
		p.Detail = "the code is wrong, or was used already; wait for the next one"
		return p
	}
	return err
}

// lacksSecondFactor reports whether the fleet wants a second factor of who holds the token before anything else.
func (a *API) lacksSecondFactor(t *access.Token) bool {
	if t.User == "" {
		return false
	}
	u, ok := store.Users.View(a.opt.Store, t.User)
	return ok && a.in.RequiresSecondFactor(*u)
}
