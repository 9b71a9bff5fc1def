package e2e

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// rooted is a controller and one real agent, alone in a network of their own. The agent's machine is a directory that the test made: its
// root, its processes and its listening services are nobody else's.
type rooted struct {
	t         *testing.T
	space     string // name of the network namespace
	root      string // directory that is / for the agent
	env       []string
	control   *process
	agent     *process
	args      []string // of the agent
	name, own string   // the server's, and its id
}

// inside is a command in the network of the test. It sees the hardware of this machine, its network ports too: "ip netns exec" would hide them.
func (r *rooted) inside(args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--net=/run/netns/" + r.space, "--"}, args...)...)
}

func newRooted(t *testing.T) *rooted {
	t.Helper()
	var missing []string
	for _, program := range []string{"ip", "nsenter", "unshare", "mount", "chroot", "setpriv", "/usr/bin/python3"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, program)
		}
	}
	if os.Geteuid() != 0 {
		missing = append(missing, "root")
	}
	if len(missing) > 0 && os.Getenv("CI") == "true" {
		t.Fatalf("%v are missing; run deploy/install-test-deps.sh", missing)
	}
	if len(missing) > 0 {
		t.Skipf("%v are missing; run deploy/install-test-deps.sh", missing)
	}
	r := &rooted{t: t, space: fmt.Sprint("sy-node-", os.Getpid()), root: t.TempDir()}
	command(t, "ip", "netns", "add", r.space)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", r.space).Run() })
	command(t, "ip", "-n", r.space, "link", "set", "lo", "up")
	r.furnish()
	r.start()
	return r
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// write makes a file of the agent's machine.
func (r *rooted) write(path, text string) {
	r.t.Helper()
	must(r.t, os.MkdirAll(filepath.Dir(filepath.Join(r.root, path)), 0o755))
	must(r.t, os.WriteFile(filepath.Join(r.root, path), []byte(text), 0o644))
}

// add writes more into a file.
func (r *rooted) add(path, text string) {
	r.t.Helper()
	before, err := os.ReadFile(filepath.Join(r.root, path))
	must(r.t, err)
	r.write(path, string(before)+text)
}

const (
	passwd = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\nkeeper:x:1000:1000:the provider's:/home/keeper:/bin/sh\n"
	groups = "root:x:0:\nwww-data:x:33:\nkeeper:x:1000:\n"
)

// furnish makes a system that is a hosting node before its first customer.
func (r *rooted) furnish() {
	t := r.t
	for _, dir := range []string{"proc", "sys", "dev", "tmp", "root", "home/keeper", "var/lib/agent", "var/lib/mysql/mysql", "etc/nginx/sites-enabled", "var/spool/cron/crontabs", "var/mail"} {
		must(t, os.MkdirAll(filepath.Join(r.root, dir), 0o755))
	}
	r.write("etc/passwd", passwd)
	r.write("etc/group", groups)
	r.write("etc/login.defs", "UID_MIN 1000\nGID_MIN 1000\n")
	var id [16]byte
	_, _ = rand.Read(id[:])
	r.write("etc/machine-id", fmt.Sprintf("%x\n", id)) // of the system
	r.write("etc/os-release", "NAME=Node\nID=node\nVERSION_ID=1\n")
	r.write("etc/nginx/nginx.conf", "events {}\nhttp {\n include /etc/nginx/sites-enabled/*;\n}\n")
	r.write("etc/nginx/sites-enabled/panel", "server { listen 80 default_server; server_name panel.fleet.test; }\n")
	r.write("etc/cron.d/provider", "0 3 * * * keeper /usr/local/bin/look\n")
	agent, err := os.ReadFile(filepath.Join(bin, "steelyard-agent"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(r.root, "agent"), agent, 0o755))
}

