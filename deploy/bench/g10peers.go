package main

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"

	vm "github.com/VictoriaMetrics/metrics"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// collector makes constant metrics at each scrape: what the library says is for figures that live elsewhere.
type collector []constants

type constants struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	rows []constant
}

type constant struct {
	labels []string
	value  float64
}

func (c collector) Describe(to chan<- *prometheus.Desc) {
	for i := range c {
		to <- c[i].desc
	}
}

func (c collector) Collect(to chan<- prometheus.Metric) {
	for i := range c {
		for k := range c[i].rows {
			to <- prometheus.MustNewConstMetric(c[i].desc, c[i].kind, c[i].rows[k].value, c[i].rows[k].labels...)
		}
	}
}

// serveGolang is the child with Prometheus' library.
func serveGolang(args []string) (any, func([]string) (any, error), error) {
	f, err := os.Open(args[0])
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return nil, nil, err
	}
	var c collector
	for name, family := range families {
		c = append(c, constantsOf(name, family))
		delete(families, name)
	}
	r := prometheus.NewRegistry()
	if err := r.Register(c); err != nil {
		return nil, nil, err
	}
	h := promhttp.HandlerFor(r, promhttp.HandlerOpts{})
	return nil, func(words []string) (any, error) { return scrape(h, words[0]) }, nil
}

func constantsOf(name string, family *dto.MetricFamily) constants {
	var labels []string
	for _, l := range family.Metric[0].Label {
		labels = append(labels, l.GetName())
	}
	c := constants{desc: prometheus.NewDesc(name, family.GetHelp(), labels, nil), kind: prometheus.GaugeValue}
	if family.GetType() == dto.MetricType_COUNTER {
		c.kind = prometheus.CounterValue
	}
	for _, m := range family.Metric {
		one := constant{value: m.GetGauge().GetValue() + m.GetCounter().GetValue()}
		for _, l := range m.Label {
			one.labels = append(one.labels, l.GetValue())
		}
		c.rows = append(c.rows, one)
	}
	return c
}

// serveVictoria is the child with VictoriaMetrics' library, which keeps each series made. All are its counters, whose whole numbers it writes fastest.
func serveVictoria(args []string) (any, func([]string) (any, error), error) {
	f, err := os.Open(args[0])
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	set := vm.NewSet()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		n, err := strconv.ParseUint(line[at+1:], 10, 64)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", line, err)
		}
		set.NewCounter(strings.Clone(line[:at])).Set(n)
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") == "" {
			set.WritePrometheus(w)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		set.WritePrometheus(z)
		_ = z.Close() // it takes all
	})
	return nil, func(words []string) (any, error) { return scrape(h, words[0]) }, lines.Err()
}
