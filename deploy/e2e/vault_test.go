package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
)

// secretive is one controller with agents, a mail server and a receiver of webhooks, all secrets that were given to it
// or made by it, and all that it said, wrote and showed.
type secretive struct {
	client
	*process
	post        *postbox
	hooks       *listener
	agents      []*process
	data, state string // directories of the controller and of the agents
	private     string // what the test itself keeps: nobody else's
	tokenFile   string
	secrets     map[string]string // by what they are
	creations   int
	location    string

	mu     sync.Mutex
	ran    map[string]bool // command lines and environments of processes, as they were seen
	missed int             // commands that ended before they were looked at
	events bytes.Buffer
}

// marker is told wherever texts are told: the search must find it there, or it proves nothing.
const marker = "the mark that must be found"

// fresh is a secret that was never seen before, with all that programs like to escape.
func fresh() string { return rand.Text()[:13] + `<&"'+/% ` + rand.Text()[:13] }

func newSecretive(t *testing.T) *secretive {
	t.Helper()
	id := newIdentity(t, "127.85.1.2")
	s := &secretive{data: t.TempDir(), state: t.TempDir(), private: t.TempDir(), secrets: map[string]string{}, ran: map[string]bool{}}
	s.client.t = t
	s.post, s.hooks = newPostbox(t, id, s.file(s.made("the password of the mail server", fresh()))), newListener(t, id)
	s.process = launch(t, "steelyard", []string{"SSL_CERT_FILE=" + id.cert, "TMPDIR=" + s.data}, "serve",
		"--data", s.data, "--http", "127.0.0.1:0", "--agents", "127.0.0.1:0", "--log-level", "debug")
	eventually(t, "the controller is up", func() bool {
		if s.over() {
			t.Fatalf("the controller ended: %v", s.err)
		}
		s.Token = between(s.out.String(), "STEELYARD_TOKEN=", "\n")
		return s.Token != ""
	})
	said := s.out.String()
	s.URL, s.CA = between(said, "API and metrics: ", " "), between(said, "authority: ", ")")
	s.made("the first administrator's token", s.Token)
	s.tokenFile = s.file(s.Token)
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { s.watchProcesses(ctx) })
	done.Go(func() { s.listen(ctx) })
	t.Cleanup(func() { cancel(); done.Wait() })
	return s
}

// made notes a secret and gives it back.
func (s *secretive) made(what, secret string) string {
	s.client.t.Helper()
	if len(secret) < 12 {
		s.client.t.Fatalf("%s is %q", what, secret)
	}
	s.creations++
	s.secrets[fmt.Sprintf("%s (%d)", what, s.creations)] = secret
	return secret
}

// file keeps a secret where the test keeps its own.
func (s *secretive) file(secret string) string {
	s.client.t.Helper()
	path := filepath.Join(s.private, rand.Text())
	must(s.client.t, os.WriteFile(path, []byte(secret), 0o600))
	return path
}

