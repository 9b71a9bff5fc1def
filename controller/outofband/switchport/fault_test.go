package switchport

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/outofband/switchport/snmpsim"
	"github.com/steelyard/steelyard/pkg/fault"
)

// bad is the way of an agent's answers, and it is bad: what is written to it becomes
// what mangle makes of it.
type bad struct {
	net.PacketConn
	mu     sync.Mutex
	sent   int
	mangle func(n int, b []byte) [][]byte
}

func (c *bad) WriteTo(b []byte, to net.Addr) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent++
	for _, out := range c.mangle(c.sent, slices.Clone(b)) {
		if _, err := c.PacketConn.WriteTo(out, to); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// behind opens a switch whose answers come by a bad way.
func behind(t *testing.T, tree *snmpsim.Tree, mangle func(n int, b []byte) [][]byte) (*device, *bad) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.88.1.2:0")
	if err != nil {
		t.Fatal(err)
	}
	way := &bad{PacketConn: conn, mangle: mangle}
	d := dial(t, serveOn(t, tree, way), "private")
	d.snmp.Timeout = 200 * time.Millisecond
	return d, way
}

// kindAt is where the kind of PDU stands in a message with the community "private".
func kindAt(b []byte) int { return behindLength(b, 0) + 3 + 2 + len("private") }

// behindLength is where the value begins of what begins at i.
func behindLength(b []byte, i int) int {
	if b[i+1] < 0x80 {
		return i + 2
	}
	return i + 2 + int(b[i+1]&0x7f)
}

// otherRequest makes an answer one to a question that nobody asked.
func otherRequest(b []byte) []byte {
	id := behindLength(b, kindAt(b))
	b[id+1+int(b[id+1])] ^= 0x55
	return b
}

func TestBadWaysAreSurvived(t *testing.T) {
	for name, mangle := range map[string]func(n int, b []byte) [][]byte{
		"every third answer is lost": func(n int, b []byte) [][]byte {
			if n%3 == 0 {
				return nil
			}
			return [][]byte{b}
		},
		"every answer comes twice": func(_ int, b []byte) [][]byte { return [][]byte{b, b} },
		"garbage comes first": func(n int, b []byte) [][]byte {
			if n%4 == 0 {
				return [][]byte{[]byte("\x30\x82\xff\xff garbage"), b}
			}
			return [][]byte{b}
		},
		"answers to another request come first": func(_ int, b []byte) [][]byte {
			return [][]byte{otherRequest(slices.Clone(b)), b}
		},
		"one answer is cut off": func(n int, b []byte) [][]byte {
			if n == 2 {
				return [][]byte{b[:len(b)/2]}
			}
			return [][]byte{b}
		},
		"one answer is empty": func(n int, b []byte) [][]byte {
			if n == 2 {
				return [][]byte{{}}
			}
			return [][]byte{b}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sw := snmpsim.NewSwitch("rack7", 30, time.Now, 66)
			d, _ := behind(t, sw.Tree, mangle)
			ports, err := d.Ports(within(t, 30*time.Second))
			if err != nil || len(ports) != 30 {
				t.Fatalf("%d ports, %v", len(ports), err)
			}
			for i, p := range ports {
				if p.Name != fmt.Sprintf("port%d", i+1) || p.VLAN != 1 || p.Admin != up || p.Counters.Bits != 64 {
					t.Errorf("read %+v", p)
				}
			}
			p := outofband.Port{By: outofband.ByName, Value: "port7"}
			if _, _, err := Enable(within(t, 30*time.Second), d, p, 66, nil); err != nil || sw.VLAN(7) != 66 || !sw.Up(7) {
				t.Errorf("enabled in %d, %v", sw.VLAN(7), err)
			}
		})
	}
}

