package linux

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/driver"
)

// Counters reads those of the ports that have a device behind them.
func (m *Machine) Counters(context.Context) map[string]driver.Counters {
	out := map[string]driver.Counters{}
	ports, _ := filepath.Glob(filepath.Join(m.sys, "class/net/*/device"))
	for _, device := range ports {
		dir := filepath.Dir(device)
		sum := func(names ...string) (total uint64) {
			for _, name := range names {
				v, _ := number64(filepath.Join(dir, name))
				total += v
			}
			return total
		}
		out[filepath.Base(dir)] = driver.Counters{
			Frames:  sum("statistics/rx_packets", "statistics/tx_packets"),
			Errors:  sum("statistics/rx_errors", "statistics/tx_errors"),
			Damaged: sum("statistics/rx_crc_errors", "statistics/rx_frame_errors"),
			Excused: sum("statistics/rx_length_errors", "statistics/rx_over_errors", "statistics/rx_fifo_errors", "statistics/rx_missed_errors"),
			Dropped: sum("statistics/rx_dropped", "statistics/tx_dropped"),
			Changes: sum("carrier_changes"),
		}
	}
	return out
}

const (
	echoEvery  = 50 * time.Millisecond
	echoWithin = 500 * time.Millisecond
	echoBytes  = 56 // of payload
	// patience is how many requests in a row may stay without any answer before it is clear that none will come.
	patience = 5
)

// Gateway sends echo requests out of the port itself to its default gateway, IPv4 before IPv6.
func (m *Machine) Gateway(ctx context.Context, port string, count int) (driver.Echo, error) {
	gateway, err := m.gateway(port)
	if err != nil {
		return driver.Echo{}, err
	}
	out := driver.Echo{Gateway: gateway.String()}
	wire, err := newWire(ctx, port, gateway)
	if err != nil {
		return out, fmt.Errorf("ask gateway %s from port %s: %w", gateway, port, err)
	}
	defer func() { _ = wire.conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = wire.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_, _ = wire.ask(1<<16 - 1) // while its address is looked for, the kernel may drop what is sent
	var times []time.Duration
	for seq := range count {
		if seq >= patience && len(times) == 0 {
			break
		}
		if seq > 0 && pause(ctx, echoEvery) != nil {
			break
		}
		took, err := wire.ask(uint16(seq))
		if ctx.Err() != nil {
			break
		}
		out.Sent++
		if err == nil {
			times = append(times, took)
		}
	}
	if out.Received = len(times); out.Received > 0 {
		slices.Sort(times)
		out.Median, out.Worst = times[len(times)/2], times[len(times)-1]
	}
	return out, ctx.Err()
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// wire is a raw ICMP socket that is bound to one port.
type wire struct {
	conn  net.PacketConn
	to    *net.IPAddr
	id    uint16
	six   bool
	token []byte // tells our answers from those to others
}

func newWire(ctx context.Context, port string, gateway netip.Addr) (*wire, error) {
	listen := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var bound error
		err := c.Control(func(fd uintptr) { bound = unix.BindToDevice(int(fd), port) })
		return cmp.Or(err, bound)
	}}
	network, any := "ip4:icmp", "0.0.0.0"
	if gateway.Is6() {
		network, any = "ip6:ipv6-icmp", "::"
	}
	conn, err := listen.ListenPacket(ctx, network, any)
	if err != nil {
		return nil, err
	}
	w := &wire{conn: conn, to: &net.IPAddr{IP: gateway.AsSlice()}, six: gateway.Is6(), id: uint16(os.Getpid()), token: make([]byte, echoBytes)}
	if gateway.IsLinkLocalUnicast() {
		w.to.Zone = port
	}
	binary.BigEndian.PutUint64(w.token, uint64(time.Now().UnixNano()))
	return w, nil
}

// ask sends one request and waits for its answer (RFC 792, RFC 4443).
func (w *wire) ask(seq uint16) (time.Duration, error) {
	request, answer := byte(8), byte(0)
	if w.six {
		request, answer = 128, 129
	}
	m := append([]byte{request, 0, 0, 0, 0, 0, 0, 0}, w.token...)
	binary.BigEndian.PutUint16(m[4:], w.id)
	binary.BigEndian.PutUint16(m[6:], seq)
	if !w.six { // of IPv6 the kernel writes it
		binary.BigEndian.PutUint16(m[2:], checksum(m))
	}
	start := time.Now()
	if err := w.conn.SetReadDeadline(start.Add(echoWithin)); err != nil {
		return 0, err
	}
	if _, err := w.conn.WriteTo(m, w.to); err != nil {
		return 0, err
	}
	buf := make([]byte, 1500)
	for {
		n, _, err := w.conn.ReadFrom(buf)
		if err != nil {
			return 0, err
		}
		if isAnswer(buf[:n], answer, w.id, seq, w.token) {
			return time.Since(start), nil
		}
	}
}

func isAnswer(p []byte, kind byte, id, seq uint16, token []byte) bool {
	return len(p) >= 8 && p[0] == kind && binary.BigEndian.Uint16(p[4:]) == id && binary.BigEndian.Uint16(p[6:]) == seq && bytes.Equal(p[8:], token)
}

// checksum of RFC 1071.
func checksum(p []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(p); i += 2 {
		sum += uint32(p[i])<<8 | uint32(p[i+1])
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xFFFF
	}
	return ^uint16(sum)
}

// gateway is the default gateway of a port.
func (m *Machine) gateway(port string) (netip.Addr, error) {
	four, err := os.ReadFile(filepath.Join(m.prc, "net/route"))
	if err == nil {
		if a, ok := gateway4(four, port); ok {
			return a, nil
		}
	}
	six, err := os.ReadFile(filepath.Join(m.prc, "net/ipv6_route"))
	if err == nil {
		if a, ok := gateway6(six, port); ok {
			return a, nil
		}
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return netip.Addr{}, err
	}
	return netip.Addr{}, driver.ErrUnsupported
}

const routeGateway = 2 // RTF_GATEWAY

// gateway4 reads /proc/net/route: interface, destination, gateway, flags, … in hexadecimal of the machine's byte order.
func gateway4(table []byte, port string) (netip.Addr, bool) {
	for s := bufio.NewScanner(bytes.NewReader(table)); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) < 8 || f[0] != port || f[1] != "00000000" || f[7] != "00000000" {
			continue
		}
		raw, err := hex.DecodeString(f[2])
		flags, err2 := hex.DecodeString(f[3])
		if err != nil || err2 != nil || len(raw) != 4 || len(flags) != 2 || flags[1]&routeGateway == 0 {
			continue
		}
		var a [4]byte
		binary.NativeEndian.PutUint32(a[:], binary.BigEndian.Uint32(raw))
		return netip.AddrFrom4(a), true
	}
	return netip.Addr{}, false
}

// gateway6 reads /proc/net/ipv6_route: destination, its length, source, its length, gateway, metric, …, flags, interface.
func gateway6(table []byte, port string) (netip.Addr, bool) {
	for s := bufio.NewScanner(bytes.NewReader(table)); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) < 10 || f[9] != port || f[1] != "00" {
			continue
		}
		raw, err := hex.DecodeString(f[4])
		flags, err2 := hex.DecodeString(f[8])
		if err != nil || err2 != nil || len(raw) != 16 || len(flags) != 4 || flags[3]&routeGateway == 0 {
			continue
		}
		return netip.AddrFrom16([16]byte(raw)), true
	}
	return netip.Addr{}, false
}
