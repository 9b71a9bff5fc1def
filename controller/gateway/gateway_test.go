package gateway_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/yamux"
	"go.uber.org/goleak"

	"github.com/steelyard/steelyard/controller/authority"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/gateway"
	"github.com/steelyard/steelyard/controller/gateway/gatewaytest"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is a running gateway and the fleet behind it.
type house struct {
	*gateway.Gateway
	t       *testing.T
	fleet   *gatewaytest.Fleet
	auth    *authority.Authority
	address string
	stop    func()
}

func open(t *testing.T, edit ...func(*gateway.Options)) *house {
	t.Helper()
	auth, err := authority.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, fleet: gatewaytest.New(), auth: auth}
	o := gateway.Options{Authority: auth, Certificate: auth.ServerCertificate(), Directory: h.fleet, Intake: h.fleet, Presence: h.fleet, Images: h.fleet, Replica: "r1"}
	for _, e := range edit {
		e(&o)
	}
	if h.Gateway, err = gateway.New(o); err != nil {
		t.Fatal(err)
	}
	h.fleet.Changed = h.Wake
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.address = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx, ln) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(h.stop)
	return h
}

// member is an enrolled server's side, by hand.
type member struct {
	h      *house
	id     string
	key    *ecdsa.PrivateKey
	cert   tls.Certificate
	serial string
	cache  session.Tickets
}

func csrOf(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// member puts a server into the fleet and gives it a certificate with some life.
func (h *house) member(life time.Duration) *member {
	h.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		h.t.Fatal(err)
	}
	m := &member{h: h, id: id.New("srv"), key: key}
	m.certify(life)
	h.fleet.PutServer(fleet.Server{ID: m.id, InstanceID: "ins-1", Approval: fleet.Approved, CertSerial: m.serial, Epoch: 4})
	return m
}

func (m *member) certify(life time.Duration) {
	m.h.t.Helper()
	issued, err := m.h.auth.IssueAgent(m.id, csrOf(m.h.t, m.key), life)
	if err != nil {
		m.h.t.Fatal(err)
	}
	m.cert, m.serial = tls.Certificate{Certificate: [][]byte{issued.DER}, PrivateKey: m.key}, issued.Serial
}

func (m *member) dial(alpn string) (*tls.Conn, error) {
	conn, err := tls.Dial("tcp", m.h.address, session.ControlTLS(alpn, m.cert, m.h.auth.Certificate(), &m.cache))
	if err == nil {
		m.h.t.Cleanup(func() { _ = conn.Close() })
	}
	return conn, err
}

