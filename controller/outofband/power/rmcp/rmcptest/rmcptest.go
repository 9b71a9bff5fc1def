// Package rmcptest is the network of the IPMI tests: a second management controller (the server of
// go-ipmi, which knows suites that ipmi_sim does not and keeps all boot flags), and a relay that
// loses, forges and changes datagrams.
package rmcptest

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/bougou/go-ipmi/pkg/bmc"
	"github.com/bougou/go-ipmi/pkg/hal/mock"
	"github.com/bougou/go-ipmi/pkg/server"
	"github.com/bougou/go-ipmi/pkg/types"
)

// The account of a BMC.
const (
	Username = "admin"
	Password = "s3cret-of-a-BMC-20by" // as long as can be
)

// BMC starts a controller that offers the given suites and returns its address and chassis.
func BMC(t testing.TB, suites ...types.CipherSuiteID) (string, *mock.Chassis) {
	t.Helper()
	hal := mock.New()
	b := bmc.New(bmc.DeviceInfo{DeviceID: 1, FirmwareMajor: 3, FirmwareMinor: 0x14, IPMIVersion: 0x02}, [16]byte{1, 2, 3}, hal, bmc.WithCipherSuites(suites))
	err := b.Users.Upsert(2, func(u *bmc.User) error {
		u.Name, u.Enabled = Username, true
		u.SetPassword([]byte(Password))
		u.ChannelAccess = map[uint8]bmc.UserChannelAccess{}
		for ch := range uint8(16) {
			u.ChannelAccess[ch] = bmc.UserChannelAccess{MaxPrivilege: bmc.PrivilegeLevelOperator, Enabled: true}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenPacket("udp", "127.61.10.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := server.NewServer(b, conn)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(ctx) // ends with the socket
	}()
	t.Cleanup(func() {
		cancel()
		_ = s.Close()
		_ = conn.Close()
		<-done
	})
	return conn.LocalAddr().String(), hal.Chassis().(*mock.Chassis)
}

// Relay stands between a client and upstream. answer gets each datagram from upstream and returns
// what the client hears instead.
func Relay(t testing.TB, upstream string, answer func([]byte) [][]byte) string {
	t.Helper()
	front, err := net.ListenPacket("udp", "127.61.10.2:0")
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	backs := map[string]net.Conn{} // by client
	serve := func(back net.Conn, client net.Addr) {
		buffer := make([]byte, 4096)
		for {
			n, err := back.Read(buffer)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue
			}
			for _, d := range answer(append([]byte(nil), buffer[:n]...)) {
				_, _ = front.WriteTo(d, client)
			}
		}
	}
	wait.Go(func() {
		buffer := make([]byte, 4096)
		for {
			n, client, err := front.ReadFrom(buffer)
			if err != nil {
				break
			}
			back := backs[client.String()]
			if back == nil {
				if back, err = net.Dial("udp", upstream); err != nil {
					break
				}
				backs[client.String()] = back
				wait.Go(func() { serve(back, client) })
			}
			_, _ = back.Write(buffer[:n])
		}
		for _, back := range backs {
			_ = back.Close()
		}
	})
	t.Cleanup(func() {
		_ = front.Close()
		wait.Wait()
	})
	return front.LocalAddr().String()
}