func TestHopelessWaysEndInTime(t *testing.T) {
	for name, mangle := range map[string]func(n int, b []byte) [][]byte{
		"silence":         func(int, []byte) [][]byte { return nil },
		"only garbage":    func(int, []byte) [][]byte { return [][]byte{[]byte("garbage")} },
		"only others":     func(_ int, b []byte) [][]byte { return [][]byte{otherRequest(b)} },
		"reports":         func(_ int, b []byte) [][]byte { b[kindAt(b)] = 0xa8; return [][]byte{b} },
		"its own request": func(_ int, b []byte) [][]byte { b[kindAt(b)] = 0xa0; return [][]byte{b} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _ := behind(t, snmpsim.NewSwitch("rack7", 4, time.Now).Tree, mangle)
			d.snmp.Timeout = answerPatience
			start := time.Now()
			_, err := d.Ports(within(t, 600*time.Millisecond))
			isKind(t, err, fault.KindUnavailable)
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("took %v", took)
			}
			if err != nil && strings.Contains(err.Error(), "private") {
				t.Errorf("the community is in the error: %v", err)
			}
		})
	}
}

func TestACallEndsWithItsContextAndNotLater(t *testing.T) {
	d, _ := behind(t, snmpsim.NewSwitch("rack7", 4, time.Now).Tree, func(int, []byte) [][]byte { return nil })
	d.snmp.Timeout = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	for range 2 { // the second waits for the first
		go func() {
			_, err := d.Find(ctx, outofband.ByIndex, "101")
			ended <- err
		}()
	}
	for len(d.turn) == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	start := time.Now()
	for range 2 {
		isKind(t, <-ended, fault.KindUnavailable)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v after its context had ended", took)
	}
}

func TestAPortWhereNothingListensIsSaid(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.88.1.3:0")
	if err != nil {
		t.Fatal(err)
	}
	address := conn.LocalAddr().String()
	conn.Close()
	_, err = dial(t, address, "private").Ports(within(t, 20*time.Second))
	isKind(t, err, fault.KindUnavailable)
	if err == nil || !strings.Contains(err.Error(), "nothing listens") {
		t.Error(err)
	}
	d := dial(t, address, "private")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error("closing again is an error:", err)
	}
	if _, err := d.Ports(t.Context()); err == nil {
		t.Error("a closed switch answers")
	}
}

