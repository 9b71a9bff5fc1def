package matchtest

import (
	"cmp"
	"strings"

	"github.com/steelyard/steelyard/controller/core/match"
)

// BruteForce looks at every server, one after the other, and returns the best by
// (distance, changes, surplus, free since, id). It is what a catalogue must agree
// with, and what it must be faster than.
func BruteForce(servers []match.Server, w match.Wish) (match.Result, bool) {
	ruler := match.NewRuler(w)
	best, least := -1, match.Score{}
	for i := range servers {
		s := &servers[i]
		if !allowed(s, &w) {
			continue
		}
		score, ok := ruler.Distance(&s.Configuration)
		if ok && (best < 0 || better(s, score, &servers[best], least)) {
			best, least = i, score
		}
	}
	if best < 0 {
		return match.Result{}, false
	}
	r, err := match.Compare(servers[best], w)
	return r, err == nil
}

func allowed(s *match.Server, w *match.Wish) bool {
	return (w.Location == "" || w.Location == s.Location) && (w.ServerType == "" || w.ServerType == s.ServerType)
}

func better(a *match.Server, x match.Score, b *match.Server, y match.Score) bool {
	return cmp.Or(x.Compare(y), cmp.Compare(a.FreeSince, b.FreeSince), strings.Compare(a.ID, b.ID)) < 0
}
