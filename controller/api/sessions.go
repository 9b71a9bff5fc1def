package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/pkg/fault"
)

type (
	// OpenSession is a login of the caller that is open, or a token that he made for a program.
	OpenSession struct {
		ID        string    `json:"id"`
		Kind      string    `json:"kind" enum:"session,program"`
		Name      string    `json:"name"`
		Current   bool      `json:"current" doc:"The one that asks."`
		Address   string    `json:"address,omitempty" doc:"Where it was opened from."`
		Client    string    `json:"client,omitempty" doc:"The program that opened it, as it called itself."`
		CreatedAt time.Time `json:"created_at"`
		SeenAt    time.Time `json:"seen_at,omitzero" doc:"When it was used last, an hour coarse."`
		ExpiresAt time.Time `json:"expires_at"`
	}
	// OpenSessions are the newest first.
	OpenSessions struct {
		Items []OpenSession `json:"items"`
	}
)

func (a *API) registerSessions() {
	without(a, "GET /v1/sessions", about{summary: "Your logins that are open, and your tokens of programs", tag: "access", answer: OpenSessions{}}, func(c *call) (reply, error) {
		list, err := c.sessions()
		out := OpenSessions{Items: []OpenSession{}}
		for _, t := range list {
			out.Items = append(out.Items, OpenSession{
				ID: t.ID, Kind: t.Kind, Name: t.Name, Current: t.ID == c.state.token.ID, Address: t.Address, Client: t.Client,
				CreatedAt: t.CreatedAt, SeenAt: t.SeenAt, ExpiresAt: t.ExpiresAt,
			})
		}
		return reply{body: render(&out)}, err
	})
	without(a, "DELETE /v1/sessions/{id}", about{summary: "End one of your logins", tag: "access", status: http.StatusNoContent}, func(c *call) (reply, error) {
		return c.endSessions([]string{c.id()})
	})
	without(a, "POST /v1/sessions/end-others", about{summary: "End all your logins but this one, and your tokens of programs", tag: "access", status: http.StatusNoContent}, func(c *call) (reply, error) {
		list, err := c.sessions()
		if err != nil {
			return reply{}, err
		}
		var ids []string
		for _, t := range list {
			if t.ID != c.state.token.ID {
				ids = append(ids, t.ID)
			}
		}
		return c.endSessions(ids)
	})
}

func (c *call) sessions() ([]access.Token, error) {
	if c.state.token.User == "" {
		return nil, fault.Refused("an API token belongs to no user, so it has no logins")
	}
	return c.api.in.SessionsOf(c.state.token.User), nil
}

func (c *call) endSessions(ids []string) (reply, error) {
	for _, id := range ids {
		if err := c.api.in.EndSession(c.ctx(), c.actor(), c.state.token.User, id); err != nil {
			return reply{}, err
		}
		if _, err := c.api.settle(c.ctx(), "tokens", id); err != nil {
			return reply{}, err
		}
	}
	return reply{status: http.StatusNoContent}, nil
}

// visitor is where the request comes from, as far as that can be told.
func (c *call) visitor() intake.Visitor {
	client, _, _ := strings.Cut(c.r.UserAgent(), " ")
	printable := func(r rune) rune {
		if r < '!' || r > '~' {
			return -1
		}
		return r
	}
	client = strings.Map(printable, client)
	return intake.Visitor{Address: peer(c.r), Client: client[:min(len(client), 60)]}
}

// saw has it noted that a session is in use, when that is worth a commit. When many are, some are noted later.
func (a *API) saw(t *access.Token, now time.Time) {
	if t.Kind != access.TokenSession || now.Sub(t.SeenAt) < intake.SeenCoarse {
		return
	}
	select {
	case a.seen <- t.ID:
	default:
	}
}

// noteSessions commits what saw noted, until ctx ends.
func (a *API) noteSessions(ctx context.Context) {
	a.work(ctx, a.seen, a.in.SawSession, "the use of a session was not noted")
}
