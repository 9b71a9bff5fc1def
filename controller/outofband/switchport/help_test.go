package switchport

import (
	"compress/bzip2"
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"
	"go.uber.org/goleak"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/outofband/switchport/snmpsim"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/testdata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs an agent for a tree on a port of loopback and returns its address.
func serve(t testing.TB, tree *snmpsim.Tree) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.88.1.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, tree, conn)
}

func serveOn(t testing.TB, tree *snmpsim.Tree, conn net.PacketConn) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	agent := &snmpsim.Agent{Tree: tree, Write: "private", Read: "public"}
	go func() { ended <- agent.Serve(ctx, conn) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return conn.LocalAddr().String()
}

// dial opens a switch that speaks v2c.
func dial(t testing.TB, address, community string) *device {
	t.Helper()
	return open(t, Target{Address: address, Version: outofband.SNMPv2c, Community: community})
}

func open(t testing.TB, target Target) *device {
	t.Helper()
	s, err := Open(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s.(*device)
}

// within is a context for one act.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func isKind(t *testing.T, err error, kind fault.Kind) {
	t.Helper()
	if fault.KindOf(err) != kind {
		t.Errorf("error is %s, want %s: %v", fault.KindOf(err), kind, err)
	}
}

// recorded reads one of the walks beside the project.
func recorded(t testing.TB, name string) *snmpsim.Tree {
	t.Helper()
	f, err := os.Open(filepath.Join(testdata.Shared(t, "switch-snmp"), name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tree, err := snmpsim.Parse(bzip2.NewReader(f))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return tree
}

func pdu(column string, index int, value any) gosnmp.SnmpPDU {
	p := gosnmp.SnmpPDU{Name: column + "." + strconv.Itoa(index), Value: value}
	switch value.(type) {
	case int:
		p.Type = gosnmp.Integer
	case uint32:
		p.Type = gosnmp.Gauge32
	default:
		p.Type = gosnmp.OctetString
	}
	return p
}
