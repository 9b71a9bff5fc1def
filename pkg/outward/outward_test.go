package outward

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/steelyard/steelyard/pkg/fault"
)

func TestOnlyPublicAddressesUnlessPrivateOnesAreAllowed(t *testing.T) {
	for _, c := range []struct {
		ip              string
		public, private bool
	}{
		{"93.184.216.34", true, true},
		{"2606:2800:220:1::1", true, true},
		{"127.0.0.1", false, true},
		{"::1", false, true},
		{"10.1.2.3", false, true},
		{"172.16.0.1", false, true},
		{"192.168.1.1", false, true},
		{"fd00::1", false, true},
		{"100.64.0.1", false, true},
		{"198.18.0.1", false, true},
		{"::ffff:10.0.0.1", false, true},
		{"64:ff9b::a00:1", false, true},
		{"2002:a00:1::", false, true},
		{"169.254.169.254", false, false},
		{"::ffff:169.254.169.254", false, false},
		{"fe80::1", false, false},
		{"224.0.0.1", false, false},
		{"0.0.0.0", false, false},
		{"::", false, false},
		{"255.255.255.255", false, false},
	} {
		ip := netip.MustParseAddr(c.ip)
		if got := Check(ip, false) == nil; got != c.public {
			t.Errorf("%s: allowed %v, want %v", c.ip, got, c.public)
		}
		if got := Check(ip, true) == nil; got != c.private {
			t.Errorf("%s with private ones: allowed %v, want %v", c.ip, got, c.private)
		}
	}
}

func TestTheCheckIsMadeWhenDialling(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.71.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, private := range []bool{false, true} {
		c, err := Dialer(time.Second, func() bool { return private }).DialContext(context.Background(), "tcp", l.Addr().String())
		if private != (err == nil) {
			t.Errorf("private %v: %v", private, err)
		}
		if err == nil {
			c.Close()
		} else if !fault.Is(err, fault.KindRefused) {
			t.Errorf("the refusal is %v", err)
		}
	}
}
