package rack

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Address is the rack's own address on its bridge; its network has 24 bits.
const Address = "10.77.0.1"

// Bridge is the name of the bridge inside the namespace.
const Bridge = "br0"

// Rack is a namespace with a bridge.
type Rack struct {
	Name string // of the network namespace
	t    testing.TB
}

// New makes one; it goes with the test.
func New(t testing.TB) *Rack {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("a network namespace needs root")
		}
		t.Skip("a network namespace needs root")
	}
	raw := make([]byte, 4)
	_, _ = rand.Read(raw)
	r := &Rack{Name: "metal-" + hex.EncodeToString(raw), t: t}
	r.must(exec.Command("ip", "netns", "add", r.Name))
	t.Cleanup(func() { r.must(exec.Command("ip", "netns", "del", r.Name)) })
	r.Run("ip", "link", "set", "lo", "up")
	r.Run("ip", "link", "add", Bridge, "type", "bridge")
	r.Run("ip", "addr", "add", Address+"/24", "dev", Bridge)
	r.Run("ip", "link", "set", Bridge, "up")
	return r
}

func (r *Rack) must(cmd *exec.Cmd) string {
	r.t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s: %v: %s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out)
}

// Run runs a program in the rack; the test fails when it fails.
func (r *Rack) Run(name string, args ...string) string {
	r.t.Helper()
	return r.must(r.Command(name, args...))
}

// Command is a program that will run in the rack. The process is the program's own: ip is replaced by it.
func (r *Rack) Command(name string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", r.Name, name}, args...)...)
}

// Port makes a port on the bridge for one machine and returns its name.
func (r *Rack) Port(name string) string {
	r.t.Helper()
	r.Run("ip", "tuntap", "add", name, "mode", "tap")
	r.Run("ip", "link", "set", name, "master", Bridge, "up")
	return name
}

// Enter runs work with the rack for its network. Sockets that it opens, and processes that it starts, stay there.
func (r *Rack) Enter(work func() error) error {
	done := make(chan error)
	go func() {
		// The thread ends with its goroutine, because it is never unlocked: it cannot be used for anything else again.
		runtime.LockOSThread()
		done <- r.enter(work)
	}()
	return <-done
}

func (r *Rack) enter(work func() error) error {
	f, err := os.Open(filepath.Join("/run/netns", r.Name))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter the rack: %w", err)
	}
	return work()
}

// Dial connects to an address in the rack; it is meant for http.Transport.
func (r *Rack) Dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = r.Enter(func() error {
		// A literal address is dialled on this thread; a name would be looked up on others.
		var d net.Dialer
		conn, err = d.DialContext(ctx, network, address)
		return err
	})
	return conn, err
}
