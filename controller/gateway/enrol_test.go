package gateway_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/gateway"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

func (h *house) stranger() *session.Conn {
	h.t.Helper()
	raw, err := tls.Dial("tcp", h.address, session.EnrolTLS(h.auth.Fingerprint()))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = raw.Close() })
	return session.NewConn(raw, 10*time.Second)
}

func (h *house) request(edit ...func(*protocol.EnrolRequest)) *protocol.EnrolRequest {
	h.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		h.t.Fatal(err)
	}
	req := &protocol.EnrolRequest{Token: "tok-1.s3cret", CSR: csrOf(h.t, key), Environment: protocol.EnvInstalled, InstanceID: "ins-1"}
	for _, e := range edit {
		e(req)
	}
	return req
}

func (h *house) enrol(req *protocol.EnrolRequest) (protocol.EnrolReply, error) {
	conn := h.stranger()
	var reply protocol.EnrolReply
	err := conn.Send(protocol.KindEnrolRequest, req)
	if err == nil {
		err = conn.Expect(protocol.KindEnrolReply, &reply)
	}
	if err == nil && reply.Fault != nil {
		err = reply.Fault
	}
	return reply, err
}

func TestEnrolmentAnswersWithTheAuthorityThatTheTokenNames(t *testing.T) {
	h := open(t)
	h.fleet.AddToken("s3cret", 1)
	reply, err := h.enrol(h.request())
	if err != nil || session.Fingerprint(reply.Authority) != h.auth.Fingerprint() || len(reply.SigningKey) != 32 || reply.ServerID == "" {
		t.Errorf("%+v, %v", reply, err)
	}
	if h.Stats().Enrolled != 1 {
		t.Error("not counted")
	}
}

func TestEnrolmentsThatAreRefusedBeforeTheIntakeIsAsked(t *testing.T) {
	h := open(t)
	h.fleet.AddToken("s3cret", 1)
	for name, edit := range map[string]func(*protocol.EnrolRequest){
		"no token":         func(r *protocol.EnrolRequest) { r.Token = "" },
		"half a token":     func(r *protocol.EnrolRequest) { r.Token = "tok-1" },
		"no request":       func(r *protocol.EnrolRequest) { r.CSR = nil },
		"broken request":   func(r *protocol.EnrolRequest) { r.CSR[len(r.CSR)-4] ^= 1 },
		"no instance":      func(r *protocol.EnrolRequest) { r.InstanceID = "" },
		"no environment":   func(r *protocol.EnrolRequest) { r.Environment = "cloud" },
		"hostile instance": func(r *protocol.EnrolRequest) { r.InstanceID = "a\x1b[31m" },
	} {
		if _, err := h.enrol(h.request(edit)); err == nil || fault.Is(err, fault.KindUnavailable) || fault.Is(err, fault.KindInternal) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := h.fleet.Writes(); n != 0 {
		t.Errorf("%d writes", n)
	}
}

func TestHostileEnrolmentBytes(t *testing.T) {
	h := open(t)
	for reason, raw := range map[string][]byte{
		session.ReasonTooLarge:   append(binary.BigEndian.AppendUint32(nil, protocol.MaxEnrolFrame+1), byte(protocol.KindEnrolRequest)),
		session.ReasonOutOfOrder: {0, 0, 0, 2, byte(protocol.KindHello), 0x80},
		session.ReasonDecode:     {0, 0, 0, 6, byte(protocol.KindEnrolRequest), 0x81, 0xa3, 'c', 's', 'r'},
	} {
		if reason == session.ReasonDecode {
			raw = append([]byte{0, 0, 0, 7}, append(raw[4:], 0xc3)...)
		}
		conn, err := tls.Dial("tcp", h.address, session.EnrolTLS(h.auth.Fingerprint()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(raw); err != nil {
			t.Fatal(err)
		}
		var left *session.Left
		if err := session.NewConn(conn, 5*time.Second).Expect(protocol.KindEnrolReply, &protocol.EnrolReply{}); !errors.As(err, &left) {
			t.Errorf("%s: no Goodbye: %v", reason, err)
		}
		_ = conn.Close()
		if h.Stats().BadFrames[reason] != 1 {
			t.Errorf("%s: counts %v", reason, h.Stats().BadFrames)
		}
	}
}

func TestEnrolmentsFromOneAddressAreLimited(t *testing.T) {
	h := open(t, func(o *gateway.Options) { o.EnrolPerSecond = 0.01 })
	h.fleet.AddToken("s3cret", 10)
	if _, err := h.enrol(h.request()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.enrol(h.request()); !fault.Is(err, fault.KindUnavailable) {
		t.Errorf("%v", err)
	}
	if h.Stats().Refused["enrol_rate"] != 1 {
		t.Error("not counted")
	}
}
