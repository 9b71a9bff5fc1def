package hostingtest

import (
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// Need ends the test unless it runs as root and these programs are there; it returns the path of the first. Programs are looked for in
// the places of root too.
func Need(t testing.TB, programs ...string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("serving customers needs root")
	}
	first := ""
	for _, name := range programs {
		path := find(name)
		if path == "" && os.Getenv("CI") != "" {
			t.Fatalf("%s is missing: deploy/install-test-deps.sh installs it", name)
		}
		if path == "" {
			t.Skipf("%s is missing: deploy/install-test-deps.sh installs it", name)
		}
		if first == "" {
			first = path
		}
	}
	return first
}

func find(name string) string {
	for _, try := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} {
		if path, err := exec.LookPath(try); err == nil {
			return path
		}
	}
	return ""
}

// Dir is a directory of the test that other users may pass through, as they may through those of a node. t.TempDir is closed to them.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hosting")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Port is a TCP port of a loopback address that nobody has now. Each package has an address of its own (127.20.N.1), so that two do not draw the same.
func Port(t testing.TB, ip string) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}
