package protocol

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
)

// Profiles of diagnostics.
const (
	ProfileQuick    = "quick"    // seconds; what runs by itself
	ProfileStandard = "standard" // some minutes
	ProfileBurnIn   = "burn-in"  // hours: "burn-in" or "burn-in:24h"
)

// How long a burn-in takes.
const (
	BurnInDefault = 8 * time.Hour
	BurnInLeast   = time.Hour
	BurnInMost    = 72 * time.Hour
)

// beside is what diagnostics may take beside a burn-in: the tests of the standard profile on a large and slow machine.
const beside = time.Hour

// ParseProfile reads a profile: "" (quick), "quick", "standard", "burn-in", or "burn-in:24h" with whole hours. load is
// how long a burn-in keeps the machine under load, 0 for the others. Faults: invalid.
func ParseProfile(text string) (name string, load time.Duration, err error) {
	name, hours, given := strings.Cut(text, ":")
	switch {
	case text == "", text == ProfileQuick:
		return ProfileQuick, 0, nil
	case text == ProfileStandard:
		return ProfileStandard, 0, nil
	case name != ProfileBurnIn:
		return "", 0, fault.Invalid("there is no diagnostics profile %.40q; use quick, standard, burn-in or burn-in:HOURS such as burn-in:24h", text)
	case !given:
		return ProfileBurnIn, BurnInDefault, nil
	}
	load, parsed := time.ParseDuration(hours)
	if parsed != nil || load < BurnInLeast || load > BurnInMost || load%time.Hour != 0 {
		return "", 0, fault.Invalid("a burn-in takes whole hours from 1h to 72h, not %.40q; write burn-in:24h", hours)
	}
	return ProfileBurnIn, load, nil
}

// DiagnoseTakes is the longest that diagnostics of a profile may take; an unknown profile is refused soon.
func DiagnoseTakes(profile string) time.Duration {
	_, load, _ := ParseProfile(profile)
	return load + beside
}

// Figure is one number of a check, to be compared over time.
type Figure struct {
	Name  string   `json:"name"` // "rate", "temperature", "pending"
	Value float64  `json:"value"`
	Unit  string   `json:"unit"`            // "MB/s", "°C", "%", "count", "ms", "h", …
	Limit *float64 `json:"limit,omitempty"` // that Value was compared with; nil: none
}

// Bounds of a diagnosis that a controller keeps.
const (
	MaxChecks  = 4096
	MaxFigures = 32 // of one check

	maxAddresses = 16 // of a management controller
)

// Clean bounds what an agent sent: the number of checks and figures, the length and letters of texts, and numbers that are
// none. A verdict that is not known is an error: what it meant is not.
func (d *Diagnosis) Clean() {
	d.Inventory.Clean()
	d.Profile = hardware.CleanString(d.Profile)
	d.Checks = d.Checks[:min(len(d.Checks), MaxChecks)]
	d.BMCAddresses = d.BMCAddresses[:min(len(d.BMCAddresses), maxAddresses)]
	for i := range d.BMCAddresses {
		d.BMCAddresses[i] = hardware.CleanString(d.BMCAddresses[i])
	}
	for i := range d.Checks {
		d.Checks[i].clean()
	}
}

func (c *Check) clean() {
	for _, s := range []*string{&c.Name, &c.Part, &c.Value, &c.Limit, &c.Detail} {
		*s = hardware.CleanString(*s)
	}
	if c.Verdict != VerdictOK && c.Verdict != VerdictWarning {
		c.Verdict = VerdictError
	}
	c.Figures = slices.DeleteFunc(c.Figures[:min(len(c.Figures), MaxFigures)], func(f Figure) bool { return !finite(f.Value) })
	for i := range c.Figures {
		f := &c.Figures[i]
		f.Name, f.Unit = hardware.CleanString(f.Name), hardware.CleanString(f.Unit)
		if f.Limit != nil && !finite(*f.Limit) {
			f.Limit = nil
		}
	}
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }
