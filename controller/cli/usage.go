package cli

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/steelyard/steelyard/controller/cli/client"
)

// overviewWish is what an overview is asked for.
type overviewWish struct {
	month, reseller, customer, server, sort, query, cursor string
	over, all, csv                                         bool
	limit                                                  int
}

func (p *program) usageCommand() *cobra.Command {
	c := &cobra.Command{Use: "usage", GroupID: fleetGroup, Short: "What accounts take of the disk, and what they transferred", Args: cobra.ArbitraryArgs, RunE: group}
	c.AddCommand(
		p.overviewCommand("storage", "What accounts take of the disk, by class, with their limits", "  steelyard usage storage --over-limit\n  steelyard usage storage --csv > storage.csv", p.printStorage),
		p.overviewCommand("traffic", "What accounts transferred in a month, by class, with their limits", "  steelyard usage traffic --sort -total\n  steelyard usage traffic --month 2026-10 --reseller nord", p.printTraffic),
	)
	return c
}

func (p *program) overviewCommand(name, short, example string, show func(record)) *cobra.Command {
	var w overviewWish
	c := &cobra.Command{
		Use: name, Short: short, Args: exactly(), Example: example,
		Long: "More than the limit is marked ! and said in words. The last line is the sum of all accounts that fit, whatever is shown of them.",
	}
	f := c.Flags()
	f.StringVar(&w.reseller, "reseller", "", "only accounts of this reseller, and of those below him")
	f.StringVar(&w.customer, "customer", "", "only accounts of this customer")
	f.StringVar(&w.server, "server", "", "only accounts on this server")
	f.BoolVar(&w.over, "over-limit", false, "only accounts with more than their limit")
	f.StringVar(&w.sort, "sort", "", "domain, total or a class; a minus turns it around")
	f.StringVarP(&w.query, "query", "q", "", "only those whose domain, user name or id contains this text")
	f.IntVar(&w.limit, "limit", 100, "at most that many, up to 1000")
	f.BoolVar(&w.all, "all", false, "all of them")
	f.StringVar(&w.cursor, "cursor", "", "go on where the last page ended")
	f.BoolVar(&w.csv, "csv", false, "all of them as comma-separated values, in bytes")
	if name == "traffic" {
		f.StringVar(&w.month, "month", "", "such as 2026-10; the running one unless given")
	}
	for _, of := range []string{"reseller", "customer", "server"} {
		_ = c.RegisterFlagCompletionFunc(of, p.completeNoun(of)) // the flag exists
	}
	c.RunE = func(c *cobra.Command, _ []string) error { return p.overview(c, name, &w, show) }
	return c
}

