package api

import (
	"net/http"
	"time"
)

type (
	// SecretKey is a data key: what is sealed with it, never what it is.
	SecretKey struct {
		ID        string    `json:"id"`
		State     string    `json:"state" enum:"current,retiring"`
		Readable  bool      `json:"readable" doc:"False: made with another fleet authority than this controller has."`
		Secrets   int       `json:"secrets" doc:"How many are sealed with it."`
		CreatedAt time.Time `json:"created_at"`
		CreatedBy string    `json:"created_by"`
	}
	// SecretKeys are the data keys, oldest first.
	SecretKeys struct {
		Keys     []SecretKey `json:"keys"`
		Rotating bool        `json:"rotating" doc:"Secrets are being sealed anew; the retiring keys are removed afterwards."`
	}
)

func (a *API) registerSecrets() {
	without(a, "GET /v1/secrets", about{summary: "The keys that seal secrets, and how many each seals", tag: "secrets", answer: SecretKeys{}}, func(*call) (reply, error) {
		return a.secretKeys(http.StatusOK)
	})
	without(a, "POST /v1/secrets/rotate", about{
		summary: "Make a new key and seal all secrets anew", tag: "secrets", answer: SecretKeys{}, status: http.StatusAccepted,
		detail: "Answered when the new key is in use; the rest is done by the leader. While a rotation is under way, asking again changes nothing.",
	}, func(c *call) (reply, error) {
		rev, err := a.in.RotateSecrets(c.ctx(), c.actor())
		if err != nil {
			return reply{}, err
		}
		if err := a.board.wait(c.ctx(), rev); err != nil {
			return reply{}, err
		}
		return a.secretKeys(http.StatusAccepted)
	})
}

func (a *API) secretKeys(status int) (reply, error) {
	list, err := a.in.SecretKeys()
	if err != nil {
		return reply{}, err
	}
	var out SecretKeys
	for _, k := range list {
		state := "current"
		if !k.Current {
			state, out.Rotating = "retiring", true
		}
		out.Keys = append(out.Keys, SecretKey{k.ID, state, k.Readable, k.Secrets, k.CreatedAt, k.CreatedBy})
	}
	return reply{status: status, body: render(&out)}, nil
}
