package netboot

import (
	"context"
	"errors"
	"net"
	"time"

	"golang.org/x/net/ipv6"
)

// Router discovery (RFC 4861).
const (
	solicitation = 133
	advertHops   = 255 // what came through a router is no answer
	advertEvery  = 200 * time.Millisecond
)

// emptyAdvert is a router advertisement that offers nothing: no router, no prefix, no DHCPv6. The kernel fills in the checksum.
var emptyAdvert = []byte{134, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

// advertise tells machines that ask for an IPv6 router on the place's link that there is none: iPXE would wait for one for
// 15 seconds. It is done only where this controller gives the addresses, so no router of somebody else is denied. It blocks until ctx
// ends; without IPv6 on the link it returns at once.
func advertise(ctx context.Context, p place) error {
	conn, err := net.ListenPacket("ip6:ipv6-icmp", "::%"+p.Name)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	link := &net.Interface{Index: p.Index, Name: p.Name}
	pc := ipv6.NewPacketConn(conn)
	var only ipv6.ICMPFilter
	only.SetAll(true)
	only.Accept(ipv6.ICMPTypeRouterSolicitation)
	if err := errors.Join(bindTo(conn, p.Name), pc.SetICMPFilter(&only), pc.SetMulticastHopLimit(advertHops), pc.SetHopLimit(advertHops),
		pc.SetMulticastInterface(link), pc.SetControlMessage(ipv6.FlagHopLimit, true), pc.JoinGroup(link, &net.IPAddr{IP: net.ParseIP("ff02::2")})); err != nil {
		return err
	}
	err = answerSolicitations(pc, p)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func answerSolicitations(pc *ipv6.PacketConn, p place) error {
	everybody := &net.IPAddr{IP: net.ParseIP("ff02::1"), Zone: p.Name}
	buf := make([]byte, 1500)
	var last time.Time
	for {
		n, about, from, err := pc.ReadFrom(buf)
		if err != nil {
			return err
		}
		if n < 8 || buf[0] != solicitation || about == nil || about.HopLimit != advertHops || time.Since(last) < advertEvery {
			continue
		}
		last = time.Now()
		to := everybody
		if a, ok := from.(*net.IPAddr); ok && a.IP.IsLinkLocalUnicast() {
			to = &net.IPAddr{IP: a.IP, Zone: p.Name}
		}
		if _, err := pc.WriteTo(emptyAdvert, nil, to); err != nil {
			last = time.Time{} // the next one may get through
		}
	}
}
