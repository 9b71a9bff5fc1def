package rescue

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a rescue on this machine, at an address that only it has.
type site struct {
	t       *testing.T
	dir     string
	address string
	wire    *wire
	*Rescue
	detail string
	end    func()
}

// wire notes what is set.
type wire struct {
	mu     sync.Mutex
	set    []protocol.Network
	routed int
	err    error
}

func (w *wire) Addresses(n protocol.Network) ([]netip.Addr, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.set = append(w.set, n)
	return []netip.Addr{netip.MustParsePrefix(n.Addresses[0]).Addr()}, w.err
}

func (w *wire) Routes(protocol.Network) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.routed++
	return nil
}

// start runs a rescue over the directory.
func (s *site) start() {
	s.Rescue = New(Options{Dir: s.dir, Wire: s.wire, Listen: func(a string) (net.Listener, error) {
		if a == "" {
			a = "127.44.1.1"
		}
		l, err := net.Listen("tcp", net.JoinHostPort(a, "0"))
		if err == nil {
			s.address = l.Addr().String()
		}
		return l, err
	}})
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { s.Run(ctx) })
	s.end = sync.OnceFunc(func() {
		cancel()
		work.Wait()
	})
	s.t.Cleanup(s.end)
}

func newSite(t *testing.T, keys ...string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), wire: new(wire)}
	s.start()
	detail, err := s.Admit(&protocol.RescueCommand{SSHKeys: keys, Network: &protocol.Network{Addresses: []string{"127.44.1.2/8"}}})
	if err != nil {
		t.Fatal(err)
	}
	s.detail = detail
	return s
}

// key is a key pair; line is its public half as in authorized_keys.
func key(t *testing.T) (signer ssh.Signer, line, file string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if signer, err = ssh.NewSignerFromKey(private); err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "ann")
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := pem.Encode(&text, block); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "id")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return signer, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))) + " ann@example", file
}

func (s *site) dial(user string, auth ...ssh.AuthMethod) (*ssh.Client, error) {
	return ssh.Dial("tcp", s.address, &ssh.ClientConfig{
		User: user, Auth: auth, Timeout: 20 * time.Second,
		HostKeyCallback: func(_ string, _ net.Addr, host ssh.PublicKey) error {
			if f := ssh.FingerprintSHA256(host); !strings.Contains(s.detail, f) {
				return errors.New("another host key: " + f)
			}
			return nil
		},
	})
}

