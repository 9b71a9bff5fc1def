package fleet

import "time"

// A server that is switched again and again by itself has a fault that switching does
// not mend: after flapMost times within flapWithin it is tried once in flapEvery,
// and a person is told.
const (
	flapWithin = 6 * time.Hour
	flapEvery  = time.Hour
	flapMost   = 3
)

// NextTry tells when a server may be switched by itself again (rules B28, B29), and whether it
// flaps. tries are the times when it was, oldest first.
func NextTry(tries []time.Time, now time.Time) (at time.Time, flaps bool) {
	recent := recentTries(tries, now)
	if len(recent) == 0 {
		return now, false
	}
	last := recent[len(recent)-1]
	switch len(recent) {
	case 1:
		return last.Add(time.Minute), false
	case 2:
		return last.Add(5 * time.Minute), false
	}
	return last.Add(flapEvery), true
}

// Tried is tries with one more, and without those that do not count any more.
func Tried(tries []time.Time, now time.Time) []time.Time {
	kept := append(recentTries(tries, now), now)
	return kept[max(0, len(kept)-flapMost):]
}

func recentTries(tries []time.Time, now time.Time) []time.Time {
	for i, t := range tries {
		if now.Sub(t) < flapWithin {
			return append([]time.Time(nil), tries[i:]...)
		}
	}
	return nil
}
