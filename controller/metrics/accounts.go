package metrics

import (
	"iter"
	"net/http"

	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/controller/metrics/series"
	"github.com/steelyard/steelyard/pkg/unit"
	"github.com/steelyard/steelyard/protocol"
)

// Accounts answers scrapes with the figures of each, those of the running month alone. Figures are good until the next ones; accounts that are gone are not shown.
func Accounts(each func() iter.Seq[*usage.Figures]) http.Handler {
	return series.Gate(maxReaders, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info, accounts := accountInfo.New(), accountLayout.New()
		for f := range each() {
			if f.GoneAt.IsZero() {
				addInfo(info.Row(), f)
				addFigures(accounts.Row(), f)
			}
		}
		series.Serve(w, r, info, accounts)
	}))
}

func addInfo(r series.Row, f *usage.Figures) {
	r.Label("account", f.Account)
	r.Label("domain", f.Domain)
	r.Label("user", f.User)
	r.Label("reseller", f.Reseller)
	r.Label("customer", f.Customer)
	r.Label("server", f.Server)
	r.Set(0, 1)
}

func addFigures(r series.Row, f *usage.Figures) {
	r.Label("account", f.Account)
	r.Label("domain", f.Domain)
	if s := &f.Storage; !s.At.IsZero() {
		for i, n := range [...]uint64{s.Home, s.WWW, s.Mail, s.Databases} {
			r.SetBytes(accountStorage+i, n)
		}
		r.Set(accountStorageAt, s.At.Unix())
		r.SetTruth(accountOver, s.Over)
	}
	limit(r, accountStorageLimit, f.Storage.Limit)
	if len(f.Months) == 0 {
		return
	}
	m := &f.Months[0]
	for i, c := range m.Traffic[:protocol.UsageClasses] {
		r.SetBytes(accountTraffic+2*i, c.In)
		r.SetBytes(accountTraffic+2*i+1, c.Out)
	}
	limit(r, accountTrafficLimit, m.Limit)
	if !m.At.IsZero() {
		r.Set(accountTrafficAt, m.At.Unix())
	}
	r.SetTruth(accountGap, m.Gap)
	r.SetTruth(accountOver+1, m.Over)
}

// limit shows a limit, and nothing where there is none: no number would be true (X12).
func limit(r series.Row, column int, l reselling.Limit) {
	if !l.None && l.Most < 1<<43 {
		r.SetBytes(column, l.Most*uint64(unit.MiB))
	}
}
