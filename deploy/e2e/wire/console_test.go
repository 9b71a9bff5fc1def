package wire

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/link"
	"github.com/steelyard/steelyard/agent/shell"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/gateway"
	"github.com/steelyard/steelyard/pkg/fault"
	ids "github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// ram makes an agent one of the RAM environment, with real shells.
func ram(o *link.Options) {
	o.Environment = protocol.EnvRAM
	o.Shell = func(rows, cols int) (link.Shell, error) {
		return shell.Open([]string{"/bin/sh"}, []string{"PATH=/usr/bin:/bin", "TERM=xterm", "PS1=% "}, "/", rows, cols)
	}
}

// terminal is a console, and what it showed after the text that was waited for last.
type terminal struct {
	*gateway.Console
	rest string
}

// opened is a console of an agent that is connected.
func (c *controller) opened(a *agent) *terminal {
	c.t.Helper()
	con, err := c.gate.Load().Console(c.t.Context(), a.id(), "con-1", 33, 111)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(con.Close)
	return &terminal{Console: con}
}

// hear is what a console says next. One has no deadline of its own: people think.
func (con *terminal) hear() ([]byte, *protocol.ConsoleExit, error) {
	defer time.AfterFunc(patience, con.Close).Stop()
	return con.Receive()
}

// seen reads from a console until a text was shown.
func seen(t *testing.T, con *terminal, want string) {
	t.Helper()
	for {
		if _, after, ok := strings.Cut(con.rest, want); ok {
			con.rest = after
			return
		}
		out, exit, err := con.hear()
		if err != nil || exit != nil {
			t.Fatalf("%v %v before %q was shown, after %q", exit, err, want, con.rest)
		}
		con.rest += string(out)
	}
}

// last reads until a console ends.
func last(t *testing.T, con *terminal) (*protocol.ConsoleExit, error) {
	t.Helper()
	for {
		_, exit, err := con.hear()
		if exit != nil || err != nil {
			return exit, err
		}
	}
}

func typed(t *testing.T, con *terminal, text string) {
	t.Helper()
	if err := con.Send([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestX8_AConsoleIsAShellOnATerminal(t *testing.T) {
	c := newController(t)
	c.start()
	a := c.agent(1, ram)
	c.connected(a)
	con := c.opened(a)
	typed(t, con, "stty size; echo $((40+2))\n")
	seen(t, con, "33 111")
	seen(t, con, "42")
	if _, err := c.gate.Load().Console(t.Context(), a.id(), "con-2", 24, 80); !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "already") {
		t.Errorf("a second console: %v", err)
	}
	if err := con.Resize(50, 132); err != nil {
		t.Fatal(err)
	}
	typed(t, con, "stty size; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo e''nd; exit 5\n")
	seen(t, con, "50 132")
	seen(t, con, "end")
	exit, err := last(t, con)
	if err != nil || exit.Status != 5 || exit.Fault != nil {
		t.Errorf("%+v %v", exit, err)
	}
	con.Close()
	again := c.opened(a)
	typed(t, again, "echo se''cond\n")
	seen(t, again, "second")
	again.Close()
	again.Close()
	if !c.gate.Load().Connected(a.id()) || !a.Status().Connected {
		t.Error("the session ended with the console")
	}
}

func TestAConsoleEndsWithTheSessionOnBothSides(t *testing.T) {
	c := newController(t)
	c.start()
	a := c.agent(1, ram)
	c.connected(a)
	con := c.opened(a)
	typed(t, con, "sleep 1000\n")
	if err := a.stop(); err != nil { // the agent stops, and its shell with it
		t.Fatal(err)
	}
	if _, err := last(t, con); !fault.Is(err, fault.KindUnavailable) {
		t.Errorf("the agent has gone: %v", err)
	}
	con.Close()
	b := c.agent(2, ram)
	c.connected(b)
	other := c.opened(b)
	c.stop() // and so does a controller; goleak finds a shell's goroutines that stay
	if _, err := last(t, other); err == nil {
		t.Error("the controller has gone, and the console goes on")
	}
}

func TestB44_OnlyTheRAMEnvironmentGivesConsoles(t *testing.T) {
	c := newController(t)
	c.start()
	for environment, words := range map[string]string{protocol.EnvInstalled: "customer", protocol.EnvSimulated: "simulated", protocol.EnvSandbox: "sandbox", protocol.EnvRAM: "gives no console"} {
		a := c.agent(len(environment), func(o *link.Options) { o.Environment = environment })
		c.connected(a)
		_, err := c.gate.Load().Console(t.Context(), a.id(), "con-1", 24, 80)
		if !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", environment, err)
		}
	}
	a := c.agent(99, ram)
	c.connected(a)
	c.fleet.EditServer(a.id(), func(s *fleet.Server) { s.Approval = fleet.Pending })
	if _, err := c.gate.Load().Console(t.Context(), a.id(), "con-1", 24, 80); !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "approve") {
		t.Errorf("pending: %v", err)
	}
	if _, err := c.gate.Load().Console(t.Context(), "srv-none", "con-1", 24, 80); !fault.Is(err, fault.KindUnavailable) {
		t.Errorf("nobody: %v", err)
	}
}

// A controller that asks an agent of a customer's system for a shell gets none, and loses the session.
func TestB44_AnInstalledAgentGivesNoShellWhoeverAsks(t *testing.T) {
	c := newController(t)
	c.start()
	a := c.agent(1, func(o *link.Options) {
		o.Environment, o.Capabilities = protocol.EnvRAM, []string{protocol.CanConsole} // it says so, and cannot
	})
	c.connected(a)
	_, err := c.gate.Load().Console(t.Context(), a.id(), "con-1", 24, 80)
	if !fault.Is(err, fault.KindUnavailable) {
		t.Errorf("%v", err)
	}
	eventually(t, "why the session ended", func() bool { return strings.Contains(a.Status().LastError, "gives no shell") })
}

