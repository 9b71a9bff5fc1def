package api

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/store"
)

// loginBody is what a person logs in with.
type loginBody struct {
	Name     string `json:"name" maxLength:"100" doc:"User name."`
	Password string `json:"password" maxLength:"256"`
	Code     string `json:"code,omitempty" maxLength:"64" doc:"Of the second factor, or a recovery code; for who has one."`
}

// Session is a login.
type Session struct {
	Token     string    `json:"token" doc:"Send it as Authorization: Bearer. It is shown once."`
	ExpiresAt time.Time `json:"expires_at"`
	User      User      `json:"user"`
}

// Whoami is who asks, and what he may do.
type Whoami struct {
	Name        string              `json:"name"`
	Role        access.Role         `json:"role"`
	Department  string              `json:"department,omitempty"`
	Customer    string              `json:"customer,omitempty"`
	Reseller    *Belongs            `json:"reseller,omitempty" doc:"Whose people the caller is one of."`
	ActingFor   string              `json:"acting_for,omitempty" doc:"For whom the caller acts, as kind/id; role and the rest are then those of the other (S11)."`
	Permissions []access.Permission `json:"permissions"`
	Token       string              `json:"token" doc:"Id of the token."`
	Kind        string              `json:"kind" enum:"api,session,program"`
	ExpiresAt   time.Time           `json:"expires_at,omitzero"`
}

// Belongs names a reseller.
type Belongs struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Path string `json:"path" doc:"Ids from the one below the provider to himself, with slashes."`
}

// belongs is nil for who is of no reseller.
func (a *API) belongs(actor access.Actor) *Belongs {
	r, ok := store.Resellers.View(a.opt.Store, reselling.Own(actor.Reseller))
	if !ok {
		return nil
	}
	return &Belongs{ID: r.ID, Name: r.Name, Path: r.Path}
}

func (a *API) registerLogin() {
	withBody(a, loginRoute, about{summary: "Log in with a password", tag: "access", answer: Session{}}, a.login)
	without(a, "POST /v1/logout", about{summary: "End this login", tag: "access", status: http.StatusNoContent}, a.logout)
	without(a, "GET /v1/whoami", about{summary: "Who am I, and what may I do", tag: "access", answer: Whoami{}}, func(c *call) (reply, error) {
		actor, t := c.actor(), c.state.token
		return reply{body: render(&Whoami{
			Name: actor.Name, Role: actor.Role, Department: actor.Department, Customer: actor.Customer, Reseller: a.belongs(actor), ActingFor: c.state.acting,
			Permissions: slices.DeleteFunc(access.Permissions(actor.Role), func(p access.Permission) bool { return !c.may(p) }), Token: t.ID, Kind: t.Kind, ExpiresAt: t.ExpiresAt,
		})}, nil
	})
}

// nobody is the hash that a login with an unknown name is compared with, so that
// it takes as long as one with a known name.
var nobody = sync.OnceValue(func() string {
	hash, err := access.HashPassword("nobody has this password", []byte("steelyard nobody"))
	if err != nil {
		panic("api: " + err.Error()) // constant parameters: cannot happen
	}
	return hash
})

// login compares name and password. Name and address each have their own pace.
func (a *API) login(c *call, body *loginBody) (reply, error) {
	now := a.opt.Now()
	if p := c.paced(a.logins, peer(c.r), now); p != nil {
		return reply{}, p
	}
	if p := c.paced(a.names, strings.ToLower(body.Name), now); p != nil {
		return reply{}, p
	}
	u := a.board.user(body.Name)
	hash := nobody()
	if u != nil && u.PasswordHash != "" { // who logs in through the provider has none
		hash = u.PasswordHash
	}
	ok, err := a.verify(c, hash, body.Password)
	if err != nil {
		return reply{}, err
	}
	if !ok || u == nil || u.Disabled || u.PasswordHash == "" {
		return reply{}, newProblem(http.StatusUnauthorized, "name or password is wrong")
	}
	if err := a.secondFactor(c, u, body.Code); err != nil {
		return reply{}, err
	}
	return a.opened(c, *u)
}

// opened opens a session and answers with it, unless the user's reseller keeps him out.
func (a *API) opened(c *call, u access.User) (reply, error) {
	if why := a.in.KeptOut(u.Actor()); why != "" {
		return reply{}, newProblem(http.StatusForbidden, why)
	}
	t, secret, _, err := a.in.OpenSession(c.ctx(), u, c.visitor())
	if err != nil {
		return reply{}, err
	}
	if _, err := a.settle(c.ctx(), "tokens", t.ID); err != nil {
		return reply{}, err
	}
	return reply{body: render(&Session{Token: secret, ExpiresAt: t.ExpiresAt, User: userView(&u, revisionOf(a.opt.Store.Snapshot(), "users", u.ID))})}, nil
}

// verify hashes at most two passwords at a time: each takes 64 MiB.
func (a *API) verify(c *call, hash, password string) (bool, error) {
	if err := a.enterHashing(c); err != nil {
		return false, err
	}
	defer a.leaveHashing()
	return access.VerifyPassword(hash, password), nil
}

func (a *API) enterHashing(c *call) error {
	select {
	case a.hashing <- struct{}{}:
		return nil
	case <-c.ctx().Done():
		c.w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(storeTime.Seconds()))))
		return newProblem(http.StatusTooManyRequests, "too many logins at once; try again")
	}
}

func (a *API) leaveHashing() { <-a.hashing }

func (a *API) logout(c *call) (reply, error) {
	_, rev, err := a.in.RevokeToken(c.ctx(), c.actor(), c.state.token.ID)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, a.board.wait(c.ctx(), rev)
}