func (m *member) connect() *session.Conn {
	m.h.t.Helper()
	raw, err := m.dial(protocol.ALPNControl)
	if err != nil {
		m.h.t.Fatal(err)
	}
	conn, err := session.Client(raw, nil)
	if err != nil {
		m.h.t.Fatal(err)
	}
	conn.SetIdle(10 * time.Second)
	m.h.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func hello() *protocol.Hello {
	return &protocol.Hello{VersionMin: 1, VersionMax: 1, AgentVersion: "test", Environment: protocol.EnvSimulated, BootID: "boot-1", InstanceID: "ins-1", InventoryDigest: "d"}
}

// greet connects and says Hello.
func (m *member) greet(edit ...func(*protocol.Hello)) (*session.Conn, protocol.Welcome, error) {
	m.h.t.Helper()
	conn, say := m.connect(), hello()
	for _, e := range edit {
		e(say)
	}
	var w protocol.Welcome
	err := conn.Send(protocol.KindHello, say)
	if err == nil {
		err = conn.Expect(protocol.KindWelcome, &w)
	}
	return conn, w, err
}

func (m *member) session() *session.Conn {
	m.h.t.Helper()
	conn, _, err := m.greet()
	if err != nil {
		m.h.t.Fatal(err)
	}
	return conn
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestWelcomeSaysWhatTheAgentNeeds(t *testing.T) {
	h := open(t, func(o *gateway.Options) { o.FleetSize = func() int { return 100_000 } })
	m := h.member(0)
	_, w, err := m.greet()
	if err != nil {
		t.Fatal(err)
	}
	if w.Version != 1 || w.ServerID != m.id || w.Approval != fleet.Approved || w.Epoch != 4 || w.HeartbeatSeconds != 15 || !w.WantReport || len(w.SigningKey) != 32 {
		t.Errorf("%+v", w)
	}
	if w.BackoffMaxSecs < 200 {
		t.Errorf("100,000 agents would come back within %d seconds", w.BackoffMaxSecs)
	}
}

func TestBadInputEndsThatSessionWithAGoodbyeAndACount(t *testing.T) {
	h := open(t)
	good := h.member(0)
	alive := good.session()
	ping := func(seq uint64) func(*session.Conn) {
		return func(c *session.Conn) { _ = c.Send(protocol.KindPing, &protocol.Ping{Seq: seq}) }
	}
	say := func(kind protocol.Kind, msg any) func(*session.Conn) {
		return func(c *session.Conn) { _ = c.Send(kind, msg) }
	}
	for _, c := range []struct {
		name   string
		do     []func(*session.Conn)
		reason string
	}{
		{"a second Hello", []func(*session.Conn){say(protocol.KindHello, hello())}, session.ReasonOutOfOrder},
		{"a controller's message", []func(*session.Conn){say(protocol.KindWelcome, &protocol.Welcome{})}, session.ReasonOutOfOrder},
		{"an enrolment", []func(*session.Conn){say(protocol.KindEnrolRequest, &protocol.EnrolRequest{})}, session.ReasonOutOfOrder},
		{"a replayed heartbeat", []func(*session.Conn){ping(5), ping(5)}, session.ReasonReplayed},
		{"a heartbeat out of order", []func(*session.Conn){ping(5), ping(4)}, session.ReasonReplayed},
		{"another message under this kind", []func(*session.Conn){say(protocol.KindPing, &protocol.Hello{AgentVersion: "x"})}, session.ReasonReplayed},
		{"a flood", []func(*session.Conn){func(c *session.Conn) {
			for i := range uint64(600) {
				if c.Send(protocol.KindPing, &protocol.Ping{Seq: i + 1}) != nil {
					return
				}
			}
		}}, session.ReasonFlood},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := h.Stats().BadFrames[c.reason]
			conn := h.member(0).session()
			for _, do := range c.do {
				do(conn)
			}
			for {
				msg, err := conn.Receive()
				if err != nil {
					t.Fatalf("no Goodbye: %v", err)
				}
				if msg.Kind == protocol.KindGoodbye {
					var bye protocol.Goodbye
					if err := msg.Decode(&bye); err != nil || bye.Fault.Kind != fault.KindInvalid {
						t.Errorf("%+v, %v", bye, err)
					}
					break
				}
			}
			eventually(t, "one count", func() bool { return h.Stats().BadFrames[c.reason] == before+1 })
		})
	}
	if err := alive.Send(protocol.KindPing, &protocol.Ping{Seq: 1}); err != nil {
		t.Fatal(err)
	}
	if err := alive.Expect(protocol.KindPong, &protocol.Pong{}); err != nil {
		t.Errorf("another session suffered: %v", err)
	}
}

