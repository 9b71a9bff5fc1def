package inspect

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/steelyard/steelyard/protocol"
)

// Bounds of what is read of the kernel.
const (
	maxSockets = 1 << 18
	maxLinksFD = 1 << 20 // open files of all processes
)

// socket is one that waits for others.
type socket struct {
	protocol string
	address  netip.AddrPort
	uid      int
	inode    uint64
}

// States of sockets that wait for others (include/net/tcp_states.h).
const (
	tcpListen = "0A"
	udpOpen   = "07" // not connected to anybody
)

// listeners finds the services that listen on the network, and whose they are.
func listeners(ctx context.Context, m *machine) ([]protocol.Found, string, error) {
	var a all
	var list []socket
	for _, name := range []string{"tcp", "tcp6", "udp", "udp6"} {
		text, err := table(filepath.Join(m.proc, "net", name))
		if errors.Is(err, os.ErrNotExist) && strings.HasSuffix(name, "6") {
			continue // a kernel without IPv6
		}
		if err != nil {
			a.add(nil, cannot("/proc/net/"+name, err))
			continue
		}
		found, err := parseSockets(strings.TrimSuffix(name, "6"), text)
		a.add(nil, err)
		list = append(list, found...)
	}
	programs, err := m.programs(ctx, list)
	a.add(nil, err)
	low, high := m.ephemeral()
	for _, s := range list {
		program := programs[s.inode]
		if program == "" {
			program = "the kernel, or a process that is gone"
		}
		port := strconv.Itoa(int(s.address.Port()))
		if p := int(s.address.Port()); p >= low && p <= high { // drawn anew at each start
			port = "drawn"
		}
		a.add([]protocol.Found{thing(s.protocol+" "+s.address.String()+" "+program, "", m.nameOf(s.uid),
			s.protocol, s.address.Addr().String(), port, program, strconv.Itoa(s.uid))}, nil)
	}
	return a.found, "/proc/net and the open files of all processes", a.err(ctx)
}

// maxTable is how much of one table of the kernel is read, in bytes.
const maxTable = 64 << 20

func table(p string) ([]byte, error) {
	f, err := os.Open(p)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxTable+1))
	if err == nil && len(text) > maxTable {
		err = errors.New("it is too large")
	}
	return text, err
}

// parseSockets reads /proc/net/tcp and its like.
func parseSockets(kind string, text []byte) (list []socket, err error) {
	want := map[string]string{"tcp": tcpListen, "udp": udpOpen}[kind]
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Scan() // the heading
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 10 {
			if len(f) > 0 {
				err = cmp.Or(err, fmt.Errorf("/proc/net/%s has a line that is none", kind))
			}
			continue
		}
		if f[3] != want {
			continue
		}
		address, bad := parseSocketAddress(f[1])
		uid, worse := strconv.ParseUint(f[7], 10, 32)
		inode, worst := strconv.ParseUint(f[9], 10, 64)
		if errors.Join(bad, worse, worst) != nil {
			err = cmp.Or(err, fmt.Errorf("/proc/net/%s has a line that is none", kind))
			continue
		}
		if len(list) >= maxSockets {
			return list, fmt.Errorf("more than %d sockets listen", maxSockets)
		}
		list = append(list, socket{kind, address, int(uid), inode})
	}
	return list, errors.Join(err, lines.Err())
}

// parseSocketAddress reads "0100007F:1F90": an address in words of the machine's byte order (little endian), and a port.
func parseSocketAddress(text string) (netip.AddrPort, error) {
	host, port, ok := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	if !ok || err != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, fmt.Errorf("%.40q is no address", text)
	}
	for word := range slices.Chunk(raw, 4) {
		slices.Reverse(word)
	}
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%.40q is no address", text)
	}
	address, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(address.Unmap(), uint16(n)), nil
}

// programs names the program of each socket, by its open files.
func (m *machine) programs(ctx context.Context, list []socket) (map[uint64]string, error) {
	wanted := make(map[uint64]string, len(list))
	for _, s := range list {
		wanted[s.inode] = ""
	}
	entries, err := os.ReadDir(m.proc)
	if err != nil {
		return nil, cannot("/proc", err)
	}
	var a all
	budget := maxLinksFD
	for _, e := range entries {
		if _, err := strconv.ParseUint(e.Name(), 10, 32); err != nil || ctx.Err() != nil {
			continue
		}
		dir := filepath.Join(m.proc, e.Name())
		inodes, err := socketsOf(dir, &budget)
		if gone(err) {
			continue
		}
		if err != nil {
			a.add(nil, cannot("the open files of process "+e.Name(), err))
		}
		for _, inode := range inodes {
			if name, listens := wanted[inode]; listens && name == "" {
				wanted[inode] = program(dir)
			}
		}
	}
	return wanted, a.err(ctx)
}

// gone reports whether a process ended while it was looked at.
func gone(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// socketsOf are the sockets that a process has open.
func socketsOf(dir string, budget *int) (inodes []uint64, err error) {
	d, err := os.Open(filepath.Join(dir, "fd"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }()
	names, err := d.Readdirnames(-1)
	if *budget -= len(names); *budget < 0 {
		return nil, errors.New("the machine has too many open files")
	}
	for _, name := range names {
		target, bad := os.Readlink(filepath.Join(dir, "fd", name))
		number, isSocket := strings.CutPrefix(target, "socket:[")
		if bad != nil || !isSocket {
			continue // closed meanwhile, or something else
		}
		if inode, bad := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64); bad == nil {
			inodes = append(inodes, inode)
		}
	}
	return inodes, err
}

// program is the file that a process runs; its own word for itself where that cannot be seen.
func program(dir string) string {
	if exe, err := os.Readlink(filepath.Join(dir, "exe")); err == nil {
		return strings.TrimSuffix(filepath.Base(exe), " (deleted)")
	}
	comm, err := os.ReadFile(filepath.Join(dir, "comm"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(comm))
}

// ephemeral are the ports that the kernel draws from.
func (m *machine) ephemeral() (low, high int) {
	text, err := os.ReadFile(filepath.Join(m.proc, "sys/net/ipv4/ip_local_port_range"))
	f := strings.Fields(string(text))
	if err != nil || len(f) != 2 {
		return 32768, 60999
	}
	low, bad := strconv.Atoi(f[0])
	high, worse := strconv.Atoi(f[1])
	if bad != nil || worse != nil {
		return 32768, 60999
	}
	return low, high
}
