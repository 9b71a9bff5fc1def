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
	for line, want := range map[string]book.Traffic{
		"alice 1763928000.123 78 845":         {In: 78, Out: 845},
		"alice 1763928000.999 0 999999999999": {Out: 999999999999},
		"alice 1763928000.000 0 0":            {},
	} {
		user, q, got, ok := www([]byte(line))
		if !ok || got != want || q != 1763928000/900 || string(user) != "alice" {
			t.Errorf("%s: %s %v %+v %t", line, user, q, got, ok)
		}
	}
	for _, line := range []string{
		"", " ", "alice", "alice 1763928000.123 78", "alice 1763928000.123 78 845 ", "alice 1763928000.123 78 845 1", "alice 1763928000 78 845", "alice 1763928000.12 78 845", " 1763928000.123 78 845",
		"alice 1763928000.123 -1 845", "alice 1763928000.123 78 8888888888888888888", "alice  1763928000.123 78 845", "alice .123 78 845", "alice 1763928000.123 78 845\r",
	} {
		if user, q, got, ok := www([]byte(line)); ok {
			t.Errorf("%q: %s %v %+v", line, user, q, got)
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
		if !ok || string(user) != "alice" || got != want || q != 1763928000/900 {
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
	f.Add([]byte(`alice 1763928000.123 78 845`))
	f.Add([]byte(`1763928000 alice RETR 226 1000 50 1200 "success" "/srv"`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if _, _, c, ok := www(line); ok && (c.In > 1e18 || c.Out > 1e18) {
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
			if _, _, c, ok := www(line); ok {
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
		fmt.Fprintf(&log, "user%d %d.%03d %d %d\n", i%100, 1763928000+i/100, i%1000, 400+i%90, i*7+300)
	}
	users := map[string]string{}
	for i := range 100 {
		users[fmt.Sprint("user", i)] = fmt.Sprint("account", i)
	}
	s := &source{name: "www", class: book.WWW, read: www}
	c := &counts{at: map[string]int{}, slots: map[string]int{}, users: users}
	b.SetBytes(int64(log.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if x := s.batch(tailPiece(log.Bytes()), c, func(string, []byte) {}); x.Unknown > 0 {
			b.Fatal(x.Unknown)
		}
		c.take()
	}
}
