package subscription

import (
	"maps"
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/core/plan"
)

// Warning is when somebody was told that a limit is reached, and which limit that was. The same limit is told once in a month.
type Warning struct {
	Month string     `json:"month"` // 2026-01, UTC
	Limit plan.Value `json:"limit"`
}

// reached are the limits of disk space and traffic about which the policy of overuse has something to say (rule P18). Where growth goes on, that is at more
// than the limit (C23). Where the node stops growth there is never more disk space in use than the limit: there it is at the limit itself.
func (s *Subscription) reached(use Use) (list []Over) {
	stops := plan.Stops(s.Values.Of(plan.Overuse).Choice)
	for _, name := range []string{plan.DiskMiB, plan.TrafficMiB} {
		used, known := use[name]
		limit := s.Values.Of(name)
		full := stops && name == plan.DiskMiB && used > 0 && !limit.Limit.None && used >= limit.Limit.Most
		if known && (full || !limit.Limit.Allows(used)) {
			list = append(list, Over{name, limit, used})
		}
	}
	return list
}

// Warn says of which limits the owner is to be told now: the policy says so, they are reached, and of none of them he was told in this month of UTC. They are
// told with the subscription that Warn returns. Nobody is told while it is suspended. What is reached no longer needs no undoing: an overuse that
// ends leaves what was told, so that figures that go up and down around the limit are one letter.
func (s Subscription) Warn(use Use, now time.Time) (Subscription, []Over) {
	if !s.Active() || !plan.Tells(s.Values.Of(plan.Overuse).Choice) {
		return s, nil
	}
	month := now.UTC().Format("2006-01")
	fresh := slices.DeleteFunc(s.reached(use), func(o Over) bool { return s.Warned[o.Property] == Warning{month, o.Limit} })
	if len(fresh) == 0 {
		return s, nil
	}
	if s.Warned = maps.Clone(s.Warned); s.Warned == nil {
		s.Warned = map[string]Warning{}
	}
	for _, o := range fresh {
		s.Warned[o.Property] = Warning{month, o.Limit}
	}
	return s, fresh
}
