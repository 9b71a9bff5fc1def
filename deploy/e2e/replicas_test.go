package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/store/embedded/etcdtest"
	"github.com/steelyard/steelyard/controller/store/kv/etcdkv"
)

// replica is one `steelyard serve` over the cluster.
type replica struct {
	client
	*process
	agents string
}

// house is two replicas over three members of etcd, and simulated agents that know both.
type house struct {
	t        *testing.T
	etcd     *etcdtest.Cluster
	wires    []*proxy
	flags    []string
	token    string
	replicas []*replica
	agents   *process
	image    string
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, etcd: etcdtest.NewCluster(t)}
	config := h.etcd.Config()
	var endpoints []string
	h.wires, endpoints = proxied(t, config.Endpoints)
	h.flags = flags(config, endpoints, t.TempDir())
	h.replicas = append(h.replicas, h.serve(), h.serve())
	h.furnish("slow=1")
	return h
}

func flags(c etcdkv.Config, endpoints []string, data string) []string {
	return []string{
		"serve", "--data", data, "--http", "127.0.0.1:0", "--agents", "127.0.0.1:0", "--etcd-endpoints", strings.Join(endpoints, ","),
		"--etcd-ca", c.CAFile, "--etcd-cert", c.CertFile, "--etcd-key", c.KeyFile,
	}
}

// serve starts a replica. Replicas share the directory with the authority and the images.
func (h *house) serve() *replica {
	h.t.Helper()
	r := &replica{process: launch(h.t, "steelyard", nil, h.flags...)}
	eventually(h.t, "a replica is up", func() bool {
		if r.over() {
			h.t.Fatalf("the replica ended: %v", r.err)
		}
		return strings.Contains(r.out.String(), "Agents connect to: ")
	})
	said := r.out.String()
	r.client.t, r.URL, r.CA, r.agents = h.t, between(said, "API and metrics: ", " "), between(said, "authority: ", ")"), between(said, "Agents connect to: ", "\n")
	if h.token == "" {
		eventually(h.t, "the first token is shown", func() bool {
			h.token = between(r.out.String(), "STEELYARD_TOKEN=", "\n")
			return h.token != ""
		})
	}
	r.Token = h.token
	return r
}

// serveLate starts a replica while etcd cannot be reached: it answers, and says that it cannot do more.
func (h *house) serveLate() *replica {
	h.t.Helper()
	address := freeAddress(h.t)
	args := append(slices.Clone(h.flags), "--http", address) // the last one counts
	r := &replica{process: launch(h.t, "steelyard", nil, args...)}
	r.client = client{t: h.t, URL: "https://" + address, CA: h.replicas[0].CA, Token: h.token}
	eventually(h.t, "the late replica answers", func() bool {
		got, err := r.try("GET", "/healthz", "")
		return err == nil && got.status == 200
	})
	for _, path := range []string{"/readyz", "/v1/servers"} {
		if got := r.ask("GET", path, ""); got.status != 503 || got.header.Get("Retry-After") == "" {
			h.t.Errorf("%s without any state: %d, Retry-After %q", path, got.status, got.header.Get("Retry-After"))
		}
	}
	return r
}

// freeAddress asks for a port and gives it back.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func between(s, before, after string) string {
	_, rest, ok := strings.Cut(s, before)
	found, _, end := strings.Cut(rest, after)
	if !ok || !end {
		return ""
	}
	return strings.TrimSpace(found)
}

// furnish makes records by the first replica, and lets servers join at all.
func (h *house) furnish(faults string) {
	c := &h.replicas[0].client
	var location, module, token struct{ ID, Secret string }
	c.must(201, "POST", "/v1/locations", `{"name":"Hall","external_id":"hall"}`, &location)
	c.must(201, "POST", "/v1/pools", `{"name":"hall","location":"`+location.ID+`","prefix":"198.51.100.0/24"}`, nil)
	c.must(201, "POST", "/v1/modules", `{"name":"own","kind":"local","location":"`+location.ID+`","department":"hall","diagtimeout":30,"installtimeout_linux":30,"installtimeout_windows":60}`, &module)
	c.must(201, "POST", "/v1/tokens", `{"kind":"join","name":"hall","auto_approve":true,"location":"`+location.ID+`"}`, &token)
	raw := make([]byte, 4<<20)
	_, _ = rand.Read(raw)
	h.image = filepath.Join(h.t.TempDir(), "small.raw")
	if err := os.WriteFile(h.image, raw, 0o600); err != nil {
		h.t.Fatal(err)
	}
	c.mustCLI("image", "import", h.image, "--name", "small")
	args := []string{"simulate", "--count", "6", "--seed", "3", "--fault", faults, "--state", h.t.TempDir()}
	for _, r := range h.replicas {
		args = append(args, "--controller", r.agents)
	}
	h.agents = launch(h.t, "steelyard-agent", []string{"STEELYARD_JOIN=" + token.Secret}, args...)
	h.t.Cleanup(func() {
		for _, r := range h.replicas {
			if h.t.Failed() && !r.over() {
				got, _ := r.try("GET", "/v1/servers?all=true", "")
				h.t.Logf("%s says of the servers: %s", r.URL, got.body)
			}
		}
	})
	eventually(h.t, "six servers are available", func() bool { return len(h.available(c)) == 6 })
	for i, s := range h.available(c) {
		body, _ := json.Marshal(map[string]any{"name": fmt.Sprint("kind ", i), "configuration": s.Configuration, "modules": []string{module.ID}})
		c.must(201, "POST", "/v1/tariffs", string(body), nil)
	}
}

