package lldp

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mdlayher/packet"
	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// wire is a port whose frames the test writes.
type wire struct{ net.Conn }

func (w wire) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := w.Read(b)
	return n, nil, err
}

func TestListenerKeepsNeighboursForTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		l := New(func() []string { return []string{"eth0", "eth1"} })
		l.open = func(name string) (port, error) {
			if name == "eth1" {
				return nil, os.ErrPermission
			}
			return wire{ours}, nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx) }()

		send(t, theirs, []byte("noise that is no frame at all"))
		send(t, theirs, good)
		if n, ok := l.Neighbour("eth0"); !ok || n.SystemName != "tor-4.example" {
			t.Errorf("heard %+v, %v", n, ok)
		}
		if _, ok := l.Neighbour("eth1"); ok || !errors.Is(l.Refused(), os.ErrPermission) {
			t.Errorf("a port that cannot be opened: %v, %v", ok, l.Refused())
		}
		time.Sleep(121 * time.Second)
		if _, ok := l.Neighbour("eth0"); ok {
			t.Error("the announcement outlived its time")
		}
		send(t, theirs, good)
		send(t, theirs, frame(value(1, 4, 1, 2, 3, 4, 5, 6), text(2, "\x05", "p"), value(3, 0, 0)))
		if _, ok := l.Neighbour("eth0"); ok {
			t.Error("the switch took its announcement back and is still shown")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestListenerOpensAPortAgainThatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened := 0
		l := New(func() []string { return []string{"eth0"} })
		l.open = func(string) (port, error) {
			opened++
			ours, theirs := net.Pipe()
			theirs.Close()
			return wire{ours}, nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*look+time.Second)
		defer cancel()
		if err := l.Run(ctx); err != nil || opened != 4 {
			t.Errorf("opened %d times, %v; want once at each of 4 looks", opened, err)
		}
	})
}

func send(t *testing.T, to net.Conn, frame []byte) {
	t.Helper()
	if _, err := to.Write(frame); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// TestListenerHearsARealFrame sends over a pair of virtual cables, which takes
// CAP_NET_ADMIN; everybody else is told.
func TestListenerHearsARealFrame(t *testing.T) {
	defer goleak.VerifyNone(t)
	cable := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: "sylldp1"}
	cable.Name = "sylldp0"
	_ = netlink.LinkDel(cable)
	if err := netlink.LinkAdd(cable); errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP) {
		t.Skipf("this user may not lay virtual cables: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	defer netlink.LinkDel(cable)
	far, err := netlink.LinkByName("sylldp1")
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []netlink.Link{cable, far} {
		if err := netlink.LinkSetUp(end); err != nil {
			t.Fatal(err)
		}
	}
	out, err := packet.Listen(&net.Interface{Index: far.Attrs().Index, Name: "sylldp1", MTU: 1500}, packet.Raw, EtherType, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()

	l := New(func() []string { return []string{"sylldp0"} })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	heard := false
	for !heard && ctx.Err() == nil {
		if _, err := out.WriteTo(good, &packet.Addr{HardwareAddr: Group}); err != nil && !errors.Is(err, unix.ENETDOWN) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond) // the kernel's time, not ours
		_, heard = l.Neighbour("sylldp0")
	}
	cancel()
	if err := <-done; err != nil || !heard {
		t.Errorf("heard %v, error %v, refused %v", heard, err, l.Refused())
	}
}
