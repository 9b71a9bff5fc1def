package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/controller/metrics"
	"github.com/steelyard/steelyard/protocol"
)

// G10: one scrape of a million series of accounts, from figures in memory to the last byte, against a collector of Prometheus' own library that makes the same series at each scrape, and
// against VictoriaMetrics' library, which keeps them made. Each is a child of its own; both peers get exactly the lines that ours wrote.

const (
	seriesAccounts = 55_556 // of 18 series each
	seriesRounds   = 4
)

// scraped is what one scrape cost.
type scraped struct {
	CPU   float64 // ms, of the whole process
	Bytes int64
	Over  float64 // MiB: the largest memory meanwhile, over that before
}

func measureSeries(ctx context.Context, b *bench) error {
	file := filepath.Join(b.dir, "series.txt")
	ours, err := spawn(ctx, nil, "series-steelyard")
	if err != nil {
		return err
	}
	defer ours.stop()
	if err := ours.ask(nil, "file %s", file); err != nil {
		return err
	}
	n, err := countSeries(file)
	if err != nil {
		return fmt.Errorf("what was written is not what Prometheus reads: %w", err)
	}
	peers := map[string]*child{}
	for _, role := range []string{"series-golang", "series-victoria"} {
		if peers[role], err = spawn(ctx, nil, role, file); err != nil {
			return err
		}
		defer peers[role].stop()
	}
	best, err := bestScrapes(ours, peers)
	if err != nil {
		return err
	}
	b.note("G10: %d series of %d accounts, %.0f MiB of text, %.1f MiB compressed", n, seriesAccounts, float64(best["ours plain"].Bytes)/(1<<20), float64(best["ours gzip"].Bytes)/(1<<20))
	per := func(what string) float64 { return best[what].CPU * 1e6 / float64(n) }
	row := func(name, ours, peer string) Row {
		return Row{Goal: "G10", Name: name, Ours: per(ours), Peer: num(per(peer)), Unit: "ns/series"}
	}
	b.add(
		row("scrape of 1M series, plain, CPU, against client_golang", "ours plain", "series-golang plain").ratioAtMost(per("ours plain")/per("series-golang plain"), 0.05),
		row("scrape of 1M series, plain, CPU, against VictoriaMetrics/metrics", "ours plain", "series-victoria plain").ratioAtMost(per("ours plain")/per("series-victoria plain"), 0.5),
		row("scrape of 1M series, gzip, CPU, against client_golang", "ours gzip", "series-golang gzip").ratioAtMost(per("ours gzip")/per("series-golang gzip"), 0.1),
		Row{Goal: "G10", Name: "CPU of 1M series, gzip", Ours: per("ours gzip") / 1000, Unit: "s"}.oursAtMost(1),
		Row{Goal: "G10", Name: "memory of a scrape over idle, gzip", Ours: best["ours gzip"].Over, Unit: "MiB"}.oursAtMost(64),
	)
	return nil
}

// bestScrapes scrapes all in turn, and keeps the cheapest of each; of memory the largest.
func bestScrapes(ours *child, peers map[string]*child) (map[string]scraped, error) {
	best := map[string]scraped{}
	for range seriesRounds {
		for name, c := range map[string]*child{"ours": ours, "series-golang": peers["series-golang"], "series-victoria": peers["series-victoria"]} {
			for _, how := range []string{"plain", "gzip"} {
				var s scraped
				if err := c.ask(&s, "%s", how); err != nil {
					return nil, err
				}
				key := name + " " + how
				if old, ok := best[key]; ok {
					s.CPU, s.Over = math.Min(s.CPU, old.CPU), math.Max(s.Over, old.Over)
				}
				best[key] = s
			}
		}
	}
	return best, nil
}

// countSeries reads a scrape as Prometheus' library reads it.
func countSeries(file string) (n int, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bufio.NewReaderSize(f, 1<<20))
	for _, family := range families {
		n += len(family.Metric)
	}
	return n, err
}

// serveSeries is the child that shows our figures.
func serveSeries([]string) (any, func([]string) (any, error), error) {
	all := accountFigures()
	h := metrics.Accounts(func() iter.Seq[*usage.Figures] {
		return func(yield func(*usage.Figures) bool) {
			for i := range all {
				if !yield(&all[i]) {
					return
				}
			}
		}
	})
	return nil, func(words []string) (any, error) {
		if words[0] != "file" {
			return scrape(h, words[0])
		}
		f, err := os.Create(words[1])
		if err != nil {
			return nil, err
		}
		defer f.Close()
		w := bufio.NewWriterSize(f, 1<<20)
		h.ServeHTTP(&taker{to: w, header: http.Header{}}, request("plain"))
		return nil, w.Flush()
	}, nil
}

// accountFigures are accounts as hosting has them: all with limits, and with traffic of each class.
func accountFigures() []usage.Figures {
	at := time.Unix(1_795_000_000, 0)
	limit := reselling.AtMost(10_240)
	all := make([]usage.Figures, seriesAccounts)
	for i := range all {
		n := uint64(i)*7919 + 12345
		var t usage.Traffic
		for c := range t {
			t[c] = protocol.Traffic{In: n * 31 << c, Out: n * 977 << c}
		}
		all[i] = usage.Figures{
			Account: fmt.Sprintf("acc-%016d", i), Domain: fmt.Sprintf("customer%d.example.org", i), User: fmt.Sprintf("customer%d", i), Reseller: "rsl-0123456789abcdef", Customer: fmt.Sprintf("org-%016d", i), Server: fmt.Sprintf("srv-%016d", i/500),
			Storage: usage.Takes(&usage.Space{Home: n, WWW: n * 641, Mail: n * 43, Databases: n * 17, At: uint64(at.Unix())}, limit),
			Months:  []usage.Month{usage.Was("2026-11", &t, limit, at, false)},
		}
	}
	return all
}

func request(how string) *http.Request {
	r, _ := http.NewRequest(http.MethodGet, "/metrics/accounts", http.NoBody) // nothing of it can be wrong
	if how == "gzip" {
		r.Header.Set("Accept-Encoding", "gzip")
	}
	return r
}

// scrape asks once, and tells what it cost this process.
func scrape(h http.Handler, how string) (scraped, error) {
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil { // the peak begins anew
		return scraped{}, err
	}
	before, err := memory("VmRSS")
	if err != nil {
		return scraped{}, err
	}
	w := &taker{to: io.Discard, header: http.Header{}}
	start := processCPU()
	h.ServeHTTP(w, request(how))
	took := processCPU() - start
	peak, err := memory("VmHWM")
	if err == nil && (w.status != 0 && w.status != http.StatusOK || w.n == 0 || (how == "gzip") != (w.header.Get("Content-Encoding") == "gzip")) {
		err = fmt.Errorf("the answer has status %d, %d bytes, %v", w.status, w.n, w.header)
	}
	return scraped{CPU: millis(took), Bytes: w.n, Over: peak - before}, err
}

// memory is a line of this process' status, in MiB.
func memory(name string) (float64, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if rest, ok := strings.CutPrefix(string(line), name+":"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("the kernel tells no %s", name)
}

// taker is a reader that takes all at once.
type taker struct {
	to     io.Writer
	header http.Header
	status int
	n      int64
}

func (s *taker) Header() http.Header    { return s.header }
func (s *taker) WriteHeader(status int) { s.status = status }
func (s *taker) Write(p []byte) (int, error) {
	s.n += int64(len(p))
	return s.to.Write(p)
}
