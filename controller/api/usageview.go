package api

import (
	"time"

	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/protocol"
)

type (
	// StorageOverview is what accounts take of the disk.
	StorageOverview struct {
		Items []StorageUse `json:"items"`
		Sum   StorageSum   `json:"sum" doc:"Of all accounts that fit."`
		Next  string       `json:"next" doc:"Pass it as cursor for the next page; empty on the last one."`
		Total int          `json:"total" doc:"Of all accounts that fit, before paging."`
	}
	// UsedBy is whose figures these are.
	UsedBy struct {
		Account  string `json:"account" doc:"Id."`
		Domain   string `json:"domain"`
		User     string `json:"user"`
		Reseller string `json:"reseller,omitempty" doc:"Path of whose customer has it; none: the provider's."`
		Customer string `json:"customer,omitempty" doc:"Id of the customer, if one was named."`
		Server   string `json:"server,omitempty" doc:"For the provider's people."`
	}
	// StorageUse is one account of it.
	StorageUse struct {
		UsedBy
		Storage
	}
	// Storage is what an account takes of the disk. Classes do not overlap: their sum is the total (C20).
	Storage struct {
		Measured   *StorageBytes   `json:"measured,omitempty" doc:"None: it was not measured yet."`
		MeasuredAt time.Time       `json:"measured_at,omitzero"`
		Limit      reselling.Limit `json:"disk_mib"`
		Over       bool            `json:"over_limit" doc:"It takes more than the limit (C23)."`
	}
	// StorageBytes are its classes.
	StorageBytes struct {
		Home      uint64 `json:"home_bytes" doc:"The home without the sites."`
		WWW       uint64 `json:"www_bytes" doc:"Files of the sites."`
		Mail      uint64 `json:"mail_bytes"`
		Databases uint64 `json:"databases_bytes"`
		Total     uint64 `json:"total_bytes"`
	}
	// StorageSum is a sum of accounts.
	StorageSum struct {
		Accounts   int `json:"accounts"`
		Over       int `json:"over_limit" doc:"How many of them take more than their limit."`
		Unmeasured int `json:"unmeasured" doc:"How many of them were not measured yet, and so are not in the bytes."`
		StorageBytes
		OldestAt time.Time `json:"oldest_at,omitzero" doc:"When the oldest of these figures was measured (U6)."`
	}
	// TrafficOverview is what accounts transferred in a month.
	TrafficOverview struct {
		Month  string       `json:"month"`
		Zone   string       `json:"time_zone" doc:"By which months begin now (U7)."`
		Months []string     `json:"months" doc:"Those of which there are figures, newest first."`
		Items  []TrafficUse `json:"items"`
		Sum    TrafficSum   `json:"sum" doc:"Of all accounts that fit."`
		Next   string       `json:"next" doc:"Pass it as cursor for the next page; empty on the last one."`
		Total  int          `json:"total" doc:"Of all accounts that fit, before paging."`
	}
	// TrafficUse is one account of it.
	TrafficUse struct {
		UsedBy
		GoneAt time.Time `json:"gone_at,omitzero" doc:"When it was deleted; it stays in the months in which it used something (C21)."`
		TrafficMonth
	}
	// TrafficBytes are the classes of traffic, headers included. Their sum is the total, and so are the two directions.
	TrafficBytes struct {
		WWW   uint64 `json:"www_bytes"`
		FTP   uint64 `json:"ftp_bytes"`
		Mail  uint64 `json:"mail_bytes"`
		Total uint64 `json:"total_bytes"`
		In    uint64 `json:"in_bytes" doc:"Of the total: received by the server."`
		Out   uint64 `json:"out_bytes" doc:"Of the total: sent by the server."`
	}
	// TrafficMonth is the traffic of one account in one month.
	TrafficMonth struct {
		TrafficBytes
		Limit   reselling.Limit `json:"traffic_mib" doc:"That which was valid in the month."`
		Over    bool            `json:"over_limit" doc:"It transferred more than the limit (C23). Nothing is blocked for it by itself."`
		Counted time.Time       `json:"counted_until,omitzero" doc:"All before was counted (U6). None: it is not known."`
		Gap     bool            `json:"gap,omitempty" doc:"Logs of the node were lost: it was perhaps more (U3)."`
	}
	// TrafficSum is a sum of accounts.
	TrafficSum struct {
		Accounts int `json:"accounts"`
		Over     int `json:"over_limit" doc:"How many of them transferred more than their limit."`
		TrafficBytes
	}
	// AccountUsage is all of one account.
	AccountUsage struct {
		UsedBy
		GoneAt  time.Time      `json:"gone_at,omitzero" doc:"When it was deleted."`
		Storage *Storage       `json:"storage,omitempty" doc:"None of one that was deleted."`
		Zone    string         `json:"time_zone" doc:"By which months begin now (U7)."`
		Months  []AccountMonth `json:"months" doc:"Newest first."`
	}
	// AccountMonth is one month of it.
	AccountMonth struct {
		Month string `json:"month"`
		TrafficMonth
		Classes []ClassBytes `json:"classes" doc:"By class and direction."`
	}
	// ClassBytes is one class of traffic.
	ClassBytes struct {
		Class string `json:"class" enum:"www,ftp,mail"`
		In    uint64 `json:"in_bytes"`
		Out   uint64 `json:"out_bytes"`
	}
)

