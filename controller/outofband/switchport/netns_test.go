package switchport

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/controller/core/outofband"
)

// program finds a program of a Debian package. In CI its absence is a failure: nothing
// there may go unchecked.
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

// rack is a network namespace that plays a switch, with real net-snmp in it, and
// one that plays a server, joined by a cable.
type rack struct{ sw, server string }

// Addresses inside the namespaces.
const (
	switchIP = "10.89.0.1"
	serverIP = "10.89.0.2"
)

func newRack(t *testing.T) rack {
	t.Helper()
	program(t, "ip", "iproute2")
	r := rack{sw: fmt.Sprintf("sysw%d", os.Getpid()), server: fmt.Sprintf("sysv%d", os.Getpid())}
	for _, ns := range []string{r.sw, r.server} {
		command(t, "ip", "netns", "add", ns)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
	}
	for _, line := range []string{
		"-n SW link set lo up",
		"-n SW link add br0 type bridge",
		"-n SW addr add " + switchIP + "/24 dev br0",
		"-n SW link set br0 up",
		"-n SW link add p1 type veth peer name eth0 netns SRV",
		"-n SW link set p1 master br0 up",
		"-n SW link add p2 type veth peer name eth1 netns SRV",
		"-n SW link set p2 master br0 up",
		"-n SRV addr add " + serverIP + "/24 dev eth0",
		"-n SRV link set eth0 up",
		"-n SRV link set eth1 up",
	} {
		line = strings.NewReplacer("SW", r.sw, "SRV", r.server).Replace(line)
		command(t, "ip", strings.Fields(line)...)
	}
	return r
}

func command(t testing.TB, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// inside runs f with the calling thread in a network namespace: sockets made by f
// belong to it for good.
func inside(t testing.TB, ns string, f func()) {
	t.Helper()
	runtime.LockOSThread()
	home, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	there, err := os.Open("/run/netns/" + ns)
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
			t.Fatal(err) // the thread stays locked and ends with its goroutine
		}
		runtime.UnlockOSThread()
	}()
	f()
}

const snmpdConf = `agentaddress udp:` + switchIP + `:161
rwcommunity private 10.89.0.0/24
rocommunity public 10.89.0.0/24
createUser admin SHA-256 authpass123 AES privpass123
createUser admin512 SHA-512 authpass512 AES privpass512
createUser watcher SHA-256 authpass123 AES privpass123
rwuser admin priv
rwuser admin512 priv
rouser watcher priv
`

// snmpd starts net-snmp in the switch's namespace and waits until it listens.
func (r rack) snmpd(t *testing.T) {
	t.Helper()
	binary := program(t, "snmpd", "snmpd")
	dir := t.TempDir()
	config := filepath.Join(dir, "snmpd.conf")
	if err := os.WriteFile(config, []byte(snmpdConf), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command("ip", "netns", "exec", r.sw, binary, "-f", "-LOw", "-C", "-c", config, "-p", filepath.Join(dir, "pid"))
	cmd.Env = append(os.Environ(), "MIBS=", "SNMP_PERSISTENT_DIR="+filepath.Join(dir, "kept"))
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	runtime.LockOSThread() // Pdeathsig follows the thread
	err := cmd.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		runtime.UnlockOSThread()
		if t.Failed() {
			t.Logf("snmpd: %s", log.String())
		}
	})
	d := r.v2c(t, "public")
	for deadline := time.Now().Add(30 * time.Second); ; {
		if _, err := d.Find(within(t, 2*time.Second), outofband.ByName, "p1"); err == nil {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("snmpd does not answer: %v", err)
		}
	}
}

func (r rack) open(t *testing.T, target Target) (d *device) {
	t.Helper()
	target.Address = switchIP
	inside(t, r.sw, func() { d = open(t, target) })
	return d
}

func (r rack) v2c(t *testing.T, community string) *device {
	t.Helper()
	return r.open(t, Target{Version: outofband.SNMPv2c, Community: community})
}

// carries sends datagrams from server to switch and back, over the cable.
func (r rack) carries(t *testing.T, count, size int) bool {
	t.Helper()
	var echo, client net.PacketConn
	var err error
	inside(t, r.sw, func() { echo, err = net.ListenPacket("udp", switchIP+":7007") })
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	inside(t, r.server, func() { client, err = net.ListenPacket("udp", serverIP+":0") })
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 2000)
		for {
			n, from, err := echo.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = echo.WriteTo(b[:n], from)
		}
	}()
	defer func() { _ = echo.Close(); <-done }()
	to := &net.UDPAddr{IP: net.ParseIP(switchIP), Port: 7007}
	answered := 0
	b := make([]byte, size)
	for range count {
		_, _ = client.WriteTo(b, to)
		_ = client.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		if _, _, err := client.ReadFrom(b); err == nil {
			answered++
		}
	}
	return answered > 0
}

func TestRealSwitchConforms(t *testing.T) {
	program(t, "snmpd", "snmpd")
	r := newRack(t)
	r.snmpd(t)
	secret := Target{Version: outofband.SNMPv3, Username: "admin", AuthProtocol: "SHA-256", AuthPassword: "authpass123", PrivProtocol: "AES", PrivPassword: "privpass123"}
	watcher := secret
	watcher.Username = "watcher"
	common := subject{
		port: "p1",
		alias: func(t *testing.T, alias string) {
			index := command(t, "ip", "netns", "exec", r.sw, "cat", "/sys/class/net/p1/ifindex")
			r.set(t, ifAlias+"."+strings.TrimSpace(index), "s", alias)
		},
		stranger: func(t *testing.T) *device { return r.v2c(t, "guess") },
		carries:  func(t *testing.T) bool { return r.carries(t, 5, 20) },
		traffic:  func(t *testing.T) { r.carries(t, 20, 1000) },
	}
	t.Run("v2c", func(t *testing.T) {
		s := common
		s.write = func(t *testing.T) *device { return r.v2c(t, "private") }
		s.read = func(t *testing.T) *device { return r.v2c(t, "public") }
		conform(t, s)
	})
	t.Run("v3", func(t *testing.T) {
		s := common
		s.write = func(t *testing.T) *device { return r.open(t, secret) }
		s.read = func(t *testing.T) *device { return r.open(t, watcher) }
		conform(t, s)
	})
	t.Run("v3 with SHA-512", func(t *testing.T) {
		d := r.open(t, Target{Version: outofband.SNMPv3, Username: "admin512", AuthProtocol: "SHA-512", AuthPassword: "authpass512", PrivProtocol: "AES", PrivPassword: "privpass512"})
		if p, err := d.Find(within(t, 20*time.Second), outofband.ByName, "p1"); err != nil || p.Name != "p1" {
			t.Errorf("%+v, %v", p, err)
		}
	})
	t.Run("v3 with wrong credentials", func(t *testing.T) {
		wrong(t, r, secret)
	})
	t.Run("a bridge without Q-BRIDGE has no VLANs to set", func(t *testing.T) {
		noVLANs(t, r.v2c(t, "private"))
	})
}
