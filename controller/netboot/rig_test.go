package netboot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
	"github.com/steelyard/steelyard/protocol/session"
)

// insideVariable says that this process has a network of its own.
const insideVariable = "NETBOOT_TEST_INSIDE"

// TestMain runs the tests in a network namespace of their own when they may make one: nothing that they serve is heard elsewhere.
func TestMain(m *testing.M) {
	if os.Geteuid() != 0 || os.Getenv(insideVariable) != "" {
		if os.Getenv(insideVariable) != "" {
			_ = exec.Command("ip", "link", "set", "lo", "up").Run() // what lacks it says so
		}
		goleak.VerifyTestMain(m)
		return
	}
	os.Exit(inNamespace())
}

func inNamespace() int {
	runtime.LockOSThread() // Pdeathsig follows the thread
	cmd := exec.Cmd{Path: "/proc/self/exe", Args: os.Args, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	cmd.Env = append(os.Environ(), insideVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		return 1
	}
	return 0
}

// program finds a program of a Debian package. In CI its absence is a failure: nothing there may go unchecked.
func program(t testing.TB, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil && os.Geteuid() == 0 {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing, or this is not root: apt-get install %s", name, debian)
	}
	t.Skipf("%s is missing, or this is not root: apt-get install %s", name, debian)
	return ""
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func command(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// cable is a link named name, with an address of the controller, to a namespace with one card, eth0.
func cable(t *testing.T, name, address string) (ns string) {
	t.Helper()
	program(t, "ip", "iproute2")
	ns = fmt.Sprintf("synb%d%s", os.Getpid(), name)
	command(t, "ip", "netns", "add", ns)
	t.Cleanup(func() {
		_ = exec.Command("ip", "link", "del", name).Run()
		_ = exec.Command("ip", "netns", "del", ns).Run()
	})
	for _, line := range []string{
		"link set lo up",
		"link add " + name + " type veth peer name eth0 netns " + ns,
		"addr add " + address + " dev " + name,
		"link set " + name + " up",
		"-n " + ns + " link set lo up",
		"-n " + ns + " link set eth0 address " + clientMAC + " up",
	} {
		command(t, "ip", strings.Fields(line)...)
	}
	return ns
}

const (
	clientMAC  = "52:54:00:aa:00:01"
	clientUUID = "11111111-2222-3333-4444-555555555501"
	testPort   = "18081"
)

// inside runs f with the calling thread in a network namespace: sockets made by f belong to it for good.
func inside(t testing.TB, ns string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		there, err := os.Open("/run/netns/" + ns)
		if err != nil {
			t.Error(err)
			return
		}
		defer there.Close()
		if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	<-done
}

// world is a fleet in memory.
type world struct {
	t     *testing.T
	store *store.Store
	in    *intake.Intake
}

func newWorld(t *testing.T) world {
	t.Helper()
	backend := memkv.New(memkv.Options{})
	s := store.New(backend, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; _ = backend.Close() })
	must(t, s.Ready(ctx))
	return world{t, s, intake.New(s, slog.New(slog.DiscardHandler), time.Now)}
}

// put stores a server, with the identity of the client, and an operation.
func (w world) put(s fleet.Server, op *operation.Operation) {
	w.t.Helper()
	_, err := w.store.Change(w.t.Context(), func(tx *store.Tx) error {
		for _, key := range []string{"mac:" + clientMAC, "uuid:" + clientUUID} {
			if err := store.Identities.Put(tx, key, store.Holders{Servers: []string{s.ID}}); err != nil {
				return err
			}
		}
		if op != nil {
			s.Operation = op.ID
			if err := store.Operations.Put(tx, op.ID, *op); err != nil {
				return err
			}
		}
		return store.Servers.Put(tx, s.ID, s)
	})
	must(w.t, err)
}

// send stores a command of the outbox.
func (w world) send(c *operation.Command) {
	w.t.Helper()
	_, err := w.store.Change(w.t.Context(), func(tx *store.Tx) error {
		return store.Commands.Put(tx, store.CommandKey(c.Server, c.ID), *c)
	})
	must(w.t, err)
}

// ramenv makes a directory with a small pair of kernel and memory image.
func ramenv(t *testing.T, kernel, initrd string) string {
	t.Helper()
	dir := t.TempDir()
	writePair(t, dir, kernel, initrd)
	return dir
}

func writePair(t *testing.T, dir, kernel, initrd string) {
	t.Helper()
	m := manifest{Kernel: "6.1.0", Agent: "test"}
	for name, content := range map[string]string{fileKernel: kernel, fileInitrd: initrd} {
		sum := sha256.Sum256([]byte(content))
		if name == fileKernel {
			m.KernelSHA256 = hex.EncodeToString(sum[:])
		} else {
			m.InitrdSHA256 = hex.EncodeToString(sum[:])
		}
		replace(t, filepath.Join(dir, name), content)
	}
	text, err := json.Marshal(m)
	must(t, err)
	replace(t, filepath.Join(dir, fileManifest), string(text))
}

func replace(t *testing.T, path, content string) {
	t.Helper()
	must(t, os.WriteFile(path+".new", []byte(content), 0o600))
	must(t, os.Rename(path+".new", path))
}

func (w world) options(dir string, interfaces ...string) Options {
	w.t.Helper()
	list, err := ParseInterfaces(interfaces)
	must(w.t, err)
	return Options{
		Store: w.store, Intake: w.in, Logger: loud(w.t), Interfaces: list, HTTP: ":" + testPort, RAM: dir, Dir: filepath.Join(w.t.TempDir(), "netboot"),
		Agents: "0.0.0.0:8443", Advertise: []string{"controller.example.net"},
		JoinToken: func(id, secret string) string {
			return session.NewJoinToken(id, secret, strings.Repeat("ab", 32)).Text()
		},
	}
}

// loud keeps what is logged, dnsmasq's words too, for a test that fails.
func loud(t *testing.T) *slog.Logger {
	var b guarded
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(b.String())
		}
	})
	return slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type guarded struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (g *guarded) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.b.Write(p)
}

func (g *guarded) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.b.String()
}

// serve runs a netboot until the test ends.
func serve(t *testing.T, o Options) *Netboot {
	t.Helper()
	n, err := Open(t.Context(), o)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("netboot ended: %v", err)
		}
	})
	return n
}

// await polls until ok, for what comes from another process.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen within 30 s", what)
		}
	}
}

func hardwareAddress(t *testing.T, text string) net.HardwareAddr {
	t.Helper()
	mac, err := net.ParseMAC(text)
	must(t, err)
	return mac
}

var testNetwork = netip.MustParsePrefix("10.77.0.1/24")
