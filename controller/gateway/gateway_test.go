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
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/gateway"
	"github.com/steelyard/steelyard/controller/gateway/gatewaytest"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
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

func TestWhoMayNotComeIn(t *testing.T) {
	h := open(t)
	t.Run("another fleet's certificate", func(t *testing.T) {
		m := h.member(0)
		stranger, err := authority.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		issued, err := stranger.IssueAgent(m.id, csrOf(t, m.key), 0)
		if err != nil {
			t.Fatal(err)
		}
		m.cert.Certificate = [][]byte{issued.DER}
		h.refusedInTLS(t, m, "foreign_certificate")
	})
	t.Run("an ended certificate", func(t *testing.T) {
		m := h.member(time.Nanosecond)
		eventually(t, "the end", func() bool { return time.Now().Nanosecond() > 0 })
		time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
		h.refusedInTLS(t, m, "expired_certificate")
	})
	t.Run("no certificate", func(t *testing.T) {
		m := h.member(0)
		m.cert = tls.Certificate{}
		h.refusedInTLS(t, m, "tls")
	})
	t.Run("another protocol", func(t *testing.T) {
		conn, err := tls.Dial("tcp", h.address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		if err == nil {
			_ = conn.Close()
			t.Error("a browser got in")
		}
		eventually(t, "the count", func() bool { return h.Stats().Refused["protocol"] == 1 })
	})
	t.Run("no TLS", func(t *testing.T) {
		before := h.Stats().Refused["tls"]
		conn, err := net.Dial("tcp", h.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		_, _ = io.Copy(io.Discard, conn)
		eventually(t, "the count", func() bool { return h.Stats().Refused["tls"] == before+1 })
	})
	t.Run("a server that this replica has not heard of yet", func(t *testing.T) {
		m := h.member(0)
		h.fleet.RemoveServer(m.id)
		_, _, err := m.greet()
		if !fault.Is(err, fault.KindUnavailable) {
			t.Errorf("a certificate one second old was refused for good: %v", err)
		}
	})
	t.Run("a rejected server", func(t *testing.T) {
		m := h.member(0)
		h.fleet.EditServer(m.id, func(s *fleet.Server) { s.Approval = fleet.Rejected })
		_, _, err := m.greet()
		var left *session.Left
		if !fault.Is(err, fault.KindDenied) || !errors.As(err, &left) || left.Retry == 0 {
			t.Errorf("%v", err)
		}
	})
}

func (h *house) refusedInTLS(t *testing.T, m *member, reason string) {
	t.Helper()
	before := h.Stats().Refused[reason]
	conn, err := m.dial(protocol.ALPNControl)
	if err == nil { // TLS 1.3: the refusal comes after the client's part is done
		_, err = conn.Read(make([]byte, 1))
	}
	if err == nil {
		t.Error("let in")
	}
	eventually(t, "the count of "+reason, func() bool { return h.Stats().Refused[reason] == before+1 })
}

// TestRevokedCertificateIsRefusedAlsoWhenResumed: the serial is compared on every connection.
func TestRevokedCertificateIsRefusedAlsoWhenResumed(t *testing.T) {
	h := open(t)
	h.auth.SetClock(func() time.Time { return time.Now().Add(-time.Hour) }) // so that it does not count as fresh
	m := h.member(0)
	h.auth.SetClock(time.Now)
	_ = m.session().Close()
	eventually(t, "the end", func() bool { return !h.Connected(m.id) })
	h.fleet.EditServer(m.id, func(s *fleet.Server) { s.CertSerial = "another" })
	_, _, err := m.greet()
	if !fault.Is(err, fault.KindDenied) || !strings.Contains(err.Error(), "void") {
		t.Errorf("%v", err)
	}
	if s := h.Stats(); s.Resumed != 1 || s.Refused["revoked_certificate"] != 1 {
		t.Errorf("%d resumed, refused %v", s.Resumed, s.Refused)
	}
}

func TestRevocationEndsALiveSession(t *testing.T) {
	h := open(t)
	m := h.member(0)
	conn := m.session()
	h.fleet.EditServer(m.id, func(s *fleet.Server) { s.CertSerial = "another" })
	if err := conn.Expect(protocol.KindPong, nil); !fault.Is(err, fault.KindDenied) {
		t.Errorf("%v", err)
	}
}

func TestRenewalKeepsTheCertificateInUseUntilTheNextWasUsed(t *testing.T) {
	h := open(t)
	m := h.member(0)
	first := m.serial
	var renewed protocol.Renewed
	for range 2 { // the first answer is lost
		conn := m.session()
		if err := conn.Send(protocol.KindRenew, &protocol.Renew{CSR: csrOf(t, m.key)}); err != nil {
			t.Fatal(err)
		}
		if err := conn.Expect(protocol.KindRenewed, &renewed); err != nil || renewed.Fault != nil {
			t.Fatal(err, renewed.Fault)
		}
		_ = conn.Close()
	}
	if s, _ := h.fleet.Server(m.id); s.PrevSerial != first || s.CertSerial == first {
		t.Errorf("certificates %s and before it %s; %s is in use", s.CertSerial, s.PrevSerial, first)
	}
	_ = m.session().Close()
	m.cert.Certificate = [][]byte{renewed.Certificate}
	m.cache.Forget()
	m.session()
	eventually(t, "the old certificate to be void", func() bool { s, _ := h.fleet.Server(m.id); return s.PrevSerial == "" })
}

func TestRenewalWithABadRequestIsAnsweredAndNothingChanges(t *testing.T) {
	h := open(t)
	m := h.member(0)
	conn := m.session()
	var renewed protocol.Renewed
	if err := errors.Join(conn.Send(protocol.KindRenew, &protocol.Renew{CSR: []byte("x")}), conn.Expect(protocol.KindRenewed, &renewed)); err != nil {
		t.Fatal(err)
	}
	if s, _ := h.fleet.Server(m.id); renewed.Fault == nil || s.CertSerial != m.serial {
		t.Errorf("%+v, serial %s", renewed.Fault, s.CertSerial)
	}
}

func record(server, name string) operation.Command {
	return operation.Command{Command: protocol.Command{ID: name, Server: server, Kind: protocol.CommandDiagnose, Deadline: time.Now().UTC()}}
}

func TestX5_CommandsAreSentOncePerSessionAndWhileTheirRecordExists(t *testing.T) {
	h := open(t)
	m := h.member(0)
	for _, name := range []string{"cmd-1", "cmd-2", "cmd-3", "cmd-4"} {
		h.fleet.PutCommand(record(m.id, name))
	}
	conn, _, err := m.greet(func(p *protocol.Hello) { p.Running, p.Unacked = "cmd-1", []string{"cmd-2"} })
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"cmd-3", "cmd-4"} {
		var c protocol.Command
		if err := conn.Expect(protocol.KindCommand, &c); err != nil || c.ID != want {
			t.Fatalf("%q, %v; want %s", c.ID, err, want)
		}
	}
	if err := conn.Send(protocol.KindResult, &protocol.Result{Command: "cmd-4"}); err != nil {
		t.Fatal(err)
	}
	var ack protocol.Ack
	if err := conn.Expect(protocol.KindAck, &ack); err != nil || ack.Command != "cmd-4" {
		t.Fatal(err, ack)
	}
	stop := record(m.id, "cmd-1")
	stop.Cancel = &operation.Ask{Reason: "enough"}
	h.fleet.PutCommand(stop)
	var cancel protocol.Cancel
	if err := conn.Expect(protocol.KindCancel, &cancel); err != nil || cancel.Command != "cmd-1" || cancel.Reason != "enough" {
		t.Fatal(err, cancel)
	}
	_ = conn.Close()
	eventually(t, "the end", func() bool { return !h.Connected(m.id) })
	conn = m.session() // it forgot everything: all that has a record comes again
	got := map[string]bool{}
	for range 3 {
		var c protocol.Command
		msg, err := conn.Receive()
		if err == nil && msg.Kind == protocol.KindCancel {
			msg, err = conn.Receive()
		}
		if err != nil || msg.Decode(&c) != nil {
			t.Fatal(err)
		}
		got[c.ID] = true
	}
	if !got["cmd-1"] || !got["cmd-2"] || !got["cmd-3"] {
		t.Errorf("%v", got)
	}
}

func TestResultThatCannotBeKeptIsNotAcknowledgedAndReportIsAskedForAgain(t *testing.T) {
	h := open(t, func(o *gateway.Options) { o.Heartbeat = 200 * time.Millisecond })
	m := h.member(0)
	h.fleet.Err = fault.Unavailable("the store is full")
	conn := m.session()
	for _, err := range []error{
		conn.Send(protocol.KindResult, &protocol.Result{Command: "cmd-1"}),
		conn.Send(protocol.KindReport, &protocol.Report{Digest: "d2", Inventory: hardware.Inventory{Schema: 1}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan struct{})
	go func() { // heartbeats, so that the session lives
		defer close(done)
		for i := uint64(1); conn.Send(protocol.KindPing, &protocol.Ping{Seq: i}) == nil; i++ {
			time.Sleep(50 * time.Millisecond)
		}
	}()
	for {
		msg, err := conn.Receive()
		if err != nil || msg.Kind == protocol.KindAck {
			t.Fatalf("kind %d, %v", msg.Kind, err)
		}
		if msg.Kind == protocol.KindWant {
			break
		}
	}
	_ = conn.Close()
	<-done
	if h.Stats().Unaccepted != 2 {
		t.Errorf("%d counted", h.Stats().Unaccepted)
	}
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
