package gateway_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/authority"
	"github.com/steelyard/steelyard/controller/gateway"
	"github.com/steelyard/steelyard/controller/gateway/gatewaytest"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// pipes is a listener of connections in memory.
type pipes struct {
	conns chan net.Conn
	ended chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.ended:
	default:
		close(p.ended)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	a, b := net.Pipe()
	p.conns <- b
	return a
}

// inMemory runs f against a gateway on pipes, in a bubble of its own time.
func inMemory(t *testing.T, f func(t *testing.T, p *pipes, g *gateway.Gateway, auth *authority.Authority)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		auth, err := authority.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		fleet := gatewaytest.New()
		g, err := gateway.New(gateway.Options{Authority: auth, Certificate: auth.ServerCertificate(), Directory: fleet, Intake: fleet, Presence: fleet, Images: fleet, MaxHandshakes: 2})
		if err != nil {
			t.Fatal(err)
		}
		p := &pipes{make(chan net.Conn), make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- g.Run(ctx, p) }()
		f(t, p, g, auth)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestStrangerThatSaysNothingIsPutOutAfterTenSeconds(t *testing.T) {
	inMemory(t, func(t *testing.T, p *pipes, g *gateway.Gateway, _ *authority.Authority) {
		start := time.Now()
		conn := p.dial()
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(start) != 10*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		synctest.Wait()
		if g.Stats().Refused["handshake_timeout"] != 1 {
			t.Errorf("%v", g.Stats().Refused)
		}
	})
}

func TestTooManyHandshakesAtOnceAreTurnedAway(t *testing.T) {
	inMemory(t, func(t *testing.T, p *pipes, g *gateway.Gateway, _ *authority.Authority) {
		slow := []net.Conn{p.dial(), p.dial()}
		third := p.dial()
		start := time.Now()
		if _, err := third.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(start) > time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if g.Stats().Refused["busy"] != 1 {
			t.Errorf("%v", g.Stats().Refused)
		}
		for _, c := range slow {
			_ = c.Close()
		}
	})
}

func TestStrangerThatEnrolsByteByByteIsPutOut(t *testing.T) {
	inMemory(t, func(t *testing.T, p *pipes, g *gateway.Gateway, auth *authority.Authority) {
		conn := tls.Client(p.dial(), session.EnrolTLS(auth.Fingerprint()))
		start := time.Now()
		if err := conn.Handshake(); err != nil {
			t.Fatal(err)
		}
		raw := []byte{0, 1, 0, 0, byte(protocol.KindEnrolRequest), 0x81}
		var err error
		for i := 0; err == nil; i++ {
			time.Sleep(time.Second)
			_, err = conn.Write(raw[min(i, 5):][:1])
		}
		if took := time.Since(start); took > time.Minute {
			t.Errorf("it took %v", took)
		}
		_ = conn.NetConn().Close()
	})
}

func TestStopDoesNotWaitForSlowStrangers(t *testing.T) {
	inMemory(t, func(t *testing.T, p *pipes, _ *gateway.Gateway, _ *authority.Authority) {
		p.dial()
		synctest.Wait()
		start := time.Now()
		t.Cleanup(func() {
			if took := time.Since(start); took > time.Second {
				t.Errorf("it took %v", took)
			}
		})
	})
}
