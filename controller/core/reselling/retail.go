package reselling

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Retail is what customers have of a reseller's resources. It is a record of its own, beside him: every account that is made or changed writes it, and who
// edits the reseller is not disturbed by that.
type Retail struct {
	// Promised is what subscriptions of his own customers promise; those of the resellers below him are promised by them.
	Promised Sum `json:"promised,omitempty"`
	// Used is how much there is, by resource, with what the customers of the resellers below him have.
	Used map[string]uint64 `json:"used,omitempty"`
}

// Empty reports whether nothing is sold.
func (s Retail) Empty() bool { return len(s.Promised) == 0 && len(s.Used) == 0 }

// Promise is s after what a subscription promises became after instead of before. Nil is none.
func (s Retail) Promise(before, after Limits) Retail {
	s.Promised = s.Promised.Change(before, after)
	return s
}

// Use is s after there is as much as after says of something instead of before. Nil is none.
func (s Retail) Use(before, after map[string]uint64) Retail {
	used := maps.Clone(s.Used)
	if used == nil {
		used = map[string]uint64{}
	}
	for name, n := range after {
		used[name] += n
	}
	for name, n := range before {
		used[name] -= min(n, used[name])
	}
	maps.DeleteFunc(used, func(_ string, n uint64) bool { return n == 0 })
	s.Used = used
	return s
}

// CheckSold refuses what more is promised to customers of r than was promised before, where there is no room for it; the fault names each limit. Who is
// over a limit already may shrink, and gets nothing more (rule P18). Of who oversells promises are not counted: he promises nothing more only of what
// more than his limit is used.
func (r *Reseller) CheckSold(before *Reseller) error {
	var words []string
	for _, name := range Resources {
		limit := r.Limits.Of(name)
		switch has := r.Has(name); {
		case !r.Retail.Promised[name].grew(before.Retail.Promised[name]) || has.Within(limit):
		case r.Oversell:
			words = append(words, fmt.Sprintf("%s: he may have %s, and %s are in use", name, limit, has.words()))
		default:
			words = append(words, fmt.Sprintf("%s: he may have %s, %s of it is promised, and it would be %s", name, limit, before.Has(name).words(), has.words()))
		}
	}
	return r.full(words, r.orOversell())
}

// CheckUsed refuses more of resources of which there is more than r may have. own tells that they are his own customers': nobody promised
// their domains before, so there they meet what he promised to those below him.
func (r *Reseller) CheckUsed(grown []string, own bool) error {
	var words []string
	for _, name := range Resources {
		limit, has := r.Limits.Of(name), Promise{Total: r.Retail.Used[name]}
		if own && name == Domains {
			has = r.Has(name)
		}
		if slices.Contains(grown, name) && !has.Within(limit) {
			words = append(words, fmt.Sprintf("%s: he may have %s, and it would be %s", name, limit, has.words()))
		}
	}
	return r.full(words, "")
}

// full is the fault about limits that are full; nil where none is.
func (r *Reseller) full(words []string, or string) error {
	if len(words) == 0 {
		return nil
	}
	return fault.Refused("reseller %s has no room for it: %s; take something away, or raise his limits%s: steelyard reseller standing %s",
		r.Name, strings.Join(words, "; "), or, r.Name)
}

// grew reports whether a promise is more than it was: what has no limit is more than any number.
func (p Promise) grew(was Promise) bool {
	return p.Open > was.Open || p.Open == was.Open && p.Total > was.Total
}

func (p Promise) plus(q Promise) Promise { return Promise{p.Total + q.Total, p.Open + q.Open} }
