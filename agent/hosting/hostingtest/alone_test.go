package hostingtest

import (
	"net"
	"os"
	"testing"
)

func TestWhatATestWritesAloneIsForgotten(t *testing.T) {
	const name = "/etc/written-by-a-test"
	if Alone(t) {
		if _, err := os.Lstat(name); err == nil {
			t.Error("it is on this machine")
		}
		return
	}
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat("/proc/1/exe"); err != nil || os.Getpid() != 1 {
		t.Error("not alone with its processes:", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:22")
	if err != nil {
		t.Fatal("the port of sshd is not ours:", err)
	}
	_ = l.Close()
}
