package subscription

import (
	"maps"
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/core/plan"
)

// Reasons for which a subscription is suspended (rule P10).
const (
	Manual   = "manual"   // by hand
	Expired  = "expired"  // its date is over
	Overuse  = "overuse"  // more disk space or traffic than its limit, where the policy says so (P18)
	Reseller = "reseller" // whose it is, is suspended
)

// Reasons lists them.
var Reasons = []string{Manual, Expired, Overuse, Reseller}

// Active reports whether no reason speaks against it.
func (s *Subscription) Active() bool { return len(s.Suspended) == 0 }

// Suspend adds a reason. Others stay.
func (s Subscription) Suspend(reason string) Subscription { return s.because(reason, true) }

// Unsuspend takes one reason away. It is active when none is left.
func (s Subscription) Unsuspend(reason string) Subscription { return s.because(reason, false) }

func (s Subscription) because(reason string, holds bool) Subscription {
	if slices.Contains(s.Suspended, reason) == holds {
		return s
	}
	list := slices.DeleteFunc(slices.Clone(s.Suspended), func(r string) bool { return r == reason })
	if holds {
		list = append(list, reason)
	}
	slices.SortFunc(list, func(a, b string) int { return slices.Index(Reasons, a) - slices.Index(Reasons, b) })
	s.Suspended = list
	return s
}

// Expire says whether its date is over: on that moment and after it. No date never ends.
func (s Subscription) Expire(now time.Time) Subscription {
	return s.because(Expired, !s.ExpiresAt.IsZero() && !now.Before(s.ExpiresAt))
}

// Use is how much there is of what is limited, by property; one that is missing is not known.
type Use map[string]uint64

// With is u with what other says of other properties in its place.
func (u Use) With(other Use) Use {
	next := maps.Clone(other)
	for name, n := range u {
		if _, said := other[name]; !said {
			next[name] = n
		}
	}
	return next
}

// Over is a limit of which there is more: strictly (rule C23).
type Over struct {
	Property string     `json:"property"`
	Limit    plan.Value `json:"limit"`
	Used     uint64     `json:"used"`
}

// OverLimit are the limits that are exceeded, in the order of the table of properties.
func (s *Subscription) OverLimit(use Use) (list []Over) { return over(s.Values, use) }

func over(values plan.Values, use Use) (list []Over) {
	for _, name := range plan.Names(plan.Limited) {
		if used, known := use[name]; known && !values.Of(name).Limit.Allows(used) {
			list = append(list, Over{name, values.Of(name), used})
		}
	}
	return list
}

// Judge says whether it is suspended for overuse: its policy says so, and disk space or traffic is more than its limit (rule P18).
func (s Subscription) Judge(use Use) Subscription {
	too := slices.ContainsFunc(s.OverLimit(use), func(o Over) bool { return o.Property == plan.DiskMiB || o.Property == plan.TrafficMiB })
	return s.because(Overuse, too && plan.Suspends(s.Values.Of(plan.Overuse).Choice))
}

// Room tells how many more there may be of a property of which there are used ones.
func (s *Subscription) Room(property string, used uint64) (more uint64, unlimited bool) {
	l := s.Values.Of(property).Limit
	if l.None || used >= l.Most {
		return 0, l.None
	}
	return l.Most - used, false
}
