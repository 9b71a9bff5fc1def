package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"text/tabwriter"
)

// Row is one figure with its goal.
type Row struct {
	Goal   string   `json:"goal"`
	Name   string   `json:"name"`
	Ours   float64  `json:"ours"`
	Peer   *float64 `json:"peer"`  // what others need for it
	Limit  *float64 `json:"limit"` // what the machine or the library allows
	Unit   string   `json:"unit"`
	Ratio  *float64 `json:"ratio"`  // ours to what the name says: the median of the rounds
	Target string   `json:"target"` // of the ratio, or of ours
	Met    bool     `json:"met"`
}

// num makes a figure that may be absent.
func num(f float64) *float64 { f = round(f); return &f }

// round keeps four digits: more is noise.
func round(f float64) float64 {
	if f == 0 || math.IsInf(f, 0) || math.IsNaN(f) {
		return f
	}
	p := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(f))))
	return math.Round(f*p) / p
}

// ratioAtMost judges the ratio of ours to another figure.
func (r Row) ratioAtMost(ratio, bound float64) Row {
	r.Ours, r.Ratio, r.Target, r.Met = round(r.Ours), num(ratio), "ratio ≤ "+text(bound), ratio <= bound
	return r
}

// ratioAtLeast is ratioAtMost for what should be large.
func (r Row) ratioAtLeast(ratio, bound float64) Row {
	r.Ours, r.Ratio, r.Target, r.Met = round(r.Ours), num(ratio), "ratio ≥ "+text(bound), ratio >= bound
	return r
}

// oursAtMost judges ours alone.
func (r Row) oursAtMost(bound float64) Row {
	r.Target, r.Met = "ours ≤ "+text(bound), r.Ours <= bound
	r.Ours = round(r.Ours)
	return r
}

// oursAtLeast is oursAtMost for what should be large.
func (r Row) oursAtLeast(bound float64) Row {
	r.Target, r.Met = "ours ≥ "+text(bound), r.Ours >= bound
	r.Ours = round(r.Ours)
	return r
}

func text(f float64) string { return strconv.FormatFloat(round(f), 'g', -1, 64) }

func orDash(f *float64) string {
	if f == nil {
		return "-"
	}
	return human(*f)
}

// human writes a figure for a table: no exponents, few digits.
func human(f float64) string {
	switch a := math.Abs(f); {
	case a >= 100 || a == math.Trunc(a):
		return strconv.FormatFloat(f, 'f', 0, 64)
	case a >= 1:
		return strconv.FormatFloat(f, 'f', 2, 64)
	}
	return strconv.FormatFloat(f, 'g', 3, 64)
}

// table prints the rows for a person.
func table(w io.Writer, rows []Row) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "goal\tname\tours\tpeer\tlimit\tunit\tratio\ttarget\tmet")
	for _, r := range rows {
		met := "no"
		if r.Met {
			met = "yes"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			r.Goal, r.Name, human(r.Ours), orDash(r.Peer), orDash(r.Limit), r.Unit, orDash(r.Ratio), r.Target, met)
	}
	_ = t.Flush()
}