// start runs the controller and the agent, and gives the machine to the fleet.
func (r *rooted) start() {
	t := r.t
	r.control = begin(t, r.inside(filepath.Join(bin, "steelyard"), "serve", "--data", t.TempDir(), "--http", "127.0.0.1:8080", "--agents", "127.0.0.1:8443"), nil)
	var token string
	eventually(t, "the controller is up", func() bool {
		if r.control.over() {
			t.Fatalf("the controller ended: %v", r.control.err)
		}
		token = between(r.control.out.String(), "STEELYARD_TOKEN=", "\n")
		return token != ""
	})
	r.env = []string{"STEELYARD_URL=https://127.0.0.1:8080", "STEELYARD_TOKEN=" + token, "STEELYARD_CA=" + between(r.control.out.String(), "authority: ", ")")}
	r.cli("location", "create", "--name", "Hall", "--external-id", "hall")
	r.write("var/lib/join", strings.TrimSpace(r.cli("token", "create", "--join", "--name", "hall", "--location", "Hall", "--auto-approve")))
	r.run()
	eventually(t, "the machine is erased, tested and connected", func() bool {
		var servers page[server]
		r.json(&servers, "server", "list")
		if len(servers.Items) != 1 {
			return false
		}
		s := servers.Items[0]
		r.name, r.own = s.Name, s.ID
		return s.Connected && s.Operation == "" && s.Cleanliness == "clean" && !strings.Contains(string(s.Reasons), "never completed")
	})
	if s := r.server(); !s.Available { // what diagnostics say of whatever machine the test runs on
		t.Logf("it is not available by itself: %s", s.Reasons)
		r.cli("server", "override", r.own, "--reason", "a test on whatever machine it runs")
	}
}

