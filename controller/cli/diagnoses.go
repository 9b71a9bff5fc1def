package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// mostColumns of past diagnostics are shown side by side; -o json has all.
const mostColumns = 5

// diagnosesCommand is `steelyard server diagnoses`.
func (p *program) diagnosesCommand() *cobra.Command {
	c := p.serverPart("diagnoses", "What its diagnostics measured over time", func(c *cobra.Command, path, name string) error {
		api, err := p.api()
		if err != nil {
			return err
		}
		a, err := api.Get(c.Context(), path+"/diagnoses", nil)
		if err != nil || p.json() {
			return p.rawUnless(err, a)
		}
		r, err := decode(a.Body)
		if err != nil {
			return err
		}
		p.printDiagnoses(name, r)
		return nil
	})
	c.Long = "Each line is one number of one part, with its value in the last diagnostics, the newest at the right. Parts are named by serial\n" +
		"number or MAC address, because the names of the kernel change between boots. With -o json all ten that are kept."
	return c
}

func (p *program) printDiagnoses(name string, r record) {
	past := r.list("past")
	if len(past) == 0 {
		fmt.Fprintf(p.out, "No diagnostics of %s ended yet. Start them: steelyard server diagnose %s --wait\n", clean(name), clean(name))
		return
	}
	from := max(len(past)-mostColumns, 0)
	var runs [][]string
	for _, d := range past[from:] {
		runs = append(runs, []string{p.day(d), d.text("profile"), d.text("verdict"), troubles(d)})
	}
	p.table([]string{"AT", "PROFILE", "VERDICT", "BECAUSE OF"}, runs)
	fmt.Fprintln(p.out)
	header := []string{"CHECK", "PART", "NUMBER", "UNIT", "LIMIT"}
	for _, d := range past[from:] {
		header = append(header, p.day(d))
	}
	var rows [][]string
	for _, s := range r.list("series") {
		values, _ := s.at("values").([]any)
		row := []string{s.text("check"), s.text("part"), s.text("name"), s.text("unit"), measured(s.at("limit"))}
		for i := from; i < len(past); i++ {
			if i < len(values) {
				row = append(row, measured(values[i]))
			} else {
				row = append(row, "")
			}
		}
		rows = append(rows, row)
	}
	p.table(header, rows)
}

// troubles names the checks that were not ok.
func troubles(d record) string {
	var names []string
	for _, list := range []string{"errors", "warnings"} {
		all, _ := d.at(list).([]any)
		for _, n := range all {
			if s, ok := n.(string); ok {
				names = append(names, s)
			}
		}
	}
	return strings.Join(names, ", ")
}

// day is when a diagnosis was taken, where the person is.
func (p *program) day(d record) string {
	text, _ := d.at("at").(string)
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return text
	}
	return at.In(p.now().Location()).Format("01-02 15:04")
}

// measured is a value with three digits that matter, or nothing.
func measured(v any) string {
	var f float64
	switch n := v.(type) {
	case float64:
		f = n
	case fmt.Stringer: // json.Number
		var err error
		if f, err = strconv.ParseFloat(n.String(), 64); err != nil {
			return n.String()
		}
	default:
		return ""
	}
	if f == math.Trunc(f) || math.Abs(f) >= 100 {
		return strconv.FormatFloat(math.Round(f), 'f', -1, 64)
	}
	return strconv.FormatFloat(f, 'g', 3, 64)
}