func (s *site) in(signer ssh.Signer) *ssh.Client {
	s.t.Helper()
	c, err := s.dial("root", ssh.PublicKeys(signer))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestB43_ARescueLetsInTheHoldersOfTheKeysAndNobodyElse(t *testing.T) {
	ann, line, _ := key(t)
	eve, _, _ := key(t)
	s := newSite(t, line)
	if !strings.Contains(s.detail, "ssh root@127.44.1.2") || !strings.Contains(s.detail, "SHA256:") {
		t.Error(s.detail)
	}
	for name, try := range map[string]func() (*ssh.Client, error){
		"another key":  func() (*ssh.Client, error) { return s.dial("root", ssh.PublicKeys(eve)) },
		"another user": func() (*ssh.Client, error) { return s.dial("ann", ssh.PublicKeys(ann)) },
		"a password":   func() (*ssh.Client, error) { return s.dial("root", ssh.Password("")) },
		"nothing":      func() (*ssh.Client, error) { return s.dial("root") },
	} {
		if c, err := try(); err == nil {
			t.Errorf("%s: let in", name)
			_ = c.Close()
		}
	}
	c := s.in(ann)
	session, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	out, err := session.CombinedOutput("echo in; exit 5")
	var exit *ssh.ExitError
	if string(out) != "in\n" || !errors.As(err, &exit) || exit.ExitStatus() != 5 {
		t.Errorf("%q %v", out, err)
	}
	if _, err := c.Dial("tcp", "127.0.0.1:1"); err == nil {
		t.Error("connections are forwarded")
	}
	if session, err = c.NewSession(); err != nil {
		t.Fatal(err)
	}
	if err := session.RequestSubsystem("sftp"); err == nil {
		t.Error("there is a file transfer, which the documentation denies")
	}
}

func TestARescueOverOpenSSH(t *testing.T) {
	if _, err := exec.LookPath("ssh"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("ssh is not installed; deploy/install-test-deps.sh installs it")
		}
		t.Skip("ssh is not installed; deploy/install-test-deps.sh installs it")
	}
	_, line, file := key(t)
	s := newSite(t, line)
	host, port, _ := net.SplitHostPort(s.address)
	client := func(args ...string) *exec.Cmd {
		return exec.CommandContext(t.Context(), "ssh", append([]string{
			"-F", "/dev/null", "-i", file, "-p", port, "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "root@" + host,
		}, args...)...)
	}
	cmd := client("cat; echo errors >&2; exit 3")
	cmd.Stdin = strings.NewReader(strings.Repeat("a line\n", 100_000))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != 3 || out.Len() != 700_000 || errs.String() != "errors\n" {
		t.Errorf("%v: %d bytes, %q", err, out.Len(), errs.String())
	}
	cmd = client("-tt", "stty size; tty; exit 4") // a terminal, of the size of none
	text, _ := cmd.Output()
	if cmd.ProcessState.ExitCode() != 4 || !strings.Contains(string(text), "/dev/pts/") {
		t.Errorf("%d %q", cmd.ProcessState.ExitCode(), text)
	}
}

func TestAShellInARescueHasATerminalThatMayChange(t *testing.T) {
	ann, line, _ := key(t)
	s := newSite(t, line)
	session, err := s.in(ann).NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.RequestPty("xterm", 40, 120, ssh.TerminalModes{}); err != nil {
		t.Fatal(err)
	}
	in, err := session.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := session.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Shell(); err != nil {
		t.Fatal(err)
	}
	seen := ""
	until := func(want string) {
		t.Helper()
		buf := make([]byte, 512)
		for !strings.Contains(seen, want) {
			n, err := out.Read(buf)
			if seen += string(buf[:n]); err != nil {
				t.Fatalf("%v before %q, after %q", err, want, seen)
			}
		}
	}
	_, _ = in.Write([]byte("stty size; echo $TERM\n"))
	until("40 120")
	until("xterm")
	if err := session.WindowChange(50, 132); err != nil {
		t.Fatal(err)
	}
	_, _ = in.Write([]byte("until stty size | grep ^50; do sleep 0.05; done; exit 6\n")) // the new size is told beside what is typed
	until("50 132")
	var exit *ssh.ExitError
	if err := session.Wait(); !errors.As(err, &exit) || exit.ExitStatus() != 6 {
		t.Errorf("%v", err)
	}
}

// What was started in a rescue ends with the connection, and everything with the agent.
func TestNothingOfARescueStaysBehind(t *testing.T) {
	ann, line, _ := key(t)
	s := newSite(t, line)
	for _, pty := range []bool{false, true} {
		c := s.in(ann)
		session, err := c.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		if pty {
			if err := session.RequestPty("xterm", 24, 80, nil); err != nil {
				t.Fatal(err)
			}
		}
		out, err := session.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := session.Start(`trap "" HUP; sleep 1000 & echo "$!."; wait`); err != nil {
			t.Fatal(err)
		}
		buf, pid := make([]byte, 64), ""
		for !strings.Contains(pid, ".") {
			n, err := out.Read(buf)
			if pid += string(buf[:n]); err != nil {
				t.Fatal(err, pid)
			}
		}
		pid = strings.TrimSpace(strings.Split(pid, ".")[0])
		_ = c.Close()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			raw, err := os.ReadFile("/proc/" + pid + "/stat")
			if err != nil || strings.Contains(string(raw), ") Z ") {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("on a terminal: %v: %s goes on", pty, pid)
			}
		}
	}
	c := s.in(ann)
	s.end()
	if _, err := c.NewSession(); err == nil {
		t.Error("the agent has ended, and its rescue goes on")
	}
}

