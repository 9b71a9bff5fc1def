package simulate

import (
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/meter/book"
	"github.com/steelyard/steelyard/protocol"
)

func TestU2_SimulatedQuarterHoursAddUpToTheMonths(t *testing.T) {
	now := time.Date(2026, 11, 30, 20, 7, 0, 0, time.UTC)
	u := newUsage(3, func() time.Time { return now })
	at := func(m time.Month) book.Quarter { return book.QuarterOf(time.Date(2026, m, 1, 0, 0, 0, 0, time.UTC)) }
	if err := u.SetMonths([]book.Month{{Name: "2026-11", From: at(11), To: at(12)}, {Name: "2026-12", From: at(12), To: at(13)}}); err != nil {
		t.Fatal(err)
	}
	u.accounts["acc-1"] = &grown{number: sum("acc-1"), since: now.Add(17 * time.Second), limit: 1 << 30}
	var last uint64
	for range 30 {
		now = now.Add(17 * time.Minute)
		list, version := u.Changed(last)
		last = version
		if len(list) != 1 || len(list[0].Months) != 2 {
			t.Fatalf("%+v", list)
		}
		for i, m := range u.Months() {
			quarters, err := u.Quarters("acc-1", m.From, m.To)
			if err != nil {
				t.Fatal(err)
			}
			var sum book.Totals
			for _, q := range quarters {
				sum[q.Class].In += q.Traffic.In
				sum[q.Class].Out += q.Traffic.Out
			}
			if sum != list[0].Months[i] {
				t.Fatalf("%s: %+v, quarter-hours %+v", m.Name, list[0].Months[i], sum)
			}
		}
		if s := u.accounts["acc-1"].stored(now); s.Home+s.WWW+s.Mail+s.Databases > 1<<30*2/3 || s.WWW == 0 {
			t.Fatalf("%+v", s)
		}
	}
	if list, _ := u.Changed(last); len(list) > 0 {
		t.Error("all is told again within a minute")
	}
}

func TestU5_ASimulatedServersDaysAddUpToItsMonth(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	u := newUsage(3, func() time.Time { return now })
	now = now.Add(50 * time.Hour)
	from := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC).Unix() / 900
	s, _ := u.Usage([]protocol.UsageMonth{{Name: "2026-11", From: from, To: from + 30*96}})
	var days protocol.Traffic
	m := s.Months[0]
	for _, d := range m.Days {
		days.In, days.Out = days.In+d.In, days.Out+d.Out
	}
	if days != m.Total || m.Total.Out == 0 || len(m.Days) != 25 || len(m.In) != protocol.Busiest(m.Quarters) {
		t.Errorf("%+v", m)
	}
}
