package session

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// once counts the writes that reach a connection.
type once struct {
	net.Conn
	writes int
}

func (o *once) Write(p []byte) (int, error) {
	o.writes++
	return o.Conn.Write(p)
}

func TestEveryMessageArrivesAsItWasSentInOneWrite(t *testing.T) {
	a, b := net.Pipe()
	counted := &once{Conn: a}
	from, to := NewConn(counted, time.Minute), NewConn(b, time.Minute)
	defer func() { _, _ = from.Close(), to.Close() }()
	for kind, msg := range samples() {
		counted.writes = 0
		sent := make(chan error, 1)
		go func() { sent <- from.Send(kind, msg) }()
		got, err := to.Receive()
		if err != nil || got.Kind != kind {
			t.Fatalf("kind %d: received %d, %v", kind, got.Kind, err)
		}
		back := blank(kind)
		if err := got.Decode(back); err != nil {
			t.Fatalf("kind %d: %v", kind, err)
		}
		if diff := cmp.Diff(msg, back, cmpopts.IgnoreUnexported(fault.Fault{})); diff != "" {
			t.Errorf("kind %d came differently (-sent +received):\n%s", kind, diff)
		}
		if err := <-sent; err != nil || counted.writes != 1 {
			t.Errorf("kind %d: %d writes, %v", kind, counted.writes, err)
		}
	}
}

func TestTimesArriveInUTC(t *testing.T) {
	defer func(zone *time.Location) { time.Local = zone }(time.Local)
	time.Local = time.FixedZone("far", 9*3600)
	for _, at := range []time.Time{{}, time.Unix(1<<33, 0).UTC(), time.Unix(1<<33, 77).UTC(), time.Unix(1<<40, 77).UTC(), time.Unix(-5, 1).UTC()} {
		frame, err := Marshal(protocol.KindResult, &protocol.Result{At: at})
		if err != nil {
			t.Fatal(err)
		}
		var back protocol.Result
		if err := unmarshal(frame[headerSize:], &back); err != nil || !reflect.DeepEqual(back.At, at) {
			t.Errorf("%v came as %v (%v)", at, back.At, err)
		}
	}
}

// pour makes a connection on which exactly these bytes arrive, and then the end.
func pour(raw []byte) *Conn {
	return NewConn(&script{Reader: bytes.NewReader(raw)}, time.Minute)
}

func frame(kind byte, body string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)+1))
	return append(append(b, kind), body...)
}

func TestBadFramesHaveReasons(t *testing.T) {
	huge := binary.BigEndian.AppendUint32(nil, 1<<31)
	for _, c := range []struct {
		name   string
		raw    []byte
		reason string
	}{
		{"no kind", []byte{0, 0, 0, 0}, ReasonEmpty},
		{"2 GiB", huge, ReasonTooLarge},
		{"large Ping", append(binary.BigEndian.AppendUint32(nil, protocol.MaxControlFrame+1), byte(protocol.KindPing)), ReasonTooLarge},
		{"large EnrolRequest", append(binary.BigEndian.AppendUint32(nil, protocol.MaxEnrolFrame+1), byte(protocol.KindEnrolRequest)), ReasonTooLarge},
		{"kind 0", frame(0, "\x80"), ReasonUnknown},
		{"the first unknown kind", frame(byte(protocol.KindUsageAnswer)+1, "\x80"), ReasonUnknown},
		{"kind 255", frame(255, "\x80"), ReasonUnknown},
		{"cut in the length", []byte{0, 0}, ReasonTruncated},
		{"cut in the body", frame(4, "\x81\xa3seq\x01")[:8], ReasonTruncated},
		{"body without a map", frame(4, "\xc0"), ReasonShape},
		{"no body", frame(4, ""), ReasonShape},
	} {
		_, err := pour(c.raw).Receive()
		if ReasonOf(err) != c.reason {
			t.Errorf("%s: %v (reason %q), want %q", c.name, err, ReasonOf(err), c.reason)
		}
	}
}

func TestEndBetweenFramesIsEOF(t *testing.T) {
	c := pour(frame(4, "\x81\xa3seq\x01"))
	if _, err := c.Receive(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("%v, want EOF", err)
	}
}

func TestWrongTypesAreUndecodable(t *testing.T) {
	m, err := pour(frame(4, "\x81\xa3seq\xa3abc")).Receive()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Decode(&protocol.Ping{}); ReasonOf(err) != ReasonDecode {
		t.Errorf("%v (reason %q)", err, ReasonOf(err))
	}
}

