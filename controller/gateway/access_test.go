package gateway_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/authority"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

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

// TestX1_AnAdoptedMachineComesBackAsTheServerThatItIs: its certificate names the id that it joined with until it is renewed.
func TestX1_AnAdoptedMachineComesBackAsTheServerThatItIs(t *testing.T) {
	h := open(t)
	m := h.member(0)
	conn := m.session()
	joined, _ := h.fleet.Server(m.id)
	known := joined
	known.ID, known.Alias, known.Epoch = id.New("srv"), m.id, 9
	h.fleet.PutServer(known)
	h.fleet.RemoveServer(m.id)
	if err := conn.Expect(protocol.KindPong, new(protocol.Pong)); !fault.Is(err, fault.KindUnavailable) || !strings.Contains(err.Error(), known.ID) {
		t.Fatalf("the session as a machine that joined: %v", err)
	}
	eventually(t, "the end", func() bool { return !h.Connected(m.id) })
	h.fleet.PutCommand(record(known.ID, "cmd-1"))
	again, w, err := m.greet()
	if err != nil || w.ServerID != known.ID || w.Former != m.id || w.Epoch != 9 {
		t.Fatalf("%+v, %v", w, err)
	}
	var c protocol.Command
	if err := again.Expect(protocol.KindCommand, &c); err != nil || c.Server != known.ID || !h.Connected(known.ID) {
		t.Fatalf("%+v, %v", c, err)
	}
	if err := again.Send(protocol.KindRenew, &protocol.Renew{CSR: csrOf(t, m.key)}); err != nil {
		t.Fatal(err)
	}
	var r protocol.Renewed
	if err := again.Expect(protocol.KindRenewed, &r); err != nil || r.Fault != nil {
		t.Fatal(err, r.Fault)
	}
	cert, err := x509.ParseCertificate(r.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	if named, err := session.ServerID(cert); err != nil || named != known.ID {
		t.Errorf("the new certificate names %q, %v", named, err)
	}
}

// TestX1_ARetiredServerIsNotLetIn: its certificate is good for days yet.
func TestX1_ARetiredServerIsNotLetIn(t *testing.T) {
	h := open(t)
	m := h.member(0)
	conn := m.session()
	h.fleet.EditServer(m.id, func(s *fleet.Server) { s.Approval = fleet.Retired })
	if err := conn.Expect(protocol.KindPong, new(protocol.Pong)); !fault.Is(err, fault.KindDenied) || !strings.Contains(err.Error(), "retired") {
		t.Errorf("the session: %v", err)
	}
	eventually(t, "the end", func() bool { return !h.Connected(m.id) })
	if _, _, err := m.greet(); !fault.Is(err, fault.KindDenied) {
		t.Errorf("a new one: %v", err)
	}
}
