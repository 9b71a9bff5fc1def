package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestB1_AFleetOnOneMachine walks through a life of `steelyard dev`, on one start where it can.
func TestB1_AFleetOnOneMachine(t *testing.T) {
	f := startFleet(t, 20)
	steps := []struct {
		name string
		run  func(t *testing.T, f *fleet)
	}{
		{"TestX11_RealAndSimulatedServersAreSeen", seen},
		{"TestU10_ToolsFindHealthMetricsAndDescription", tools},
		{"TestB1_AnOrderBecomesActiveOnASimulatedServer", simulatedOrder},
		{"TestB43_AnOrderWritesItsImageToTheDiskOfTheRealAgent", realOrder},
		{"TestX13_NonsenseIsRefusedClearly", nonsense},
		{"TestX1_JoinTokensAreUsedAsOftenAsTheySay", joinTokens},
		{"TestB42_AgentsKilledInTheMiddleComeBack", killedAgents},
		{"TestX9_SecretsAreNeverStoredOrShown", secrets},
		{"TestB42_SIGTERMStopsAndARestartGoesOn", stopAndGoOn},
	}
	for _, s := range steps {
		f.client.t = t
		if !t.Run(s.name, func(t *testing.T) { f.client.t = t; s.run(t, f) }) {
			t.Fatal("what follows builds on it")
		}
	}
}

func seen(t *testing.T, f *fleet) {
	servers := f.servers()
	if len(servers) != 21 {
		t.Fatalf("%d servers, want 20 simulated ones and this machine", len(servers))
	}
	simulated, available := 0, 0
	for _, s := range servers {
		if s.Environment == "simulated" {
			simulated++
		}
		if s.Available {
			available++
		}
	}
	if 2*available <= 20 {
		t.Errorf("the fleet says that it is up with %d servers available: its tariffs are not made from what most are", available)
	}
	real := f.real()
	host, _ := os.Hostname()
	if simulated != 20 || !real.Connected || real.Name != host {
		t.Fatalf("%d simulated, this machine is %+v, its host name %s", simulated, real, host)
	}
}

func tools(t *testing.T, f *fleet) {
	for _, path := range []string{"/healthz", "/readyz"} {
		if a := f.ask("GET", path, ""); a.status != 200 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	var doc struct {
		OpenAPI string                    `json:"openapi"`
		Paths   map[string]map[string]any `json:"paths"`
	}
	f.must(200, "GET", "/v1/openapi.json", "", &doc)
	if !strings.HasPrefix(doc.OpenAPI, "3.1") || len(doc.Paths) < 20 {
		t.Errorf("the description is of OpenAPI %q and has %d paths", doc.OpenAPI, len(doc.Paths))
	}
	metrics := f.ask("GET", "/metrics", "").body
	var own strings.Builder // promtool also judges names of the Go collector, which are not ours
	for line := range strings.Lines(string(metrics)) {
		if strings.Contains(line, "steelyard_") {
			own.WriteString(line)
		}
	}
	for _, want := range []string{"\nsteelyard_sessions 21\n", "\nsteelyard_leader 1\n", "\nsteelyard_servers{"} {
		if !strings.Contains(own.String(), want) {
			t.Errorf("/metrics does not say %q:\n%.3000s", want, own.String())
		}
	}
	promtool(t, own.String())
}

func promtool(t *testing.T, metrics string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("promtool is missing: apt-get install prometheus")
		}
		t.Log("promtool is missing (apt-get install prometheus): the metrics are not checked by it")
		return
	}
	cmd := exec.Command(path, "check", "metrics")
	cmd.Stdin = strings.NewReader(metrics)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

func simulatedOrder(t *testing.T, f *fleet) {
	out := f.mustCLI("order", "place", "--tariff", "standard", "--image", "demo-linux", "--customer", "ann", "--hostname", "web1.example.net", "--wait", "-o", "json")
	orders := list[order](&f.client, "/v1/orders")
	if len(orders) != 1 || orders[0].State != "fulfilled" {
		t.Fatalf("orders are %+v; the command said\n%s", orders, out)
	}
	var svc struct{ State, Server string }
	f.must(200, "GET", "/v1/services/"+orders[0].Service, "", &svc)
	if svc.State != "active" || svc.Server == "" || svc.Server != orders[0].Server {
		t.Fatalf("the service is %+v, the order %+v", svc, orders[0])
	}
}

