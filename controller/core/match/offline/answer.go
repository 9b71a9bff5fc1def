package offline

import (
	"cmp"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/controller/core/match"
)

// Answer is what an order would get from these machines.
type Answer struct {
	Found    bool           `json:"found"`
	Exact    bool           `json:"exact"`
	Best     *match.Result  `json:"best,omitempty"`
	Others   []match.Result `json:"others"`    // the other candidates, best first
	RuledOut []RuledOut     `json:"ruled_out"` // in the order of the file
}

// RuledOut is a machine that no rework could make fit.
type RuledOut struct {
	ServerID string `json:"server_id"`
	Reason   string `json:"reason"`
}

// Match compares every server with the wish. All of them count as available.
func Match(servers []match.Server, w match.Wish) Answer {
	a := Answer{Others: []match.Result{}, RuledOut: []RuledOut{}}
	for _, s := range servers {
		if s.Location == "" {
			s.Location = w.Location
		}
		r, err := match.Compare(s, w)
		if err != nil {
			a.RuledOut = append(a.RuledOut, RuledOut{s.ID, err.Error()})
			continue
		}
		a.Others = append(a.Others, r)
	}
	slices.SortStableFunc(a.Others, compareResults)
	if len(a.Others) > 0 {
		best := a.Others[0]
		a.Found, a.Exact, a.Best, a.Others = true, best.Exact, &best, a.Others[1:]
	}
	return a
}

func compareResults(a, b match.Result) int {
	return cmp.Or(a.Score.Compare(b.Score), cmp.Compare(a.FreeSince, b.FreeSince), strings.Compare(a.ServerID, b.ServerID))
}
