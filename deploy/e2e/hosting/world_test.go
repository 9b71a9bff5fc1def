package hosting

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/agent/hosting/mail"
	"github.com/steelyard/steelyard/agent/hosting/part"
)

// world is a hosting node with its controller, in a system of the test's own.
type world struct {
	t       *testing.T
	bin     string
	data    string
	control *hostingtest.Process
	agent   *hostingtest.Process
	env     []string
	node    string // id of the server
	secrets secrets
	systemd bool // starts what runs on the node ([hostingtest.Booted]), as Debian's units say
}

// newWorld prepares a node as docs/nodes.md says, and makes it a hosting node.
func newWorld(t *testing.T) *world {
	w := prepare(t)
	w.rise("imap, mail")
	return w
}

func prepare(t *testing.T) *world {
	_, err := os.Stat("/run/systemd/system")
	w := &world{t: t, bin: os.Getenv(programs), data: t.TempDir(), systemd: err == nil}
	w.daemons()
	return w
}

// rise lets controller and agent begin, and waits until the node can do what it should.
func (w *world) rise(should string) {
	w.controller()
	w.cli("location", "create", "--name", "Hall", "--external-id", "hall")
	join := filepath.Join(w.data, "join")
	w.write(join, strings.TrimSpace(w.cli("token", "create", "--join", "--name", "hall", "--location", "Hall", "--auto-approve")))
	w.carry()
	w.until("the maps of mail", exists("/etc/steelyard-hosting/mail/maps/boxes.lmdb")) // the agent makes them; Postfix and Dovecot begin with them
	w.mail()
	w.rest() // a new one looks at once what there is, not in half a minute
	w.carry()
	w.until("the node is connected", func() error {
		var servers struct {
			Items []struct {
				ID        string
				Connected bool
				Operation string
			}
		}
		w.json(&servers, "server", "list")
		if len(servers.Items) != 1 || !servers.Items[0].Connected || servers.Items[0].Operation != "" {
			return fmt.Errorf("the fleet is %+v", servers)
		}
		w.node = servers.Items[0].ID
		return nil
	})
	w.cli("server", "node", w.node, "--reason", "shared hosting", "--yes")
	w.until("the node can do what Debian has", func() error {
		out, err := w.try("server", "provision", w.node)
		if can := between(out, "can: ", "\n"); err == nil && !strings.Contains(can, should) {
			err = fmt.Errorf("%s", out)
		}
		return err
	})
	w.cli("server-group", "create", "--name", "all", "--types", "web,mail,mysql")
	w.cli("server", "set-roles", w.node, "--role", "web=all,mail=all,mysql=all")
}

// daemons starts what a node serves customers with. The configuration is Debian's.
func (w *world) daemons() {
	t := w.t
	if _, err := os.Stat("/var/lib/mysql/mysql"); err != nil {
		w.run("mariadb-install-db", "--user=mysql", "--skip-test-db")
	}
	for _, dir := range []string{"/run/mysqld:mysql", "/run/sshd:root", "/run/php:www-data"} {
		path, user, _ := strings.Cut(dir, ":")
		w.run("install", "-d", "-o", user, path)
	}
	w.serve("mariadb", hostingtest.Daemon{Args: []string{"/usr/sbin/mariadbd", "--user=mysql", "--skip-name-resolve", "--innodb-buffer-pool-size=32M"}, Ready: answers("unix", "/run/mysqld/mysqld.sock")})
	w.run("rm", "-f", "/etc/nginx/sites-enabled/default")
	nginx := hostingtest.Need(t, "nginx") // listens on port 80 once there is an account
	w.serve("nginx", hostingtest.Daemon{Args: []string{nginx, "-g", "daemon off;"}, Ready: exists("/run/nginx.pid")})
	w.serve("php8.2-fpm", hostingtest.Daemon{Args: []string{hostingtest.Need(t, "php-fpm8.2"), "--nodaemonize"}, Ready: exists("/run/php/php8.2-fpm.sock")})
	w.serve("proftpd", hostingtest.Daemon{Args: []string{hostingtest.Need(t, "proftpd"), "-n"}, Ready: answers("tcp", "127.0.0.1:21")})
	w.run("useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", "vmail")
	w.run("ssh-keygen", "-A")
	w.serve("ssh", hostingtest.Daemon{Args: []string{hostingtest.Need(t, "sshd"), "-D", "-e"}, Ready: answers("tcp", "127.0.0.1:22")})
}

