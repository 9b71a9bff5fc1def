package ipmisim

import (
	"context"
	"net"
	"os"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/outofband/power/machine"
)

// TestAMachineThatGoesAwayLeavesItsControllerAlone at the system interface: a management controller outlives its machine.
func TestAMachineThatGoesAwayLeavesItsControllerAlone(t *testing.T) {
	if !Installed() {
		if os.Getenv("CI") != "" {
			t.Fatal("ipmi_sim is not installed (Debian: openipmi)")
		}
		t.Skip("ipmi_sim is not installed (Debian: openipmi)")
	}
	o := Options{
		Address: "127.61.20.1:6230", Username: "admin", Password: "secret", Model: "P1", Serial: "SN1", System: "127.61.20.1:9383",
		Machine: &machine.Slow{}, Chassis: []string{"true"}, Dir: t.TempDir(),
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, o) }()
	defer cancel()
	for came, end := 0, time.Now().Add(30*time.Second); came < 50; {
		select {
		case err := <-ended:
			t.Fatalf("after %d machines that went away: %v", came, err)
		default:
		}
		c, err := net.DialTimeout("tcp", o.System, time.Second)
		if err != nil {
			if time.Now().After(end) {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
			continue
		}
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
		came++
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}
