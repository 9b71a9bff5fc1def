package meter

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/agent/meter/book"
)

func TestU2_ALineOfNginx(t *testing.T) {
	const head = `192.0.2.7 - - [23/Nov/2026:20:00:00 +0000] "GET / HTTP/1.1" 200 612 "-" "`
	for line, want := range map[string]book.Traffic{
		head + `curl" 1763928000.123 "example.de" 78 845 "OK"`:                                                 {In: 78, Out: 845},
		head + `\x22 1.000 \x22evil.de\x22 999 999 \x22OK\x22" 1763928000.123 "example.de" 78 999999999999 ""`: {In: 78, Out: 999999999999},
		head + `" 1763928000.123 "" 0 0 ""`:                                                                    {},
	} {
		q, got, ok := www([]byte(line))
		if !ok || got != want || q != 1763928000/900 {
			t.Errorf("%s: %v %+v %t", line, q, got, ok)
		}
	}
	for _, line := range []string{
		"", `"`, `""`, `"OK"`, ` "OK"`, `1 2 "OK"`, `"h" 1 2 "OK"`, `1.000 "h" 1 2 "OK"`, head + `x" 1763928000 "h" 1 2 "OK"`, head + `x" 1763928000.12 "h" 1 2 "OK"`,
		head + `x" 1763928000.123 "h" -1 2 "OK"`, head + `x" 1763928000.123 "h" 1 2222222222222222222 "OK"`, head + `x" 1763928000.123 "h" 1 2 OK`, head + `x" 1763928000.123 "h" 1  "OK"`,
		head + `x" 1763928000.123 "h" 1 2 "OK" `,
	} {
		if q, got, ok := www([]byte(line)); ok {
			t.Errorf("%q: %v %+v", line, q, got)
		}
	}
}

func TestU2_ALineOfProFTPD(t *testing.T) {
	for line, want := range map[string]book.Traffic{
		`1763928000 alice RETR 226 1000 50 1200 "success" "/srv/hosting/alice/a b"`:   {Out: 1000},
		`1763928000 alice_web STOR 226 1000 1100 200 "success" "/x 1 STOR 226 9999 "`: {In: 1000},
		`1763928000 alice APPE 426 10 1100 200 "cancelled" ""`:                        {In: 10},
		`1763928000 alice EXIT - - 1100 200 "-" "-"`:                                  {},
		`1763928000 alice SIZE 213 - 1100 200 "-" "-"`:                                {},
	} {
		user, q, got, ok := ftp([]byte(line))
		if !ok || user != "alice" || got != want || q != 1763928000/900 {
			t.Errorf("%s: %s %v %+v %t", line, user, q, got, ok)
		}
	}
	for _, line := range []string{"", "x", `x alice RETR 226 1000 50 1200 "success" "/"`, `1763928000 alice RETR 226 10x 50 1200 "success" "/"`, "1763928000 alice RETR 226 1000 50 1200"} {
		if user, _, _, ok := ftp([]byte(line)); ok {
			t.Errorf("%q: %s", line, user)
		}
	}
}

// FuzzLine: no line stops the meter, and a known one is no longer than its figures allow.
func FuzzLine(f *testing.F) {
	f.Add([]byte(`1.1.1.1 - - [x] "GET / HTTP/1.1" 200 612 "-" "curl" 1763928000.123 "example.de" 78 845 "OK"`))
	f.Add([]byte(`1763928000 alice RETR 226 1000 50 1200 "success" "/srv"`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if _, c, ok := www(line); ok && (c.In > 1e18 || c.Out > 1e18 || line[len(line)-1] != '"') {
			t.Errorf("%q: %+v", line, c)
		}
		if _, _, c, ok := ftp(line); ok && c.In > 0 && c.Out > 0 {
			t.Errorf("%q: %+v", line, c)
		}
	})
}

// TestForeignLogsAreNotTaken: real logs in other formats are unknown to the last line; none is counted by half.
func TestForeignLogsAreNotTaken(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/data/usage-logs/*/*.log.gz")
	more, _ := filepath.Glob("../../../shared/data/usage-logs/crowdsec/*/*/*.log")
	if files = append(files, more...); len(files) == 0 {
		t.Skip("no samples of logs here")
	}
	for _, path := range files {
		for line := range bytes.Lines(content(t, path)) {
			line = bytes.TrimRight(line, "\n")
			if _, c, ok := www(line); ok {
				t.Errorf("%s: %q as a line of nginx: %+v", path, line, c)
			}
			if _, _, c, ok := ftp(line); ok {
				t.Errorf("%s: %q as a line of ProFTPD: %+v", path, line, c)
			}
		}
	}
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(path, ".gz") {
		r, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if b, err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// BenchmarkLines counts a log of a busy site; the figure is its bytes.
func BenchmarkLines(b *testing.B) {
	var log bytes.Buffer
	for i := range 10_000 {
		fmt.Fprintf(&log, "192.0.2.%d - - [23/Nov/2026:20:00:00 +0000] \"GET /articles/%d/index.html HTTP/1.1\" 200 %d \"https://example.de/\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36\" %d.%03d \"example.de\" %d %d \"OK\"\n", i%250, i, i*7, 1763928000+i/100, i%1000, 400+i%90, i*7+300)
	}
	s := &source{name: "www:a", count: countWWW}
	c := &counts{at: map[string]int{}, account: "a"}
	b.SetBytes(int64(log.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if x := s.batch(tailPiece(log.Bytes()), c, func(string, []byte) {}); x.Unknown > 0 {
			b.Fatal(x.Unknown)
		}
	}
}
