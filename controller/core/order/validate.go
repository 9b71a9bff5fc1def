package order

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/pkg/fault"
)

// Range of the three timeouts of a module, in whole minutes (rules B13–B15).
const (
	MinTimeout = 1
	MaxTimeout = 720
)

// Limits of what people type.
const (
	MaxName    = 100   // characters of a name
	MaxSort    = 10000 // sort orders are 0..MaxSort
	MaxModules = 32    // modules of one tariff
	MaxImages  = 256   // images of one tariff
	MaxPools   = 32    // IP pools of one module
)

// LocalGeneration is the generation of the backend that local modules drive: this
// fleet (rule B3). It changes when a module made for it could not drive it any more.
const LocalGeneration = "steelyard/1"

// BackendGeneration is the generation of backends that a kind of module can drive;
// "" for an unknown kind. Whether a remote backend is of it, only that one can tell.
func BackendGeneration(kind string) string {
	if kind == ModuleLocal || kind == ModuleRemote {
		return LocalGeneration
	}
	return ""
}

// CheckName records a name that is empty, too long or not printable.
func CheckName(c *fault.Check, field, name string) {
	switch {
	case name == "":
		c.Add(field, "is empty; give 1 to %d characters", MaxName)
	case utf8.RuneCountInString(name) > MaxName:
		c.Add(field, "is too long; give at most %d characters", MaxName)
	case strings.TrimSpace(name) != name:
		c.Add(field, "begins or ends with a space")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		c.Add(field, "holds characters that cannot be printed")
	}
}

// CheckSort records a sort order outside its range.
func CheckSort(c *fault.Check, field string, n int) {
	c.Require(0 <= n && n <= MaxSort, field, "is %d; give a whole number from 0 to %d", n, MaxSort)
}

// Check records every field of a module that is wrong by itself. Whether the
// location exists and has the right generation is the caller's to look up.
func (m Module) Check(c *fault.Check) {
	CheckName(c, "name", m.Name)
	c.Require(m.Kind == ModuleLocal || m.Kind == ModuleRemote, "kind", "is %q; give %q or %q", m.Kind, ModuleLocal, ModuleRemote)
	m.checkRemote(c)
	c.Require(m.Location != "", "location", "is empty; name the location whose servers it hands out")
	CheckName(c, "department", m.Department)
	CheckSort(c, "sort_order", m.SortOrder)
	CheckTimeout(c, "diagtimeout", m.DiagTimeout)
	CheckTimeout(c, "installtimeout_linux", m.InstallTimeoutLinux)
	CheckTimeout(c, "installtimeout_windows", m.InstallTimeoutWindows)
	checkList(c, "pools", m.Pools, MaxPools)
	adopt(c, m.Weights.Validate("weights"))
}

// CheckTimeout records whole minutes outside their range (rules B13–B15).
func CheckTimeout(c *fault.Check, field string, minutes int) {
	c.Require(MinTimeout <= minutes && minutes <= MaxTimeout, field,
		"is %d; give whole minutes from %d to %d", minutes, MinTimeout, MaxTimeout)
}

// CheckModuleEdit records what may not be changed once tariffs use the module
// (rule B10); tariffs are their names.
func CheckModuleEdit(c *fault.Check, before, after Module, tariffs []string) {
	if before.ByServerType != after.ByServerType && len(tariffs) > 0 {
		c.Add("by_server_type", "can be changed only while the module has no tariffs; it has %s", Some(tariffs))
	}
	c.Require(before.Kind == after.Kind, "kind", "cannot be changed; make another module")
}

// Check records every field of a tariff that is wrong by itself. Whether the
// modules and images exist is the caller's to look up.
func (t Tariff) Check(c *fault.Check) {
	CheckName(c, "name", t.Name)
	c.Require(len(t.Modules) > 0, "modules", "is empty; name at least one module that processes orders")
	checkList(c, "modules", t.Modules, MaxModules)
	checkList(c, "images", t.Images, MaxImages)
	if t.ServerType != "" {
		CheckName(c, "server_type", t.ServerType)
	}
	adopt(c, match.Wish{Configuration: t.Configuration}.Validate(""))
}

func checkList(c *fault.Check, field string, ids []string, most int) {
	c.Require(len(ids) <= most, field, "has %d entries; %d are the most", len(ids), most)
	sorted := slices.Sorted(slices.Values(ids))
	c.Require(len(slices.Compact(sorted)) == len(ids), field, "names one entry twice")
	c.Require(!slices.Contains(ids, ""), field, "holds an empty entry")
}

// adopt takes over the fields of another check.
func adopt(c *fault.Check, err error) {
	var f *fault.Fault
	if !errors.As(err, &f) {
		return
	}
	for _, field := range f.Fields {
		c.Add(field.Name, "%s", field.Message)
	}
}

// Some lists the first few of many names for a sentence.
func Some(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:most], ", ") + ", …"
}
