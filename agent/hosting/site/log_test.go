package site

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/agent/hosting/daemon"
	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/protocol"
)

// ending is what is counted at the end of a line.
var ending = regexp.MustCompile(` (\d+\.\d{3}) "([^" ]*)" (\d+) (\d+) "(OK|)"$`)

func TestTheAccessLogCountsAllBytesOfEachRequest(t *testing.T) {
	n := newNode(t, false)
	a := n.account("alice", 61001, "example.de", "shop.example.de")
	a.Forwards = []protocol.HostedForward{{Domain: "old.de", Redirect: true}}
	n.settle(a)
	n.put(a, "htdocs/big.txt", strings.Repeat("x", 100000))
	log := filepath.Join(n.o.Layout.LogsOf("alice"), "access.log")
	for i, test := range []struct {
		host, head string
		least      int
	}{
		{"example.de", "GET /big.txt HTTP/1.1\r\n", 100000},
		{"shop.example.de", "GET /missing HTTP/1.1\r\n", 100},
		{"old.de", "GET / HTTP/1.1\r\n", 100},
		{"example.de", "GET /\"%20OK\" HTTP/1.1\r\nUser-Agent: \" 1.000 \"evil.de\" 999999 999999 \"OK\"\r\nReferer: \x01\"\r\n", 100},
	} {
		request := test.head + "Host: " + test.host + "\r\nConnection: close\r\n\r\n"
		n.ask(n.o.Listen[0], request)
		var lines []string
		hostingtest.Until(t, "the line", func() error {
			text, err := os.ReadFile(log)
			if lines = strings.Split(strings.TrimSpace(string(text)), "\n"); err == nil && (len(text) == 0 || len(lines) <= i) {
				err = os.ErrNotExist
			}
			return err
		})
		m := ending.FindStringSubmatch(lines[i])
		if m == nil {
			t.Fatalf("%q", lines[i])
		}
		in, _ := strconv.Atoi(m[3])
		out, _ := strconv.Atoi(m[4])
		if m[2] != test.host || in != len(request) || out <= test.least || out > test.least+1000 || m[5] != "OK" {
			t.Errorf("%q: a request of %d bytes", lines[i], len(request))
		}
	}
	if err := limitToReaders(log); err != "" {
		t.Error(err)
	}
}

// limitToReaders tells if somebody but root and the customer may pass to the log.
func limitToReaders(log string) string {
	for path, mode := range map[string]os.FileMode{filepath.Dir(log): 0o751, log: 0o640} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			return path + " is open to others"
		}
	}
	return ""
}

func TestNoLineIsLostWhenLogsAreRotated(t *testing.T) {
	logrotate := hostingtest.Need(t, "logrotate", "nginx")
	n := newNode(t, false)
	a := n.account("alice", 61001, "example.de")
	n.settle(a)
	n.get("example.de", "/before")
	log := filepath.Join(n.o.Layout.LogsOf("alice"), "access.log")
	hostingtest.Until(t, "the first line", n.contains(log, "/before"))
	if out, err := daemon.Run(t.Context(), logrotate, "-f", "-s", filepath.Join(n.dir, "status"), n.o.Logrotate); err != nil {
		t.Fatal(err, out)
	}
	hostingtest.Until(t, "the new file in use", func() error {
		n.get("example.de", "/after")
		return n.contains(log, "/after")()
	})
	if err := n.contains(log+".1", "/before")(); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(log)
	if err != nil || info.Mode().Perm()&0o002 != 0 {
		t.Error(info, err)
	}
}
