package series

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// ContentType is that of the text format.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// packers are compressors of the fastest level: on figures the better ones take five times as long for a tenth of the bytes.
var packers = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	return w
}}

// Serve answers with the tables, compressed if the reader takes it. Where it went away the rest is not written.
func Serve(w http.ResponseWriter, r *http.Request, tables ...*Table) {
	h := w.Header()
	h.Set("Content-Type", ContentType)
	h.Add("Vary", "Accept-Encoding")
	if r.Method == http.MethodHead {
		return
	}
	if !takesGzip(r.Header.Get("Accept-Encoding")) {
		_ = writeAll(w, tables) // the reader is gone
		return
	}
	h.Set("Content-Encoding", "gzip")
	z := packers.Get().(*gzip.Writer)
	defer packers.Put(z)
	z.Reset(w)
	if writeAll(z, tables) == nil {
		_ = z.Close() // the reader is gone
	}
	z.Reset(nil) // keeps no connection alive
}

func writeAll(w io.Writer, tables []*Table) error {
	for _, t := range tables {
		if _, err := t.WriteTo(w); err != nil {
			return err
		}
	}
	return nil
}

// takesGzip reads an Accept-Encoding.
func takesGzip(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		name, q, weighed := strings.Cut(strings.TrimSpace(part), ";")
		if name = strings.TrimSpace(name); !strings.EqualFold(name, "gzip") && name != "*" {
			continue
		}
		if weight, ok := strings.CutPrefix(strings.TrimSpace(q), "q="); weighed && ok {
			if f, err := strconv.ParseFloat(weight, 64); err == nil && f == 0 {
				continue
			}
		}
		return true
	}
	return false
}

// Gate lets so many readers in at a time; the next one is told to come again. Each of them costs the memory of its tables.
func Gate(most int, next http.Handler) http.Handler {
	places := make(chan struct{}, most)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			next.ServeHTTP(w, r)
		default:
			w.Header().Set("Retry-After", "5")
			http.Error(w, "others are reading these metrics; try again in 5 s", http.StatusServiceUnavailable)
		}
	})
}
