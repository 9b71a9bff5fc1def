package series

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func sample(n int) *Table {
	t := NewLayout(
		Metric{Name: "x_storage_bytes", Kind: Gauge, Help: "Stored, by class.", Each: []string{Label("class", "home"), Label("class", "mail")}},
		Metric{Name: "x_wear_ratio", Kind: Gauge, Help: `A \ and a` + "\nline.", Thousandths: true},
		Metric{Name: "x_bytes_total", Kind: Counter, Help: "Sent."},
	).New()
	for i := range n {
		r := t.Row()
		r.Label("account", fmt.Sprint("acc-", i))
		r.Label("domain", fmt.Sprintf("a%d.example", i))
		r.Set(0, int64(i))
		if i%2 == 0 {
			r.Set(1, 0)
		}
		r.Set(2, int64(-i))
		r.SetBytes(3, uint64(i)<<32)
	}
	return t
}

func TestU10_SeriesAreWrittenMetricByMetric(t *testing.T) {
	const n = 3*rows + 7
	table := sample(n)
	var b bytes.Buffer
	size, err := table.WriteTo(&b)
	if err != nil || size != int64(b.Len()) || table.Len() != n {
		t.Fatalf("%d bytes of %d, %d rows: %v", size, b.Len(), table.Len(), err)
	}
	for _, want := range []string{
		"# HELP x_wear_ratio A \\\\ and a\\nline.\n# TYPE x_wear_ratio gauge\n" + `x_wear_ratio{account="acc-0",domain="a0.example"} 0` + "\n",
		"\n" + `x_storage_bytes{account="acc-2000",domain="a2000.example",class="home"} 2000` + "\n",
		"\n" + `x_storage_bytes{account="acc-2000",domain="a2000.example",class="mail"} 0` + "\n", // a real zero
		"\n" + `x_wear_ratio{account="acc-1501",domain="a1501.example"} -1.501` + "\n",
		"\n" + `x_bytes_total{account="acc-3000",domain="a3000.example"} 12884901888000` + "\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("there is no %q", want)
		}
	}
	for name, want := range map[string]int{"x_storage_bytes{": n + (n+1)/2, "x_wear_ratio{": n, "x_bytes_total{": n, "# ": 6, "acc-2001\",domain=\"a2001.example\",class=\"mail": 0} {
		if got := strings.Count("\n"+b.String(), "\n"+name); got != want {
			t.Errorf("%d lines begin with %q, not %d", got, name, want)
		}
	}
}

// The library of Prometheus writes the same label, whatever is in it.
func TestU10_LabelsOfStrangersStayLabels(t *testing.T) {
	for _, value := range []string{"", `a"} 1`, "x\ny 5", `back\slash`, "ümlaut", `\`, "a,b=\"c\""} {
		table := NewLayout(Metric{Name: "x", Kind: Gauge, Help: "h"}).New()
		r := table.Row()
		r.Label("a", value)
		r.Label("b", "end")
		r.Set(0, 1)
		var b bytes.Buffer
		_, _ = table.WriteTo(&b)
		library := prometheus.NewRegistry()
		vec := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "x", Help: "h"}, []string{"a", "b"})
		vec.WithLabelValues(value, "end").Set(1)
		library.MustRegister(vec)
		w := httptest.NewRecorder()
		promhttp.HandlerFor(library, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if w.Body.String() != b.String() {
			t.Errorf("%q is written as\n%s, by the library as\n%s", value, b.String(), w.Body)
		}
	}
	if got := Label("a", "\xff\xfe"); got != `a="�"` {
		t.Errorf("what is no UTF-8 is written as %s", got)
	}
}

func TestU10_AFigureThatIsNotKnownIsAbsent(t *testing.T) {
	table := NewLayout(Metric{Name: "x", Kind: Gauge, Help: "h"}, Metric{Name: "y_total", Kind: Counter, Help: "h"}).New()
	r := table.Row()
	r.Label("a", "b")
	r.SetBytes(1, math.MaxUint64)
	var b bytes.Buffer
	_, _ = table.WriteTo(&b)
	if strings.Contains(b.String(), "{") {
		t.Errorf("something is shown:\n%s", b.String())
	}
}

func TestU10_ServeCompressesForThoseWhoTakeIt(t *testing.T) {
	table := sample(5000)
	var want bytes.Buffer
	_, _ = table.WriteTo(&want)
	for accept, packed := range map[string]bool{"": false, "gzip": true, "deflate, gzip;q=0.5": true, "gzip;q=0": false, "identity": false, "*": true} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept-Encoding", accept)
		w := httptest.NewRecorder()
		Serve(w, r, table)
		if w.Header().Get("Content-Type") != ContentType || (w.Header().Get("Content-Encoding") == "gzip") != packed {
			t.Fatalf("%q: %v", accept, w.Header())
		}
		var body io.Reader = w.Body
		if packed {
			z, err := gzip.NewReader(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			body = z
		}
		if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("%q: %d bytes instead of %d (%v)", accept, len(got), want.Len(), err)
		}
	}
}

// broken takes a little and then nothing.
type broken struct{ left int }

var errGone = errors.New("gone")

func (b *broken) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errGone
	}
	return len(p), nil
}

func TestU10_AReaderThatGoesAwayEndsTheWriting(t *testing.T) {
	if _, err := sample(20_000).WriteTo(&broken{left: 3 * block}); !errors.Is(err, errGone) {
		t.Errorf("it ended with %v", err)
	}
}

func TestU10_GateBoundsReaders(t *testing.T) {
	inside, leave := make(chan struct{}), make(chan struct{})
	h := Gate(1, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside <- struct{}{}; <-leave }))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}()
	<-inside
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("the second reader got %d", w.Code)
	}
	close(leave)
	<-ended
}

// A series costs no allocation when it is written.
func TestU10_WritingAllocatesNothingPerSeries(t *testing.T) {
	table := sample(4 * rows)
	if n := testing.AllocsPerRun(5, func() { _, _ = table.WriteTo(io.Discard) }); n > 60 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkWrite(b *testing.B) {
	table := sample(100_000)
	for b.Loop() {
		_, _ = table.WriteTo(io.Discard)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/350_000, "ns/series")
}
