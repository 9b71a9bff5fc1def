package usage

import (
	"context"
	"slices"
	"time"

	core "github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/protocol"
)

// calendar is which months there are (rule U7). It is never changed.
type calendar struct {
	zone *time.Location
	told protocol.UsageMonths
	now  string    // name of the running month
	ends time.Time // when that ends
}

func newCalendar(s store.FleetSetting, now time.Time) *calendar {
	zone := core.Zone(s.TimeZone)
	c := &calendar{zone: zone, told: protocol.UsageMonths{Zone: 1 + s.TimeZoneChanges, Months: core.Months(zone, now)}}
	for _, m := range c.told.Months {
		if q := now.Unix() / 900; m.From <= q && q < m.To {
			c.now, c.ends = m.Name, time.Unix(m.To*900, 0)
		}
	}
	return c
}

// live reports whether nodes still say something of a month: it is in memory.
func (c *calendar) live(month string) bool {
	return slices.ContainsFunc(c.told.Months, func(m protocol.UsageMonth) bool { return m.Name == month })
}

// span is when a month begins and ends, in seconds since 1970.
func (c *calendar) span(month string) (from, to int64) {
	i := slices.IndexFunc(c.told.Months, func(m protocol.UsageMonth) bool { return m.Name == month })
	if i < 0 {
		return 0, 0
	}
	return c.told.Months[i].From * 900, c.told.Months[i].To * 900
}

// recalendar looks whether the months are others now, by the clock or by the setting.
func (l *Ledger) recalendar() {
	var s store.FleetSetting
	if kept, ok := store.Settings.View(l.store, store.FleetSettings); ok {
		s = *kept
	}
	was, is := l.calendar.Load(), newCalendar(s, l.opt.Now())
	if was.told.Zone == is.told.Zone && was.now == is.now && was.zone.String() == is.zone.String() {
		return
	}
	l.calendar.Store(is)
	l.each(func(n *node) { n.turn(is) })
	if l.turned != nil {
		l.turned()
	}
}

// turn waits for the end of each month.
func (l *Ledger) turn(ctx context.Context) {
	for {
		wait := min(l.calendar.Load().ends.Sub(l.opt.Now()), time.Hour) // the clock may be set, and the zone changed
		t := time.NewTimer(max(wait, time.Second))
		select {
		case <-t.C:
			l.recalendar()
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
}
