package usage

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/store/kv/memkv"
	"github.com/steelyard/steelyard/protocol"
)

const reported = 100 // accounts of a report

// BenchmarkReport folds a report of a hundred accounts, of which each has something new, into what is known: without the session, and without the write that comes minutes later.
func BenchmarkReport(b *testing.B) {
	r := start(b, memkv.New(memkv.Options{}), time.Hour)
	for i := range reported {
		r.has(fmt.Sprintf("acc-%013d", i), "srv-1", 1<<30, 1<<30)
	}
	rep := &protocol.UsageReport{Seq: 1, Book: "book-1", Zone: 1, Months: tellMonths, Counted: clock.Unix()}
	n := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		n++
		rep.Accounts = rep.Accounts[:0]
		for i := range reported {
			u := usageOf(n)
			rep.Accounts = protocol.AppendUsage(rep.Accounts, fmt.Sprintf("acc-%013d", i), &u)
		}
		b.StartTimer()
		if err := r.Report("srv-1", r, rep, func(uint64) {}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(rep.Accounts)), "bytes/report")
}

func usageOf(n uint64) (u protocol.AccountUsage) {
	for m := range 2 {
		for c := range u.Months[m] {
			u.Months[m][c] = protocol.Traffic{In: 1e6 + n, Out: 1e9 + n}
		}
	}
	return u
}

// BenchmarkReportJSON only reads the same figures from JSON: what a classic endpoint does first.
func BenchmarkReportJSON(b *testing.B) {
	list := map[string]protocol.AccountUsage{}
	for i := range reported {
		list[fmt.Sprintf("acc-%013d", i)] = usageOf(1)
	}
	text, err := json.Marshal(list)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var got map[string]protocol.AccountUsage
		if err := json.Unmarshal(text, &got); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(text)), "bytes/report")
}
