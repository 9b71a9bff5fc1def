package life

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/outofband/power/machine"
	"github.com/steelyard/steelyard/controller/outofband/power/redfishsim"
	"github.com/steelyard/steelyard/controller/outofband/switchport/snmpsim"
	"github.com/steelyard/steelyard/pkg/simulated"
)

const (
	password       = "s3cret of a BMC"
	community      = "s3cret of a switch"
	customerVLAN   = 10
	quarantineVLAN = 99
)

// gate holds the answer of a device after the deed was done, until it is opened.
type gate struct {
	mu      sync.Mutex
	armed   bool
	reached bool
	open    chan struct{}
}

func newGate() *gate { return &gate{open: make(chan struct{})} }

func (g *gate) arm() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.armed = true
}

// pass waits at an armed gate.
func (g *gate) pass() {
	g.mu.Lock()
	armed := g.armed
	g.reached = g.reached || armed
	g.mu.Unlock()
	if armed {
		<-g.open
	}
}

func (g *gate) held() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reached
}

// release lets what waits go on, and everything after it.
func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.armed {
		g.armed = false
		close(g.open)
		g.open = make(chan struct{})
	}
}

// box is a machine of the simulated fleet that counts what was done to it with an effect.
type box struct {
	machine.Simulated
	mu     sync.Mutex
	starts []string // what it was started from
	stops  int
	late   bool   // it takes its time to start
	waits  string // the boot of a start that was not made yet
}

func (b *box) Power() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waits != "" {
		return machine.On
	}
	return b.Simulated.Power()
}

func (b *box) Start(boot string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waits != "" || b.Simulated.Power() == machine.On {
		return
	}
	b.starts = append(b.starts, boot)
	if b.late {
		b.waits = boot
		return
	}
	b.Simulated.Start(boot)
}

func (b *box) Stop(orderly bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waits == "" && b.Simulated.Power() == machine.Off {
		return
	}
	b.stops++
	b.waits = ""
	b.Simulated.Stop(orderly)
}

// hurry makes the start that waits.
func (b *box) hurry() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.late = false
	if b.waits != "" {
		b.Simulated.Start(b.waits)
		b.waits = ""
	}
}

// forget begins the count anew.
func (b *box) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.starts, b.stops = nil, 0
}

// port is a switch with one server on it; each change with an effect is a word.
type port struct {
	*snmpsim.Switch
	address string
	mu      sync.Mutex
	up      bool
	vlan    int
	history []string
	at      map[string]*gate // by word
}

// changed is called after each SET.
func (p *port) changed() error {
	p.mu.Lock()
	var passed []*gate
	word := func(w string) {
		p.history = append(p.history, w)
		if g := p.at[w]; g != nil {
			passed = append(passed, g)
		}
	}
	if up := p.Up(1); up != p.up {
		p.up = up
		word(map[bool]string{true: "up", false: "down"}[up])
	}
	if vlan := p.VLAN(1); vlan != p.vlan {
		p.vlan = vlan
		word(fmt.Sprint("vlan ", vlan))
	}
	p.mu.Unlock()
	for _, g := range passed {
		g.pass()
	}
	return nil
}

func (p *port) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.history = nil
}

func (p *port) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.history, ", ")
}

func newPort(t *testing.T, name string) *port {
	t.Helper()
	p := &port{Switch: snmpsim.NewSwitch(name, 4, time.Now, customerVLAN, quarantineVLAN), up: true, vlan: 1, at: map[string]*gate{}}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.address = conn.LocalAddr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	a := &snmpsim.Agent{Tree: p.Tree, Write: community, Changed: p.changed}
	go func() { ended <- a.Serve(ctx, conn) }()
	t.Cleanup(func() {
		for _, g := range p.at {
			g.release()
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return p
}

// redfish serves all boxes. Gates hold the answer of a reset, by system and its kind.
type redfish struct {
	url   string
	pin   string
	mu    sync.Mutex
	gates map[string]*gate
}

func (r *redfish) gate(system, kind string) *gate {
	r.mu.Lock()
	defer r.mu.Unlock()
	g := newGate()
	r.gates[system+" "+kind] = g
	g.arm()
	return g
}

func newRedfish(t *testing.T, control simulated.Client, machines []simulated.Machine) (*redfish, map[string]*box) {
	t.Helper()
	r := &redfish{gates: map[string]*gate{}}
	service := redfishsim.New("admin", password)
	boxes := map[string]*box{}
	for _, m := range machines {
		b := &box{Simulated: machine.Simulated{Client: control, Name: m.Serial}}
		boxes[m.Serial] = b
		service.Add(redfishsim.System{ID: m.Serial, Machine: b, Model: "Simulated", SerialNumber: m.Serial, UUID: m.UUID, Firmware: "1"})
	}
	cert, pin, err := redfishsim.Certificate("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		system, reset := strings.CutSuffix(strings.TrimPrefix(q.URL.Path, "/redfish/v1/Systems/"), "/Actions/ComputerSystem.Reset")
		if !reset {
			service.ServeHTTP(w, q)
			return
		}
		body, _ := io.ReadAll(io.LimitReader(q.Body, 4096))
		q.Body = io.NopCloser(strings.NewReader(string(body)))
		rec := httptest.NewRecorder()
		service.ServeHTTP(rec, q)
		r.mu.Lock()
		g := r.gates[system+" "+between(string(body), `"ResetType":"`, `"`)]
		r.mu.Unlock()
		if g != nil {
			g.pass()
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(func() {
		r.mu.Lock()
		for _, g := range r.gates {
			g.release()
		}
		r.mu.Unlock()
		s.Close()
	})
	r.url, r.pin = s.URL, pin
	return r, boxes
}
