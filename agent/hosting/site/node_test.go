package site

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/daemon"
	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

const loopback = "127.20.1.1"

// node is a node with a real nginx, and PHP-FPM where it is asked for.
type node struct {
	t    testing.TB
	dir  string
	o    Options
	part *Part
	web  int // group of the web server
	php  *hostingtest.Process
	nx   *hostingtest.Process
}

// newNode starts the daemons with configurations such as Debian's, in a directory of the test.
func newNode(t testing.TB, php bool) *node {
	t.Helper()
	path := hostingtest.Need(t, "nginx")
	dir := hostingtest.Dir(t)
	port := hostingtest.Port(t, loopback)
	n := &node{t: t, dir: dir, web: hostingtest.Group(t, "www-data")}
	n.o = Options{
		Layout: hostingtest.Layout(t, dir), Listen: []string{loopback + ":" + port, "[::1]:" + port}, Probe: loopback + ":" + port,
		Nginx: path, NginxConf: filepath.Join(dir, "nginx.conf"), NginxPID: filepath.Join(dir, "nginx.pid"), NginxInclude: filepath.Join(dir, "conf.d", "steelyard.conf"),
		PHPRoot: filepath.Join(dir, "no-php"), Logrotate: filepath.Join(dir, "logrotate.d", "steelyard-hosting"), Wait: 2 * time.Minute,
	}
	if _, err := os.Stat("/proc/net/if_inet6"); err != nil {
		n.o.Listen = n.o.Listen[:1]
	}
	n.mkdir("conf.d", "logrotate.d", "pool.d", "run")
	n.write("nginx.conf", fmt.Sprintf(`user www-data;
worker_processes 2;
pid %[1]s/nginx.pid;
error_log %[1]s/nginx-error.log;
events { worker_connections 768; }
http {
	sendfile on;
	types { text/html html htm; text/plain txt; }
	default_type application/octet-stream;
	access_log %[1]s/nginx-access.log;
	include %[1]s/conf.d/*.conf;
}
`, dir))
	if php {
		n.startPHP()
	}
	n.startNginx()
	n.part = New(n.o)
	return n
}

func (n *node) startNginx() {
	n.nx = hostingtest.Start(n.t, hostingtest.Daemon{
		Args: []string{n.o.Nginx, "-c", n.o.NginxConf, "-e", filepath.Join(n.dir, "e"), "-g", "daemon off;"}, Ready: runs(nginx{o: &n.o}.daemon()),
	})
}

func (n *node) startPHP() {
	versions := installed("/etc/php")
	if len(versions) == 0 {
		hostingtest.Need(n.t, "php-fpm")
	}
	v := *versions[0]
	hostingtest.Need(n.t, filepath.Base(v.Program))
	v.Conf, v.PID = filepath.Join(n.dir, "php-fpm.conf"), filepath.Join(n.dir, "php-fpm.pid")
	v.Include, v.Sockets = filepath.Join(n.dir, "pool.d", "steelyard.conf"), filepath.Join(n.dir, "run")
	n.o.PHP = &v
	n.write("php-fpm.conf", fmt.Sprintf("[global]\npid = %[1]s/php-fpm.pid\nerror_log = %[1]s/php-fpm.log\ninclude=%[1]s/pool.d/*.conf\n", n.dir))
	n.write("pool.d/www.conf", fmt.Sprintf("[www]\nuser = www-data\ngroup = www-data\nlisten = %s/www.sock\npm = ondemand\npm.max_children = 5\n", n.dir))
	n.runPHP()
}

func (n *node) runPHP() {
	n.php = hostingtest.Start(n.t, hostingtest.Daemon{Args: []string{n.o.PHP.Program, "-F", "-y", n.o.PHP.Conf}, Ready: runs(n.o.PHP.daemon())})
}

// runs is content once the pid file names the daemon; a killed one leaves an old file.
func runs(d daemon.Program) func() error {
	return func() error { _, err := d.PID(); return err }
}

func (n *node) mkdir(names ...string) {
	for _, name := range names {
		if err := os.MkdirAll(filepath.Join(n.dir, name), 0o755); err != nil {
			n.t.Fatal(err)
		}
	}
}

func (n *node) write(name, text string) {
	hostingtest.File(n.t, filepath.Join(n.dir, name), text, 0, 0, 0o644)
}

// account makes the home of a customer and his document.
func (n *node) account(user string, uid int, domain string, subs ...string) *part.Account {
	hostingtest.Home(n.t, n.o.Layout, user, uid, n.web)
	return n.document(user, uid, domain, subs...)
}

func (n *node) document(user string, uid int, domain string, subs ...string) *part.Account {
	return &part.Account{
		HostedAccount: protocol.HostedAccount{ID: "id-" + user, Version: 1, State: protocol.HostedPresent, User: user, Domain: domain, Subdomains: subs},
		UID:           uid, GID: uid, Home: n.o.Layout.Home(user),
	}
}

// put is a file of a customer's.
func (n *node) put(a *part.Account, name, text string) string {
	path := filepath.Join(n.o.Layout.Home(a.User), name)
	hostingtest.File(n.t, path, text, a.UID, n.web, 0o640)
	return path
}

// settle ensures accounts and settles.
func (n *node) settle(accounts ...*part.Account) {
	n.t.Helper()
	if err := n.try(accounts...); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) try(accounts ...*part.Account) error {
	for _, a := range accounts {
		if err := n.part.Ensure(context.Background(), a); err != nil {
			return err
		}
	}
	return n.part.Settle(context.Background())
}

// answer of the node to a request.
type answer struct {
	status         int
	body, location string
}

// get asks the node by IPv4.
func (n *node) get(host, target string) answer {
	n.t.Helper()
	return n.ask(n.o.Listen[0], "GET "+target+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
}

// ask sends a request as it is.
func (n *node) ask(address, request string) answer {
	n.t.Helper()
	conn, err := net.DialTimeout("tcp", address, hostingtest.Patience)
	if err != nil {
		n.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(hostingtest.Patience))
	if _, err := io.WriteString(conn, request); err != nil {
		n.t.Fatal(err)
	}
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		n.t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return answer{r.StatusCode, strings.TrimSpace(string(body)), r.Header.Get("Location")}
}

// must be what the node answers.
func (n *node) must(host, target string, status int, body string) {
	n.t.Helper()
	if got := n.get(host, target); got.status != status || !strings.Contains(got.body, body) {
		n.t.Errorf("%s%s: %d %.200q; want %d with %q", host, target, got.status, got.body, status, body)
	}
}
