package api

import (
	"encoding/csv"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

type (
	// QuarterHours are those of one account in one month (U2). The node has them; the controller keeps months.
	QuarterHours struct {
		UsedBy
		Month   string        `json:"month"`
		Zone    string        `json:"time_zone" doc:"By which months begin now (U7)."`
		Counted time.Time     `json:"counted_until,omitzero" doc:"All before was counted and told (U6). The node may have newer ones."`
		Gap     bool          `json:"gap,omitempty" doc:"Logs of the node were lost in this month: it was perhaps more (U3)."`
		Items   []QuarterHour `json:"items" doc:"In their order. Those without traffic are not among them."`
		Sum     TrafficBytes  `json:"sum"`
	}
	// QuarterHour is fifteen minutes of it.
	QuarterHour struct {
		Begins time.Time `json:"begins" doc:"UTC."`
		TrafficBytes
	}
)

// quarterAsk is what is asked of an account's quarter-hours.
type quarterAsk struct {
	month protocol.UsageMonth
	csv   bool
}

func (a *API) registerQuarterHours() {
	without(a, "GET /v1/accounts/{id}/usage/quarter-hours", about{
		summary: "What one account transferred in a month, by quarter-hour (U2)", tag: "accounts", answer: QuarterHours{},
		detail: "Asked of the node that counted them, which keeps those of the running month and the last two: its agent has to be connected. A replica that does not hold its session answers 421. " +
			"With format=csv a sheet with a head line, all rows and a line of sums.",
		params: []*huma.Param{
			{Name: "month", In: "query", Schema: text0, Description: "Such as 2026-10; the running one unless given."},
			{Name: "format", In: "query", Schema: text0, Description: "json or csv."},
		},
	}, a.quarterHours)
}

func (a *API) quarterHours(c *call) (reply, error) {
	reader, err := a.reader()
	if err != nil {
		return reply{}, err
	}
	scope := access.ScopeOf(c.actor(), "accounts")
	f, ok := reader.Account(c.id())
	if !ok || !seenAccount(scope, &f) {
		return reply{}, fault.NotFound("account %q does not exist", clip(c.id()))
	}
	ask, err := readQuarterAsk(c.r.URL, reader)
	if err != nil {
		return reply{}, err
	}
	narrow := scope.Field != ""
	if err := a.countsHere(f.Server); err != nil {
		return reply{}, kept(err, narrow)
	}
	list, err := a.opt.Quarters(c.ctx(), f.Server, f.Account, ask.month.From, ask.month.To)
	if err != nil {
		return reply{}, kept(err, narrow)
	}
	v := quarterHoursOf(&f, ask.month.Name, reader.Zone(), narrow, list)
	if ask.csv {
		return v.sheet(c)
	}
	return reply{body: render(&v)}, nil
}

// kept keeps from resellers and customers which server carries an account, and which replica has its agent.
func kept(err error, narrow bool) error {
	if !narrow {
		return err
	}
	return fault.Unavailable("the server of this account does not tell its quarter-hours at this moment; ask again in a minute")
}

// countsHere tells why this replica cannot ask a node, and who can.
func (a *API) countsHere(server string) error {
	p, connected := store.Presences.In(a.opt.Store.Snapshot(), server)
	switch {
	case a.opt.Quarters == nil:
		return fault.Unavailable("this controller asks no nodes")
	case !connected:
		return fault.Unavailable("the agent of server %s, which keeps them, is not connected; see: steelyard server show %s", server, server)
	case a.opt.Consoles != nil && p.Replica != a.opt.Consoles.Replica():
		return newProblem(http.StatusMisdirectedRequest, "the session of server "+server+" is held by the replica "+p.Replica+", and this is "+a.opt.Consoles.Replica()+"; ask that one (--url)")
	}
	return nil
}

// readQuarterAsk reads what is asked; all that is wrong is named at once.
func readQuarterAsk(u *url.URL, reader usage.Reader) (ask quarterAsk, err error) {
	var c fault.Check
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		c.Add("query", "cannot be read: %v", err)
	}
	for name := range values {
		c.Require(name == "month" || name == "format", "query."+clip(name), "is not known; quarter-hours take month, format")
	}
	month := values.Get("month")
	if month == "" {
		month = reader.Now()
	}
	there := monthsOfNodes(reader)
	i := slices.IndexFunc(there, func(m protocol.UsageMonth) bool { return m.Name == month })
	if i >= 0 {
		ask.month = there[i]
	} else {
		names := make([]string, len(there))
		for i := range there {
			names[i] = there[i].Name
		}
		c.Add("query.month", "is %q; nodes have the quarter-hours of %s", clip(month), strings.Join(names, ", "))
	}
	format := values.Get("format")
	c.Require(format == "" || format == "json" || format == "csv", "query.format", "is %q; give json or csv", clip(format))
	ask.csv = format == "csv"
	return ask, c.Err("quarter-hours cannot be told as asked")
}

// monthsOfNodes are those of which nodes keep quarter-hours, the running one last.
func monthsOfNodes(reader usage.Reader) []protocol.UsageMonth {
	zone := usage.Zone(reader.Zone())
	now, err := time.ParseInLocation("2006-01", reader.Now(), zone)
	if err != nil {
		return nil
	}
	list := usage.Months(zone, now.AddDate(0, 0, 14)) // any day of it
	return slices.DeleteFunc(list, func(m protocol.UsageMonth) bool { return m.Name > reader.Now() })
}

func quarterHoursOf(f *usage.Figures, month, zone string, narrow bool, list []protocol.QuarterUsage) QuarterHours {
	told := f.In(month)
	v := QuarterHours{UsedBy: usedBy(f, narrow), Month: month, Zone: zone, Counted: told.At, Gap: told.Gap, Items: []QuarterHour{}}
	var sum usage.Traffic
	for i := range list {
		t := usage.Traffic(list[i].Traffic)
		sum.Add(&t)
		v.Items = append(v.Items, QuarterHour{time.Unix(list[i].Quarter*900, 0).UTC(), trafficBytes(&t)})
	}
	v.Sum = trafficBytes(&sum)
	return v
}

// sheet answers them as comma-separated values (RFC 4180), the last line being the sums.
func (v *QuarterHours) sheet(c *call) (reply, error) {
	return reply{stream: func() {
		h := c.w.Header()
		h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
		h.Set("Content-Disposition", `attachment; filename="quarter-hours-`+v.Month+`.csv"`)
		w := csv.NewWriter(c.w)
		w.UseCRLF = true
		_ = w.Write([]string{"begins", "account", "domain", "www_bytes", "ftp_bytes", "mail_bytes", "total_bytes", "in_bytes", "out_bytes"})
		for i := range v.Items {
			q := &v.Items[i]
			_ = w.Write(append([]string{moments(q.Begins), v.Account, v.Domain}, q.texts()...)) // nothing is to be done when the client is gone
		}
		_ = w.Write(append([]string{v.Month, "total", ""}, v.Sum.texts()...))
		w.Flush()
	}}, nil
}