func (h *house) available(c *client) (list []server) {
	for _, s := range c.servers() {
		if s.Available {
			list = append(list, s)
		}
	}
	return list
}

// leader and the other one.
func (h *house) leader() (leader, other *replica) {
	h.t.Helper()
	eventually(h.t, "one of the replicas leads", func() bool {
		leader, other = nil, nil
		for _, r := range h.replicas {
			if a, err := r.try("GET", "/metrics", ""); err == nil && bytes.Contains(a.body, []byte("\nsteelyard_leader 1\n")) {
				leader = r
			} else {
				other = r
			}
		}
		return leader != nil && other != nil
	})
	return leader, other
}

func TestX4_TwoReplicasOverThreeMembersLoseOneOfEach(t *testing.T) {
	h := newHouse(t)
	leader, other := h.leader()
	id := leader.place("kind 0", "small", "one.example.net")
	eventually(t, "the installation began", func() bool { return leader.order(id).State == "preparing" })
	leader.kill()
	other.untilFulfilled(id)
	h.replicas = []*replica{other, h.serve()}
	h.leader()

	h.etcd.KillLeader()
	id = h.replicas[1].place("kind 1", "small", "two.example.net")
	h.replicas[0].untilFulfilled(id)
	h.unreachable()
	for _, r := range h.replicas {
		r.stop()
	}
}

// unreachable cuts all wires to etcd while an order is under way: reads go on and say of when they
// are, writes are 503, and nothing that was answered is lost.
func (h *house) unreachable() {
	t, a, b := h.t, h.replicas[0], h.replicas[1]
	id := a.place("kind 2", "small", "three.example.net")
	before := len(a.servers())
	for _, w := range h.wires {
		w.set(true)
	}
	for _, r := range h.replicas {
		eventually(t, "answers say of when they are", func() bool {
			got, err := r.try("GET", "/v1/servers?all=true", "")
			since, bad := time.Parse(time.RFC3339, got.header.Get("X-Steelyard-Stale-Since"))
			var p page[server]
			return err == nil && got.status == 200 && bad == nil && time.Since(since) < patience && json.Unmarshal(got.body, &p) == nil && len(p.Items) == before
		})
		if got := r.ask("GET", "/readyz", ""); got.status != 503 {
			t.Errorf("readyz says %d", got.status)
		}
		if got := r.ask("GET", "/healthz", ""); got.status != 200 {
			t.Errorf("healthz says %d: a restart would not help", got.status)
		}
		got := r.ask("POST", "/v1/locations", `{"name":"Lost","external_id":"lost"}`, "Idempotency-Key", "lost")
		if got.status != 503 || got.header.Get("Retry-After") == "" {
			t.Errorf("a write is answered %d, Retry-After %q: %s", got.status, got.header.Get("Retry-After"), got.body)
		}
	}
	late := h.serveLate()
	for _, w := range h.wires {
		w.set(false)
	}
	eventually(t, "the late replica is ready", func() bool {
		got, err := late.try("GET", "/readyz", "")
		return err == nil && got.status == 200
	})
	late.stop()
	a.untilFulfilled(id)
	eventually(t, "the write is done when it is asked for again", func() bool {
		got, err := b.try("POST", "/v1/locations", `{"name":"Lost","external_id":"lost"}`, "Idempotency-Key", "lost")
		return err == nil && got.status == 201
	})
	for _, r := range h.replicas {
		eventually(t, "replicas are ready and agree", func() bool {
			ready, err := r.try("GET", "/readyz", "")
			return err == nil && ready.status == 200 && len(list[order](&r.client, "/v1/orders?state=fulfilled")) == 3 && len(list[server](&r.client, "/v1/locations")) == 2
		})
	}
}