// run starts the agent with a root, mounts and processes of its own.
func (r *rooted) run() {
	script := `set -e
mount --rbind /sys "$0/sys"; mount --bind /dev "$0/dev"; mount -t proc proc "$0/proc"
exec chroot "$0" /agent run --controller 127.0.0.1:8443 --join-file /var/lib/join --state /var/lib/agent --environment sandbox --sandbox-disk /var/lib/agent/disk.img:16MiB`
	r.agent = begin(r.t, r.inside("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "sh", "-c", script, r.root), nil)
}

// cli runs the operator's command.
func (r *rooted) cli(args ...string) string {
	r.t.Helper()
	out, err := r.try(args...)
	if err != nil {
		r.t.Fatalf("steelyard %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (r *rooted) try(args ...string) (string, error) {
	cmd := r.inside(append([]string{filepath.Join(bin, "steelyard")}, args...)...)
	cmd.Env = append(environment(), r.env...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return string(out) + errs.String(), err
	}
	return string(out), nil
}

func (r *rooted) json(into any, args ...string) {
	r.t.Helper()
	out := r.cli(append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		r.t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// labeled is a server and what the systems that Steelyard replaces call its state.
type labeled struct {
	server
	Label string
}

func (r *rooted) server() (s labeled) {
	r.t.Helper()
	r.json(&s, "server", "show", r.own)
	return s
}

// leave puts on the machine what a customer of a reseller has: an account, a home, a site, a database, mail, a job and a program that
// listens. It is gone after the answer was called.
func (r *rooted) leave() (remove func()) {
	t := r.t
	r.add("etc/passwd", "bob:x:2001:2001::/home/bob:/bin/bash\n")
	r.add("etc/group", "bob:x:2001:\n")
	r.write("home/bob/index.html", "hello")
	must(t, os.Chown(filepath.Join(r.root, "home/bob"), 2001, 2001))
	r.write("etc/nginx/sites-enabled/shop", "server { listen 80; server_name shop.bob.test; root /home/bob; }\n")
	r.write("var/lib/mysql/shop/orders.ibd", "x")
	r.write("var/mail/bob", "From a@b.test\n")
	must(t, os.Chown(filepath.Join(r.root, "var/mail/bob"), 2001, 2001))
	r.write("var/spool/cron/crontabs/bob", "* * * * * curl http://bob.test/?password=hunter2\n")
	must(t, os.Chown(filepath.Join(r.root, "var/spool/cron/crontabs/bob"), 2001, 2001))
	program := begin(t, r.inside("setpriv", "--reuid=2001", "--regid=2001", "--clear-groups",
		"/usr/bin/python3", "-c", "import socket,time\ns=socket.create_server(('0.0.0.0',6667))\nprint('listening',flush=True)\nwhile True: time.sleep(60)"), nil)
	eventually(t, "the customer's program listens", func() bool { return strings.Contains(program.out.String(), "listening") })
	return func() {
		program.kill()
		r.write("etc/passwd", passwd)
		r.write("etc/group", groups)
		for _, path := range []string{"home/bob", "etc/nginx/sites-enabled/shop", "var/lib/mysql/shop", "var/mail/bob"} {
			must(t, os.RemoveAll(filepath.Join(r.root, path)))
		}
	}
}

// left is what the last inspection found beyond the baseline, by kind.
func (r *rooted) left() map[string]string {
	r.t.Helper()
	var i struct {
		Unseen   []string
		Subjects []struct {
			Kind  string
			Items []struct {
				Name, Owner string
				LeftOver    bool `json:"left_over"`
			}
		}
	}
	r.json(&i, "server", "inspection", r.own)
	if len(i.Unseen) > 0 {
		r.t.Errorf("not everything could be looked at: %v", i.Unseen)
	}
	found := map[string]string{}
	for _, s := range i.Subjects {
		for _, f := range s.Items {
			if f.LeftOver {
				found[s.Kind] = strings.TrimSpace(found[s.Kind] + " " + f.Name + " " + f.Owner)
			}
		}
	}
	return found
}

type sale struct {
	ID, State, Message string
	LeftOvers          []string `json:"left_overs"`
}

func (r *rooted) sale() sale {
	r.t.Helper()
	var p page[sale]
	r.json(&p, "sale", "list")
	if len(p.Items) == 0 {
		r.t.Fatal("there is no sale")
	}
	return p.Items[len(p.Items)-1]
}

func (r *rooted) tasks() string { return r.cli("task", "list", "--state", "open", "-o", "json") }

// TestS9_S10_ANodeIsSoldTakenBackAndFreeWhenItsRealAgentFindsNothing is the life of a hosting node between two owners. What is on it is found by
// the real agent in a real file system and network, which are the test's own.
func TestS9_S10_ANodeIsSoldTakenBackAndFreeWhenItsRealAgentFindsNothing(t *testing.T) {
	r := newRooted(t)
	r.cli("server", "node", r.own, "--reason", "shared hosting", "--yes")
	if found := r.left(); len(found) > 0 {
		t.Fatalf("beyond its own baseline it has %v", found)
	}
	for _, name := range []string{"Hosty", "Bolt"} {
		r.cli("reseller", "create", "--name", name, "--company", name, "--email", strings.ToLower(name)+"@hosty.test", "--limits", "servers=5")
	}
	r.cli("sale", "make", "Hosty", r.own)
	if s := r.server(); s.Label != "sold" {
		t.Fatalf("a sold server is labeled %q: %s", s.Label, s.Reasons)
	}
	remove := r.leave()
	r.cli("sale", "revoke", r.own, "--reason", "unpaid")
	eventually(t, "the sale asks", func() bool { return r.sale().State == "asking" })
	want := map[string]string{
		"account": "bob", "home": "/home/bob bob", "site": "shop.bob.test", "database": "shop", "mailbox": "bob", "job": "bob", "listener": "6667",
	}
	found := r.left()
	for kind, name := range want {
		if !strings.Contains(found[kind], name) {
			t.Errorf("of kind %s the agent found %q, want %q", kind, found[kind], name)
		}
	}
	if len(found) != len(want) {
		t.Errorf("found %v", found)
	}
	if all := fmt.Sprint(found, r.tasks(), r.sale()); strings.Contains(all, "hunter2") {
		t.Errorf("what a customer's job does is told: %s", all)
	}
	if s := r.sale(); !slices.ContainsFunc(s.LeftOvers, func(l string) bool { return strings.Contains(l, "shop.bob.test") }) {
		t.Errorf("the sale does not say what is left: %+v", s)
	}
	r.cli("sale", "continue", r.own, "--reason", "bob cleans up")
	eventually(t, "the server is nobody's, and has to be cleaned up", func() bool {
		return r.sale().State == "revoked" && r.server().Label == "cleanup required" && strings.Contains(r.tasks(), "shop.bob.test")
	})
	if out, err := r.try("sale", "make", "Bolt", r.own); err == nil {
		t.Errorf("a server with left-overs was sold: %s", out)
	}
	remove()
	r.cli("server", "inspect", r.own)
	if found := r.left(); len(found) != 1 || !strings.Contains(found["job"], "bob") {
		t.Errorf("all but the job was removed, and what is left is %v", found)
	}
	if label := r.server().Label; label != "cleanup required" {
		t.Errorf("with a job of its former owner it is %q", label)
	}
	r.agent.kill() // the next one knows nothing of what the former one saw
	must(t, os.Remove(filepath.Join(r.root, "var/spool/cron/crontabs/bob")))
	r.run()
	eventually(t, "the agent is back", func() bool { return r.server().Connected })
	r.cli("server", "inspect", r.own)
	eventually(t, "the server is free", func() bool { return r.server().Label == "free" && !strings.Contains(r.tasks(), "cleanup") })
	r.cli("sale", "make", "Bolt", r.own)
	if s := r.server(); s.Label != "sold" {
		t.Errorf("it is %q in the end", s.Label)
	}
}
