package gateway_test

import (
	"context"
	"testing"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/gateway"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// door is where the RAM environment is given out.
type door struct {
	asked []string
	err   error
}

func (d *door) Enter(_ context.Context, server, remote string, ask protocol.Enter) (protocol.Entry, error) {
	d.asked = append(d.asked, server+" "+remote+" "+ask.Architecture)
	return protocol.Entry{Arguments: []string{"steelyard.token=t"}}, d.err
}

// enter asks as an agent does.
func (m *member) enter() (e protocol.Entry, err error) {
	m.h.t.Helper()
	raw, err := m.dial(protocol.ALPNEnter)
	if err != nil {
		return e, err
	}
	conn := session.NewConn(raw, 0)
	defer conn.Close()
	if err := conn.Send(protocol.KindEnter, &protocol.Enter{Architecture: "amd64"}); err != nil {
		return e, err
	}
	return e, conn.Expect(protocol.KindEntry, &e)
}

func TestB34_OnlyAnApprovedServerIsGivenTheRAMEnvironment(t *testing.T) {
	d := &door{}
	h := open(t, func(o *gateway.Options) { o.Entries = d })
	m := h.member(0)
	h.fleet.EditServer(m.id, func(s *fleet.Server) { s.Approval = fleet.Pending })
	if e, err := m.enter(); err != nil || !fault.Is(e.Fault, fault.KindDenied) || len(d.asked) != 0 {
		t.Errorf("a pending one: %+v %v", e, err)
	}
	h.fleet.EditServer(m.id, func(s *fleet.Server) { s.Approval = fleet.Approved })
	if e, err := m.enter(); err != nil || e.Fault != nil || len(e.Arguments) != 1 || len(d.asked) != 1 || d.asked[0] != m.id+" 127.0.0.1 amd64" {
		t.Errorf("%+v %v, asked %q", e, err, d.asked)
	}
	d.err = fault.Refused("no operation leads there")
	if e, err := m.enter(); err != nil || !fault.Is(e.Fault, fault.KindRefused) || len(e.Arguments) != 0 {
		t.Errorf("a refusal: %+v %v", e, err)
	}
	h.fleet.EditServer(m.id, func(s *fleet.Server) { s.CertSerial = "another" })
	if e, err := m.enter(); err == nil && e.Fault == nil {
		t.Error("a certificate that was replaced is enough")
	}
	none := open(t).member(0)
	none.h.fleet.EditServer(none.id, func(s *fleet.Server) { s.Approval = fleet.Approved })
	if e, err := none.enter(); err != nil || !fault.Is(e.Fault, fault.KindUnavailable) {
		t.Errorf("without any: %+v %v", e, err)
	}
}
