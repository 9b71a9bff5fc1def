package usage

import (
	"time"
	_ "time/tzdata" // the names of zones, where the machine has none

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// before is how many ended months a node still makes totals of: what it counted while it could not tell.
const before = 2

// layout names a month.
const layout = "2006-01"

// Months are those that nodes make totals of: the last two, the one of now, and the next, which begins while a node may not hear of it. zone says when a
// month begins (rule U7). Borders are whole quarter-hours: today's time zones differ from UTC by such, and where one did not, the border is the quarter-hour that it is in.
func Months(zone *time.Location, now time.Time) []protocol.UsageMonth {
	now = now.In(zone)
	list := make([]protocol.UsageMonth, 0, before+2)
	for i := -before; i <= 1; i++ {
		list = append(list, protocol.UsageMonth{Name: first(now, i).Format(layout), From: quarter(first(now, i)), To: quarter(first(now, i+1)), Days: days(first(now, i))})
	}
	return list
}

// first is when a month begins, so many after the one of t. Where a day begins after midnight, as some zones have it, it is that moment.
func first(t time.Time, months int) time.Time {
	year, month, _ := t.Date()
	at := time.Date(year, month+time.Month(months), 1, 0, 0, 0, 0, t.Location())
	if at.Day() != 1 { // there is no such midnight: Go may take the moment before the gap
		at = time.Date(year, month+time.Month(months), 1, 1, 0, 0, 0, t.Location())
	}
	return at
}

// days are the quarter-hours with which the days of a month begin. A day that a zone left out has none.
func days(month time.Time) (list []int64) {
	for d := 1; d <= 31; d++ {
		day := time.Date(month.Year(), month.Month(), d, 0, 0, 0, 0, month.Location())
		if day.Day() != d { // no such midnight, or no such day in the month
			day = time.Date(month.Year(), month.Month(), d, 1, 0, 0, 0, month.Location())
		}
		if q := quarter(day); day.Month() == month.Month() && (len(list) == 0 || q > list[len(list)-1]) {
			list = append(list, q)
		}
	}
	return list
}

// MonthOf is the name of the month in a time zone, a name of the IANA's; "" is UTC, and so is one that is not known.
func MonthOf(zone string, now time.Time) string { return now.In(Zone(zone)).Format(layout) }

// Zone is a time zone by its name; "" is UTC, and so is one that is not known.
func Zone(name string) *time.Location {
	if zone, err := time.LoadLocation(name); err == nil && name != "Local" {
		return zone
	}
	return time.UTC
}

// CheckZone names the field of a time zone that is none. That of the machine is none either: replicas may differ in it.
func CheckZone(c *fault.Check, field, name string) {
	_, err := time.LoadLocation(name)
	c.Require(err == nil && name != "Local" && len(name) <= 64, field, "is no time zone; give a name of the IANA's, for example Europe/Berlin, or nothing for UTC")
}

func quarter(t time.Time) int64 { return t.Unix() / 900 }
