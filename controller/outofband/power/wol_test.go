package power_test

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/outofband/power"
	"github.com/steelyard/steelyard/pkg/fault"
)

func TestB28_WakeOnLANSendsTheMagicPacketToEverybody(t *testing.T) {
	listener, err := net.ListenPacket("udp4", "0.0.0.0:0") // a broadcast reaches no socket that is bound to one address
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.LocalAddr().String())
	c, err := power.Open(t.Context(), power.Target{Driver: outofband.DriverWOL, Address: "127.255.255.255:" + port, MAC: "02:00:5E:10:00:7f"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if changed, err := power.TurnOn(t.Context(), c, power.Boot{}, func(string) {}); err != nil || !changed {
		t.Fatal(changed, err)
	}
	_ = listener.SetReadDeadline(time.Now().Add(10 * time.Second))
	buffer := make([]byte, 200)
	n, _, err := listener.ReadFrom(buffer)
	want := append(bytes.Repeat([]byte{0xff}, 6), bytes.Repeat([]byte{0x02, 0, 0x5e, 0x10, 0, 0x7f}, 16)...)
	if err != nil || !bytes.Equal(buffer[:n], want) || n != 102 {
		t.Fatalf("% x, %v", buffer[:n], err)
	}
}

// What Wake-on-LAN cannot do, it says, and who can.
func TestB34_WakeOnLANDoesNotPretend(t *testing.T) {
	c, err := power.Open(t.Context(), power.Target{Driver: outofband.DriverWOL, Address: "127.61.255.255", MAC: "02:00:5e:10:00:7f"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if s, err := c.Status(t.Context()); s != outofband.Unknown || err != nil {
		t.Error(s, err)
	}
	_, inventory := c.Inventory(t.Context())
	_, network := power.TurnOn(t.Context(), c, power.Boot{Device: power.BootNetwork, Once: true}, func(string) {})
	for _, err := range []error{c.SoftOff(t.Context()), c.HardOff(t.Context()), inventory, network} {
		if !fault.Is(err, fault.KindRefused) || !strings.Contains(err.Error(), "agent") && !strings.Contains(err.Error(), "person") {
			t.Error(err)
		}
	}
}
