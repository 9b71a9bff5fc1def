package cli

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (p *program) accountQuarterHours(n *noun) *cobra.Command {
	var month string
	var csv bool
	c := &cobra.Command{
		Use: "quarter-hours ACCOUNT", Short: "What it transferred in a month, by quarter-hour", Args: exactly("the domain or id of one account"), ValidArgsFunction: p.completeArg(n.name),
		Long:    "Its server keeps them, those of the running month and of the last two, and is asked: it has to be connected. Those without traffic are not listed.",
		Example: "  steelyard account quarter-hours example.de\n  steelyard account quarter-hours example.de --month 2026-10 --csv > october.csv",
	}
	c.Flags().StringVar(&month, "month", "", "such as 2026-10; the running one unless given")
	c.Flags().BoolVar(&csv, "csv", false, "as comma-separated values, in bytes")
	c.RunE = func(c *cobra.Command, args []string) error {
		id, err := p.resolve(c.Context(), n.name, args[0])
		if err != nil {
			return err
		}
		api, err := p.api()
		if err != nil {
			return err
		}
		query := url.Values{}
		if month != "" {
			query.Set("month", month)
		}
		if csv {
			query.Set("format", "csv")
		}
		a, err := api.Get(c.Context(), n.path()+"/"+url.PathEscape(id)+"/usage/quarter-hours", query)
		if err == nil && csv {
			_, err = p.out.Write(a.Body) // as it came: lines of such files end in CR LF
			return err
		}
		if err != nil || p.json() {
			return p.rawUnless(err, a)
		}
		r, err := decode(a.Body)
		if err != nil {
			return err
		}
		p.printQuarterHours(r)
		return nil
	}
	return c
}

func (p *program) printQuarterHours(r record) {
	fmt.Fprintf(p.err, "traffic of %s in %s%s, by quarter-hours of UTC, counted until %s\n", clean(r.text("domain")), clean(r.text("month")), zoneOf(r), p.age(r, "counted_until"))
	if r.at("gap") == true {
		fmt.Fprintln(p.err, "~ logs of its server were lost in this month: it was perhaps more")
	}
	f := figures{header: []string{"BEGINS", "RECEIVED", "SENT", "TOTAL", "OF IT"}, left: 1}
	for _, q := range r.list("items") {
		begins := clean(q.text("begins"))
		if t, ok := q.moment("begins"); ok {
			begins = t.UTC().Format(time.DateOnly + " 15:04")
		}
		f.add(false, append(append([]string{begins}, bytesOf(q, "in_bytes", "out_bytes", "total_bytes")...), classesIn(q))...)
	}
	sum := record(object(r, "sum"))
	f.sum = append(append([]string{"sum of " + clean(r.text("month"))}, bytesOf(sum, "in_bytes", "out_bytes", "total_bytes")...), classesIn(sum))
	p.figures(&f)
}

// classesIn says what traffic was for, without that of which there was none.
func classesIn(r record) string {
	var list []string
	for _, class := range []string{"www", "ftp", "mail"} {
		if whole64(r, class+"_bytes") > 0 {
			list = append(list, class+" "+r.text(class+"_bytes"))
		}
	}
	return strings.Join(list, ", ")
}