func TestHostileBytesOnTheControlStream(t *testing.T) {
	h := open(t)
	huge := binary.BigEndian.AppendUint32(nil, 1<<31)
	body := func(kind protocol.Kind, text string) []byte {
		return append(append(binary.BigEndian.AppendUint32(nil, uint32(len(text)+1)), byte(kind)), text...)
	}
	for reason, raw := range map[string][]byte{
		session.ReasonTooLarge: append(huge, byte(protocol.KindHello)),
		session.ReasonEmpty:    {0, 0, 0, 0},
		session.ReasonUnknown:  body(99, "\x80"),
		session.ReasonDepth:    body(protocol.KindHello, "\x81\xa1a"+strings.Repeat("\x91", 40)),
		session.ReasonLength:   body(protocol.KindHello, "\x81\xa1a\xdd\xff\xff\xff\xff"),
		session.ReasonShape:    body(protocol.KindHello, "\xc0"),
		session.ReasonDecode:   body(protocol.KindHello, "\x81\xabversion_min\xa1x"),
		session.ReasonVersion:  body(protocol.KindHello, "\x82\xabversion_min\x09\xabversion_max\x0a"),
	} {
		t.Run(reason, func(t *testing.T) {
			conn, err := h.member(0).dial(protocol.ALPNControl)
			if err != nil {
				t.Fatal(err)
			}
			mux, err := yamux.Client(conn, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer mux.Close()
			stream, err := mux.OpenStream()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Write(raw); err != nil {
				t.Fatal(err)
			}
			err = session.NewConn(stream, 5*time.Second).Expect(protocol.KindWelcome, &protocol.Welcome{})
			var left *session.Left
			if !errors.As(err, &left) {
				t.Errorf("no Goodbye: %v", err)
			}
			if h.Stats().BadFrames[reason] != 1 {
				t.Errorf("counts %v", h.Stats().BadFrames)
			}
		})
	}
}

func TestWrongHellosNameEveryField(t *testing.T) {
	h := open(t)
	_, _, err := h.member(0).greet(func(p *protocol.Hello) {
		p.InstanceID, p.Environment, p.AgentVersion = "", "moon", strings.Repeat("x", 300)
		p.Unacked = make([]string, 2000)
	})
	var f *fault.Fault
	if !errors.As(err, &f) || f.Kind != fault.KindInvalid || len(f.Fields) != 4 {
		t.Errorf("%v", err)
	}
}

func TestFirstMessageMustBeHello(t *testing.T) {
	h := open(t)
	conn := h.member(0).connect()
	if err := conn.Send(protocol.KindPing, &protocol.Ping{Seq: 1}); err != nil {
		t.Fatal(err)
	}
	if err := conn.Expect(protocol.KindWelcome, &protocol.Welcome{}); !fault.Is(err, fault.KindInvalid) {
		t.Error(err)
	}
}

func TestSilentAgentIsLost(t *testing.T) {
	h := open(t, func(o *gateway.Options) { o.Heartbeat = 50 * time.Millisecond })
	m := h.member(0)
	conn := m.session()
	start := time.Now()
	if _, err := conn.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("noticed after %v", took)
	}
	eventually(t, "the loss", func() bool { return h.Stats().Lost == 1 && !h.Connected(m.id) && len(h.fleet.Present()) == 0 })
}

func TestFullHouseSendsAgentsElsewhere(t *testing.T) {
	h := open(t, func(o *gateway.Options) { o.MaxSessions = 1 })
	first := h.member(0)
	first.session()
	_, _, err := h.member(0).greet()
	var left *session.Left
	if !fault.Is(err, fault.KindUnavailable) || !errors.As(err, &left) || left.Retry == 0 {
		t.Errorf("%v", err)
	}
	if _, _, err := first.greet(); err != nil {
		t.Errorf("a reconnect was counted as another session: %v", err)
	}
}

func TestX1_AnotherInstanceClosesBothAndTellsTheIntake(t *testing.T) {
	h := open(t)
	m := h.member(0)
	h.fleet.EditServer(m.id, func(s *fleet.Server) { s.InstanceID = "" })
	conn := m.session()
	_, _, err := m.greet(func(p *protocol.Hello) { p.InstanceID = "ins-2" })
	if !fault.Is(err, fault.KindRefused) {
		t.Errorf("the second: %v", err)
	}
	if err := conn.Expect(protocol.KindPong, nil); !fault.Is(err, fault.KindRefused) {
		t.Errorf("the first: %v", err)
	}
	if c := h.fleet.Conflicts(); len(c) != 1 {
		t.Errorf("%v", c)
	}
	eventually(t, "nobody left", func() bool { return !h.Connected(m.id) && len(h.fleet.Present()) == 0 })
}

func TestStopTellsTheAgents(t *testing.T) {
	h := open(t)
	m := h.member(0)
	conn := m.session()
	go h.stop()
	if err := conn.Expect(protocol.KindPong, nil); !fault.Is(err, fault.KindUnavailable) || !strings.Contains(err.Error(), "stopping") {
		t.Errorf("%v", err)
	}
	_ = conn.Close()
	start := time.Now()
	h.stop()
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("stopping took %v", took)
	}
}
