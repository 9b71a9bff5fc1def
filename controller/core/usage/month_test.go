package usage

import (
	"testing"
	"time"

	"github.com/steelyard/steelyard/protocol"
)

func TestU7_MonthsFollowEachOtherInEveryZone(t *testing.T) {
	for _, name := range []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo", "Asia/Beirut", "Africa/Cairo", "Pacific/Chatham"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for now := time.Date(2010, 1, 1, 0, 7, 0, 0, time.UTC); now.Year() < 2031; now = now.Add(61 * time.Hour) {
			list := Months(zone, now)
			if len(list) != before+2 || list[before].Name != now.In(zone).Format(layout) {
				t.Fatalf("%s at %s: %+v", name, now, list)
			}
			if err := (&protocol.UsageMonths{Months: list}).Check(); err != nil {
				t.Fatalf("%s at %s: %v", name, now, err)
			}
			for i, m := range list {
				if n := len(m.Days); n < 27 || n > 31 { // Samoa left a whole day out
					t.Fatalf("%s: month %s has %d days", name, m.Name, n)
				}
				begin := time.Unix(m.From*900, 0).In(zone)
				if i > 0 && list[i-1].To != m.From || begin.Format(layout) != m.Name || begin.Day() != 1 || time.Unix(m.From*900-1, 0).In(zone).Format(layout) >= m.Name {
					t.Fatalf("%s: month %s begins at %s, the one before ends at %d", name, m.Name, begin, list[max(i-1, 0)].To)
				}
			}
			if q := quarter(now); q < list[before].From || q >= list[before].To {
				t.Fatalf("%s at %s: the month is %+v", name, now, list[before])
			}
		}
	}
}

func TestU7_AMonthOfBerlinBeginsAtItsMidnight(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	list := Months(zone, time.Date(2026, 3, 31, 22, 30, 0, 0, time.UTC)) // the first of April there
	want := []string{"2026-02", "2026-03", "2026-04", "2026-05"}
	for i, m := range list {
		if m.Name != want[i] {
			t.Errorf("month %d is %s", i, m.Name)
		}
	}
	if at := time.Unix(list[2].From*900, 0).UTC(); !at.Equal(time.Date(2026, 3, 31, 22, 0, 0, 0, time.UTC)) {
		t.Errorf("April begins at %s", at)
	}
}