// mail puts into the configuration of Postfix and Dovecot what docs/nodes.md says, and starts them.
func (w *world) mail() {
	prepared := mail.Prepare(mail.Options{Layout: part.Standard})
	for _, p := range prepared.Main {
		w.run("postconf", "-e", p.Name+" = "+p.Value)
	}
	w.run("postconf", "-e", "inet_protocols = ipv4", "myhostname = node.test")
	dovecot := prepared.Dovecot
	if !w.systemd { // and so without a log of the system
		dovecot += "log_path = /dev/stderr\n"
	}
	w.run("newaliases")
	w.run("sed", "-i", "s/^!include auth-system/#!include auth-system/", "/etc/dovecot/conf.d/10-auth.conf")
	w.write("/etc/dovecot/conf.d/99-steelyard.conf", dovecot)
	w.serve("dovecot", hostingtest.Daemon{Args: []string{hostingtest.Need(w.t, "dovecot"), "-F"}, Ready: answers("tcp", "127.0.0.1:143")})
	w.serve("postfix", hostingtest.Daemon{Args: []string{hostingtest.Need(w.t, "postfix"), "start-fg"}, Ready: answers("tcp", "127.0.0.1:25")})
}

func answers(network, address string) func() error {
	return func() error {
		c, err := net.Dial(network, address)
		if err == nil {
			_ = c.Close()
		}
		return err
	}
}

func exists(path string) func() error {
	return func() error { _, err := os.Stat(path); return err }
}

// controller starts the controller on what it has kept.
func (w *world) controller() {
	w.control = hostingtest.Start(w.t, hostingtest.Daemon{
		Args:  []string{filepath.Join(w.bin, "steelyard"), "serve", "--data", filepath.Join(w.data, "controller"), "--http", "127.0.0.1:8080", "--agents", "127.0.0.1:8443"},
		Ready: answers("tcp", "127.0.0.1:8080"),
	})
	if w.env != nil {
		return
	}
	w.until("the first token", func() error {
		said := w.control.Printed()
		token, authority := between(said, "STEELYARD_TOKEN=", "\n"), between(said, "authority: ", ")")
		if token == "" || authority == "" {
			return fmt.Errorf("it says %q", said)
		}
		w.env = append(os.Environ(), "STEELYARD_URL=https://127.0.0.1:8080", "STEELYARD_TOKEN="+token, "STEELYARD_CA="+authority)
		return nil
	})
}

// carry starts the agent.
func (w *world) carry() {
	args := []string{
		filepath.Join(w.bin, "steelyard-agent"), "run", "--hosting", "--controller", "127.0.0.1:8443", "--join-file", filepath.Join(w.data, "join"), "--state", filepath.Join(w.data, "agent"),
	}
	if !w.systemd {
		w.agent = hostingtest.Start(w.t, hostingtest.Daemon{Args: args})
		return
	}
	unit := "[Unit]\nAfter=network.target\n\n[Service]\nExecStart=" + strings.Join(args, " ") + "\nRestart=always\nRestartSec=1\n" // as on the systems that we install (agent/configure)
	w.write("/etc/systemd/system/steelyard-agent.service", unit)
	w.run("systemctl", "daemon-reload")
	w.run("systemctl", "start", "steelyard-agent")
}

// rest stops the agent.
func (w *world) rest() {
	if w.systemd {
		w.run("systemctl", "stop", "steelyard-agent")
		return
	}
	w.agent.Stop()
}

// serve starts a daemon: by Debian's unit of it, or by itself.
func (w *world) serve(unit string, d hostingtest.Daemon) {
	if !w.systemd {
		hostingtest.Start(w.t, d)
		return
	}
	w.run("systemctl", "start", unit)
	w.until(unit, d.Ready)
}

func between(text, from, to string) string {
	_, rest, ok := strings.Cut(text, from)
	part, _, end := strings.Cut(rest, to)
	if !ok || !end {
		return ""
	}
	return part
}

func (w *world) until(what string, f func() error) {
	w.t.Helper()
	hostingtest.Until(w.t, what, f)
}

func (w *world) write(path, text string) {
	w.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) run(name string, args ...string) string {
	w.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// try runs the operator's command.
func (w *world) try(args ...string) (string, error) {
	cmd := exec.Command(filepath.Join(w.bin, "steelyard"), args...)
	cmd.Env = w.env
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return string(out) + errs.String(), err
	}
	return string(out), nil
}

func (w *world) cli(args ...string) string {
	w.t.Helper()
	out, err := w.try(args...)
	if err != nil {
		w.t.Fatalf("steelyard %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (w *world) json(into any, args ...string) {
	w.t.Helper()
	out := w.cli(append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		w.t.Fatalf("%v: %v\n%s", args, err, out)
	}
}
