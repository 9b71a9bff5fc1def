package reselling

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// eligible is a server that may be assigned to a plan, and what it needs.
func eligible() (*fleet.Server, Around) {
	s := &fleet.Server{
		ID: "srv-1", Environment: protocol.EnvInstalled,
		Roles: []fleet.LogicalServer{{Type: Web, Group: "sgr-front"}, {Type: Mail, Group: "sgr-back"}, {Type: MySQL, Group: "sgr-back"}},
	}
	groups := map[string]ServerGroup{"sgr-front": {Types: []string{Web}}, "sgr-back": {Types: []string{Mail, MySQL}}}
	os := hardware.OS{Name: "Debian GNU/Linux 13", ID: "debian", Kernel: "6.12"}
	return s, Around{Facts: &fleet.Facts{Inventory: hardware.Inventory{OS: os}}, Groups: groups}
}

// rulesOf lists the rules that speak against a server.
func rulesOf(list []fleet.Reason) (rules []string) {
	for _, r := range list {
		rules = append(rules, r.Rule)
	}
	return slices.Compact(rules)
}

// spoiled is one way in which an eligible server is changed, and the rules that speak against it then.
type spoiled struct {
	spoil func(s *fleet.Server, in *Around)
	want  []string
}

func judge(t *testing.T, cases map[string]spoiled) {
	for name, c := range cases {
		s, in := eligible()
		c.spoil(s, &in)
		got := Ineligible(s, in)
		if !slices.Equal(rulesOf(got), c.want) {
			t.Errorf("%s: %+v, not %v", name, got, c.want)
		}
		for _, r := range got {
			if r.Message == "" || r.Fact == "" {
				t.Errorf("%s: %+v says nothing", name, r)
			}
		}
	}
}

func TestH1_OnlyNixServers(t *testing.T) {
	judge(t, map[string]spoiled{
		"simulated":      {func(s *fleet.Server, _ *Around) { s.Environment = protocol.EnvSimulated }, nil},
		"in memory":      {func(s *fleet.Server, _ *Around) { s.Environment = protocol.EnvRAM }, []string{"H1"}},
		"in rescue":      {func(s *fleet.Server, _ *Around) { s.Environment = protocol.EnvRescue }, []string{"H1"}},
		"never reported": {func(_ *fleet.Server, in *Around) { in.Facts = nil }, []string{"H1"}},
		"told nothing":   {func(_ *fleet.Server, in *Around) { in.Facts.Inventory.OS = hardware.OS{} }, []string{"H1"}},
		"no os-release":  {func(_ *fleet.Server, in *Around) { in.Facts.Inventory.OS = hardware.OS{Kernel: "6.12"} }, []string{"H1"}},
		"Windows":        {func(_ *fleet.Server, in *Around) { in.Facts.Inventory.OS.Name = "Windows Server 2022" }, []string{"H1"}},
	})
}

func TestH3_GroupsAreForAllThreeTypesAndNoOther(t *testing.T) {
	judge(t, map[string]spoiled{
		"as it should be":                 {func(*fleet.Server, *Around) {}, nil},
		"another type":                    {func(_ *fleet.Server, in *Around) { in.Groups["sgr-front"] = ServerGroup{Types: []string{Web, DNS}} }, []string{"H3"}},
		"a type is missing":               {func(_ *fleet.Server, in *Around) { in.Groups["sgr-back"] = ServerGroup{Types: []string{MySQL}} }, []string{"H3"}},
		"a group is gone":                 {func(_ *fleet.Server, in *Around) { delete(in.Groups, "sgr-front") }, []string{"H3"}},
		"nothing":                         {func(s *fleet.Server, _ *Around) { s.Roles = nil }, []string{"H3", "H4"}},
		"whose it is makes no difference": {func(s *fleet.Server, _ *Around) { s.Claim = fleet.Claim{Kind: fleet.ClaimPlan, Ref: "rpl-1"} }, nil},
	})
}

func TestH4_AllThreeLogicalServersAreThere(t *testing.T) {
	judge(t, map[string]spoiled{
		"no mail server":  {func(s *fleet.Server, _ *Around) { s.Roles = slices.Delete(s.Roles, 1, 2) }, []string{"H4"}},
		"two web servers": {func(s *fleet.Server, _ *Around) { s.Roles = append(s.Roles, s.Roles[0]) }, nil},
	})
}

func TestH5_NothingIsOnIt(t *testing.T) {
	judge(t, map[string]spoiled{
		"an account": {func(_ *fleet.Server, in *Around) { in.Load = hosting.Load{Placements: 1} }, []string{"H5"}},
	})
}

func TestH6_NoContentMoveIsOnIt(t *testing.T) {
	judge(t, map[string]spoiled{
		"a content move": {func(s *fleet.Server, _ *Around) { s.ContentMove = "opn-1" }, []string{"H6"}},
	})
}

// TestH4_EligibleExactlyWhenEachRuleHolds whatever the roles and groups: H1, H3 to H6 asked again in other words.
func TestH4_EligibleExactlyWhenEachRuleHolds(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	some := func(of []string) (list []string) {
		for _, x := range of {
			if r.IntN(2) == 0 {
				list = append(list, x)
			}
		}
		return list
	}
	found := 0
	for range 20000 {
		s, in := eligible()
		in.Groups = map[string]ServerGroup{"a": {Types: some(PlanTypes)}, "b": {Types: some(PlanTypes)}, "c": {Types: some(ServiceTypes)}}
		s.Roles = nil
		types := map[string]bool{}
		carried := map[string]bool{}
		for range r.IntN(7) {
			role := fleet.LogicalServer{Type: ServiceTypes[r.IntN(4)], Group: []string{"a", "a", "b", "b", "c"}[r.IntN(5)]}
			s.Roles = append(s.Roles, role)
			carried[role.Type] = true
			for _, kind := range in.Groups[role.Group].Types {
				types[kind] = true
			}
		}
		in.Load.Placements = uint64(max(0, r.IntN(4)-2))
		all := carried[Web] && carried[Mail] && carried[MySQL]
		exact := len(types) == 3 && types[Web] && types[Mail] && types[MySQL]
		want := all && exact && in.Load.Placements == 0
		got := Ineligible(s, in)
		if (len(got) == 0) != want {
			t.Fatalf("%+v in %+v: %+v", s.Roles, in.Groups, got)
		}
		if want {
			found++
		}
		slices.Reverse(s.Roles) // the order of the roles does not matter
		if len(Ineligible(s, in)) != len(got) {
			t.Fatalf("%+v: another order, another answer", s.Roles)
		}
	}
	if found < 100 {
		t.Errorf("only %d of the servers were eligible; the test looks at nothing", found)
	}
}