// overviewPage is what an answer has beside the figures.
type overviewPage struct {
	month  string
	zone   string
	months []string
	next   string
	narrow bool
}

func usedBy(f *usage.Figures, narrow bool) UsedBy {
	u := UsedBy{f.Account, f.Domain, f.User, f.Reseller, f.Customer, f.Server}
	if narrow {
		u.Server = ""
	}
	return u
}

func storageView(s *usage.Storage) Storage {
	v := Storage{Limit: s.Limit}
	if !s.At.IsZero() {
		v.Measured, v.MeasuredAt, v.Over = &StorageBytes{s.Home, s.WWW, s.Mail, s.Databases, s.Total}, s.At, s.Over
	}
	return v
}

func trafficView(m *usage.Month) TrafficMonth {
	return TrafficMonth{trafficBytes(&m.Traffic), m.Limit, m.Over, m.At, m.Gap}
}

// trafficBytes are the totals of figures by class and direction.
func trafficBytes(t *usage.Traffic) TrafficBytes {
	b := TrafficBytes{WWW: t.WWW(), FTP: t.FTP(), Mail: t.Mail(), Total: t.Total()}
	for _, c := range t {
		b.In, b.Out = b.In+c.In, b.Out+c.Out
	}
	return b
}

func renderStorage(o *usage.Overview, p overviewPage) []byte {
	v := StorageOverview{Sum: storageSum(&o.Sum), Next: p.next, Total: o.Sum.Accounts}
	for _, f := range o.Rows {
		v.Items = append(v.Items, StorageUse{usedBy(f, p.narrow), storageView(&f.Storage)})
	}
	return render(&v)
}

func storageSum(s *usage.Sum) StorageSum {
	return StorageSum{s.Accounts, s.OverStorage, s.Unmeasured, StorageBytes{s.Home, s.WWW, s.Mail, s.Databases, s.Total}, s.OldestAt}
}

func renderTraffic(o *usage.Overview, p overviewPage) []byte {
	v := TrafficOverview{Month: p.month, Zone: p.zone, Months: p.months, Sum: trafficSum(&o.Sum), Next: p.next, Total: o.Sum.Accounts}
	for _, f := range o.Rows {
		m := f.In(p.month)
		v.Items = append(v.Items, TrafficUse{usedBy(f, p.narrow), f.GoneAt, trafficView(&m)})
	}
	return render(&v)
}

func trafficSum(s *usage.Sum) TrafficSum {
	return TrafficSum{s.Accounts, s.OverTraffic, trafficBytes(&s.Traffic)}
}

// accountUsageOf is all of one account.
func accountUsageOf(f *usage.Figures, zone string, narrow bool) AccountUsage {
	v := AccountUsage{Zone: zone, UsedBy: usedBy(f, narrow), GoneAt: f.GoneAt}
	if f.GoneAt.IsZero() {
		s := storageView(&f.Storage)
		v.Storage = &s
	}
	for i := range f.Months {
		m := &f.Months[i]
		v.Months = append(v.Months, AccountMonth{m.Month, trafficView(m), classesOf(&m.Traffic)})
	}
	return v
}

func classesOf(t *usage.Traffic) []ClassBytes {
	one := func(name string, c int) ClassBytes { return ClassBytes{name, t[c].In, t[c].Out} }
	return []ClassBytes{one("www", protocol.UsageWWW), one("ftp", protocol.UsageFTP), one("mail", protocol.UsageMail)}
}