func (p *program) overview(c *cobra.Command, name string, w *overviewWish, show func(record)) error {
	query, err := p.overviewQuery(c, w)
	if err != nil {
		return err
	}
	api, err := p.api()
	if err != nil {
		return err
	}
	a, err := api.Get(c.Context(), "/v1/usage/"+name, query)
	if err == nil && w.csv {
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
	show(r)
	if next := r.text("next"); next != "" {
		fmt.Fprintf(p.err, "%d of %s shown; --all shows the rest, --cursor %s the next page\n", len(r.list("items")), r.text("total"), clean(next))
	}
	return nil
}

func (p *program) overviewQuery(c *cobra.Command, w *overviewWish) (url.Values, error) {
	query := url.Values{}
	for _, one := range []struct{ name, of, value string }{
		{"reseller", "reseller", w.reseller},
		{"customer", "customer", w.customer},
		{"server", "server", w.server},
		{"month", "", w.month},
		{"sort", "", w.sort},
		{"q", "", w.query},
		{"cursor", "", w.cursor},
	} {
		if one.value == "" {
			continue
		}
		value, err := p.resolveList(c.Context(), one.of, one.value)
		if err != nil {
			return nil, err
		}
		query.Set(one.name, value)
	}
	switch {
	case w.csv:
		query.Set("format", "csv")
	case w.all:
		query.Set("all", "true")
	case c.Flags().Changed("limit"):
		query.Set("limit", strconv.Itoa(w.limit))
	}
	if w.over {
		query.Set("over_limit", "true")
	}
	return query, nil
}

func (p *program) printStorage(r record) {
	f := figures{header: []string{"ACCOUNT", "HOME", "WWW", "MAIL", "DATABASES", "TOTAL", "LIMIT", "MEASURED", "STATE"}, left: 1}
	for _, a := range r.list("items") {
		state, over := storageState(a)
		f.add(over, append(append([]string{a.text("domain")}, p.storageCells(a)...), state)...)
	}
	sum := record(object(r, "sum"))
	f.sum = append([]string{countOf(sum)}, bytesOf(sum, "home_bytes", "www_bytes", "mail_bytes", "databases_bytes", "total_bytes")...)
	f.sum = append(f.sum, "", p.age(sum, "oldest_at"), sumState(sum))
	p.figures(&f)
}

// storageCells are bytes by class, the limit and the age of them.
func (p *program) storageCells(a record) []string {
	line := []string{"-", "-", "-", "-", "-"}
	if a.at("measured") != nil {
		line = bytesOf(a, "measured.home_bytes", "measured.www_bytes", "measured.mail_bytes", "measured.databases_bytes", "measured.total_bytes")
	}
	return append(line, limitOf(a, "disk_mib"), p.age(a, "measured_at"))
}

func storageState(a record) (state string, over bool) {
	if a.at("measured") == nil {
		return "? not measured yet", false
	}
	return stateOf(a, "measured.total_bytes", "disk_mib")
}

// zoneOf says by which time zone months begin.
func zoneOf(r record) string {
	if zone := r.text("time_zone"); zone != "" {
		return " (" + clean(zone) + ")"
	}
	return ""
}

func (p *program) printTraffic(r record) {
	fmt.Fprintf(p.err, "traffic in %s%s\n", clean(r.text("month")), zoneOf(r))
	f := figures{header: []string{"ACCOUNT", "WWW", "FTP", "MAIL", "TOTAL", "LIMIT", "COUNTED UNTIL", "STATE"}, left: 1}
	for _, a := range r.list("items") {
		state, over := stateOf(a, "total_bytes", "traffic_mib")
		if gone := a.text("gone_at"); gone != "" {
			state = also(state, "deleted "+gone[:10]+": "+a.text("account"))
		}
		f.add(over, append(append([]string{a.text("domain")}, p.trafficCells(a)...), gapState(a, state))...)
	}
	sum := record(object(r, "sum"))
	f.sum = append(append([]string{countOf(sum)}, bytesOf(sum, "www_bytes", "ftp_bytes", "mail_bytes", "total_bytes")...), "", "", sumState(sum))
	p.figures(&f)
}

func (p *program) trafficCells(a record) []string {
	line := bytesOf(a, "www_bytes", "ftp_bytes", "mail_bytes", "total_bytes")
	return append(line, limitOf(a, "traffic_mib"), p.age(a, "counted_until"))
}

func gapState(a record, state string) string {
	if a.text("gap") == "yes" {
		return also(state, "~ gap: logs were lost, perhaps more")
	}
	if a.text("counted_until") == "" && whole64(a, "total_bytes") == 0 {
		return also(state, "? not counted yet")
	}
	return state
}

// stateOf says how much of a limit is used, and marks more than it. The controller judges; this divides for a person.
func stateOf(a record, used, limit string) (state string, over bool) {
	share := ""
	if most := whole64(a, limit); most > 0 {
		share = fmt.Sprintf("%.0f %%", float64(whole64(a, used)/(1<<10))/float64(most)/(1<<10)*100)
	}
	if a.text("over_limit") == "yes" {
		return also("! over limit", share), true
	}
	return share, false
}

func sumState(sum record) string {
	state := ""
	if n := whole64(sum, "over_limit"); n > 0 {
		state = fmt.Sprintf("! %d over limit", n)
	}
	if n := whole64(sum, "unmeasured"); n > 0 {
		state = also(state, fmt.Sprintf("? %d not measured yet", n))
	}
	return state
}

func also(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ", " + b
}

func countOf(sum record) string {
	if n := whole64(sum, "accounts"); n != 1 {
		return fmt.Sprintf("sum of %d accounts", n)
	}
	return "sum of 1 account"
}

func object(r record, path string) map[string]any {
	m, _ := r.at(path).(map[string]any)
	return m
}

// bytesOf are figures in words.
func bytesOf(r record, names ...string) (list []string) {
	for _, name := range names {
		list = append(list, r.text(name))
	}
	return list
}

// limitOf is a limit in MiB, in words.
func limitOf(r record, name string) string {
	most := whole64(r, name)
	switch text := r.text(name); {
	case strings.Trim(text, "0123456789") != "":
		return text // no limit
	case most < 1<<40:
		return words("_bytes", jsonNumber(most<<20), p0)
	default:
		return text + " MiB"
	}
}

// age is how long ago something was; nothing is known without it.
func (p *program) age(r record, name string) string {
	t, ok := r.moment(name)
	if !ok {
		return "-"
	}
	return distance(t, p.now())
}

func (p *program) accountUsage(n *noun) *cobra.Command {
	return &cobra.Command{
		Use: "usage ACCOUNT", Short: "What it takes of the disk, and what it transferred, by month", Args: exactly("the domain or id of one account"), ValidArgsFunction: p.completeArg(n.name),
		Long: "One that was deleted is named by its id; `steelyard usage traffic` of its months tells it.",
		RunE: func(c *cobra.Command, args []string) error {
			return p.usageOf(c, n, args[0], p.printAccountUsage)
		},
	}
}

// usageOf asks for the usage of one object, and prints it.
func (p *program) usageOf(c *cobra.Command, n *noun, name string, show func(record)) error {
	id, err := p.resolve(c.Context(), n.name, name)
	if err != nil {
		return err
	}
	api, err := p.api()
	if err != nil {
		return err
	}
	var a client.Answer
	if a, err = api.Get(c.Context(), n.path()+"/"+url.PathEscape(id)+"/usage", nil); err != nil || p.json() {
		return p.rawUnless(err, a)
	}
	r, err := decode(a.Body)
	if err != nil {
		return err
	}
	show(r)
	return nil
}

func (p *program) printAccountUsage(r record) {
	if gone := r.text("gone_at"); gone != "" {
		fmt.Fprintf(p.err, "%s was deleted %s\n", clean(r.text("domain")), clean(gone))
	}
	if s := record(object(r, "storage")); s != nil {
		f := figures{header: []string{"DISK", "HOME", "WWW", "MAIL", "DATABASES", "TOTAL", "LIMIT", "MEASURED", "STATE"}, left: 1}
		state, over := storageState(s)
		f.add(over, append(append([]string{r.text("domain")}, p.storageCells(s)...), state)...)
		p.figures(&f)
		fmt.Fprintln(p.out)
	}
	fmt.Fprintf(p.err, "traffic by month%s\n", zoneOf(r))
	f := figures{header: []string{"MONTH", "WWW", "FTP", "MAIL", "TOTAL", "RECEIVED", "SENT", "LIMIT", "COUNTED UNTIL", "STATE"}, left: 1}
	for _, m := range r.list("months") {
		state, over := stateOf(m, "total_bytes", "traffic_mib")
		line := append([]string{m.text("month")}, bytesOf(m, "www_bytes", "ftp_bytes", "mail_bytes", "total_bytes", "in_bytes", "out_bytes")...)
		f.add(over, append(line, limitOf(m, "traffic_mib"), p.age(m, "counted_until"), gapState(m, state))...)
	}
	p.figures(&f)
}
