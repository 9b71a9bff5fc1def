package power_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/outofband/power"
	"github.com/steelyard/steelyard/controller/outofband/power/ipmisim"
	"github.com/steelyard/steelyard/controller/outofband/power/machine"
	"github.com/steelyard/steelyard/controller/outofband/power/powertest"
	"github.com/steelyard/steelyard/controller/outofband/power/redfishsim"
)

const serial = "STEEL-0042"

func TestConformanceIPMI(t *testing.T)    { powertest.Run(t, ipmiRig) }
func TestConformanceRedfish(t *testing.T) { powertest.Run(t, redfishRig) }

// needs skips where a program is not installed; the checks of a change have them all.
func needs(t testing.TB, there bool, program string) {
	t.Helper()
	if there {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed; run deploy/install-test-deps.sh", program)
	}
	t.Skipf("%s is not installed", program)
}

// addresses are loopback addresses of this package, one for each daemon.
var addresses atomic.Int32

// ipmiRig is a real ipmi_sim with a machine of its own.
func ipmiRig(t *testing.T) powertest.Rig {
	needs(t, ipmisim.Installed(), "ipmi_sim")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	n := addresses.Add(1)
	m := &machine.Slow{Delay: powertest.Delay}
	o := ipmisim.Options{
		Address: fmt.Sprintf("127.61.%d.%d:6230", n/200, n%200+1), Username: "admin", Password: "s3cret-of-a-BMC", Model: "Model 1", Serial: serial,
		Machine: m, Chassis: []string{exe, chassisCommand}, Dir: t.TempDir(),
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- ipmisim.Run(ctx, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			log, _ := os.ReadFile(filepath.Join(o.Dir, "log"))
			t.Errorf("%v\n%s", err, log)
		}
	})
	return powertest.Rig{
		Target:  power.Target{Driver: outofband.DriverIPMI, Address: o.Address, Username: o.Username, Password: o.Password},
		Machine: m, Serial: serial,
	}
}

// redfishRig is the simulated Redfish service with one machine, over TLS.
func redfishRig(t *testing.T) powertest.Rig {
	rig, _ := redfishService(t, nil)
	return rig
}

// redfishService lets a test stand between client and service.
func redfishService(t testing.TB, between func(http.Handler) http.Handler) (powertest.Rig, *redfishsim.Service) {
	t.Helper()
	service := redfishsim.New("admin", "s3cret-of-a-BMC")
	m := &machine.Slow{Delay: powertest.Delay}
	service.Add(redfishsim.System{
		ID: "machine-1", Machine: m, Model: "Model 1", SerialNumber: serial, UUID: "4c454453-5941-5244-8000-000000000001", MAC: "02:00:00:00:00:01", Firmware: "1.02",
	})
	var handler http.Handler = service
	if between != nil {
		handler = between(service)
	}
	server, pin := serve(t, handler)
	return powertest.Rig{
		Target:  power.Target{Driver: outofband.DriverRedfish, Address: server.URL, Username: "admin", Password: "s3cret-of-a-BMC", Pin: pin},
		Machine: m, Serial: serial,
	}, service
}

// serve starts an HTTPS server with a certificate of its own and returns its pin.
func serve(t testing.TB, handler http.Handler) (*httptest.Server, string) {
	t.Helper()
	cert, pin, err := redfishsim.Certificate("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are meant to fail
	server.StartTLS()
	t.Cleanup(server.Close)
	return server, pin
}

// ipmitool is another client than ours.
func ipmitool(t *testing.T, target power.Target, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("ipmitool")
	needs(t, err == nil, "ipmitool")
	host, port, _ := net.SplitHostPort(target.Address)
	cmd := exec.CommandContext(t.Context(), path, append([]string{"-I", "lanplus", "-C", "3", "-L", "OPERATOR", "-H", host, "-p", port, "-U", target.Username, "-E"}, args...)...)
	cmd.Env = append(os.Environ(), "IPMI_PASSWORD="+target.Password)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("ipmitool %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// What we do must be what another client sees, and the other way round.
func TestB34_IpmitoolSeesWhatWeDo(t *testing.T) {
	rig := ipmiRig(t)
	ctx := t.Context()
	c := powertest.Open(t, ctx, rig.Target)
	if err := c.NextBoot(ctx, power.Boot{Device: power.BootNetwork, Once: true}); err != nil {
		t.Fatal(err)
	}
	if out := ipmitool(t, rig.Target, "chassis", "bootparam", "get", "5"); !strings.Contains(out, "Force PXE") {
		t.Fatalf("ipmitool sees\n%s", out)
	}
	ipmitool(t, rig.Target, "chassis", "power", "on")
	if _, err := power.TurnOn(ctx, c, power.Boot{}, func(string) {}); err != nil {
		t.Fatal(err)
	}
	if changed, err := power.TurnOff(ctx, c, false, 20*time.Second, func(string) {}); err != nil || !changed {
		t.Fatal(changed, err)
	}
	if out := ipmitool(t, rig.Target, "chassis", "power", "status"); !strings.Contains(out, "is off") {
		t.Fatalf("ipmitool sees\n%s", out)
	}
	inventory, err := c.Inventory(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if out := ipmitool(t, rig.Target, "fru", "print", "0"); !strings.Contains(out, inventory.Serial) {
		t.Fatalf("ipmitool sees\n%s", out)
	}
	if out := ipmitool(t, rig.Target, "sdr", "list"); !strings.Contains(out, "6400 RPM") || !strings.Contains(out, "41 degrees C") {
		t.Fatalf("ipmitool sees\n%s", out)
	}
}

// certificateOf is what a server shows.
func certificateOf(t testing.TB, address string) *x509.Certificate {
	t.Helper()
	conn, err := tls.Dial("tcp", strings.TrimPrefix(address, "https://"), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0]
}
