package match

import (
	"cmp"
	"strings"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// ServerType is a named configuration that tariffs refer to. What it leaves zero
// may be anything.
type ServerType struct {
	Name          string                 `json:"name"`
	Configuration hardware.Configuration `json:"configuration"`
}

// Classify names the type that a configuration is of: one that it fits without
// rework under the published weights. Of several it is the one that says most
// about it (least surplus), then the first by name; "" if none fits. A type that
// leaves everything open is of no use and fits nothing.
func Classify(types []ServerType, c hardware.Configuration) string {
	name, least := "", Score{}
	for _, t := range types {
		if open, s := t.score(&c); open || s.Distance > 0 {
			continue
		} else if name == "" || cmp.Or(s.Compare(least), strings.Compare(t.Name, name)) < 0 {
			name, least = t.Name, s
		}
	}
	return name
}

func (t ServerType) score(c *hardware.Configuration) (open bool, s Score) {
	var q query
	q.prepare(&Wish{Configuration: t.Configuration})
	open = true
	for kind := range kinds {
		open = open && q.isOpen(kind)
	}
	return open, q.distance(nil, c).public()
}
