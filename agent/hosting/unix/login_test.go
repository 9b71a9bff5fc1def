package unix

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/agent/hosting/limited"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

const sshAddress = "127.0.0.1:22"

// startSSH starts Debian's sshd; extra are lines of its configuration that come first.
func startSSH(t *testing.T, extra ...string) *hostingtest.Process {
	t.Helper()
	sshd := hostingtest.Need(t, "sshd", "ssh-keygen")
	dir := t.TempDir()
	if out, err := exec.Command("ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-f", dir+"/key").CombinedOutput(); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	must(t, os.MkdirAll("/run/sshd", 0o755))
	config := filepath.Join(dir, "config")
	must(t, os.WriteFile(config, []byte(strings.Join(extra, "\n")+"\nHostKey "+dir+"/key\nListenAddress "+sshAddress+"\nInclude /etc/ssh/sshd_config\n"), 0o600))
	return hostingtest.Start(t, hostingtest.Daemon{Args: []string{sshd, "-D", "-e", "-f", config}, Ready: func() error {
		c, err := net.Dial("tcp", sshAddress)
		if err == nil {
			_ = c.Close()
		}
		return err
	}})
}

// key is what the customer laid into his home by FTP.
func key(t *testing.T, a *part.Account) ssh.AuthMethod {
	t.Helper()
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	signer, err := ssh.NewSignerFromKey(private)
	must(t, err)
	dir := a.Home + "/private/.ssh"
	must(t, os.MkdirAll(dir, 0o700))
	must(t, os.WriteFile(dir+"/authorized_keys", ssh.MarshalAuthorizedKey(signer.PublicKey()), 0o600))
	for _, path := range []string{dir, dir + "/authorized_keys"} {
		must(t, os.Chown(path, a.UID, a.GID))
	}
	return ssh.PublicKeys(signer)
}

func dial(a *part.Account, by ssh.AuthMethod) (*ssh.Client, error) {
	return ssh.Dial("tcp", sshAddress, &ssh.ClientConfig{
		User: a.User, Auth: []ssh.AuthMethod{by}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: hostingtest.Patience,
	})
}