func TestUnknownNamesAreIgnored(t *testing.T) {
	m, err := pour(frame(4, "\x82\xa3seq\x05\xa6future\x92\x01\x02")).Receive()
	if err != nil {
		t.Fatal(err)
	}
	var p protocol.Ping
	if err := m.Decode(&p); err != nil || p.Seq != 5 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestAnnouncedLengthAllocatesNothing(t *testing.T) {
	const conns = 64
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range conns {
		raw := append(binary.BigEndian.AppendUint32(nil, protocol.MaxFrame), byte(protocol.KindReport), 0x81)
		if _, err := pour(raw).Receive(); ReasonOf(err) != ReasonTruncated {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if per := (after.TotalAlloc - before.TotalAlloc) / conns; per > 64<<10 {
		t.Errorf("a header that announced 1 MiB made the reader allocate %d bytes", per)
	}
}

func TestSilentPeerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, b := net.Pipe()
		start := time.Now()
		_, err := NewConn(b, 45*time.Second).Receive()
		if !fault.Is(err, fault.KindUnavailable) || time.Since(start) != 45*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestDribblingPeerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		var dribble sync.WaitGroup
		defer dribble.Wait()
		dribble.Go(func() { // one byte a second
			for _, c := range frame(4, "\x81\xa3seq\x01"+strings.Repeat("\x00", 4000)) {
				if _, err := a.Write([]byte{c}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		start := time.Now()
		_, err := NewConn(b, time.Hour).Receive()
		if ReasonOf(err) != ReasonTruncated || time.Since(start) > FrameTimeout+time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		_ = b.Close()
	})
}

func TestPeerThatDoesNotReadIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		start := time.Now()
		err := NewConn(a, 0).Send(protocol.KindPing, &protocol.Ping{})
		if !fault.Is(err, fault.KindUnavailable) || time.Since(start) != WriteTimeout {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the connection stayed open after a failed write: %v", err)
		}
	})
}

func TestExpectTellsTheFaultOfAGoodbye(t *testing.T) {
	raw, err := Marshal(protocol.KindGoodbye, &protocol.Goodbye{Fault: fault.Denied("server srv-1 was retired"), RetrySeconds: 90})
	if err != nil {
		t.Fatal(err)
	}
	err = pour(raw).Expect(protocol.KindWelcome, &protocol.Welcome{})
	var left *Left
	if !errors.As(err, &left) || left.Retry != 90*time.Second || !fault.Is(err, fault.KindDenied) {
		t.Errorf("%v", err)
	}
	if err := pour(frame(5, "\x80")).Expect(protocol.KindWelcome, &protocol.Welcome{}); ReasonOf(err) != ReasonOutOfOrder {
		t.Errorf("%v", err)
	}
}

func TestSendersDoNotMixTheirFrames(t *testing.T) {
	a, b := net.Pipe()
	from, to := NewConn(a, 0), NewConn(b, time.Minute)
	const senders, each = 8, 50
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			for j := range each {
				if err := from.Send(protocol.KindProgress, &protocol.Progress{Command: strings.Repeat("x", i), Done: uint64(j)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	next := map[string]uint64{}
	for range senders * each {
		var p protocol.Progress
		if err := to.Expect(protocol.KindProgress, &p); err != nil {
			t.Fatal(err)
		}
		if p.Done != next[p.Command] {
			t.Fatalf("sender %q: %d came, %d was due", p.Command, p.Done, next[p.Command])
		}
		next[p.Command]++
	}
	wg.Wait()
}

func TestTooLargeMessagesAreNotSent(t *testing.T) {
	c := NewConn(&script{}, 0)
	err := c.Send(protocol.KindProgress, &protocol.Progress{Note: strings.Repeat("x", protocol.MaxControlFrame)})
	if ReasonOf(err) != ReasonTooLarge {
		t.Errorf("%v", err)
	}
}

func TestNegotiation(t *testing.T) {
	for _, c := range []struct {
		min, max, want int
	}{{1, 1, 1}, {1, 9, 1}, {0, 1, 1}, {2, 3, 0}, {0, 0, 0}, {3, 1, 0}} {
		v, err := Negotiate(protocol.Hello{VersionMin: c.min, VersionMax: c.max, AgentVersion: strings.Repeat("v", 300)})
		if v != c.want || (err == nil) != (c.want > 0) || (err != nil && ReasonOf(err) != ReasonVersion) {
			t.Errorf("%d–%d: %d, %v", c.min, c.max, v, err)
		}
	}
}

func FuzzReceive(f *testing.F) {
	for kind, msg := range samples() {
		raw, err := Marshal(kind, msg)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
		f.Add(append(bytes.Clone(raw), raw...))
	}
	for _, h := range hostile {
		f.Add(frame(byte(protocol.KindReport), h.body[:min(len(h.body), 4096)]))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c := NewConn(&script{Reader: bytes.NewReader(raw)}, time.Minute)
		for n := 0; ; n++ {
			m, err := c.Receive()
			if err != nil {
				if ReasonOf(err) == "" && !errors.Is(err, io.EOF) {
					t.Fatalf("an error without a reason: %v", err)
				}
				return
			}
			if n*headerSize > len(raw) {
				t.Fatal("more frames than bytes")
			}
			_ = m.Decode(blank(m.Kind))
		}
	})
}

// script is a connection that only reads.
type script struct {
	net.Conn
	io.Reader
}

func (s *script) Read(p []byte) (int, error)       { return s.Reader.Read(p) }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// The msgpack library panics on nil in the place of a time.
func TestNilInThePlaceOfATimeEndsOnlyTheMessage(t *testing.T) {
	for range 3 {
		m, err := pour(frame(byte(protocol.KindSample), "\x81\xa6sample\x81\xa2at\xc0")).Receive()
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Decode(&protocol.SampleReport{}); ReasonOf(err) != ReasonDecode {
			t.Errorf("%v (reason %q)", err, ReasonOf(err))
		}
	}
}
