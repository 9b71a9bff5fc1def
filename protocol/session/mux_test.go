package session

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/yamux"
	"go.uber.org/goleak"

	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// loopback is a pair of connected TCP connections.
func loopback(t testing.TB) (dialled, accepted net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if dialled, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if accepted, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = dialled.Close(), accepted.Close() })
	return dialled, accepted
}

// muxed is a pair of multiplexed connections.
func muxed(t testing.TB, traffic *Traffic) (client, server *Conn) {
	t.Helper()
	a, b := loopback(t)
	made := make(chan error, 1)
	go func() {
		var err error
		client, err = Client(a, nil)
		made <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	server, err := Server(ctx, b, traffic)
	if err = errors.Join(err, <-made); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = client.Close(), server.Close() })
	return client, server
}

// widest remembers the largest write.
type widest struct {
	net.Conn
	max, calls int
}

func (w *widest) Write(p []byte) (int, error) {
	w.max, w.calls = max(w.max, len(p)), w.calls+1
	return w.Conn.Write(p)
}

func TestMuxCarriesLargeAndSmallMessagesBothWays(t *testing.T) {
	traffic := new(Traffic)
	client, server := muxed(t, traffic)
	large := &protocol.Report{Digest: "d", Inventory: hardware.Inventory{Sections: []hardware.Section{{Detail: strings.Repeat("x", 900<<10)}}}}
	sent := make(chan error, 1)
	go func() {
		sent <- errors.Join(client.Send(protocol.KindReport, large), client.Send(protocol.KindPing, &protocol.Ping{Seq: 1}))
	}()
	var back protocol.Report
	if err := server.Expect(protocol.KindReport, &back); err != nil || len(back.Inventory.Sections[0].Detail) != 900<<10 {
		t.Fatal(err)
	}
	if err := errors.Join(server.Expect(protocol.KindPing, &protocol.Ping{}), server.Send(protocol.KindPong, &protocol.Pong{Seq: 1}), <-sent); err != nil {
		t.Fatal(err)
	}
	var pong protocol.Pong
	if err := client.Expect(protocol.KindPong, &pong); err != nil || pong.Seq != 1 {
		t.Errorf("%+v, %v", pong, err)
	}
	if in, out := traffic.In.Load(), traffic.Out.Load(); in < 900<<10 || out == 0 {
		t.Errorf("traffic counted: %d in, %d out", in, out)
	}
}

func TestGuardSendsSmallRecordsAndHeaderWithData(t *testing.T) {
	a, b := loopback(t)
	go func() { _, _ = io.Copy(io.Discard, b) }()
	w := &widest{Conn: a}
	g := newGuard(w, nil)
	head := make([]byte, muxHeader)
	binary.BigEndian.PutUint32(head[8:], 5)
	for _, p := range [][]byte{head, []byte("hello")} {
		if n, err := g.Write(p); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
	}
	if w.calls != 1 || w.max != muxHeader+5 {
		t.Errorf("%d writes, largest %d; want the header and its data in one", w.calls, w.max)
	}
	binary.BigEndian.PutUint32(head[8:], 100<<10)
	for _, p := range [][]byte{head, make([]byte, 100<<10)} {
		if n, err := g.Write(p); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
	}
	if w.max > maxRecord {
		t.Errorf("a write of %d bytes; TLS buffers grow with it", w.max)
	}
}

func TestEndOfPeerEndsReceive(t *testing.T) {
	client, server := muxed(t, nil)
	_ = client.Close()
	if _, err := server.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("%v, want EOF", err)
	}
}

// muxFrame is a raw yamux header.
func muxFrame(version, kind byte, flags uint16, id, length uint32) []byte {
	h := []byte{version, kind}
	h = binary.BigEndian.AppendUint16(h, flags)
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(h, id), length)
}

func TestGuardEndsWhatTheProtocolDoesNotUse(t *testing.T) {
	open := muxFrame(0, muxWindow, flagSYN, 1, 0)
	for name, raw := range map[string][]byte{
		"ping":            muxFrame(0, muxPing, flagSYN, 0, 1),
		"version":         muxFrame(7, muxData, 0, 1, 0),
		"type":            muxFrame(0, 9, 0, 1, 0),
		"second stream":   muxFrame(0, muxWindow, flagSYN, 3, 0),
		"unknown stream":  muxFrame(0, muxData, 0, 5, 3),
		"beyond window":   muxFrame(0, muxData, 0, 1, maxWindow+1),
		"text, not yamux": []byte("GET / HTTP/1.1\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			a, b := loopback(t)
			if _, err := a.Write(open); err != nil {
				t.Fatal(err)
			}
			server, err := Server(t.Context(), b, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := a.Write(raw); err != nil {
				t.Fatal(err)
			}
			if _, err := server.Receive(); ReasonOf(err) != ReasonMux {
				t.Errorf("%v (reason %q)", err, ReasonOf(err))
			}
			_ = server.Close()
		})
	}
}

func TestServerRefusesFirstBytesThatAreNoMux(t *testing.T) {
	a, b := loopback(t)
	if _, err := a.Write([]byte("SSH-2.0-OpenSSH_9.2p1\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := Server(t.Context(), b, nil); ReasonOf(err) != ReasonMux {
		t.Errorf("%v", err)
	}
}

func TestServerGivesUpOnAClientWithoutStream(t *testing.T) {
	a, b := loopback(t)
	mux, err := yamux.Client(a, config)
	if err != nil {
		t.Fatal(err)
	}
	defer mux.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Server(ctx, b, nil); err == nil {
		t.Error("a session without a stream")
	}
}

func FuzzGuard(f *testing.F) {
	f.Add(muxFrame(0, muxWindow, flagSYN, 1, 0), 5)
	f.Add(append(muxFrame(0, muxWindow, flagSYN, 1, 0), append(muxFrame(0, muxData, 0, 1, 3), "abc"...)...), 1)
	f.Fuzz(func(t *testing.T, raw []byte, step int) {
		whole, parts := &guard{opens: 1}, &guard{opens: 1}
		a := whole.look(raw)
		var b *BadFrame
		step = max(1, step&0xff)
		for rest := raw; len(rest) > 0 && b == nil; rest = rest[min(step, len(rest)):] {
			b = parts.look(rest[:min(step, len(rest))])
		}
		if (a == nil) != (b == nil) {
			t.Fatalf("the verdict depends on how the bytes were cut: %v, %v", a, b)
		}
	})
}
