package plan

import (
	"maps"
	"slices"
	"strings"

	"github.com/steelyard/steelyard/pkg/fault"
)

// Values are those of properties, by name.
type Values map[string]Value

// Check records what is wrong with values, under field: each property there is, with a value of its kind.
func (v Values) Check(c *fault.Check, field string) {
	for _, name := range slices.Sorted(maps.Keys(v)) {
		p, known := Find(name)
		if !known {
			c.Add(field+"."+short(name), "does not exist; use %s", strings.Join(Names(func(Property) bool { return true }), ", "))
			continue
		}
		p.Check(c, field+"."+name, v[name])
	}
}

func short(name string) string { return name[:min(len(name), 40)] }

// Of is the value of a property; its default where none is given.
func (v Values) Of(name string) Value {
	if value, ok := v[name]; ok {
		return value
	}
	p, _ := Find(name)
	return p.Default
}

// Complete is v with the default of each property that is missing.
func (v Values) Complete() Values {
	full := Values{}
	for _, p := range Table {
		full[p.Name] = v.Of(p.Name)
	}
	return full
}