// An agent that is started again in the same boot is the same host, with the same keys, and sets the network again.
func TestARescueGoesOnAfterARestartOfTheAgent(t *testing.T) {
	ann, line, _ := key(t)
	s := newSite(t, line)
	if err := s.Route(); err != nil || s.wire.routed != 1 {
		t.Error(err, s.wire.routed)
	}
	s.end()
	s.address = ""
	s.start()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if c, err := s.dial("root", ssh.PublicKeys(ann)); err == nil {
			_ = c.Close()
			break
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	s.end()
	if s.wire.routed != 2 || len(s.wire.set) != 2 {
		t.Errorf("routes %d, addresses %v", s.wire.routed, s.wire.set)
	}
	if info, err := os.Stat(filepath.Join(s.dir, "rescue.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("X9: the host key is kept as %v %v", info, err)
	}
}

func TestARescueThatCannotBeIsRefused(t *testing.T) {
	_, line, _ := key(t)
	network := &protocol.Network{Addresses: []string{"127.44.1.3/8"}}
	for name, c := range map[string]*protocol.RescueCommand{
		"nothing":       nil,
		"no keys":       {Network: network},
		"no key":        {SSHKeys: []string{"ssh-ed25519 AAAA"}, Network: network},
		"a restricted":  {SSHKeys: []string{`command="x" ` + line}, Network: network},
		"a bad network": {SSHKeys: []string{line}, Network: &protocol.Network{Addresses: []string{"nowhere"}}},
	} {
		s := &site{t: t, dir: t.TempDir(), wire: new(wire)}
		s.start()
		if how, err := s.Admit(c); !fault.Is(err, fault.KindInvalid) || how != "" || s.address != "" {
			t.Errorf("%s: %q %v", name, how, err)
		}
		s.end()
	}
	s := &site{t: t, dir: t.TempDir(), wire: &wire{err: errors.New("no such card")}}
	s.start()
	if _, err := s.Admit(&protocol.RescueCommand{SSHKeys: []string{line}, Network: network}); !fault.Is(err, fault.KindUnavailable) || s.address != "" {
		t.Errorf("%v", err)
	}
}

// Strangers who say nothing do not keep the customer out.
func TestStrangersMakeRoom(t *testing.T) {
	ann, line, _ := key(t)
	s := newSite(t, line)
	for range maxStarting + 8 {
		c, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	_ = s.in(ann)
}

// What a client may say of its terminal never leads outside of the bounds.
func FuzzTerminal(f *testing.F) {
	f.Add(ssh.Marshal(struct {
		Term                      string
		Cols, Rows, Width, Height uint32
		Modes                     string
	}{"xterm", 80, 24, 0, 0, "\x00"}))
	f.Add(ssh.Marshal(struct{ Cols, Rows, Width, Height uint32 }{1 << 31, 7, 0, 0}))
	f.Add([]byte{0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, payload []byte) {
		if v, ok := parseTerminal(payload); ok && (min(v.rows, v.cols) < 0 || max(v.rows, v.cols) > protocol.MaxConsoleSide || strings.ContainsAny(v.name, "\n\x1b ")) {
			t.Errorf("%+v", v)
		}
		if rows, cols, ok := parseSize(payload); ok && (min(rows, cols) < 0 || max(rows, cols) > protocol.MaxConsoleSide) {
			t.Errorf("%d by %d", rows, cols)
		}
		if text, ok := parseCommand(&ssh.Request{Type: "exec", Payload: payload}); ok && (text == "" || len(text) > maxCommand || strings.Contains(text, "\x00")) {
			t.Errorf("%q", text)
		}
	})
}
