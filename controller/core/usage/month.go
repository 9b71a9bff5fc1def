package usage

import (
	"time"

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
		list = append(list, protocol.UsageMonth{Name: first(now, i).Format(layout), From: quarter(first(now, i)), To: quarter(first(now, i+1))})
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

func quarter(t time.Time) int64 { return t.Unix() / 900 }