// listen keeps what the stream of events says.
func (s *secretive) listen(ctx context.Context) {
	req, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/v1/events", nil)
	if err != nil {
		return
	}
	req.Header.Set("Authorization", "Bearer "+s.Token)
	h := s.http()
	h.Timeout = 0
	resp, err := h.Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := resp.Body.Read(buffer)
		s.mu.Lock()
		s.events.Write(buffer[:n])
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// watchProcesses looks at every process of the machine again and again.
func (s *secretive) watchProcesses(ctx context.Context) {
	for ctx.Err() == nil {
		dirs, _ := filepath.Glob("/proc/[0-9]*")
		for _, dir := range dirs {
			s.lookAt(dir)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// lookAt notes command line and environment of a process; false when it is gone.
func (s *secretive) lookAt(dir string) bool {
	line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
	env, _ := os.ReadFile(filepath.Join(dir, "environ"))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ran[string(line)], s.ran[string(env)] = true, true
	return len(line) > 0
}

// as runs the operator's command in the home of a person; what it reads comes after it was looked at.
func (s *secretive) as(home, stdin string, args ...string) string {
	t := s.client.t
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, "steelyard"), args...)
	cmd.Env = append(environment(), "STEELYARD_URL="+s.URL, "STEELYARD_CA="+s.CA, "HOME="+home, "XDG_CONFIG_HOME="+home)
	if home == "" {
		cmd.Env = append(cmd.Env, "STEELYARD_TOKEN_FILE="+s.tokenFile)
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	in, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	if !s.lookAt(fmt.Sprintf("/proc/%d", cmd.Process.Pid)) {
		s.missed++
	}
	_, _ = io.WriteString(in, stdin) // a command that reads nothing may have ended
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("steelyard %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.String()
}

// run is as, for the administrator.
func (s *secretive) run(stdin string, args ...string) string {
	s.client.t.Helper()
	return s.as("", stdin, args...)
}

// told runs a command that makes something with a secret, which it tells.
func (s *secretive) told(what, home string, args ...string) string {
	s.client.t.Helper()
	return s.made(what, strings.TrimSpace(s.as(home, "", args...)))
}

// furnish makes what the rest needs, and lets agents in.
func (s *secretive) furnish() {
	t := s.client.t
	t.Helper()
	s.run("", "settings", "--public-url", "https://fleet.test", "--webhook-private-targets")
	s.run("", "mail", "set", "--host", "127.85.1.2", "--port", fmt.Sprint(s.post.port), "--security", "starttls", "--user", "steelyard",
		"--from", "fleet@fleet.test", "--password-file", s.file(s.secrets["the password of the mail server (1)"]))
	s.run("", "mail-route", "create", "--name", "everything", "--events", "*", "--to", "ops@fleet.test")
	s.run("", "location", "create", "--name", "Hall", "--external-id", "hall")
	s.location = list[server](&s.client, "/v1/locations")[0].ID
	s.run("", "pool", "create", "--name", "hall", "--location", "Hall", "--prefix", "198.51.100.0/24")
	s.run("", "module", "create", "--name", "own", "--kind", "local", "--location", "Hall", "--department", "hall",
		"--diagtimeout", "30", "--installtimeout-linux", "30", "--installtimeout-windows", "60")
	s.run("", "task", "create", "--department", "hall", "--subject", marker)
	join := s.told("the secret of a join token", "", "token", "create", "--join", "--name", "hall", "--location", "Hall", "--auto-approve")
	s.made("the part of a join token that is not its name", join[strings.LastIndex(join, ".")+1:])
	args := func(kind, dir string, more ...string) []string {
		return append([]string{
			kind, "--controller", between(s.out.String(), "Agents connect to: ", "\n"), "--join-file", s.file(join),
			"--state", filepath.Join(s.state, dir), "--log-level", "debug",
		}, more...)
	}
	s.agents = []*process{
		launch(t, "steelyard-agent", nil, args("simulate", "simulated", "--count", "3", "--hosting", "3")...),
		launch(t, "steelyard-agent", nil, args("run", "real", "--environment", "sandbox", "--sandbox-disk", filepath.Join(s.state, "disk.img")+":64MiB")...),
	}
	eventually(t, "four servers are there", func() bool { return len(s.servers()) == 4 })
}

// people makes users of all kinds, and changes their passwords.
func (s *secretive) people() {
	s.run("", "reseller", "create", "--name", "Hosty", "--company", "Hosty", "--email", "office@hosty.test", "--limits", "customers=none")
	s.run("", "customer", "create", "--name", "Acme", "--email", "office@acme.test", "--reseller", "Hosty")
	customer := list[server](&s.client, "/v1/customers")[0].ID
	for i := range 10 {
		s.user(fmt.Sprint("staff", i), "--role", "operations")
		s.user(fmt.Sprint("seller", i), "--role", "reseller", "--reseller", "Hosty")
		s.user(fmt.Sprint("customer", i), "--role", "customer", "--customer", customer)
	}
	for i := range 4 {
		secret := s.made("a password that an administrator set", fresh())
		s.run(secret+"\n", "user", "password", fmt.Sprint("seller", i))
	}
	seller := s.login("seller9", s.password("seller9"), "")
	for i := range 4 { // the reseller's own people, made by himself
		body, _ := json.Marshal(map[string]string{"name": fmt.Sprint("own", i), "role": "reseller", "password": s.made("the password of a reseller's user", fresh())})
		seller.must(201, "POST", "/v1/users", string(body), nil)
	}
}

// user makes one by command, with a password from a file or from standard input.
func (s *secretive) user(name string, more ...string) {
	secret := s.made("the password of "+name, fresh())
	args := append([]string{"user", "create", "--name", name, "--email", name + "@people.test"}, more...)
	if s.creations%2 == 0 {
		s.run(secret+"\n", args...)
		return
	}
	s.run("", append(args, "--password-file", s.file(secret))...)
}

func (s *secretive) password(user string) string {
	for what, secret := range s.secrets {
		if strings.HasPrefix(what, "the password of "+user+" (") {
			return secret
		}
	}
	return ""
}

// from is the client of somebody at another address of this machine: pace is by address.
func (s *secretive) from(i int) *client {
	c := s.client
	c.Token, c.from = "", net.IPv4(127, 85, 2, byte(i+1))
	return &c
}

func (s *secretive) login(name, password, code string) *client {
	s.client.t.Helper()
	c := s.from(s.creations % 200)
	said := map[string]string{"name": name, "password": password}
	if code != "" {
		said["code"] = code
	}
	body, _ := json.Marshal(said)
	var opened struct{ Token string }
	c.must(200, "POST", "/v1/login", string(body), &opened)
	c.Token = s.made("the token of a login", opened.Token)
	return c
}

// logins opens logins by command, and by each a second factor and a token for a program.
func (s *secretive) logins() {
	t := s.client.t
	for i := range 4 {
		home, name := filepath.Join(s.private, fmt.Sprint("home", i)), fmt.Sprint("staff", i)
		must(t, os.Mkdir(home, 0o700))
		secret := s.password(name)
		s.as(home, secret+"\n", "login", "--name", name)
		text, err := os.ReadFile(filepath.Join(home, "steelyard", "session.json"))
		must(t, err)
		s.made("the token of a login", between(string(text), `"token":"`, `"`))
		s.told("the secret of somebody's own token", home, "token", "own", "--name", "program", "--permissions", "server.read")

		code := strings.Fields(s.as(home, secret+"\n", "user", "second-factor", "enrol"))
		typed := s.made("the secret of a second factor", code[len(code)-1])
		raw, err := base32.StdEncoding.DecodeString(typed)
		must(t, err)
		s.made("the bytes of a second factor", string(raw))
		recovery := strings.Fields(s.as(home, access.CodeAt(raw, time.Now())+"\n", "user", "second-factor", "confirm"))
		for _, one := range recovery {
			s.made("a recovery code", one)
			s.made("a recovery code without dashes", strings.ReplaceAll(one, "-", ""))
		}
		s.login(name, secret, recovery[0]) // of no more use, and a secret all the same
	}
}

// tokens makes those of programs and of agents; a repetition with the same key shows the same secret.
func (s *secretive) tokens() {
	t := s.client.t
	for i := range 6 {
		s.told("the secret of a token", "", "token", "create", "--api", "--name", fmt.Sprint("program ", i), "--role", "operations")
		s.told("the secret of a join token", "", "token", "create", "--join", "--name", fmt.Sprint("rack ", i), "--location", "Hall")
	}
	for i := range 4 {
		body, key := fmt.Sprintf(`{"kind":"api","name":"again %d","role":"marketing"}`, i), rand.Text()
		first, second := s.ask("POST", "/v1/tokens", body, "Idempotency-Key", key), s.ask("POST", "/v1/tokens", body, "Idempotency-Key", key)
		secret := s.made("the secret of a token", between(string(first.body), `"secret":"`, `"`))
		if between(string(second.body), `"secret":"`, `"`) != secret {
			t.Errorf("the repetition is answered %d %s", second.status, second.body)
		}
	}
}

var resetLink = regexp.MustCompile(`syr_[0-9A-Za-z_-]+`)

// forget loses a password and sets a new one by the link of the letter, which is then worthless.
func (s *secretive) forget(i int, name string) {
	t := s.client.t
	t.Helper()
	c, byCommand := s.from(100+i), i < 2
	if byCommand {
		s.run("", "password", "forgot", "--name", name)
	} else {
		c.must(202, "POST", "/v1/password/forgot", `{"name":"`+name+`"}`, nil)
	}
	var token string
	eventually(t, "the letter to "+name+" arrived", func() bool {
		for _, l := range s.post.all() {
			if l.to == name+"@people.test" && strings.HasPrefix(l.subject, "A new password") {
				token = resetLink.FindString(l.text)
			}
		}
		return token != ""
	})
	s.made(linkOf+name, token)
	body := func() string {
		text, _ := json.Marshal(map[string]string{"token": token, "password": s.made("the password that "+name+" chose", fresh())})
		return string(text)
	}
	if byCommand {
		s.run(s.made("the password that "+name+" chose", fresh())+"\n", "password", "reset", "--code-file", s.file(token))
	} else {
		c.must(204, "POST", "/v1/password/reset", body(), nil)
	}
	if got := c.ask("POST", "/v1/password/reset", body()); got.status != 422 {
		t.Errorf("the link of %s is taken twice: %d %s", name, got.status, got.body)
	}
}

// linkOf is what a link for a new password is called here.
const linkOf = "the link for a new password of "

// devices gives credentials of others: switches, management controllers, receivers, the provider of logins.
func (s *secretive) devices() {
	for i := range 3 {
		s.run(s.made("a community", fresh())+"\n", "switch", "create", "--name", fmt.Sprint("two", i), "--location", "Hall", "--driver", "snmp", "--address", fmt.Sprint("127.85.3.", i+1), "--version", "2c")
		s.run(s.made("an authentication password", fresh())+"\n"+s.made("a privacy password", fresh())+"\n", "switch", "create", "--name", fmt.Sprint("three", i),
			"--location", "Hall", "--driver", "snmp", "--address", fmt.Sprint("127.85.4.", i+1), "--version", "3", "--username", "steelyard", "--auth", "SHA-256", "--priv", "AES")
	}
	for i, one := range s.simulated() {
		s.run(s.made("the password of a management controller", fresh())+"\n", "server", "bmc", "set", one, "--driver", "redfish", "--address", fmt.Sprint("https://127.85.5.", i+1), "--username", "admin")
		s.run("", "server", "bmc", "password", one, "--password-file", s.file(s.made("the password of a management controller", fresh())))
	}
	for i := range 4 {
		name := fmt.Sprint("hook ", i)
		s.signing(s.told("the secret of a webhook", "", "webhook", "create", "--name", name, "--url", s.hooks.url+"/", "--events", "*"))
		s.signing(s.told("the secret of a webhook", "", "webhook", "rotate", name))
	}
	s.run("", "provider", "set", "--issuer", "https://127.85.6.1", "--client-id", "steelyard", "--groups-claim", "groups", "--group", "infra=systems", "--client-secret-file", s.file(s.made("a client secret", fresh())))
	s.run(s.made("a client secret", fresh())+"\n", "provider", "set", "--client-id", "other")
}

// signing is what of a webhook's secret signs.
func (s *secretive) signing(secret string) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	must(s.client.t, err)
	s.made("the bytes of a webhook's secret", string(raw))
}

func (s *secretive) simulated() (ids []string) {
	for _, one := range s.servers() {
		if one.Environment == "simulated" {
			ids = append(ids, one.ID)
		}
	}
	return ids
}

// install orders the machine of the real agent, with user data that holds a password: it goes through operation, session
// and journal.
func (s *secretive) install() {
	t := s.client.t
	f := &fleet{client: s.client, process: s.process}
	real := f.available(t)
	f.tariffFor("this machine", real)
	raw := make([]byte, 4<<20)
	_, _ = rand.Read(raw)
	image := filepath.Join(s.private, "small.raw")
	must(t, os.WriteFile(image, raw, 0o600))
	s.run("", "image", "import", image, "--name", "small")
	data := s.file("#cloud-config\nchpasswd: {list: ['root:" + s.made("a password in user data", rand.Text()) + "']}\n")
	s.run("", "order", "place", "--tariff", "this machine", "--image", "small", "--customer", "ann", "--hostname", "web1.example.net", "--user-data", "@"+data)
	s.untilFulfilled(list[order](&s.client, "/v1/orders")[0].ID)
}

// mistakes are requests with secrets that are refused: neither the answer nor the log may repeat them.
func (s *secretive) mistakes() (answers []byte) {
	bad := func(method, path, body string) {
		secret := s.made("a secret in a request that is refused", rand.Text())
		c := s.client
		if strings.Contains(path, "login") || strings.Contains(path, "reset") {
			c = *s.from(50 + s.creations%100)
		}
		got := c.ask(method, path, strings.ReplaceAll(body, "SECRET", secret))
		if got.status < 400 {
			s.client.t.Errorf("%s %s %s is answered %d", method, path, body, got.status)
		}
		answers = append(answers, got.body...)
	}
	one := s.simulated()[0]
	bad("POST", "/v1/users", `{"name":"staff1","role":"operations","password":"SECRET"}`)
	bad("POST", "/v1/users", `{"name":"x","role":"nobody","password":"SECRET"}`)
	bad("POST", "/v1/users", `{"name":"x","role":"operations","password":["SECRET"]}`)
	bad("POST", "/v1/users", `{"name":"x","role":"operations","password":{"is":"SECRET"}}`)
	bad("POST", "/v1/users", `{"name":"x","role":"operations","password":"SECRET","`)
	bad("POST", "/v1/users", `{"name":"x","role":"operations","password":"SECRET`+"\x01"+`"}`)
	bad("POST", "/v1/login", `{"name":"staff1","password":"SECRET"}`)
	bad("POST", "/v1/login", `{"name":"staff1","password":"SECRET","code":"`+rand.Text()+`"}`)
	bad("POST", "/v1/password/reset", `{"token":"syr_SECRET","password":"short"}`)
	bad("PUT", "/v1/servers/"+one+"/bmc", `{"driver":"ipmi","address":"127.85.5.9","username":"a","password":"SECRET`+strings.Repeat("x", 20)+`"}`)
	bad("PUT", "/v1/servers/"+one+"/bmc", `{"driver":"manual","password":"SECRET"}`)
	bad("POST", "/v1/switches", `{"name":"y","location":"`+s.location+`","driver":"snmp","address":"127.85.3.9","version":"3","community":"SECRET"}`)
	bad("PUT", "/v1/mail", `{"host":"127.85.1.2","port":0,"security":"none","user":"steelyard","password":"SECRET"}`)
	bad("PUT", "/v1/provider", `{"issuer":"http://x","client_id":"y","client_secret":"SECRET"}`)
	bad("POST", "/v1/modules", `{"name":"far","kind":"remote","location":"`+s.location+`","department":"hall","diagtimeout":30,"installtimeout_linux":30,"installtimeout_windows":60,"url":"https://127.85.7.1","username":"us@example.net","password":"SECRET"}`)
	bad("POST", "/v1/orders", `{"tariff":"none","image":"none","hostname":"x","customer":"ann","user_data":"SECRET"}`)
	stranger := s.from(60)
	stranger.Token = s.made("a token that is none", "syt_"+rand.Text())
	answers = append(answers, stranger.ask("GET", "/v1/servers", "").body...)
	return answers
}

// shown is what the API answers to an administrator who asks for everything.
func (s *secretive) shown() map[string][]byte {
	t := s.client.t
	var doc struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	s.must(200, "GET", "/v1/openapi.json", "", &doc)
	all := map[string][]byte{}
	for path, methods := range doc.Paths {
		if methods["get"] == nil || path == "/v1/events" || strings.HasSuffix(path, "/console") || strings.HasPrefix(path, "/v1/oidc/") {
			continue
		}
		parent, below, single := strings.Cut(path, "/{id}")
		if !single {
			if got := s.ask("GET", path+"?all=true", ""); got.status == 200 {
				all[path] = got.body
				continue
			}
			all[path] = s.ask("GET", path, "").body
			continue
		}
		items := list[server](&s.client, parent+"?all=true")
		for _, one := range items[:min(len(items), 25)] { // the rest is in the list as a whole
			all[path] = append(all[path], s.ask("GET", parent+"/"+one.ID+below, "").body...)
		}
	}
	if len(all) < 60 {
		t.Errorf("only %d routes were asked", len(all))
	}
	return all
}

// settled waits until everything that is to be told was told.
func (s *secretive) settled() {
	eventually(s.client.t, "no delivery is on its way", func() bool {
		return len(list[server](&s.client, "/v1/deliveries?state=pending")) == 0
	})
}

// places tells where texts of a mark are known to be: the search must find it there.
var places = []string{"/v1/tasks", "/v1/tasks/{id}", "/v1/audit", "a mail", "the posts of webhooks", "the stream of events", "the process list", "a value in etcd", "the files of etcd"}

// TestX9_NothingOfAHundredSecretsIsFoundAnywhere makes all secrets that there are in all ways, and searches for each, in all ways to
// write it, in everything that is kept, said, sent and shown.
func TestX9_NothingOfAHundredSecretsIsFoundAnywhere(t *testing.T) {
	s := newSecretive(t)
	s.furnish()
	s.devices()
	s.people()
	s.logins()
	s.tokens()
	for i := range 5 {
		s.forget(i, fmt.Sprint("customer", i))
	}
	s.accounts()
	refused := s.mistakes()
	s.install()
	s.run("", "task", "create", "--department", "hall", "--subject", marker+" again")
	s.settled()
	if s.creations < 200 {
		t.Errorf("only %d secrets", s.creations)
	}
	h := newHaystack()
	h.seek(marker, marker)
	for what, secret := range s.secrets {
		h.seek(what, secret)
	}
	ids := s.simulated()
	h.seek("a server", ids[0])

	h.in("the answer to a request that was refused", refused)
	for path, text := range s.shown() {
		h.in(path, text)
	}
	for _, p := range append(s.agents, s.process) {
		p.stop()
	}
	s.searchSaid(h)
	s.searchKept(h)
	s.judge(h)
}

// searchSaid looks through logs, mails, posts, events and processes.
func (s *secretive) searchSaid(h *haystack) {
	t := s.client.t
	said := s.out.String()
	if n := strings.Count(said, s.Token); n != 1 {
		t.Errorf("the first token is told %d times", n)
	}
	h.in("the log of the controller", []byte(strings.Replace(said, s.Token, "", 1))) // to who started it, once
	for i, p := range s.agents {
		h.in(fmt.Sprint("the log of the agents ", i), []byte(p.out.String()))
	}
	links := map[string]int{}
	for _, l := range s.post.all() {
		text := l.raw + l.text
		if link := resetLink.FindString(l.text); link != "" && strings.HasSuffix(l.to, "@people.test") {
			links[l.to]++
			text = strings.ReplaceAll(text, link, "") // in the letter to its user and nowhere else
		}
		h.in("a mail", []byte(text))
	}
	if len(links) != 5 {
		t.Errorf("%d people got links, want 5: %v", len(links), links)
	}
	h.in("the posts of webhooks", s.hooks.all())
	s.mu.Lock()
	defer s.mu.Unlock()
	h.in("the stream of events", s.events.Bytes())
	for text := range s.ran {
		h.in("the process list", []byte(text))
	}
	t.Logf("%d secrets, %d command lines and environments, %d commands not seen, %d mails", len(s.secrets), len(s.ran), s.missed, len(s.post.all()))
	if s.missed > len(s.ran)/4 {
		t.Errorf("%d commands ended before they were looked at", s.missed)
	}
}

// judge tells what was found where it must not be, and what was not found where it is.
func (s *secretive) judge(h *haystack) {
	t := s.client.t
	for where, found := range h.found {
		for what, form := range found {
			if what != marker && what != "a server" {
				t.Errorf("%s is in %s, written as %s", what, where, form)
			}
		}
	}
	for _, where := range places {
		if _, there := h.found[where][marker]; !there {
			t.Errorf("the search does not find the mark in %s: it would find no secret either", where)
		}
	}
	for _, where := range []string{"the log of the controller", "the log of the agents 0", "the state of the agents"} {
		if _, there := h.found[where]["a server"]; !there {
			t.Errorf("the search does not find a server in %s: it would find no secret either", where)
		}
	}
}
