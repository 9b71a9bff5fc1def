package cli

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/pkg/fault"
)

// p0 is no moment: times are then told without their distance.
var p0 time.Time

func jsonNumber(n int64) json.Number { return json.Number(strconv.FormatInt(n, 10)) }

// moment is a time at a path.
func (r record) moment(path string) (time.Time, bool) {
	text, _ := r.at(path).(string)
	t, err := time.Parse(time.RFC3339, text)
	return t, err == nil && !t.IsZero()
}

func (p *program) serverUsage(n *noun) *cobra.Command {
	var month string
	c := &cobra.Command{
		Use: "usage SERVER", Short: "What its interfaces transferred, by month, with the 95th percentile", Args: exactly("the name or id of one server"), ValidArgsFunction: p.completeArg(n.name),
		Long: "Switch ports count where the server is wired to one that is known, else the agent counts; the two are never added. Sums of the accounts on it are told too.",
	}
	c.Flags().StringVar(&month, "month", "", "the days of this one, such as 2026-10")
	c.RunE = func(c *cobra.Command, args []string) error {
		var missing error
		err := p.usageOf(c, n, args[0], func(r record) {
			if month == "" {
				p.printServerUsage(r)
			} else if !p.printDays(r, month) {
				missing = fault.NotFound("there are no figures of %s in %s", args[0], month)
			}
		})
		if err != nil {
			return err
		}
		return missing
	}
	return c
}

func (p *program) printServerUsage(r record) {
	if r.text("source") == "" && len(r.list("months")) == 0 {
		fmt.Fprintf(p.err, "nothing was counted of %s yet\n", clean(r.text("name")))
	}
	if r.text("source") != "" {
		fmt.Fprintf(p.err, "since %s: %s received, %s sent, counted by the %s until %s\n", clean(r.text("since")), clean(r.text("in_bytes")), clean(r.text("out_bytes")), clean(r.text("source")), clean(p.age(r, "at")))
	}
	if len(r.list("months")) > 0 {
		fmt.Fprintf(p.err, "by month%s\n", zoneOf(r))
		f := figures{header: []string{"MONTH", "SOURCE", "RECEIVED", "SENT", "TOTAL", "95 % IN", "95 % OUT", "COUNTED UNTIL", "STATE"}, left: 2}
		for _, m := range r.list("months") {
			line := append([]string{m.text("month"), m.text("source")}, bytesOf(m, "in_bytes", "out_bytes", "total_bytes")...)
			f.add(false, append(line, bits(m, "p95_in_bits_per_second"), bits(m, "p95_out_bits_per_second"), p.age(m, "at"), gapOf(m))...)
		}
		p.figures(&f)
	}
	if a := record(object(r, "accounts")); a != nil {
		space, traffic := record(object(a, "storage")), record(object(a, "traffic"))
		fmt.Fprintf(p.err, "accounts on it: %s, with %s of the disk and a traffic of %s in %s%s\n", space.text("accounts"), space.text("total_bytes"), traffic.text("total_bytes"), clean(a.text("month")),
			overWords(space, traffic))
	}
}

func overWords(space, traffic record) string {
	if s, t := whole64(space, "over_limit"), whole64(traffic, "over_limit"); s+t > 0 {
		return fmt.Sprintf("; ! over limit: %d of disk space, %d of traffic", s, t)
	}
	return ""
}

func (p *program) printDays(r record, month string) bool {
	for _, m := range r.list("months") {
		if m.text("month") != month {
			continue
		}
		f := figures{header: []string{"DAY", "RECEIVED", "SENT", "STATE"}, left: 1}
		for _, d := range m.list("days") {
			f.add(false, fmt.Sprintf("%s-%02d", month, whole64(d, "day")), d.text("in_bytes"), d.text("out_bytes"), "")
		}
		f.sum = []string{"sum", m.text("in_bytes"), m.text("out_bytes"), gapOf(m)}
		p.figures(&f)
		return true
	}
	return false
}

func gapOf(m record) string {
	if m.text("gap") == "yes" {
		return "~ gap: something was not counted"
	}
	return ""
}

// bits is a rate in words, by thousands as networks are sold.
func bits(r record, name string) string {
	n, unit := float64(whole64(r, name)), ""
	for _, next := range []string{"k", "M", "G", "T"} {
		if n < 1000 {
			break
		}
		n, unit = n/1000, next
	}
	return strconv.FormatFloat(n, 'g', 3, 64) + " " + unit + "bit/s"
}
