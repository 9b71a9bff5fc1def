package api

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limiter gives each key a bucket of its own and forgets the ones that are full
// again. It counts in this process only.
type limiter struct {
	every rate.Limit
	burst int
	most  int // keys; beyond them the fullest half goes

	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	limit *rate.Limiter
	seen  time.Time
}

// newLimiter allows burst at once and perSecond after that.
func newLimiter(perSecond float64, burst int) *limiter {
	return &limiter{every: rate.Limit(perSecond), burst: burst, most: 1 << 16, buckets: map[string]*bucket{}}
}

// take uses one of the key's tokens. When there is none it tells how long to wait.
func (l *limiter) take(key string, now time.Time) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[key]
	if b == nil {
		l.tidy(now)
		b = &bucket{limit: rate.NewLimiter(l.every, l.burst)}
		l.buckets[key] = b
	}
	b.seen = now
	r := b.limit.ReserveN(now, 1)
	if wait = r.DelayFrom(now); wait == 0 {
		return 0, true
	}
	r.CancelAt(now)
	return wait, false
}

// tidy drops buckets that have filled up since; nobody can tell the difference.
// When strangers fill the table faster than that, it starts anew: a limiter that
// eats all memory would be worse than one that forgets.
func (l *limiter) tidy(now time.Time) {
	if len(l.buckets) < l.most {
		return
	}
	full := time.Duration(float64(l.burst) / float64(l.every) * float64(time.Second))
	for key, b := range l.buckets {
		if now.Sub(b.seen) > full {
			delete(l.buckets, key)
		}
	}
	if len(l.buckets) >= l.most {
		clear(l.buckets)
	}
}
