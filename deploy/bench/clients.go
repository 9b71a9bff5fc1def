package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/hashicorp/yamux"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// The other side of the connections, in one child for each server.

// echoSize is that of a heartbeat's frame.
const echoSize = 12

// caller is one connection that stays open; beat sends a heartbeat and waits for the answer.
type caller interface{ beat(n int) error }

// crowd is all of them.
type crowd struct {
	address string
	dialer  func(c *crowd, m member, n int) (caller, error)
	roots   *x509.Certificate
	members []member
	callers []caller
	beats   int
	pulse   *pulse
}

var dialers = map[string]func(c *crowd, m member, n int) (caller, error){
	"steelyard": (*crowd).steelyard, "nats": (*crowd).nats, "grpc": (*crowd).grpc, "tls": (*crowd).tls, "echo": (*crowd).echo,
}

// dialClients is the role: arguments are the members' directory, the kind of server and its address.
func dialClients(args []string) (any, func([]string) (any, error), error) {
	auth, members, err := enlisted(args[0])
	if err != nil {
		return nil, nil, err
	}
	c := &crowd{address: args[2], dialer: dialers[args[1]], roots: auth.Certificate(), members: members}
	return len(members), c.ask, nil
}

func (c *crowd) ask(words []string) (any, error) {
	switch words[0] {
	case "dial": // up to so many connections
		return len(c.callers), c.dial(number(words, 1))
	case "beat": // so many heartbeats on each of them
		return c.beats, c.beat(number(words, 1))
	case "pulse": // a heartbeat on each of them every so many seconds from now on
		return nil, c.startPulse(time.Duration(number(words, 1)) * time.Second)
	case "beats": // until now, by pulse
		return c.pulse.count.Load(), nil
	case "silence": // the first so many
		return c.pulse.silence(number(words, 1)), nil
	}
	return nil, fmt.Errorf("%q is not understood", words)
}

func (c *crowd) dial(total int) error {
	more := make([]caller, total-len(c.callers))
	var g errgroup.Group
	g.SetLimit(32)
	for i := range more {
		n := len(c.callers) + i
		g.Go(func() (err error) { more[i], err = c.dialer(c, c.members[n], n); return err })
	}
	err := g.Wait()
	c.callers = append(c.callers, more...)
	return err
}

// beat lets all connections send n heartbeats one after the other, side by side.
func (c *crowd) beat(n int) error {
	var g errgroup.Group
	for _, one := range c.callers {
		g.Go(func() error {
			for i := range n {
				if err := one.beat(c.beats + i + 1); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := g.Wait()
	c.beats += n
	return err
}

// connect opens TCP from one of several addresses of this machine.
func (c *crowd) connect(n int) (net.Conn, error) {
	d := net.Dialer{Timeout: 20 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(1+n%8), 1)}}
	return d.Dial("tcp", c.address)
}

func (c *crowd) config(m member) (*tls.Config, error) {
	cert, err := m.certificate()
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(c.roots)
	return &tls.Config{MinVersion: tls.VersionTLS13, ServerName: protocol.ControllerName, RootCAs: roots, Certificates: []tls.Certificate{cert}}, nil
}

func (c *crowd) secure(m member, n int) (*tls.Conn, error) {
	config, err := c.config(m)
	if err != nil {
		return nil, err
	}
	raw, err := c.connect(n)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, config)
	return conn, conn.Handshake()
}

// agentCaller is a session of our own.
type agentCaller struct {
	conn *session.Conn
	seq  uint64
}

func (a *agentCaller) beat(int) error {
	a.seq++
	if err := a.conn.Send(protocol.KindPing, &protocol.Ping{Seq: a.seq}); err != nil {
		return err
	}
	var pong protocol.Pong
	return a.conn.Expect(protocol.KindPong, &pong)
}

func (c *crowd) steelyard(m member, n int) (caller, error) {
	cert, err := m.certificate()
	if err != nil {
		return nil, err
	}
	raw, err := c.connect(n)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, session.ControlTLS(protocol.ALPNControl, cert, c.roots, nil))
	if err := conn.Handshake(); err != nil {
		return nil, err
	}
	s, err := session.Client(conn, nil)
	if err != nil {
		return nil, err
	}
	a := &agentCaller{conn: s}
	return a, a.introduce(n)
}

