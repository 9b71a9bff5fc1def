package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"

	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
	"github.com/steelyard/steelyard/deploy/e2e/metal/rack"
)

// keeps makes this program one that keeps an address on eth0, in the network that it was started in.
const keeps = "STEELYARD_TEST_KEEPS_ADDRESS"

func TestMain(m *testing.M) {
	if names := os.Getenv(keeps); names != "" {
		namesFile = names
		s := &screen{start: time.Now()}
		s.add(os.Stdout)
		keepLease(context.Background(), s, func() []card {
			link, err := net.InterfaceByName("eth0")
			if err != nil {
				return nil
			}
			return []card{{Name: link.Name, MAC: link.HardwareAddr.String(), Carrier: true}}
		}, "", func() {})
	}
	os.Exit(m.Run())
}

// said collects what programs say while it is read.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// launch starts a program; end ends it, at the end of the test at the latest.
func launch(t *testing.T, cmd *exec.Cmd) (out *said, end func()) {
	t.Helper()
	out = &said{}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // whose end would end the program
		defer runtime.UnlockOSThread()
		defer close(ended)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	end = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	t.Cleanup(func() {
		end()
		if t.Failed() {
			t.Logf("%s said:\n%s", strings.Join(cmd.Args, " "), out)
		}
	})
	return out, end
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in two minutes: %s", what)
		}
	}
}

// lan is a rack with a machine at its bridge, which is a network namespace of its own.
type lan struct {
	*rack.Rack
	t       *testing.T
	machine string
	leases  string
}

func newLAN(t *testing.T) *lan {
	t.Helper()
	qemu.Need(t, "dnsmasq", "ip")
	l := &lan{rack.New(t), t, "", filepath.Join(t.TempDir(), "leases")}
	l.machine = strings.Replace(l.Name, "metal", "machine", 1)
	if out, err := exec.Command("ip", "netns", "add", l.machine).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", l.machine).Run() })
	l.Run("ip", "link", "add", "port1", "type", "veth", "peer", "name", "eth0", "netns", l.machine)
	l.Run("ip", "link", "set", "port1", "master", rack.Bridge, "up")
	l.inside("ip", "link", "set", "eth0", "up")
	return l
}

