package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
)

// strangers are routes that everybody may ask, each address only so often.
var strangers = []string{loginRoute, "POST /v1/password/forgot", "POST /v1/password/reset", "GET /v1/oidc/login", "GET /v1/oidc/callback", "POST /v1/oidc/session"}

const (
	loginRoute  = "POST /v1/login"
	uploadRoute = "POST /v1/images"
)

// authenticate finds out who asks. All refusals sound the same.
func (a *API) authenticate(c *call, now time.Time) *Problem {
	secret := bearer(c.r)
	denied := newProblem(http.StatusUnauthorized, "send a valid token as \"Authorization: Bearer …\"; POST /v1/login gives one")
	c.w.Header().Set("WWW-Authenticate", `Bearer realm="steelyard"`)
	if secret == "" {
		return denied
	}
	digest := access.Digest(secret)
	t := a.board.token(digest)
	if t == nil || !access.SameDigest(t.Digest, digest) || !valid(t, now) {
		return denied
	}
	actor, ok := a.actorOf(t)
	if !ok {
		return denied
	}
	c.w.Header().Del("WWW-Authenticate")
	if why := a.in.KeptOut(actor); why != "" {
		return newProblem(http.StatusForbidden, why)
	}
	c.state.actor, c.state.token, c.state.secret = actor, t, secret
	return nil
}

func bearer(r *http.Request) string {
	scheme, secret, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "bearer") || len(secret) > 256 {
		return ""
	}
	return strings.TrimSpace(secret)
}

// valid reports whether a token opens the API at all. A join token never does.
func valid(t *access.Token, now time.Time) bool {
	if t.Revoked || !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt) {
		return false
	}
	return t.Kind == access.TokenAPI || t.Kind == access.TokenSession || t.Kind == access.TokenProgram
}

// actorOf is who holds a token. A login, and what was made from it, is worth what its user
// is now: not disabled, and not with a newer password.
func (a *API) actorOf(t *access.Token) (access.Actor, bool) {
	if t.Kind == access.TokenAPI {
		return t.Actor(), true
	}
	r := a.board.sheets["users"].get(t.User)
	if r == nil {
		return access.Actor{}, false
	}
	u := r.value.(*access.User)
	if u.Disabled || t.CreatedAt.Before(u.PasswordAt) {
		return access.Actor{}, false
	}
	return u.Actor(), true
}

// holder names who holds a token for as long as he does: what an Idempotency-Key
// belongs to.
func holder(t *access.Token) string {
	if t.User != "" { // also a program that renewed its token
		return "user/" + t.User
	}
	return "token/" + t.ID
}