// A switch that accepts everything and does nothing is found out.
func TestB32_ASwitchThatOnlySaysYesIsNotBelieved(t *testing.T) {
	sw := snmpsim.NewSwitch("rack7", 4, time.Now, 66)
	stuck := &liar{Agent: snmpsim.Agent{Tree: sw.Tree, Write: "private"}}
	conn, err := net.ListenPacket("udp", "127.88.1.4:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); stuck.serve(conn) }()
	t.Cleanup(func() { conn.Close(); <-done })
	d := dial(t, conn.LocalAddr().String(), "private")
	p := outofband.Port{Switch: "sw1", By: outofband.ByName, Value: "port2"}
	seen, changed, err := Shut(within(t, time.Second), d, p, nil)
	isKind(t, err, fault.KindUnavailable)
	if err == nil || !strings.Contains(err.Error(), "accepted it, but port 102 was told to be down but is up") || seen.Error == "" || !changed {
		t.Errorf("%+v, %v", seen, err)
	}
	err = d.SetVLAN(within(t, time.Second), 102, 66)
	isKind(t, err, fault.KindUnavailable)
	if err == nil || !strings.Contains(err.Error(), "is in VLAN 1 instead of 66") {
		t.Error(err)
	}
}

// liar answers SET as if it was done.
type liar struct{ snmpsim.Agent }

func (l *liar) serve(conn net.PacketConn) {
	b := make([]byte, 1<<16)
	for {
		n, from, err := conn.ReadFrom(b)
		if err != nil {
			return
		}
		msg := slices.Clone(b[:n])
		if i := kindAt(msg); msg[i] == byte(gosnmp.SetRequest) {
			msg[i] = byte(gosnmp.GetResponse)
			_, _ = conn.WriteTo(msg, from)
			continue
		}
		_, _ = conn.WriteTo(l.Answer(msg), from)
	}
}

// A switch on which the link stays up although the port was shut has not been shut.
func TestB32_AShutPortWithALinkIsNotShut(t *testing.T) {
	sw := snmpsim.NewSwitch("rack7", 4, time.Now)
	if err := sw.Put(ifAdminStatus+".102", snmpsim.Value{Type: gosnmp.Integer, Data: 2}); err != nil {
		t.Fatal(err)
	}
	sw.Delete(ifOperStatus + ".102")
	d := dial(t, serve(t, sw.Tree), "private")
	_, changed, err := Shut(within(t, time.Second), d, outofband.Port{By: outofband.ByName, Value: "port2"}, nil)
	isKind(t, err, fault.KindUnavailable)
	if !changed || err == nil || !strings.Contains(err.Error(), "its link is unknown") {
		t.Errorf("changed %v, %v", changed, err)
	}
}

// Switches that cannot answer GETBULK are read with GETNEXT.
func TestASwitchWithoutGETBULKIsRead(t *testing.T) {
	for name, answer := range map[string]func(b []byte) []byte{
		"keeps silent": func([]byte) []byte { return nil },
		"says genErr":  func(b []byte) []byte { return failWith(b, gosnmp.GenErr) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sw := snmpsim.NewSwitch("rack7", 6, time.Now)
			agent := snmpsim.Agent{Tree: sw.Tree, Write: "private"}
			conn, err := net.ListenPacket("udp", "127.88.1.5:0")
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				b := make([]byte, 1<<16)
				for {
					n, from, err := conn.ReadFrom(b)
					if err != nil {
						return
					}
					out := agent.Answer(b[:n])
					if b[kindAt(b[:n])] == byte(gosnmp.GetBulkRequest) {
						out = answer(out)
					}
					if out != nil {
						_, _ = conn.WriteTo(out, from)
					}
				}
			}()
			t.Cleanup(func() { conn.Close(); <-done })
			d := dial(t, conn.LocalAddr().String(), "private")
			d.snmp.Timeout = 100 * time.Millisecond
			ports, err := d.Ports(within(t, 30*time.Second))
			if err != nil || len(ports) != 6 || ports[5].Name != "port6" || ports[5].VLAN != 1 {
				t.Errorf("%+v, %v", ports, err)
			}
			if !d.plain {
				t.Error("GETBULK is still tried")
			}
		})
	}
}

// failWith sets the error status of an answer.
func failWith(b []byte, e gosnmp.SNMPError) []byte {
	p, err := (&gosnmp.GoSNMP{Version: gosnmp.Version2c}).SnmpDecodePacket(b)
	if err != nil {
		return nil
	}
	p.Error, p.ErrorIndex, p.Variables = e, 1, p.Variables[:1]
	out, _ := p.MarshalMsg()
	return out
}

// A table that never ends, or runs in a circle, is an error and no endless walk.
func TestATableInACircleIsAnError(t *testing.T) {
	d := &device{name: "sw"}
	c := &cursor{root: ifName, last: ifName}
	name := func(row string) gosnmp.SnmpPDU {
		return gosnmp.SnmpPDU{Name: ifName + "." + row, Type: gosnmp.OctetString, Value: []byte("x")}
	}
	all := func(int, string, gosnmp.SnmpPDU) bool { return true }
	if _, err := d.advance([]*cursor{c}, []gosnmp.SnmpPDU{name("1"), name("2"), name("10"), name("10.1"), name("11")}, all); err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{"11", "2", "x", "", "-3", "99999999999"} {
		_, err := d.advance([]*cursor{{root: ifName, last: ifName + ".11", suffix: "11"}}, []gosnmp.SnmpPDU{name(row)}, all)
		isKind(t, err, fault.KindUnavailable)
	}
}
