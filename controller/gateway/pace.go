package gateway

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// hosts limits how often one address may do something. It holds a bounded number of
// addresses; when there are more, those that are back to full credit are forgotten first.
type hosts struct {
	mu     sync.Mutex
	rate   rate.Limit
	burst  int
	limits map[string]*rate.Limiter
}

// maxHosts bounds what strangers can make us remember.
const maxHosts = 4096

func newHosts(perSecond float64) *hosts {
	return &hosts{rate: rate.Limit(perSecond), burst: max(1, int(2*perSecond)), limits: map[string]*rate.Limiter{}}
}

func (h *hosts) allow(host string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.limits[host]
	if l == nil {
		if len(h.limits) >= maxHosts {
			h.forget()
		}
		l = rate.NewLimiter(h.rate, h.burst)
		h.limits[host] = l
	}
	return l.Allow()
}

// forget drops the idle, and everybody if all are busy.
func (h *hosts) forget() {
	for host, l := range h.limits {
		if l.Tokens() >= float64(h.burst) {
			delete(h.limits, host)
		}
	}
	if len(h.limits) >= maxHosts {
		clear(h.limits)
	}
}

// paced lets a thing happen once in a while for each key.
type paced struct {
	mu    sync.Mutex
	every time.Duration
	last  map[string]time.Time
}

func newPaced(every time.Duration) *paced { return &paced{every: every, last: map[string]time.Time{}} }

func (p *paced) due(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Sub(p.last[key]) < p.every {
		return false
	}
	for k, at := range p.last {
		if now.Sub(at) >= p.every {
			delete(p.last, k)
		}
	}
	p.last[key] = now
	return true
}

// allowance is what one session may send. A healthy agent stays far below.
type allowance struct {
	tokens float32
	last   time.Time
}

const (
	messagesPerSecond = 20
	messagesAtOnce    = 400
	reportCost        = 40 // a report may cost a write to the store: one every two seconds, ten at once
)

// take pays for a message; false means that the agent floods.
func (a *allowance) take(now time.Time, cost float32) bool {
	if a.last.IsZero() {
		a.tokens = messagesAtOnce
	} else {
		a.tokens = min(messagesAtOnce, a.tokens+float32(now.Sub(a.last).Seconds()*messagesPerSecond))
	}
	a.last = now
	if a.tokens < cost {
		return false
	}
	a.tokens -= cost
	return true
}
