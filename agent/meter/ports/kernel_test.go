//go:build linux

package ports

import (
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const inside = "STEELYARD_TEST_PORTS_INSIDE"

// TestU5_TheKernelsOwnCounters runs in a network of its own, with a sysfs that shows it: two ends of a cable, and datagrams on it.
func TestU5_TheKernelsOwnCounters(t *testing.T) {
	if os.Getenv(inside) == "" {
		if os.Geteuid() != 0 {
			t.Skip("only root makes networks")
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestU5_TheKernelsOwnCounters$", "-test.v")
		cmd.Env = append(os.Environ(), inside+"="+t.TempDir())
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS, Unshareflags: unix.CLONE_NEWNS}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	sys := os.Getenv(inside)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(unix.Mount("sysfs", sys, "sysfs", unix.MS_RDONLY, ""))
	defer func() { _ = unix.Unmount(sys, unix.MNT_DETACH) }()
	must(netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "left"}, PeerName: "right"}))
	left, err := netlink.LinkByName("left")
	must(err)
	right, err := netlink.LinkByName("right")
	must(err)
	address, err := netlink.ParseAddr("198.51.100.1/24")
	must(err)
	must(netlink.AddrAdd(left, address))
	must(netlink.LinkSetUp(right))
	must(netlink.LinkSetUp(left))
	must(netlink.NeighAdd(&netlink.Neigh{LinkIndex: left.Attrs().Index, IP: net.IPv4(198, 51, 100, 2), HardwareAddr: right.Attrs().HardwareAddr, State: netlink.NUD_PERMANENT}))

	b, err := Open(Options{Dir: filepath.Join(t.TempDir(), "book"), Net: filepath.Join(sys, "class", "net"), Boot: "1", Logger: slog.New(slog.DiscardHandler), Counts: func(name string) bool { return name == "left" }})
	must(err)
	must(b.Look())
	_, before := kernelCounts(t, b)
	conn, err := net.Dial("udp4", "198.51.100.2:9")
	must(err)
	for range 1000 {
		_, err := conn.Write(make([]byte, 1000))
		must(err)
	}
	must(conn.Close())
	must(b.Look())
	_, after := kernelCounts(t, b)
	u, _ := b.Usage(autumnOf(time.Now()))
	if got := u.Months[0].Total.Out; got != after-before || got < 1_000_000 {
		t.Errorf("%d bytes are counted, the kernel has %d", got, after-before)
	}
	if p := u.Months[0].Ports; len(p) != 1 || p[0].Name != "left" || p[0].MAC != left.Attrs().HardwareAddr.String() {
		t.Errorf("%+v", p)
	}
	if b.physical("left") || b.physical("lo") {
		t.Error("a cable within the machine is a physical port")
	}
}

// kernelCounts are as the last look saw them.
func kernelCounts(t *testing.T, b *Book) (in, out uint64) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.state.Ports {
		return p.In, p.Out
	}
	t.Fatal("no port is seen")
	return 0, 0
}
