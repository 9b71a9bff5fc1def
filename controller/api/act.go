package api

import (
	"net/http"

	"github.com/steelyard/steelyard/controller/core/access"
)

// actForHeader names for whom the caller acts (rule S11); actingHeader is in every answer to him.
const (
	actForHeader = "Steelyard-Act-For"
	actingHeader = "Steelyard-Acting-For"
)

// notActing are routes that set secrets of other people: what one person knows must not be another's. Routes about the caller himself are
// refused too, all but whoami.
var notActing = map[string]bool{"PUT /v1/users/{id}/password": true, "POST /v1/users/{id}/second-factor/disable": true}

// actFor gives the call role and scope of whom the caller acts for.
func (a *API) actFor(c *call, perm access.Permission) *Problem {
	target := c.r.Header.Get(actForHeader)
	if target == "" {
		return nil
	}
	if !c.may(access.PeopleAct) {
		return newProblem(http.StatusForbidden, "you may not act for others; it needs the permission "+string(access.PeopleAct))
	}
	as, who, err := a.in.ActFor(c.state.actor, target)
	if err != nil {
		return problemOf(err, "header")
	}
	if perm == access.Self && c.state.route != "GET /v1/whoami" || notActing[c.state.route] {
		return newProblem(http.StatusForbidden, "passwords, tokens, second factors and logins cannot be changed while you act for "+who+"; only the one whose they are may")
	}
	c.state.by, c.state.actor, c.state.acting = c.state.actor, as, who
	c.w.Header().Set(actingHeader, who)
	return nil
}
