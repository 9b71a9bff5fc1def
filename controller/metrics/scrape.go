package metrics

import (
	"cmp"
	"context"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard/steelyard/controller/core/address"
)

// etcdPatience bounds the question for the size of the database.
const etcdPatience = 2 * time.Second

// scrape turns the standing figures into metrics, when it is asked.
type scrape struct {
	Options
	now func() time.Time
	mu  sync.Mutex // the functions of Options are called one at a time
}

// Describe names every metric, also those whose function is nil.
func (s *scrape) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range standing {
		ch <- d
	}
}

// Collect asks each function once.
func (s *scrape) Collect(ch chan<- prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := sink{ch}
	out.gauge(build, 1, s.Version, runtime.Version())
	if s.Fleet != nil {
		out.fleet(s.Fleet())
	}
	if s.Sessions != nil {
		out.sessions(s.Sessions())
	}
	if s.View != nil {
		out.view(s.View(), s.now())
	}
	if s.Store != nil {
		out.store(s.Store())
	}
	if s.Leader != nil {
		out.gauge(leader, truth(s.Leader()))
	}
	if s.Notify != nil {
		out.notify(s.Notify())
	}
	if s.Netboot != nil {
		out.netboot(s.Netboot())
	}
	s.etcd(out)
}

func (s *scrape) etcd(out sink) {
	if s.Etcd == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), etcdPatience)
	defer cancel()
	e, err := s.Etcd(ctx)
	out.gauge(etcdUp, truth(err == nil))
	if err != nil {
		return
	}
	out.gauge(etcdSize, float64(e.Size))
	out.gauge(etcdInUse, float64(e.InUse))
	if e.Quota > 0 {
		out.gauge(etcdQuota, float64(e.Quota))
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// sink sends constant metrics.
type sink struct{ ch chan<- prometheus.Metric }

func (o sink) gauge(d *prometheus.Desc, v float64, labels ...string) {
	o.ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (o sink) counter(d *prometheus.Desc, v uint64, labels ...string) {
	o.ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func (o sink) fleet(f Fleet) {
	for k, n := range f.Servers {
		o.gauge(servers, float64(n), clean(k.Approval), clean(k.Claim), strconv.FormatBool(k.Available))
	}
	for k, n := range f.Operations {
		o.gauge(operations, float64(n), clean(k.Kind), clean(k.State))
	}
	o.gauges(unavailable, f.Rules)
	o.gauges(byLabel, f.Labels)
	o.gauges(orders, f.Orders)
	o.gauges(services, f.Services)
	o.tasks(f.Tasks)
	o.pools(f.Pools)
	o.gauge(overridden, float64(f.Overridden))
	o.gauge(present, float64(f.Connected))
	o.gauge(classes, float64(f.Classes))
}

func (o sink) gauges(d *prometheus.Desc, counts map[string]int) {
	for value, n := range capped(counts) {
		o.gauge(d, float64(n), value)
	}
}

func (o sink) counters(d *prometheus.Desc, counts map[string]uint64) {
	for value, n := range capped(counts) {
		o.counter(d, n, value)
	}
}

// pools caps the pools, which people name.
func (o sink) pools(list []Pool) {
	for _, p := range list[:min(len(list), MaxValues)] {
		for state, n := range map[string]uint64{address.Used: p.Used, address.Resting: p.Resting, "free": p.Free} {
			o.gauge(addresses, float64(n), clean(p.Name), p.Family, state)
		}
	}
}

// tasks caps the departments, which people name.
func (o sink) tasks(counts map[Assigned]int) {
	kinds := map[string]map[string]int{}
	for k, n := range counts {
		if kinds[k.Kind] == nil {
			kinds[k.Kind] = map[string]int{}
		}
		kinds[k.Kind][k.Department] += n
	}
	for kind, departments := range kinds {
		for department, n := range capped(departments) {
			o.gauge(tasks, float64(n), clean(kind), department)
		}
	}
}

// capped cleans the keys and keeps MaxValues of them, in the order of their names;
// the others are added up under "other".
func capped[N int | uint64](counts map[string]N) map[string]N {
	out := make(map[string]N, min(len(counts), MaxValues+1))
	for _, key := range slices.SortedFunc(maps.Keys(counts), cmp.Compare) {
		name := clean(key)
		if _, ok := out[name]; !ok && len(out) >= MaxValues {
			name = other
		}
		out[name] += counts[key]
	}
	return out
}

func (o sink) sessions(s Sessions) {
	o.gauge(sessions, float64(s.Open))
	o.counter(handshakes, s.Handshakes)
	o.counter(resumed, s.Resumed)
	o.counter(enrolments, s.Enrolled)
	o.counter(lost, s.Lost)
	o.counter(reports, s.Reports)
	o.counter(agentBytes, s.BytesIn, "in")
	o.counter(agentBytes, s.BytesOut, "out")
	o.counters(refused, s.Refused)
	o.counters(badFrames, s.BadFrames)
}

func (o sink) view(v View, now time.Time) {
	o.gauge(viewRevision, float64(v.Revision))
	o.gauge(viewLag, float64(max(v.Committed-v.Revision, 0)))
	stale := 0.0
	if !v.StaleSince.IsZero() {
		stale = max(now.Sub(v.StaleSince).Seconds(), 0)
	}
	o.gauge(viewStale, stale)
}

func (o sink) store(s Store) {
	o.counter(commits, s.Commits)
	o.counter(changes, s.Changes)
	o.counter(conflicts, s.Conflicts)
	o.counter(retries, s.Retries)
}

func (o sink) notify(n Notify) {
	for k, v := range n.Attempts {
		o.counter(attempts, v, clean(k.Channel), clean(k.Outcome))
	}
	o.gauges(pending, n.Pending)
	o.gauges(dead, n.Dead)
	o.gauge(outbox, float64(n.Events))
	o.gauge(oldest, n.Oldest.Seconds())
}

func (o sink) netboot(n Netboot) {
	o.counters(boots, n.Boots)
	o.counter(bootTokens, n.Tokens)
	o.counter(dnsmasq, n.Restarts)
}
