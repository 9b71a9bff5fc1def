package gateway_test

import (
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/gateway"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

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
	conn = m.session() // it forgot everything: all that has a record comes again, but not to be stopped at once
	got := map[string]bool{}
	for range 3 {
		msg, err := conn.Receive()
		if err != nil {
			t.Fatal(err)
		}
		var c protocol.Command
		if msg.Kind == protocol.KindCancel {
			err = msg.Decode(&cancel)
			c.ID = "stop " + cancel.Command
		} else {
			err = msg.Decode(&c)
		}
		if err != nil {
			t.Fatal(err)
		}
		got[c.ID] = true
	}
	if !got["stop cmd-1"] || !got["cmd-2"] || !got["cmd-3"] {
		t.Errorf("%v", got)
	}
}

// TestX1_AQuarantinedServerIsToldNothingThatWrites: its disk may stand in another machine.
func TestX1_AQuarantinedServerIsToldNothingThatWrites(t *testing.T) {
	for name, doubt := range map[string]func(*fleet.Server){
		"quarantined": func(s *fleet.Server) { s.Quarantine = &fleet.Note{Reason: "two machines"} },
		"changed": func(s *fleet.Server) {
			s.PendingIdentity = &fleet.PendingIdentity{Changes: []string{"board serial B1 is now B2"}}
		},
	} {
		t.Run(name, func(t *testing.T) { toldNothingThatWrites(t, doubt) })
	}
}

func toldNothingThatWrites(t *testing.T, doubt func(*fleet.Server)) {
	h := open(t)
	m := h.member(0)
	srv, _ := h.fleet.Server(m.id)
	doubt(&srv)
	h.fleet.PutServer(srv)
	for _, kind := range []string{protocol.CommandErase, protocol.CommandImage, protocol.CommandDiagnose} {
		rec := record(m.id, "cmd-"+kind)
		rec.Kind = kind
		h.fleet.PutCommand(rec)
	}
	conn := m.session()
	var c protocol.Command
	if err := conn.Expect(protocol.KindCommand, &c); err != nil || c.Kind != protocol.CommandDiagnose {
		t.Fatal(err, c)
	}
	srv.Quarantine, srv.PendingIdentity = nil, nil
	h.fleet.PutServer(srv)
	for _, want := range []string{protocol.CommandErase, protocol.CommandImage} {
		if err := conn.Expect(protocol.KindCommand, &c); err != nil || c.Kind != want {
			t.Fatalf("%q, %v; want %s", c.Kind, err, want)
		}
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
