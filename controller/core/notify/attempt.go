package notify

import (
	"time"
)

// delays before the next attempt, after each one that failed: about 40 hours in all,
// so that a receiver that broke on a Friday evening has its events when it is repaired
// on Sunday morning.
var delays = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	2 * time.Hour, 5 * time.Hour, 8 * time.Hour, 8 * time.Hour, 8 * time.Hour, 8 * time.Hour,
}

// MaxAttempts is how often a delivery is tried before it is given up.
var MaxAttempts = len(delays) + 1

// FailingAfter is the failed attempt that makes a task for a person: the receiver
// has then been away for a quarter of an hour.
const FailingAfter = 5

// Outcome of one attempt.
type Outcome struct {
	OK        bool
	Permanent bool   // trying again cannot help
	Gone      bool   // the receiver does not want anything any more
	Status    int    // HTTP or SMTP code; 0 when there was no answer
	Error     string // for a person
}

// After is the delivery after one more attempt. spread, from 0 to 1, sets the next attempt
// up to a fifth earlier or later, so that what failed together does not come together.
func (d Delivery) After(o Outcome, now time.Time, spread float64) Delivery {
	d.Attempts++
	d.Status, d.Error = o.Status, shorten(o.Error, 500)
	switch {
	case o.OK:
		d.State, d.Error = Delivered, ""
	case o.Permanent || o.Gone || d.Event.Type == Test || d.Attempts >= MaxAttempts:
		d.State = Dead
	default:
		wait := delays[d.Attempts-1]
		d.NextAt = now.Add(wait - wait/5 + time.Duration(spread*float64(wait)*2/5))
		return d
	}
	d.NextAt, d.EndedAt = time.Time{}, now
	return d
}

// GivenUp is the delivery when it is not even tried.
func (d Delivery) GivenUp(why string, now time.Time) Delivery {
	d.State, d.Error, d.NextAt, d.EndedAt = Dead, why, time.Time{}, now
	return d
}

// Again is the delivery when a person sends it again: as if it were new.
func (d Delivery) Again(now time.Time) Delivery {
	d.State, d.Attempts, d.NextAt, d.Status, d.Error, d.EndedAt = Pending, 0, now, 0, "", time.Time{}
	return d
}

// How long deliveries that ended are kept, and how many of each receiver at most.
const (
	KeepDelivered = 24 * time.Hour
	KeepDead      = 30 * 24 * time.Hour
	KeepMost      = 1000
)

// Expired reports whether an ended delivery is beyond its time.
func (d Delivery) Expired(now time.Time) bool {
	switch d.State {
	case Delivered:
		return now.Sub(d.EndedAt) > KeepDelivered
	case Dead:
		return now.Sub(d.EndedAt) > KeepDead
	}
	return false
}