// realOrder writes an image through the real agent to a file that plays its disk.
func realOrder(t *testing.T, f *fleet) {
	raw := make([]byte, 24<<20)
	noise := rand.NewChaCha8([32]byte{1})
	_, _ = noise.Read(raw[:9<<20])
	_, _ = noise.Read(raw[20<<20:])
	file := filepath.Join(t.TempDir(), "mine.raw")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	f.mustCLI("image", "import", file, "--name", "mine")
	real := f.available(t)
	f.tariffFor("this machine", real)
	id := f.place("this machine", "mine", "real.example.net")
	eventually(t, "the image is being written", func() bool { return f.order(id).State != "new" })
	f.killAgent(t, "run") // the next one finds in its journal what it was at
	o := f.untilFulfilled(id)
	if o.Server != real.ID {
		t.Fatalf("the order is on %s, this machine is %s", o.Server, real.ID)
	}
	found := 0
	disks, _ := filepath.Glob(filepath.Join(f.dir, "data", "disks", "*.img"))
	for _, d := range disks {
		content, err := os.ReadFile(d)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case len(content) >= len(raw) && bytes.Equal(content[:len(raw)], raw):
			found++
			content = content[len(raw):]
			fallthrough
		case len(content) > 0:
			if len(bytes.Trim(content, "\x00")) > 0 {
				t.Errorf("%s holds more than the image", d)
			}
		}
	}
	if found != 1 {
		t.Fatalf("%d of %d disks hold the image", found, len(disks))
	}
}

// killAgent ends the agent process of a kind, "run" or "simulate", with kill -9.
func (f *fleet) killAgent(t *testing.T, kind string) {
	t.Helper()
	killed := 0
	for _, pid := range f.children() {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if args := strings.Split(string(line), "\x00"); err != nil || len(args) < 2 || args[1] != kind {
			continue
		}
		if p, err := os.FindProcess(pid); err == nil && p.Kill() == nil {
			killed++
		}
	}
	if killed != 1 {
		t.Errorf("%d agent processes of kind %s were killed", killed, kind)
	}
}

// available waits for this machine, and accepts what its diagnostics warn of.
func (f *fleet) available(t *testing.T) server {
	t.Helper()
	eventually(t, "this machine is erased and diagnosed", func() bool {
		s := f.real()
		return s.Operation == "" && s.Cleanliness == "clean" && !bytes.Contains(s.Reasons, []byte("never completed"))
	})
	if s := f.real(); !s.Available {
		t.Logf("this machine is not available by itself: %s", s.Reasons)
		f.must(200, "PUT", "/v1/servers/"+s.ID+"/override", `{"reason":"a test on whatever machine it runs"}`, nil)
	}
	eventually(t, "this machine is available", func() bool { return f.real().Available })
	return f.real()
}

// untilDecided waits until an order is fulfilled or held. Disks of simulated servers go with
// their process: what was written before it and is read back after it is rightly missed.
func (f *fleet) untilDecided(t *testing.T, id string) {
	t.Helper()
	eventually(t, "the order is fulfilled, or its loss is noticed", func() bool {
		o := f.order(id)
		if o.State == "fulfilled" {
			return true
		}
		if o.Operation == "" { // not begun yet
			return false
		}
		var op struct{ State, Message string }
		f.must(200, "GET", "/v1/operations/"+o.Operation, "", &op)
		return op.State == "held" && strings.Contains(op.Message, "digest")
	})
	if o := f.order(id); o.State != "fulfilled" {
		f.must(200, "POST", "/v1/orders/"+id+"/cancel", `{"reason":"the disk lost what was written"}`, nil)
	}
}

// killedAgents ends both agent processes while an order is under way.
func killedAgents(t *testing.T, f *fleet) {
	id := f.place("standard", "demo-linux", "web2.example.net")
	f.killAgent(t, "run")
	f.killAgent(t, "simulate")
	f.untilDecided(t, id)
	eventually(t, "all agents are back", func() bool {
		n := 0
		for _, s := range f.servers() {
			if s.Connected {
				n++
			}
		}
		return n >= 21
	})
}

func stopAndGoOn(t *testing.T, f *fleet) {
	before, token := f.servers(), f.Token
	orders := list[order](&f.client, "/v1/orders")
	f.stopsCleanly()
	if _, err := os.Stat(filepath.Join(f.dir, "ready")); !os.IsNotExist(err) {
		t.Errorf("the ready file is still there after the end (%v): the next start would look up before it is", err)
	}
	f.start()
	after := f.servers()
	if f.Token != token || len(after) != len(before) {
		t.Fatalf("%d servers were %d; the token is the same: %v", len(after), len(before), f.Token == token)
	}
	claims := func(list []server) string {
		m := map[string]string{}
		for _, s := range list {
			m[s.ID] = s.Claim.Kind + " " + s.Claim.Ref
		}
		text, _ := json.Marshal(m)
		return string(text)
	}
	if claims(before) != claims(after) {
		t.Errorf("claims before and after differ:\n%s\n%s", claims(before), claims(after))
	}
	for i, o := range list[order](&f.client, "/v1/orders") {
		if o != orders[i] {
			t.Errorf("order before and after:\n%+v\n%+v", orders[i], o)
		}
	}
	f.stopsCleanly()
}
