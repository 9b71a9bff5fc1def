package fleet

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/steelyard/steelyard/protocol"
)

// Bounds of what is kept of past diagnostics. A server with two disks has some sixty series and needs 8 KiB for them.
const (
	KeptDiagnoses = 10
	mostSeries    = 1024
	mostNamed     = 16 // checks that are named for one diagnosis
	longestText   = 64 // bytes of a name
)

// Diagnoses are the past diagnostics of a server with their numbers, to be compared over time. What the last ones said in
// words is in [Server].Diagnosis.
type Diagnoses struct {
	Server string          `json:"server"`
	Past   []PastDiagnosis `json:"past"`   // oldest first
	Series []Series        `json:"series"` // of the newest diagnosis first
}

// PastDiagnosis is the outcome of one run.
type PastDiagnosis struct {
	ID        string    `json:"id"` // operation id
	Profile   string    `json:"profile"`
	StartedAt time.Time `json:"started_at"` // by the clock of the agent
	At        time.Time `json:"at"`         // when the result was taken
	Verdict   string    `json:"verdict" enum:"ok,warning,error"`
	Errors    []string  `json:"errors,omitempty"`   // names of checks, the first of them
	Warnings  []string  `json:"warnings,omitempty"` // the same
}

// Series is one number of one part over time.
type Series struct {
	Check  string     `json:"check"`          // "disk read", "cpu"; without the kernel's name of the part
	Part   string     `json:"part,omitempty"` // serial number, MAC address, slot
	Name   string     `json:"name"`           // "rate"
	Unit   string     `json:"unit"`
	Limit  *float64   `json:"limit,omitempty"` // that the newest value was compared with
	Values []*float64 `json:"values"`          // one for each of Past; null: not measured
}

// Measured is a diagnosis as it is kept: its outcome, and each number as a series of one.
type Measured struct {
	Past   PastDiagnosis
	Series []Series
}

// Measure takes the numbers out of a diagnosis that an agent sent and was cleaned.
func Measure(id string, d *protocol.Diagnosis, now time.Time) Measured {
	m := Measured{Past: PastDiagnosis{ID: id, Profile: d.Profile, StartedAt: d.StartedAt, At: now, Verdict: (&DiagnosisSummary{Checks: d.Checks}).Worst()}}
	seen := map[seriesKey]bool{}
	for _, c := range d.Checks {
		switch {
		case c.Verdict == protocol.VerdictError && len(m.Past.Errors) < mostNamed:
			m.Past.Errors = append(m.Past.Errors, brief(c.Name))
		case c.Verdict == protocol.VerdictWarning && len(m.Past.Warnings) < mostNamed:
			m.Past.Warnings = append(m.Past.Warnings, brief(c.Name))
		}
		for _, f := range c.Figures {
			value := math.Round(f.Value*1000) / 1000
			s := Series{Check: brief(general(c)), Part: brief(c.Part), Name: brief(f.Name), Unit: brief(f.Unit), Limit: f.Limit, Values: []*float64{&value}}
			if k := s.key(); !seen[k] && len(m.Series) < mostSeries && !math.IsInf(value, 0) {
				seen[k] = true
				m.Series = append(m.Series, s)
			}
		}
	}
	return m
}

// general is the name of a check without the kernel's name of the part, which changes between boots.
func general(c protocol.Check) string {
	words := strings.Fields(c.Name)
	if c.Part == "" || len(words) < 3 || words[0] != "disk" && words[0] != "nic" {
		return c.Name
	}
	return words[0] + " " + strings.Join(words[2:], " ")
}

// brief cuts a text at the start of a letter.
func brief(s string) string {
	if len(s) <= longestText {
		return s
	}
	return strings.ToValidUTF8(s[:longestText], "")
}

type seriesKey struct{ check, part, name, unit string }

func (s *Series) key() seriesKey { return seriesKey{s.Check, s.Part, s.Name, s.Unit} }

// With is d and one diagnosis more; the oldest goes when there are too many, and series that nothing is known of any more
// go with it. The same diagnosis again changes nothing.
func (d Diagnoses) With(m Measured) Diagnoses {
	if slices.ContainsFunc(d.Past, func(p PastDiagnosis) bool { return p.ID == m.Past.ID && p.StartedAt.Equal(m.Past.StartedAt) }) {
		return d
	}
	old := map[seriesKey]Series{}
	for _, s := range d.Series {
		old[s.key()] = s
	}
	out := Diagnoses{Server: d.Server, Past: append(slices.Clone(d.Past), m.Past)}
	for _, s := range m.Series {
		s.Values = append(before(old[s.key()].Values, len(d.Past)), s.Values[0])
		out.Series = append(out.Series, s)
		delete(old, s.key())
	}
	for _, s := range d.Series {
		if _, left := old[s.key()]; left && len(out.Series) < mostSeries {
			s.Values = append(before(s.Values, len(d.Past)), nil)
			out.Series = append(out.Series, s)
		}
	}
	return out.trimmed()
}

// before is n values, of which the last ones are known.
func before(values []*float64, n int) []*float64 {
	if len(values) > n {
		values = values[len(values)-n:]
	}
	return append(make([]*float64, n-len(values), n+1), values...)
}

func (d Diagnoses) trimmed() Diagnoses {
	gone := max(len(d.Past)-KeptDiagnoses, 0)
	d.Past = d.Past[gone:]
	kept := d.Series[:0]
	for _, s := range d.Series {
		s.Values = s.Values[gone:]
		if slices.ContainsFunc(s.Values, func(v *float64) bool { return v != nil }) {
			kept = append(kept, s)
		}
	}
	d.Series = kept
	return d
}
