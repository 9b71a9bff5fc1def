package netboot

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/insomniacslk/dhcp/iana"
)

// ask makes one DHCP exchange as firmware of a kind does, in a namespace; zero Ack: there was no answer.
func ask(t *testing.T, ns string, with ...dhcpv4.Modifier) (lease *nclient4.Lease, err error) {
	t.Helper()
	inside(t, ns, func() {
		var c *nclient4.Client
		if c, err = nclient4.New("eth0", nclient4.WithTimeout(2*time.Second), nclient4.WithRetry(8)); err != nil {
			return
		}
		defer c.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		lease, err = c.Request(ctx, with...)
	})
	return lease, err
}

// firmware describes a client of an architecture (option 93).
func firmware(arch iana.Arch) []dhcpv4.Modifier {
	class := "PXEClient:Arch:00000:UNDI:002001"
	if arch == iana.EFI_X86_64_HTTP {
		class = "HTTPClient:Arch:00016:UNDI:003001"
	}
	return []dhcpv4.Modifier{
		dhcpv4.WithOption(dhcpv4.OptClientArch(arch)), dhcpv4.WithOption(dhcpv4.OptClassIdentifier(class)),
		dhcpv4.WithRequestedOptions(dhcpv4.OptionTFTPServerName, dhcpv4.OptionBootfileName, dhcpv4.OptionClassIdentifier),
	}
}

func ipxe(arch iana.Arch) []dhcpv4.Modifier {
	return append(firmware(arch), dhcpv4.WithOption(dhcpv4.OptGeneric(dhcpv4.OptionUserClassInformation, []byte("iPXE"))))
}

func bootFile(p *dhcpv4.DHCPv4) string {
	if name := p.BootFileNameOption(); name != "" {
		return strings.TrimRight(name, "\x00")
	}
	return p.BootFileName
}

const script = "http://10.77.0.1:" + testPort + pathScript

// TestB43_EachFirmwareGetsItsProgram from a real dnsmasq, by a real DHCP exchange, and loads it by TFTP or HTTP.
func TestB43_EachFirmwareGetsItsProgram(t *testing.T) {
	program(t, "dnsmasq", "dnsmasq-base")
	program(t, "curl", "curl")
	ns := cable(t, "prov0", "10.77.0.1/24")
	w := newWorld(t)
	serve(t, w.options(ramenv(t, "kernel", "initrd"), "prov0=dhcp:10.77.0.100-10.77.0.200,gateway=10.77.0.1,dns=10.77.0.2"))
	for name, row := range map[string]struct {
		with []dhcpv4.Modifier
		file string
	}{
		"BIOS": {firmware(iana.INTEL_X86PC), fileBIOS}, "UEFI as 7": {firmware(iana.EFI_BC), fileEFI}, "UEFI as 9": {firmware(iana.EFI_X86_64), fileEFI},
		"UEFI over HTTP": {firmware(iana.EFI_X86_64_HTTP), "http://10.77.0.1:" + testPort + pathEFI},
		"iPXE, BIOS":     {ipxe(iana.INTEL_X86PC), script}, "iPXE, UEFI": {ipxe(iana.EFI_X86_64), script}, "a system": {nil, ""},
	} {
		lease, err := ask(t, ns, row.with...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ack := lease.ACK
		if bootFile(ack) != row.file || !testNetwork.Contains(addr(ack.YourIPAddr)) {
			t.Errorf("%s: %s boots %q, want %q", name, ack.YourIPAddr, bootFile(ack), row.file)
		}
		if r := ack.Router(); len(r) != 1 || r[0].String() != "10.77.0.1" || len(ack.DNS()) != 1 || ack.DNS()[0].String() != "10.77.0.2" {
			t.Errorf("%s: routers %v, names %v", name, r, ack.DNS())
		}
		isIPXE := strings.HasPrefix(name, "iPXE")
		if got := ack.Options.Get(dhcpv4.GenericOptionCode(175)); isIPXE != bytes.HasPrefix(got, []byte{0xb0, 1, 1}) {
			t.Errorf("%s: option 175 is % x", name, got)
		}
		if class := ack.ClassIdentifier(); (name == "UEFI over HTTP") != (class == "HTTPClient") {
			t.Errorf("%s: vendor class %q", name, class)
		}
		if !isIPXE && row.file != "" {
			loads(t, ns, ack, row.file)
		}
	}
}

// loads fetches a boot file as its client would, and compares it with what Debian has.
func loads(t *testing.T, ns string, ack *dhcpv4.DHCPv4, file string) {
	t.Helper()
	url, name := file, fileEFI
	if !strings.HasPrefix(file, "http") {
		url, name = "tftp://"+ack.ServerIPAddr.String()+"/"+file, file
	}
	to := filepath.Join(t.TempDir(), "file")
	command(t, "ip", "netns", "exec", ns, "ip", "addr", "replace", ack.YourIPAddr.String()+"/24", "dev", "eth0")
	command(t, "ip", "netns", "exec", ns, "curl", "-sS", "--max-time", "30", "--fail", "-o", to, url)
	got, err := os.ReadFile(to)
	must(t, err)
	want, err := os.ReadFile(filepath.Join(debianIPXE, name))
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes came, %d are in the package", url, len(got), len(want))
	}
}

