package api

import (
	"encoding/csv"
	"net/http"
	"strconv"
	"time"

	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/usage"
)

var storageAsk = usageSheet{
	name: "storage", there: true,
	over: func(f *usage.Figures, _ string) bool { return f.Storage.Over },
	bySize: map[string]func(*usage.Storage) uint64{
		"home": func(s *usage.Storage) uint64 { return s.Home }, "www": func(s *usage.Storage) uint64 { return s.WWW }, "mail": func(s *usage.Storage) uint64 { return s.Mail },
		"databases": func(s *usage.Storage) uint64 { return s.Databases }, "total": func(s *usage.Storage) uint64 { return s.Total },
	},
	render: renderStorage,
	head:   []string{"account", "domain", "user", "reseller", "customer", "server", "home_bytes", "www_bytes", "mail_bytes", "databases_bytes", "total_bytes", "disk_mib", "over_limit", "measured_at"},
	line:   storageLine,
	sums: func(s *usage.Sum, _ string) []string {
		return []string{
			"total", strconv.Itoa(s.Accounts) + " accounts", "", "", "", "",
			bytesText(s.Home), bytesText(s.WWW), bytesText(s.Mail), bytesText(s.Databases), bytesText(s.Total), "", strconv.Itoa(s.OverStorage), moments(s.OldestAt),
		}
	},
}

var trafficAsk = usageSheet{
	name: "traffic", months: true,
	over: func(f *usage.Figures, month string) bool { return f.In(month).Over },
	by: map[string]func(*usage.Month) uint64{
		"www": func(m *usage.Month) uint64 { return m.WWW }, "ftp": func(m *usage.Month) uint64 { return m.FTP },
		"mail": func(m *usage.Month) uint64 { return m.Mail }, "total": func(m *usage.Month) uint64 { return m.Total },
	},
	render: renderTraffic,
	head: []string{
		"month", "account", "domain", "user", "reseller", "customer", "server", "gone_at",
		"www_bytes", "ftp_bytes", "mail_bytes", "total_bytes", "in_bytes", "out_bytes", "traffic_mib", "over_limit", "counted_until", "gap", "time_zone",
	},
	line: trafficLine,
	sums: func(s *usage.Sum, month string) []string {
		b := trafficBytes(&s.Traffic)
		return append([]string{month, "total", strconv.Itoa(s.Accounts) + " accounts", "", "", "", "", ""}, append(b.texts(), "", strconv.Itoa(s.OverTraffic), "", "")...)
	},
}

// sheetOf answers an overview as comma-separated values (RFC 4180), the last line being the sums. What is not known is an empty cell.
func (s *usageSheet) sheetOf(c *call, q *usageQuery, zone string, o *usage.Overview) (reply, error) {
	name := "usage-" + s.name + ".csv"
	if s.months {
		name = "usage-" + s.name + "-" + q.ask.Month + ".csv"
	}
	return reply{stream: func() {
		h := c.w.Header()
		h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
		h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
		control := http.NewResponseController(c.w)
		w := csv.NewWriter(c.w)
		w.UseCRLF = true
		_ = w.Write(s.head)
		for i, f := range o.Rows {
			if i%512 == 0 {
				_ = control.SetWriteDeadline(time.Now().Add(answerTime)) // refused by writers that have no connection
			}
			if w.Write(s.zoned(s.line(f, q.ask.Month, q.narrow), zone)) != nil {
				return // the client is gone
			}
		}
		_ = w.Write(s.zoned(s.sums(&o.Sum, q.ask.Month), zone))
		w.Flush()
	}}, nil
}

// zoned ends a line of a sheet of months with the zone by which they begin.
func (s *usageSheet) zoned(line []string, zone string) []string {
	if s.months {
		return append(line, zone)
	}
	return line
}

func storageLine(f *usage.Figures, _ string, narrow bool) []string {
	u, s := usedBy(f, narrow), &f.Storage
	line := []string{u.Account, u.Domain, u.User, u.Reseller, u.Customer, u.Server, "", "", "", "", "", limitText(s.Limit), "", ""}
	if !s.At.IsZero() {
		for i, n := range [...]uint64{s.Home, s.WWW, s.Mail, s.Databases, s.Total} {
			line[6+i] = bytesText(n)
		}
		line[12], line[13] = strconv.FormatBool(s.Over), moments(s.At)
	}
	return line
}

func trafficLine(f *usage.Figures, month string, narrow bool) []string {
	u, m := usedBy(f, narrow), f.In(month)
	b := trafficBytes(&m.Traffic)
	line := append([]string{month, u.Account, u.Domain, u.User, u.Reseller, u.Customer, u.Server, moments(f.GoneAt)}, b.texts()...)
	return append(line, limitText(m.Limit), strconv.FormatBool(m.Over), moments(m.At), strconv.FormatBool(m.Gap))
}

func (b *TrafficBytes) texts() []string {
	return []string{bytesText(b.WWW), bytesText(b.FTP), bytesText(b.Mail), bytesText(b.Total), bytesText(b.In), bytesText(b.Out)}
}

// limitText is empty where there is no limit: a program that reads numbers reads none.
func limitText(l reselling.Limit) string {
	if l.None {
		return ""
	}
	return l.String()
}

func bytesText(n uint64) string { return strconv.FormatUint(n, 10) }

func moments(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
