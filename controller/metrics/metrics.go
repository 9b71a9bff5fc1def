package metrics

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics is the registry of a process and the methods that events are told to.
type Metrics struct {
	registry *prometheus.Registry

	request   *prometheus.HistogramVec
	operation *prometheus.HistogramVec
	match     *prometheus.HistogramVec
	fulfilled prometheus.Histogram
	batch     prometheus.Histogram
	commit    prometheus.Histogram
	remote    *prometheus.CounterVec

	requestValues   *values
	operationValues *values
}

// New registers everything. It starts nothing.
func New(o Options) *Metrics {
	m := &Metrics{
		registry:  prometheus.NewRegistry(),
		request:   histograms(nameRequest, "Time to answer requests of the API, by route, method and status code.", requestBuckets, "route", "method", "code"),
		operation: histograms(nameOperation, "Time from request to end of operations, by kind and how they ended.", operationBuckets, "kind", "state"),
		match:     histograms(nameMatch, "Time to find a server, by result: exact, closest or none.", matchBuckets, "result"),
		fulfilled: histogram(nameFulfilled, "Time from the placing of an order to its active service.", operationBuckets),
		batch:     histogram(nameBatch, "Changes that shared one transaction of the store.", batchBuckets),
		commit:    histogram(nameCommit, "Time to commit a transaction to the store.", commitBuckets),
		remote: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: nameRemote, Help: "Requests to the backends of remote modules, by outcome: ok, or the kind of fault.",
		}, []string{"outcome"}),
		requestValues:   newValues(10 * MaxValues), // every route, method and code
		operationValues: newValues(MaxValues),
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&scrape{Options: o, now: time.Now},
		m.request, m.operation, m.match, m.fulfilled, m.batch, m.commit, m.remote,
	)
	return m
}

func opts(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}
}

func histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(opts(name, help, buckets), labels)
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(opts(name, help, buckets))
}

// Handler answers scrapes, at most four at a time. A figure that cannot be
// collected is left out, the others are still told.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: 4,
		Timeout:             20 * time.Second,
		ErrorHandling:       promhttp.ContinueOnError,
		Registry:            m.registry,
	})
}

// Request records an answer of the API. The route is its pattern ("/v1/servers/{id}"),
// never the path that was asked for.
func (m *Metrics) Request(route, method string, code int, took time.Duration) {
	labels := m.requestValues.bounded(route, method, strconv.Itoa(code))
	m.request.WithLabelValues(labels...).Observe(took.Seconds())
}

// OperationFinished records the end of an operation, with the time since it was asked for.
func (m *Metrics) OperationFinished(kind, state string, took time.Duration) {
	m.operation.WithLabelValues(m.operationValues.bounded(kind, state)...).Observe(took.Seconds())
}

// Matched records a search for a server.
func (m *Metrics) Matched(found, exact bool, took time.Duration) {
	result := "closest"
	switch {
	case !found:
		result = "none"
	case exact:
		result = "exact"
	}
	m.match.WithLabelValues(result).Observe(took.Seconds())
}

// RemoteRequest records a request to the backend of a remote module. Outcome is "ok" or one of the kinds of
// fault.
func (m *Metrics) RemoteRequest(outcome string) { m.remote.WithLabelValues(outcome).Inc() }

// OrderFulfilled records an order that became an active service.
func (m *Metrics) OrderFulfilled(took time.Duration) { m.fulfilled.Observe(took.Seconds()) }

// Committed records a transaction of the store and how many changes it held.
func (m *Metrics) Committed(changes int, took time.Duration) {
	m.batch.Observe(float64(changes))
	m.commit.Observe(took.Seconds())
}
