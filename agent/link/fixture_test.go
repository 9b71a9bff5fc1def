package link

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"net"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/pause"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fleetCA certifies agents in tests.
type fleetCA struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newCA(t *testing.T) *fleetCA {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now(), NotAfter: time.Now().AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &fleetCA{key, cert}
}

// sign answers a certificate request.
func (ca *fleetCA) sign(t *testing.T, csrDER []byte, server string, life time.Duration) []byte {
	t.Helper()
	csr, err := x509.ParseCertificateRequest(csrDER)
	if err != nil {
		t.Fatal(err)
	}
	uri, err := url.Parse(session.ServerURI(server))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now(), NotAfter: time.Now().Add(life), URIs: []*url.URL{uri}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, csr.PublicKey, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// enrolled is a state that has a certificate of the given life.
func (ca *fleetCA) enrolled(t *testing.T, life time.Duration) *Memory {
	t.Helper()
	m := new(Memory)
	rec, err := load(m)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := request(rec.Key)
	if err != nil {
		t.Fatal(err)
	}
	rec.ServerID, rec.Authority, rec.Certificate = "srv-1", ca.cert.Raw, ca.sign(t, csr, "srv-1", life)
	if err := m.Save(rec); err != nil {
		t.Fatal(err)
	}
	return m
}

// machine is a source and an executor that note what is asked of them.
type machine struct {
	mu       sync.Mutex
	model    string
	slow     time.Duration // of Inventory
	attached []protocol.Welcome
	commands []string
	stopped  []string
	acked    []string
	results  []protocol.Result
	changed  chan struct{}
}

func newMachine() *machine { return &machine{model: "first", changed: make(chan struct{}, 1)} }

func (m *machine) with(f func()) { m.mu.Lock(); defer m.mu.Unlock(); f() }

func (m *machine) Inventory(ctx context.Context) (inv hardware.Inventory) {
	_ = pause.For(ctx, m.slow)
	m.with(func() {
		inv = hardware.Inventory{Schema: 1, Identity: hardware.Identity{UUID: "4c4c4544-0042-3510-8054-b4c04f4a4e31"}, CPUs: []hardware.CPU{{Model: m.model}}}
	})
	return inv
}

func (m *machine) Sample(s *hardware.Sample) error {
	*s = hardware.Sample{At: time.Now().UTC()}
	return nil
}

func (m *machine) Attach(w protocol.Welcome) { m.with(func() { m.attached = append(m.attached, w) }) }

func (m *machine) Execute(c protocol.Command) {
	m.with(func() { m.commands = append(m.commands, c.ID) })
}

func (m *machine) Cancel(c protocol.Cancel) {
	m.with(func() { m.stopped = append(m.stopped, c.Command) })
}
func (m *machine) Running() string                { return "" }
func (m *machine) Acked(id string)                { m.with(func() { m.acked, m.results = append(m.acked, id), nil }) }
func (m *machine) Unacked() (r []protocol.Result) { m.with(func() { r = m.results }); return r }
func (m *machine) Progress() (protocol.Progress, bool) {
	return protocol.Progress{}, false
}
func (m *machine) Changed() <-chan struct{} { return m.changed }

// bench is a link whose connections end at the test.
type bench struct {
	t     *testing.T
	ca    *fleetCA
	m     *machine
	link  *Link
	state *Memory
	conns chan *session.Conn // the controller's ends
	dials []time.Time
	stop  func()
}

// onBench runs f in a bubble with a link that was enrolled with a certificate of the given life.
func onBench(t *testing.T, life time.Duration, f func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, ca: newCA(t), m: newMachine(), conns: make(chan *session.Conn)}
		b.state = b.ca.enrolled(t, life)
		l, err := New(Options{Controllers: []string{"test"}, State: b.state, Source: b.m, Executor: b.m, Environment: protocol.EnvSimulated, BootID: "b"})
		if err != nil {
			t.Fatal(err)
		}
		b.link = l
		l.open = b.open
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx) }()
		b.stop = sync.OnceFunc(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		f(b)
		b.stop()
	})
}

func (b *bench) open(ctx context.Context) (*session.Conn, error) {
	b.dials = append(b.dials, time.Now())
	mine, theirs := net.Pipe()
	select {
	case b.conns <- session.NewConn(theirs, 10*time.Minute):
		return session.NewConn(mine, 0), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// welcome takes the next connection up to the Welcome.
func (b *bench) welcome(edit ...func(*protocol.Welcome)) (*session.Conn, protocol.Hello) {
	b.t.Helper()
	conn := <-b.conns
	var hello protocol.Hello
	if err := conn.Expect(protocol.KindHello, &hello); err != nil {
		b.t.Fatal(err)
	}
	w := protocol.Welcome{Version: 1, ServerID: "srv-1", Approval: "approved", HeartbeatSeconds: 15, SampleSeconds: 60, BackoffMaxSecs: 40}
	for _, e := range edit {
		e(&w)
	}
	if err := conn.Send(protocol.KindWelcome, &w); err != nil {
		b.t.Fatal(err)
	}
	return conn, hello
}

// until receives, answering heartbeats, up to a message of the given kind.
func (b *bench) until(conn *session.Conn, kind protocol.Kind, to any) {
	b.t.Helper()
	for {
		m, err := conn.Receive()
		if err != nil {
			b.t.Fatalf("waiting for kind %d: %v", kind, err)
		}
		if m.Kind == kind {
			if err := m.Decode(to); err != nil {
				b.t.Fatal(err)
			}
			return
		}
		if m.Kind == protocol.KindPing {
			b.pong(conn, m)
		}
	}
}

func (b *bench) pong(conn *session.Conn, m session.Message) {
	b.t.Helper()
	var p protocol.Ping
	if err := m.Decode(&p); err != nil {
		b.t.Fatal(err)
	}
	if err := conn.Send(protocol.KindPong, &protocol.Pong{Seq: p.Seq}); err != nil {
		b.t.Fatal(err)
	}
}