func (l *lan) inside(name string, args ...string) string {
	l.t.Helper()
	out, err := exec.Command("ip", append([]string{"netns", "exec", l.machine, name}, args...)...).CombinedOutput()
	if err != nil {
		l.t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// serve starts a real DHCP server, which gives its shortest time, two minutes, and wants to be asked again after three seconds, and
// anybody after six.
func (l *lan) serve(from, to string, more ...string) (out *said, end func()) {
	l.t.Helper()
	args := append([]string{
		"--no-daemon", "--conf-file=/dev/null", "--port=0", "--interface=" + rack.Bridge, "--bind-interfaces", "--dhcp-authoritative", "--log-dhcp",
		"--no-ping", "--dhcp-leasefile=" + l.leases, "--dhcp-range=" + from + "," + to + ",2m", "--dhcp-option=option:T1,3", "--dhcp-option=option:T2,6",
	}, more...)
	out, end = launch(l.t, l.Command("dnsmasq", args...))
	eventually(l.t, "the DHCP server is up", func() bool { return strings.Contains(out.String(), "sockets bound exclusively") })
	return out, end
}

// line finds the last part of what a program said that looks so.
func line(out *said, pattern string) string {
	list := regexp.MustCompile(pattern).FindAllStringSubmatch(out.String(), -1)
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1][1]
}

// TestB43_AnAddressIsProlongedAndReplacedAsTheServersSay: a machine keeps its address for as long as the server prolongs it, turns to any
// server when its own is gone, gives the address up when one says no, and takes another. Connections over it live until then.
func TestB43_AnAddressIsProlongedAndReplacedAsTheServersSay(t *testing.T) {
	l := newLAN(t)
	l.Run("ip", "address", "add", controller+"/32", "dev", rack.Bridge) // stays when the server's own address goes
	server, stop := l.serve("10.77.0.100", "10.77.0.150", "--dhcp-option=option:dns-server,10.77.0.53")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	names := filepath.Join(t.TempDir(), "resolv.conf")
	keep := exec.Command("ip", "netns", "exec", l.machine, program)
	keep.Env = append(os.Environ(), keeps+"="+names)
	screen, _ := launch(t, keep)
	var address string
	eventually(t, "the machine has an address", func() bool {
		address = line(screen, `has (10\.77\.0\.1\d\d)/24, router 10\.77\.0\.1, names from 10\.77\.0\.53`)
		return address != ""
	})

	agent := l.connect()
	prolonged := func(out *said) int { return strings.Count(out.String(), "DHCPACK("+rack.Bridge+") "+address) }
	eventually(t, "it is prolonged", func() bool { return prolonged(server) >= 4 })
	agent.talks()
	if strings.Count(server.String(), "DHCPDISCOVER("+rack.Bridge+")") != 1 {
		t.Errorf("it was asked for anew:\n%s", server)
	}
	if shown := l.inside("ip", "-4", "address", "show", "dev", "eth0"); !strings.Contains(shown, address+"/24") || strings.Contains(shown, "forever") {
		t.Errorf("the kernel does not know how long it holds: %s", shown)
	}

	// Another server with the same leases: the one that gave the address does not answer any more.
	stop()
	l.Run("ip", "address", "del", rack.Address+"/24", "dev", rack.Bridge)
	l.Run("ip", "address", "add", "10.77.0.2/24", "dev", rack.Bridge)
	second, stop := l.serve("10.77.0.100", "10.77.0.150")
	eventually(t, "another server prolongs it", func() bool { return prolonged(second) >= 3 })
	agent.talks()
	if strings.Contains(screen.String(), "is lost") {
		t.Errorf("it was given up:\n%s", screen)
	}

	// A server that does not know the address, and has others.
	stop()
	if err := os.Remove(l.leases); err != nil {
		t.Fatal(err)
	}
	l.serve("10.77.0.200", "10.77.0.250")
	eventually(t, "it is replaced", func() bool { return line(screen, `has (10\.77\.0\.2\d\d)/24`) != "" })
	if shown := l.inside("ip", "-4", "address", "show", "dev", "eth0"); strings.Contains(shown, address) {
		t.Errorf("the former address is still there: %s", shown)
	}
	if !strings.Contains(screen.String(), "the address "+address+"/24 is lost: the DHCP server ") {
		t.Errorf("the screen does not tell it:\n%s", screen)
	}
	l.connect().talks() // an agent comes back by itself
}

// controller is where an agent would connect.
const controller = "10.77.0.3"

// talk is a connection between the machine and the rack.
type talk struct {
	t         *testing.T
	here, far net.Conn
}

// connect is what an agent does.
func (l *lan) connect() *talk {
	l.t.Helper()
	var ln net.Listener
	must := func(err error) {
		l.t.Helper()
		if err != nil {
			l.t.Fatal(err)
		}
	}
	must(l.Enter(func() (err error) { ln, err = net.Listen("tcp4", controller+":0"); return err }))
	defer ln.Close()
	machine := &rack.Rack{Name: l.machine}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	k := &talk{t: l.t}
	var err error
	k.here, err = machine.Dial(ctx, "tcp4", ln.Addr().String())
	must(err)
	k.far, err = ln.Accept()
	must(err)
	l.t.Cleanup(func() { _ = errors.Join(k.here.Close(), k.far.Close()) })
	return k
}

// talks checks that it still carries something, both ways.
func (k *talk) talks() {
	k.t.Helper()
	for _, way := range [][2]net.Conn{{k.here, k.far}, {k.far, k.here}} {
		b := make([]byte, 5)
		_ = way[1].SetReadDeadline(time.Now().Add(time.Minute))
		_, err := way[0].Write([]byte("hello"))
		if _, err2 := way[1].Read(b); err != nil || err2 != nil {
			k.t.Fatalf("the connection is gone: %v, %v", err, err2)
		}
	}
}

// lease is one that a server gave now.
func lease(length time.Duration, more ...dhcpv4.Modifier) *nclient4.Lease {
	ack, err := dhcpv4.New(append([]dhcpv4.Modifier{
		dhcpv4.WithYourIP(net.IPv4(10, 77, 0, 100)), dhcpv4.WithLeaseTime(uint32(length.Seconds())), dhcpv4.WithNetmask(net.CIDRMask(24, 32)),
	}, more...)...)
	if err != nil {
		panic(err)
	}
	return &nclient4.Lease{ACK: ack, CreationTime: time.Now()}
}

// TestB43_ALeaseEndsWhenNobodyProlongsIt and not before: its own server is asked from the middle on, any server from seven eighths.
func TestB43_ALeaseEndsWhenNobodyProlongsIt(t *testing.T) {
	for name, c := range map[string]struct {
		lease         []dhcpv4.Modifier
		answers       func(asked int, any bool) error
		first, others time.Duration // when its own and when any server is asked first
		end           time.Duration
		says          string
	}{
		"nobody answers":              {nil, nil, 30 * time.Minute, 52*time.Minute + 30*time.Second, time.Hour, "prolongs"},
		"the server has other wishes": {[]dhcpv4.Modifier{when(58, 600), when(59, 1200)}, nil, 10 * time.Minute, 20 * time.Minute, time.Hour, "prolongs"},
		"and they make no sense":      {[]dhcpv4.Modifier{when(58, 1200), when(59, 600)}, nil, 30 * time.Minute, 52*time.Minute + 30*time.Second, time.Hour, "prolongs"},
		"a server says no": {nil, func(asked int, any bool) error {
			if any {
				return &nclient4.ErrNak{Nak: lease(0).ACK}
			}
			return errors.New("silence")
		}, 30 * time.Minute, 52*time.Minute + 30*time.Second, 52*time.Minute + 30*time.Second, "any more"},
		"it is prolonged twice": {nil, func(asked int, _ bool) error {
			if asked <= 2 {
				return nil
			}
			return errors.New("silence")
		}, 30 * time.Minute, 2*30*time.Minute + 52*time.Minute + 30*time.Second, 2 * time.Hour, "prolongs"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, asked, sets := time.Now(), 0, 0
				var first, others time.Duration
				h := holder{&screen{}, func(ctx context.Context, l *nclient4.Lease, any bool) (*nclient4.Lease, error) {
					if asked++; asked == 1 {
						first = time.Since(began)
					}
					if any && others == 0 {
						others = time.Since(began)
					}
					if until, ok := ctx.Deadline(); !ok || time.Until(until) > time.Hour {
						t.Error("it may ask for ever")
					}
					err := errors.New("silence")
					if c.answers != nil {
						err = c.answers(asked, any)
					}
					if err != nil {
						return nil, err
					}
					return lease(time.Hour, c.lease...), nil
				}, func(now, _ settings) error { sets++; return nil }}
				err := h.hold(t.Context(), lease(time.Hour, c.lease...))
				if err == nil || !strings.Contains(err.Error(), c.says) || !near(time.Since(began), c.end) || first != c.first || !near(others, c.others) {
					t.Errorf("%v after %v; its own server was asked after %v, any after %v", err, time.Since(began), first, others)
				}
				if want := map[bool]int{true: 2}[strings.Contains(name, "twice")]; sets != want {
					t.Errorf("the card was set %d times, not %d", sets, want)
				}
				if asked > 300 {
					t.Errorf("asked %d times in an hour", asked)
				}
			})
		})
	}
}

// near is at most the pause between two questions later.
func near(got, want time.Duration) bool { return got >= want && got <= want+2*time.Second }

func when(code uint8, seconds uint32) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptGeneric(dhcpv4.GenericOptionCode(code), binary.BigEndian.AppendUint32(nil, seconds)))
}

// TestB43_ALeaseWithoutAnEndIsLeftAlone.
func TestB43_ALeaseWithoutAnEndIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1000*time.Hour)
		defer cancel()
		h := holder{screen: &screen{}, extend: func(context.Context, *nclient4.Lease, bool) (*nclient4.Lease, error) {
			t.Error("the server is asked")
			return nil, errors.New("silence")
		}}
		if err := h.hold(ctx, lease(forever)); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}
