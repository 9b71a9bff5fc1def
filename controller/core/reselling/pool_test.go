package reselling

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestS12_APoolHandsOutByItsPolicy(t *testing.T) {
	free := []Candidate{{"c", 1, 100, 1}, {"a", 90, 100, 1}, {"b", 10, 1000, 1}, {"stranger", 0, 100, 1}}
	members := []string{"a", "b", "c"}
	for policy, want := range map[string][]string{FirstFit: {"a", "a", "a", "a"}, RoundRobin: {"a", "b", "c", "a"}, LeastSold: {"b", "b", "b", "b"}} {
		p := Pool{Policy: policy, Members: members}
		var got []string
		for range want {
			p.Last = p.Pick(free)
			got = append(got, p.Last)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, not %v", policy, got, want)
		}
	}
	gone := Pool{Policy: RoundRobin, Members: members, Last: "left the pool"}
	if got := gone.Pick(free); got != "a" {
		t.Errorf("after a member that has left: %q", got)
	}
}

// TestS12_NothingIsOversoldUnlessThePoolSaysSo whatever is asked for.
func TestS12_NothingIsOversoldUnlessThePoolSaysSo(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		p := Pool{Policy: Policies[r.IntN(len(Policies))], Members: []string{"a", "b", "c", "d"}[:r.IntN(5)], Oversell: r.IntN(4) == 0}
		var list []Candidate
		fits := false
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			c := Candidate{name, r.Uint64N(10), r.Uint64N(10), r.Uint64N(5)}
			list = append(list, c)
			fits = fits || slices.Contains(p.Members, name) && c.Capacity > 0 && (p.Oversell || c.Promised+c.Wanted <= c.Capacity)
		}
		got := p.Pick(list)
		if (got != "") != fits {
			t.Fatalf("%+v of %+v: %q", p, list, got)
		}
		if i := slices.IndexFunc(list, func(c Candidate) bool { return c.Server == got }); got != "" && !p.Oversell && list[i].Promised+list[i].Wanted > list[i].Capacity {
			t.Fatalf("%+v of %+v: %q is oversold", p, list, got)
		}
	}
}
