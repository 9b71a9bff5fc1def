package link

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/steelyard/steelyard/protocol/session"
)

// Bounds of the reconnect back-off.
const (
	firstBound = time.Second
	leastCap   = 30 * time.Second
	mostCap    = 15 * time.Minute
)

// backoff says how long to wait before the next attempt: a random time between zero
// and a bound (full jitter). After a session that stood the bound is what the controller asked
// for, so that a fleet that lost its controller comes back spread out; with every attempt that
// fails it doubles, up to the cap.
type backoff struct {
	spread   time.Duration // what the controller asked for last
	failures int
}

// stood notes a session that was welcomed.
func (b *backoff) stood(maxSeconds int) {
	b.failures = 0
	b.spread = min(time.Duration(max(maxSeconds, 0))*time.Second, mostCap)
}

// next is the wait after err.
func (b *backoff) next(err error) time.Duration {
	wait := rand.N(b.bound() + 1)
	b.failures++
	var left *session.Left
	if errors.As(err, &left) && left.Retry > 0 {
		return left.Retry + rand.N(left.Retry/4+1)
	}
	return wait
}

func (b *backoff) bound() time.Duration {
	grown := firstBound << min(b.failures, 20)
	return min(max(b.spread, grown), max(b.spread, leastCap))
}