// remote runs a line of shell over SSH.
func remote(t *testing.T, a *part.Account, by ssh.AuthMethod, line string) string {
	t.Helper()
	c, err := dial(a, by)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := c.NewSession()
	must(t, err)
	out, err := s.CombinedOutput(line)
	if err != nil {
		t.Errorf("%q over SSH: %v: %s", line, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestC16_TheShellDecidesWhoMayUseSSH(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	copyOf(t, "/proc/self/exe", "/bin/shell")
	for _, pam := range []string{"UsePAM yes", "UsePAM no"} {
		server := startSSH(t, pam)
		p := node(t)
		anna := document("a1", "anna")
		ensure(t, p, anna)
		ways := map[string]ssh.AuthMethod{"password": ssh.Password(secret), "key": key(t, anna)}
		for name, by := range ways {
			if got := remote(t, anna, by, "id -un; pwd"); got != "anna\n/srv/hosting/anna/private" {
				t.Errorf("by %s she is %q", name, got)
			}
		}
		wrong := *anna
		if _, err := dial(&wrong, ssh.Password("wrong")); err == nil {
			t.Error("a wrong password was let in")
		}
		// The limited shell, for commands and for files alike.
		anna.Shell = protocol.ShellLimited
		ensure(t, p, anna)
		if got := remote(t, anna, ways["password"], "ulimit -Hu; ulimit -Ht"); got != fmt.Sprintf("%d\n%d", limited.Processes, limited.CPUSeconds) {
			t.Errorf("its limits are %q", got)
		}
		files(t, anna, ways["key"])
		// A session that runs ends with the right to have one.
		c, err := dial(anna, ways["key"])
		must(t, err)
		s, err := c.NewSession()
		must(t, err)
		must(t, s.Start("exec sleep 1000"))
		for _, change := range []func(){
			func() { anna.Shell = protocol.ShellFalse },
			func() { anna.Shell, anna.State = protocol.ShellBash, protocol.HostedSuspended },
			func() { anna.State, anna.Password = protocol.HostedPresent, "" },
		} {
			change()
			ensure(t, p, anna)
			if s != nil {
				if err := s.Wait(); err == nil {
					t.Error("the session ended by itself")
				}
				s = nil
			}
			for name, by := range ways {
				c, err := dial(anna, by)
				if err != nil {
					continue
				}
				t.Errorf("%s: with shell %s, %s, she was let in by %s", pam, anna.Shell, anna.State, name)
				if l, err := c.Dial("tcp", sshAddress); err == nil {
					t.Error("and ports are forwarded")
					_ = l.Close()
				}
				_ = c.Close()
			}
		}
		gone(t, p, anna)
		server.Stop()
	}
}

// files asks for SFTP, and hears the server's greeting.
func files(t *testing.T, a *part.Account, by ssh.AuthMethod) {
	t.Helper()
	c, err := dial(a, by)
	must(t, err)
	defer c.Close()
	s, err := c.NewSession()
	must(t, err)
	in, err := s.StdinPipe()
	must(t, err)
	out, err := s.StdoutPipe()
	must(t, err)
	must(t, s.RequestSubsystem("sftp"))
	_, err = in.Write([]byte{0, 0, 0, 5, 1, 0, 0, 0, 3})
	must(t, err)
	answer := make([]byte, 9)
	if _, err := io.ReadFull(out, answer); err != nil || answer[4] != 2 {
		t.Errorf("SFTP answers %v: %v", answer, err)
	}
}

func copyOf(t *testing.T, from, to string) {
	t.Helper()
	raw, err := os.ReadFile(from)
	must(t, err)
	must(t, os.WriteFile(to, raw, 0o755))
	must(t, os.Chmod(to, 0o755))
}

// cron runs what is marked for the start of the machine at once, so nobody waits for a minute.
func TestC16_WhoMayNotLogInHasNoCronAndNoSu(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	cron := hostingtest.Need(t, "cron", "su")
	p := node(t)
	anna, bert, carl := document("a", "anna"), document("b", "bert"), document("c", "carl")
	bert.Shell, carl.State = protocol.ShellFalse, protocol.HostedSuspended
	all := []*part.Account{anna, bert, carl}
	for _, a := range all {
		ensure(t, p, a)
		path := "/var/spool/cron/crontabs/" + a.User
		must(t, os.WriteFile(path, []byte("@reboot touch "+a.Home+"/private/ran\n"), 0o600))
		must(t, os.Chown(path, a.UID, 0))
	}
	ran := func(a *part.Account) error {
		_, err := os.Stat(a.Home + "/private/ran")
		return err
	}
	start := func(who *part.Account) {
		_ = os.Remove("/run/crond.reboot")
		server := hostingtest.Start(t, hostingtest.Daemon{Args: []string{cron, "-f"}})
		hostingtest.Until(t, "cron to run a job of "+who.User, func() error { return ran(who) })
		hostingtest.Until(t, "cron to have no more jobs", func() error { return childless(server.PID) })
		server.Stop()
	}
	start(anna)
	for _, a := range []*part.Account{bert, carl} {
		if ran(a) == nil {
			t.Errorf("a job of %s ran", a.User)
		}
		if out, err := exec.Command("su", a.User, "-s", "/bin/sh", "-c", "true").CombinedOutput(); err == nil || !strings.Contains(string(out), "expired") {
			t.Errorf("su to %s: %s %v", a.User, out, err)
		}
	}
	bert.Shell = protocol.ShellBash
	ensure(t, p, bert)
	start(bert)
	if ran(carl) == nil {
		t.Error("a job of carl ran")
	}
}

// childless tells whether all children of a process have ended.
func childless(pid int) error {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil || len(bytes.TrimSpace(raw)) > 0 {
		return fmt.Errorf("it has %s: %w", raw, err)
	}
	return nil
}

func TestOneCustomerCannotSeeAnothersHome(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	p := node(t)
	anna, bert := document("a", "anna"), document("b", "bert")
	ensure(t, p, anna)
	ensure(t, p, bert)
	if out, err := run(t, anna, "cd /srv/hosting/anna && echo x >htdocs/index.php && echo x >private/file && echo x >tmp/sess_1 && ls . >/dev/null"); err != nil {
		t.Fatal(out, err)
	}
	owner(t, anna.Home+"/htdocs/index.php", anna.UID, webGroup(t), 0o644)
	c := hostingtest.Customer{UID: bert.UID, GID: bert.GID}
	for _, path := range []string{"", "/htdocs", "/private", "/tmp"} {
		c.MustNot(t, "ls", anna.Home+path)
	}
	for _, path := range []string{"/htdocs/index.php", "/private/file", "/tmp/sess_1"} {
		c.MustNot(t, "cat", anna.Home+path)
	}
	c.MustNot(t, "ls", "/srv/hosting")
	c.MustNot(t, "ls", "/etc/steelyard-hosting/users")
	c.MustNot(t, "cat", "/etc/shadow")
	// Nobody can take his own directories out of their places, and so no path of root's is his.
	c = hostingtest.Customer{UID: anna.UID, GID: anna.GID}
	c.MustNot(t, "mv", anna.Home+"/htdocs", anna.Home+"/other")
	c.MustNot(t, "rmdir", anna.Home+"/tmp")
	c.MustNot(t, "ln", "-s", "/etc", anna.Home+"/sub/example.org")
	c.MustNot(t, "chgrp", "www-data", anna.Home+"/private")
}