// thief is somebody with a server's certificate who speaks the protocol by hand.
func thief(t *testing.T, c *controller, environment string) (id string, dial func(alpn string) *tls.Conn) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	id = ids.New("srv")
	issued, err := c.authority.IssueAgent(id, csr, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c.fleet.PutServer(fleet.Server{ID: id, InstanceID: "ins-1", Environment: environment, Approval: fleet.Approved, CertSerial: issued.Serial})
	cert := tls.Certificate{Certificate: [][]byte{issued.DER}, PrivateKey: key}
	return id, func(alpn string) *tls.Conn {
		conn, err := tls.Dial("tcp", c.address, session.ControlTLS(alpn, cert, c.authority.Certificate(), nil))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
}

func TestHostileConnectionsGetNoConsole(t *testing.T) {
	c := newController(t)
	c.start()
	a := c.agent(1, ram)
	c.connected(a)
	con := c.opened(a)
	for _, environment := range []string{protocol.EnvRAM, protocol.EnvInstalled} {
		_, dial := thief(t, c, environment)
		for name, send := range map[string]func(*session.Conn) error{
			"another's console": func(s *session.Conn) error {
				return s.Send(protocol.KindConsole, &protocol.Console{ID: con.ID})
			},
			"no id":      func(s *session.Conn) error { return s.Send(protocol.KindConsole, &protocol.Console{}) },
			"data first": func(s *session.Conn) error { return s.Send(protocol.KindConsoleData, &protocol.ConsoleData{}) },
		} {
			s := session.NewConn(dial(protocol.ALPNConsole), patience)
			if err := send(s); err != nil {
				t.Fatal(err)
			}
			var bye protocol.Goodbye
			if err := s.Expect(protocol.KindConsoleData, &protocol.ConsoleData{}); err == nil {
				t.Errorf("%s from %s: %+v", name, environment, bye)
			}
		}
	}
	typed(t, con, "echo st''ill\n")
	seen(t, con, "still")
}

// An agent that answers its console with what may not come there loses it, and nothing else.
func TestHostileFramesEndTheConsoleAndNothingElse(t *testing.T) {
	for name, send := range map[string]func(*session.Conn, *tls.Conn) error{
		"a report": func(s *session.Conn, _ *tls.Conn) error { return s.Send(protocol.KindReport, &protocol.Report{}) },
		"its own size": func(s *session.Conn, _ *tls.Conn) error {
			return s.Send(protocol.KindConsoleSize, &protocol.ConsoleSize{})
		},
		"a huge frame": func(_ *session.Conn, raw *tls.Conn) error {
			_, err := raw.Write([]byte{0, 0x10, 0, 0, byte(protocol.KindConsoleData)})
			return err
		},
		"no msgpack": func(_ *session.Conn, raw *tls.Conn) error {
			_, err := raw.Write([]byte{0, 0, 0, 2, byte(protocol.KindConsoleData), 0xc1})
			return err
		},
		"half a frame":  func(_ *session.Conn, raw *tls.Conn) error { _, _ = raw.Write([]byte{0, 0}); return raw.Close() },
		"another's map": func(s *session.Conn, _ *tls.Conn) error { return s.Send(protocol.KindConsoleExit, &protocol.Hello{}) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newController(t)
			c.start()
			id, dial := thief(t, c, protocol.EnvRAM)
			control, err := session.Client(dial(protocol.ALPNControl), nil)
			if err != nil {
				t.Fatal(err)
			}
			control.SetIdle(patience)
			hello := protocol.Hello{VersionMin: 1, VersionMax: 1, Environment: protocol.EnvRAM, BootID: "b", InstanceID: "ins-1", InventoryDigest: "d", Capabilities: []string{protocol.CanConsole}}
			if err := control.Send(protocol.KindHello, &hello); err != nil {
				t.Fatal(err)
			}
			if err := control.Expect(protocol.KindWelcome, &protocol.Welcome{}); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			got := make(chan error, 1)
			go func() {
				con, err := c.gate.Load().Console(ctx, id, "con-1", 24, 80)
				if err == nil {
					var exit *protocol.ConsoleExit
					if exit, err = last(t, &terminal{Console: con}); exit != nil && exit.Status != 0 {
						t.Errorf("%+v", exit)
					}
					con.Close()
				}
				got <- err
			}()
			var ask protocol.Console
			if err := control.Expect(protocol.KindConsole, &ask); err != nil || ask.ID != "con-1" || ask.Rows != 24 {
				t.Fatalf("%+v %v", ask, err)
			}
			raw := dial(protocol.ALPNConsole)
			s := session.NewConn(raw, patience)
			if err := s.Send(protocol.KindConsole, &protocol.Console{ID: ask.ID}); err != nil {
				t.Fatal(err)
			}
			if err := send(s, raw); err != nil {
				t.Fatal(err)
			}
			if err := <-got; err == nil && name != "another's map" {
				t.Error("it was taken")
			}
			if err := control.Send(protocol.KindPing, &protocol.Ping{Seq: 1}); err != nil {
				t.Fatal(err)
			}
			if err := control.Expect(protocol.KindPong, &protocol.Pong{}); err != nil {
				t.Errorf("the session suffered: %v", err)
			}
		})
	}
}
