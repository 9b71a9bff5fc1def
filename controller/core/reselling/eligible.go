package reselling

import (
	"fmt"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// Around is what [Ineligible] needs to know beyond one server.
type Around struct {
	Facts  *fleet.Facts           // nil: it never reported
	Groups map[string]ServerGroup // by id; those that its roles name
	Load   hosting.Load
}

// Ineligible tells why a server may not be assigned to a plan (rules H1, H3 to H6), in the order of the rules. No reasons means that it may, as
// far as it is for the server itself: whose it is and whether it is clean are other questions, see [fleet.LabelOf].
func Ineligible(s *fleet.Server, in Around) []fleet.Reason {
	var r reasons
	r.system(s, in.Facts)
	r.groups(s, in.Groups)
	r.roles(s)
	if n := in.Load.Placements; n > 0 {
		r.add("H5", "load", "customers have %d things on it", n)
	}
	if s.ContentMove != "" {
		r.add("H6", "content_move", "it takes part in content move %s", s.ContentMove)
	}
	return r
}

type reasons []fleet.Reason

func (r *reasons) add(rule, fact, format string, args ...any) {
	*r = append(*r, fleet.Reason{Rule: rule, Message: fmt.Sprintf(format, args...), Fact: fact})
}

// system asks what runs on the server itself (rule H1). What is started from the network is not its own.
func (r *reasons) system(s *fleet.Server, f *fleet.Facts) {
	switch {
	case s.Environment == protocol.EnvRAM || s.Environment == protocol.EnvRescue:
		r.add("H1", "environment", "its own system does not run; start it from its disk")
	case f == nil || f.Inventory.OS == (hardware.OS{}):
		r.add("H1", "facts", "what system runs on it is not known; its agent never told")
	case !unix(&f.Inventory.OS):
		r.add("H1", "facts", "it runs %s, which is no *nix", named(&f.Inventory.OS))
	}
}

// unix reports whether a system is one: its agent read os-release and the kernel's version, and it does not call itself Windows.
func unix(os *hardware.OS) bool {
	id := strings.ToLower(os.ID + " " + os.Name)
	return os.Kernel != "" && strings.TrimSpace(id) != "" && !strings.Contains(id, "windows")
}

func named(os *hardware.OS) string {
	for _, name := range []string{os.Name, os.ID, os.Kernel} {
		if name != "" {
			return name
		}
	}
	return "an unknown system"
}

// groups asks for what the server's logical servers are meant: all of [PlanTypes], and only those (rule H3).
func (r *reasons) groups(s *fleet.Server, groups map[string]ServerGroup) {
	var have []string
	for _, role := range s.Roles {
		g, known := groups[role.Group]
		if !known {
			r.add("H3", "roles", "server group %s of its %s server does not exist", role.Group, role.Type)
		}
		have = append(have, g.Types...)
	}
	var extra, missing []string
	for _, kind := range distinct(have) {
		if !slices.Contains(PlanTypes, kind) {
			extra = append(extra, kind)
		}
	}
	for _, kind := range PlanTypes {
		if !slices.Contains(have, kind) {
			missing = append(missing, kind)
		}
	}
	if len(extra) > 0 {
		r.add("H3", "roles", "its server groups are for %s too; only %s may be", strings.Join(extra, ", "), strings.Join(PlanTypes, ", "))
	}
	if len(missing) > 0 {
		r.add("H3", "roles", "none of its server groups is for %s", strings.Join(missing, ", "))
	}
}

// roles asks for the logical servers themselves (rule H4).
func (r *reasons) roles(s *fleet.Server) {
	var missing []string
	for _, kind := range PlanTypes {
		if !slices.ContainsFunc(s.Roles, func(l fleet.LogicalServer) bool { return l.Type == kind }) {
			missing = append(missing, kind)
		}
	}
	if len(missing) > 0 {
		r.add("H4", "roles", "it has no %s server", strings.Join(missing, ", no "))
	}
}

func distinct(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}