// TestX5_OnlyTheInterfacesGivenHearAnything: a second network, and the first one asked through the second.
func TestX5_OnlyTheInterfacesGivenHearAnything(t *testing.T) {
	program(t, "dnsmasq", "dnsmasq-base")
	ns, other := cable(t, "prov0", "10.77.0.1/24"), cable(t, "wrong0", "10.78.0.1/24")
	w := newWorld(t)
	serve(t, w.options(ramenv(t, "kernel", "initrd"), "prov0=dhcp:10.77.0.100-10.77.0.200"))
	if _, err := ask(t, ns); err != nil { // it runs
		t.Fatal(err)
	}
	inside(t, other, func() {
		conn, err := net.ListenPacket("udp4", "0.0.0.0:68")
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		hello, err := dhcpv4.NewDiscovery(hardwareAddress(t, clientMAC), dhcpv4.WithBroadcast(true))
		if err == nil {
			err = bindTo(conn, "eth0")
		}
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := conn.WriteTo(hello.ToBytes(), &net.UDPAddr{IP: net.IPv4bcast, Port: 67}); err != nil {
			t.Error(err)
		}
		if _, err := ask(t, ns); err != nil { // dnsmasq has read all that came before
			t.Error(err)
		}
		must(t, conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
		if n, from, err := conn.ReadFrom(make([]byte, 1500)); err == nil {
			t.Errorf("%d bytes came from %v on a network that was not given", n, from)
		}
	})
	command(t, "ip", "-n", other, "addr", "add", "10.78.0.9/24", "dev", "eth0")
	command(t, "ip", "-n", other, "route", "add", "10.77.0.0/24", "via", "10.78.0.1")
	inside(t, other, func() {
		for _, to := range []string{"10.78.0.1", "10.77.0.1"} {
			if c, err := net.DialTimeout("tcp", to+":"+testPort, 10*time.Second); err == nil {
				c.Close()
				t.Errorf("HTTP is answered at %s through the other network", to)
			}
		}
		c, err := net.Dial("udp", "10.78.0.1:69")
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		_, err = c.Write([]byte("\x00\x01" + fileBIOS + "\x00octet\x00"))
		must(t, err)
		must(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
		if n, err := c.Read(make([]byte, 600)); !strings.Contains(errText(err), "refused") {
			t.Errorf("TFTP on the other network: %d bytes, %v", n, err)
		}
	})
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestB43_BesideTheNetworksOwnDHCP: the site's server gives the address, and ours only says what to boot.
func TestB43_BesideTheNetworksOwnDHCP(t *testing.T) {
	path := program(t, "dnsmasq", "dnsmasq-base")
	// one wire: our card, the client's, and the site's server in a namespace of its own
	ns := cable(t, "prov0", "10.77.0.1/24")
	site := cable(t, "site0", "10.99.0.1/24")
	for _, line := range []string{
		"link add wire0 type bridge", "link add prov1 type veth peer name prov2", "addr flush dev prov0", "link set prov0 master wire0", "link set prov1 master wire0",
		"link set site0 master wire0", "link set wire0 up", "link set prov1 up", "addr add 10.77.0.1/24 dev prov2", "link set prov2 up",
		"-n " + site + " link set eth0 address 52:54:00:aa:00:99", "-n " + site + " addr add 10.77.0.2/24 dev eth0",
	} {
		command(t, "ip", strings.Fields(line)...)
	}
	t.Cleanup(func() {
		_ = exec.Command("ip", "link", "del", "wire0").Run()
		_ = exec.Command("ip", "link", "del", "prov1").Run()
	})
	child(t, "ip", "netns", "exec", site, path, "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--bind-interfaces", "--interface=eth0", "--except-interface=lo",
		"--dhcp-range=10.77.0.50,10.77.0.60,1h", "--dhcp-leasefile="+filepath.Join(t.TempDir(), "leases"), "--pid-file=", "--log-facility=-", "--user=root")
	w := newWorld(t)
	serve(t, w.options(ramenv(t, "kernel", "initrd"), "prov2=proxy"))
	for name, row := range map[string]struct {
		with []dhcpv4.Modifier
		file string
	}{
		"BIOS": {firmware(iana.INTEL_X86PC), fileBIOS}, "UEFI as 7": {firmware(iana.EFI_BC), fileEFI}, "UEFI as 9": {firmware(iana.EFI_X86_64), fileEFI},
		"iPXE, BIOS": {ipxe(iana.INTEL_X86PC), script}, "iPXE, UEFI": {ipxe(iana.EFI_X86_64), script},
	} {
		address, file := beside(t, ns, row.with)
		if !strings.HasPrefix(address, "10.77.0.5") {
			t.Errorf("%s: the site's server offers %q", name, address)
		}
		if file != row.file {
			t.Errorf("%s: we tell %q, want %q", name, file, row.file)
		}
	}
}

// beside asks as PXE firmware does where two servers answer, and returns the address that the one offers, and the file that the other
// tells: with its offer, or as a boot server on port 4011.
func beside(t *testing.T, ns string, with []dhcpv4.Modifier) (address, file string) {
	t.Helper()
	inside(t, ns, func() {
		conn, err := net.ListenPacket("udp4", "0.0.0.0:68")
		if err == nil {
			err = bindTo(conn, "eth0")
		}
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		hello, err := dhcpv4.NewDiscovery(hardwareAddress(t, clientMAC), append(with, dhcpv4.WithBroadcast(true))...)
		if err != nil {
			t.Error(err)
			return
		}
		var server *dhcpv4.DHCPv4
		exchange(t, conn, hello, &net.UDPAddr{IP: net.IPv4bcast, Port: 67}, func(o *dhcpv4.DHCPv4) bool {
			switch {
			case !o.YourIPAddr.IsUnspecified():
				address = o.YourIPAddr.String()
			case o.ClassIdentifier() == "PXEClient":
				server = o
			}
			return address != "" && server != nil
		})
		if server == nil {
			return
		}
		if file = bootFile(server); file != "" {
			if server.ServerIPAddr.String() != "10.77.0.1" {
				t.Errorf("%s is offered without the server that has it: %s", file, server.ServerIPAddr)
			}
			return
		}
		request, err := dhcpv4.New(append(with, dhcpv4.WithMessageType(dhcpv4.MessageTypeRequest), dhcpv4.WithHwAddr(hardwareAddress(t, clientMAC)), dhcpv4.WithBroadcast(true),
			dhcpv4.WithClientIP(net.ParseIP(address)))...)
		if err != nil {
			t.Error(err)
			return
		}
		if out, err := exec.Command("ip", "-n", ns, "addr", "replace", address+"/24", "dev", "eth0").CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		defer func() { _ = exec.Command("ip", "-n", ns, "addr", "flush", "dev", "eth0").Run() }()
		exchange(t, conn, request, &net.UDPAddr{IP: server.ServerIdentifier(), Port: 4011}, func(o *dhcpv4.DHCPv4) bool {
			file = bootFile(o)
			return true
		})
	})
	return address, file
}

// exchange sends m until take has what it wants.
func exchange(t *testing.T, conn net.PacketConn, m *dhcpv4.DHCPv4, to net.Addr, take func(*dhcpv4.DHCPv4) bool) {
	t.Helper()
	buf := make([]byte, 1500)
	for range 12 {
		if _, err := conn.WriteTo(m.ToBytes(), to); err != nil {
			t.Error(err)
			return
		}
		if err := conn.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
			t.Error(err)
			return
		}
		for {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				break // ask again
			}
			o, err := dhcpv4.FromBytes(buf[:n])
			if err == nil && o.TransactionID == m.TransactionID && take(o) {
				return
			}
		}
	}
	t.Errorf("not everybody answered %v at %v", m.MessageType(), to)
}

func addr(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

// child runs a program until the test ends.
func child(t *testing.T, name string, args ...string) {
	t.Helper()
	var said bytes.Buffer
	started, ended := make(chan error, 1), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(ended)
		runtime.LockOSThread() // Pdeathsig follows the thread
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Stdout, cmd.Stderr = &said, &said
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
		started <- cmd.Start()
		_ = cmd.Wait()
	}()
	must(t, <-started)
	t.Cleanup(func() {
		cancel()
		<-ended
		if t.Failed() {
			t.Logf("%s: %s", name, said.String())
		}
	})
}
