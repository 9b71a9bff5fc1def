package gateway_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"testing"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// successor asks for the certificate of the system that m installs.
func (m *member) successor(instance string) (*member, protocol.Succeeded, error) {
	m.h.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		m.h.t.Fatal(err)
	}
	raw, err := m.dial(protocol.ALPNSucceed)
	if err != nil {
		return nil, protocol.Succeeded{}, err
	}
	conn := session.NewConn(raw, 0)
	defer conn.Close()
	var reply protocol.Succeeded
	if err := conn.Send(protocol.KindSucceed, &protocol.Succeed{CSR: csrOf(m.h.t, key), InstanceID: instance}); err != nil {
		return nil, reply, err
	}
	if err := conn.Expect(protocol.KindSucceeded, &reply); err != nil {
		return nil, reply, err
	}
	return &member{h: m.h, id: m.id, key: key, cert: tls.Certificate{Certificate: [][]byte{reply.Certificate}, PrivateKey: key}}, reply, nil
}

func TestB43_AnInstalledSystemTakesThePlaceOfTheAgentThatWroteIt(t *testing.T) {
	h := open(t)
	ram := h.member(0)
	h.fleet.EditServer(ram.id, func(s *fleet.Server) { s.Environment = protocol.EnvRAM })
	in := func(environment, instance string) func(*protocol.Hello) {
		return func(p *protocol.Hello) { p.Environment, p.InstanceID, p.BootID = environment, instance, environment }
	}
	conn, _, err := ram.greet(in(protocol.EnvRAM, "ins-1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, reply, err := ram.successor("ins-1"); err != nil || !fault.Is(reply.Fault, fault.KindInvalid) {
		t.Errorf("its own instance: %v %v", reply.Fault, err)
	}
	lost, reply, err := ram.successor("ins-lost")
	if err != nil || reply.Fault != nil {
		t.Fatalf("%v %v", reply.Fault, err)
	}
	system, reply, err := ram.successor("ins-2")
	if err != nil || reply.Fault != nil {
		t.Fatalf("%v %v", reply.Fault, err)
	}
	if _, _, err := lost.greet(in(protocol.EnvInstalled, "ins-lost")); err == nil {
		t.Error("a successor that was replaced came in")
	}
	if _, _, err := system.greet(in(protocol.EnvRAM, "ins-2")); !fault.Is(err, fault.KindDenied) {
		t.Errorf("an installed system that says that it may erase: %v", err)
	}
	if _, _, err := system.greet(in(protocol.EnvInstalled, "ins-2")); err != nil {
		t.Fatalf("the installed system, with the session of its installer still open: %v", err)
	}
	if s, _ := h.fleet.Server(ram.id); s.Environment != protocol.EnvInstalled || s.InstanceID != "ins-2" || s.Successor != nil {
		t.Errorf("%+v", s)
	}
	if err := conn.Expect(protocol.KindPong, nil); err == nil {
		t.Error("the session of the installer goes on")
	}
	if _, _, err := ram.greet(in(protocol.EnvRAM, "ins-1")); err == nil {
		t.Error("the installer came back")
	}
	if _, reply, err := system.successor("ins-3"); err != nil || !fault.Is(reply.Fault, fault.KindDenied) {
		t.Errorf("an installed system installs another: %v %v", reply.Fault, err)
	}
	if c := h.fleet.Conflicts(); len(c) != 0 {
		t.Errorf("that is no conflict: %v", c)
	}
}