// introduce does what a real agent does before it is idle: Hello, a full report, a sample, a
// heartbeat.
func (a *agentCaller) introduce(n int) error {
	inv := inventory(n)
	hello := protocol.Hello{
		VersionMin: protocol.VersionMin, VersionMax: protocol.VersionMax, AgentVersion: "bench", Environment: protocol.EnvSimulated,
		BootID: fmt.Sprint("boot-", n), InstanceID: instance, InventoryDigest: inv.Digest(), Identity: inv.Identity,
	}
	if err := a.conn.Send(protocol.KindHello, &hello); err != nil {
		return err
	}
	var w protocol.Welcome
	if err := a.conn.Expect(protocol.KindWelcome, &w); err != nil {
		return err
	}
	if w.WantReport {
		if err := a.conn.Send(protocol.KindReport, &protocol.Report{Digest: hello.InventoryDigest, Inventory: inv}); err != nil {
			return err
		}
	}
	if err := a.conn.Send(protocol.KindSample, &protocol.SampleReport{Sample: sample()}); err != nil {
		return err
	}
	return a.beat(0)
}

func sample() hardware.Sample {
	return hardware.Sample{
		At: time.Now(), Load1: 0.5, MemTotal: 64 << 30, MemAvail: 60 << 30, UptimeSec: 1e6,
		FS:         []hardware.Filesystem{{Mount: "/", Type: "ext4", Device: "/dev/nvme0n1p2", TotalBytes: 1e12, FreeBytes: 9e11}},
		Disks:      []hardware.DiskIO{{Name: "nvme0n1", ReadOps: 1}, {Name: "nvme1n1", ReadOps: 1}},
		Interfaces: []hardware.Interface{{Name: "eno1", RxBytes: 1}, {Name: "eno2"}},
	}
}

// still is a peer's connection that has no heartbeat.
type still struct{ io.Closer }

func (still) beat(int) error { return errors.New("this connection has no heartbeat") }

func (c *crowd) tls(m member, n int) (caller, error) {
	conn, err := c.secure(m, n)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(make([]byte, messageSize)); err != nil {
		return nil, err
	}
	_, err = io.ReadFull(conn, make([]byte, 1))
	return still{conn}, err
}

// nats speaks the client protocol of nats-server: one subscription, one message, then nothing.
func (c *crowd) nats(m member, n int) (caller, error) {
	config, err := c.config(m)
	if err != nil {
		return nil, err
	}
	raw, err := c.connect(n)
	if err != nil {
		return nil, err
	}
	if _, err := bufio.NewReader(raw).ReadString('\n'); err != nil { // INFO; nothing follows before TLS
		return nil, err
	}
	conn := tls.Client(raw, config)
	if err := conn.Handshake(); err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(conn, "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":true,\"lang\":\"go\",\"version\":\"1.0\",\"protocol\":1}\r\nSUB idle.%d 1\r\nPUB report %d\r\n%s\r\nPING\r\n",
		n, messageSize, strings.Repeat("x", messageSize))
	if err != nil {
		return nil, err
	}
	for in := bufio.NewReader(conn); ; {
		line, err := in.ReadString('\n')
		if err != nil || strings.HasPrefix(line, "-ERR") {
			return nil, fmt.Errorf("nats-server said %q: %w", line, err)
		}
		if strings.HasPrefix(line, "PONG") {
			return still{conn}, nil
		}
	}
}

func (c *crowd) grpc(m member, n int) (caller, error) {
	config, err := c.config(m)
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient("passthrough:///"+c.address, grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return c.connect(n) }))
	if err != nil {
		return nil, err
	}
	stream, err := conn.NewStream(context.Background(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/bench.Idle/Hold", grpc.ForceCodec(rawCodec{}))
	if err != nil {
		return nil, err
	}
	out, in := make([]byte, messageSize), []byte(nil)
	return still{conn}, errors.Join(stream.SendMsg(&out), stream.RecvMsg(&in))
}

// echoCaller has its heartbeats echoed.
type echoCaller struct{ stream *yamux.Stream }

func (e *echoCaller) beat(int) error {
	var buf [echoSize]byte
	if _, err := e.stream.Write(buf[:]); err != nil {
		return err
	}
	_, err := io.ReadFull(e.stream, buf[:])
	return err
}

func (c *crowd) echo(m member, n int) (caller, error) {
	conn, err := c.secure(m, n)
	if err != nil {
		return nil, err
	}
	config := yamux.DefaultConfig()
	config.EnableKeepAlive, config.LogOutput = false, io.Discard
	mux, err := yamux.Client(conn, config)
	if err != nil {
		return nil, err
	}
	stream, err := mux.OpenStream()
	if err != nil {
		return nil, err
	}
	e := &echoCaller{stream}
	return e, e.beat(0)
}
