// Package pace tells how fast work goes and when it will be over. It owns no clock and no goroutine: who reports
// progress says how far it is, and when.
package pace

import (
	"math"
	"time"
)

// Meter smooths the rate of one piece of work. The zero value is ready. It is for one goroutine at a time.
type Meter struct {
	at    time.Time
	done  uint64
	rate  float64 // units a second; 0 nothing is known
	first bool
}

const (
	least   = 500 * time.Millisecond // between two readings that say something
	inertia = 8 * time.Second        // how long the past counts
)

// Read takes a reading and returns the rate in units a second and the seconds that are left; 0 where
// nothing is known yet. Work that begins anew is measured anew.
func (m *Meter) Read(now time.Time, done, total uint64) (rate, left uint64) {
	switch since := now.Sub(m.at); {
	case m.at.IsZero() || done < m.done:
		*m = Meter{at: now, done: done, first: true}
	case since >= least:
		latest := float64(done-m.done) / since.Seconds()
		weight := 1 - math.Exp(-since.Seconds()/inertia.Seconds())
		if m.first {
			weight = 1
		}
		m.rate += weight * (latest - m.rate)
		m.at, m.done, m.first = now, done, false
	}
	if m.rate < 1 || done >= total {
		return uint64(m.rate), 0
	}
	return uint64(m.rate), uint64(math.Ceil(float64(total-done) / m.rate))
}
