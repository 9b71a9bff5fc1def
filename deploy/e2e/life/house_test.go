package life

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/store/embedded/etcdtest"
	"github.com/steelyard/steelyard/pkg/simulated"
)

// replica is one `steelyard serve`.
type replica struct {
	*process
	url, agents string
	http        *http.Client
}

// house is two replicas over three members of etcd, simulated servers, and their devices.
type house struct {
	t        *testing.T
	bin      string
	flags    []string
	token    string
	replicas []*replica
	redfish  *redfish
	servers  []*place
	module   string
}

// place is one server with what it is plugged into, and its service.
type place struct {
	name, id, service, operation string
	box                          *box
	port                         *port
	serial                       string
	wasOff                       bool
}

// serve starts a replica at the address where agents look for it.
func (h *house) serve(agents string) *replica {
	h.t.Helper()
	r := &replica{process: launch(h.t, filepath.Join(h.bin, "steelyard"), nil, append(slices.Clone(h.flags), "--agents", agents)...)}
	eventually(h.t, "a replica is up", func() bool {
		if r.over() {
			h.t.Fatalf("the replica ended: %s", r.out.String())
		}
		return strings.Contains(r.out.String(), "Agents connect to: ")
	})
	said := r.out.String()
	r.url, r.agents = between(said, "API and metrics: ", " "), between(said, "Agents connect to: ", "\n")
	ca, err := os.ReadFile(between(said, "authority: ", ")"))
	if err != nil {
		h.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	r.http = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	if h.token == "" {
		eventually(h.t, "the first token is shown", func() bool {
			h.token = between(r.out.String(), "STEELYARD_TOKEN=", "\n")
			return h.token != ""
		})
	}
	return r
}

// try asks a replica; the answer's status is 0 when there was none.
func (h *house) try(r *replica, method, path string, body, into any) (status int, text string) {
	raw, err := json.Marshal(body)
	if err != nil {
		h.t.Fatal(err)
	}
	if body == nil {
		raw = nil
	}
	req, err := http.NewRequestWithContext(context.Background(), method, r.url+path, bytes.NewReader(raw))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return 0, err.Error()
	}
	if into != nil && resp.StatusCode < 300 {
		if err := json.Unmarshal(answer, into); err != nil {
			return 0, err.Error()
		}
	}
	return resp.StatusCode, string(answer)
}

func (h *house) must(r *replica, method, path string, body, into any) {
	h.t.Helper()
	if status, text := h.try(r, method, path, body, into); status < 200 || status > 299 {
		h.t.Fatalf("%s %s: %d %.800s", method, path, status, text)
	}
}

type object = map[string]any

// newHouse has count servers, each of an active service.
func newHouse(t *testing.T, count int) *house {
	t.Helper()
	h := &house{t: t, bin: build(t)}
	c := etcdtest.NewCluster(t).Config()
	h.flags = []string{
		"serve", "--data", t.TempDir(), "--http", "127.0.0.1:0", "--etcd-endpoints", strings.Join(c.Endpoints, ","),
		"--etcd-ca", c.CAFile, "--etcd-cert", c.CertFile, "--etcd-key", c.KeyFile,
	}
	h.replicas = append(h.replicas, h.serve("127.0.0.1:0"), h.serve("127.0.0.1:0"))
	location := h.furnish()
	control := h.simulate(count, location)
	var machines []simulated.Machine
	eventually(t, "the fleet tells its machines", func() bool {
		machines, _ = control.Machines(t.Context())
		return len(machines) == count
	})
	var boxes map[string]*box
	h.redfish, boxes = newRedfish(t, control, machines)
	h.find(count, boxes)
	for i, p := range h.servers {
		h.wire(p, i, location)
	}
	for _, p := range h.servers {
		h.order(p)
	}
	eventually(t, "all services are active", func() bool {
		for _, p := range h.servers {
			var s struct{ State string }
			if status, _ := h.try(h.replicas[0], "GET", "/v1/services/"+p.service, nil, &s); status != 200 || s.State != "active" {
				return false
			}
		}
		return true
	})
	return h
}

func (h *house) furnish() (location string) {
	r := h.replicas[0]
	var loc, mod struct{ ID string }
	h.must(r, "POST", "/v1/locations", object{"name": "Hall", "external_id": "hall"}, &loc)
	h.must(r, "POST", "/v1/pools", object{"name": "hall", "location": loc.ID, "prefix": "198.51.100.0/24"}, nil)
	h.must(r, "POST", "/v1/modules", object{
		"name": "own", "kind": "local", "location": loc.ID, "department": "hall",
		"diagtimeout": 30, "installtimeout_linux": 30, "installtimeout_windows": 60,
	}, &mod)
	h.module = mod.ID
	raw := make([]byte, 1<<20)
	_, _ = rand.Read(raw)
	file := filepath.Join(h.t.TempDir(), "small.raw")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		h.t.Fatal(err)
	}
	ca := between(r.out.String(), "authority: ", ")")
	p := launch(h.t, filepath.Join(h.bin, "steelyard"), []string{"STEELYARD_URL=" + r.url, "STEELYARD_TOKEN=" + h.token, "STEELYARD_CA=" + ca}, "image", "import", file, "--name", "small")
	eventually(h.t, "the image is imported", p.over)
	return loc.ID
}

func (h *house) simulate(count int, location string) simulated.Client {
	var token struct{ Secret string }
	h.must(h.replicas[0], "POST", "/v1/tokens", object{"kind": "join", "name": "hall", "auto_approve": true, "location": location}, &token)
	dir, err := os.MkdirTemp("", "life") // short: the path of a socket
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	control := simulated.Client{Socket: filepath.Join(dir, "control")}
	args := []string{"simulate", "--count", strconv.Itoa(count), "--seed", "3", "--state", h.t.TempDir(), "--control", control.Socket, "--boot-seconds", "1"}
	for _, r := range h.replicas {
		args = append(args, "--controller", r.agents)
	}
	launch(h.t, filepath.Join(h.bin, "steelyard-agent"), []string{"STEELYARD_JOIN=" + token.Secret}, args...)
	return control
}

// find waits for the servers and makes their places.
func (h *house) find(count int, boxes map[string]*box) {
	type server struct {
		ID, Name      string
		Available     bool
		Configuration json.RawMessage
		Identity      struct {
			SystemSerial string `json:"system_serial"`
		}
	}
	var list struct{ Items []server }
	eventually(h.t, "all servers are available", func() bool {
		status, _ := h.try(h.replicas[0], "GET", "/v1/servers?all=true&available=true", nil, &list)
		return status == 200 && len(list.Items) == count
	})
	for i, s := range list.Items {
		var one server
		h.must(h.replicas[0], "GET", "/v1/servers/"+s.ID, nil, &one)
		p := &place{name: s.Name, id: s.ID, serial: one.Identity.SystemSerial, box: boxes[one.Identity.SystemSerial], port: newPort(h.t, fmt.Sprint("switch-", i))}
		if p.box == nil {
			h.t.Fatalf("server %s is no machine: %+v", s.ID, one)
		}
		h.must(h.replicas[0], "POST", "/v1/tariffs", object{"name": s.Name, "configuration": s.Configuration, "modules": []string{h.module}}, nil)
		h.servers = append(h.servers, p)
	}
}

// wire tells how a server is reached, as a person would: the certificate is seen, then accepted.
func (h *house) wire(p *place, n int, location string) {
	r := h.replicas[0]
	var swi struct{ ID string }
	h.must(r, "POST", "/v1/switches", object{
		"name": fmt.Sprint("switch-", n), "location": location, "driver": "snmp", "version": "2c", "address": p.port.address, "community": community,
		"quarantine_vlan": quarantineVLAN, "simulator": "snmpsim",
	}, &swi)
	h.must(r, "PUT", "/v1/servers/"+p.id+"/ports", object{"ports": []object{{"switch": swi.ID, "by": "name", "value": "port1", "vlan": customerVLAN}}}, nil)
	h.must(r, "PUT", "/v1/servers/"+p.id+"/bmc", object{
		"driver": "redfish", "address": h.redfish.url, "system": p.serial, "username": "admin", "password": password, "simulator": "redfishsim",
	}, nil)
	eventually(h.t, "the certificate is seen", func() bool {
		var b struct {
			PinSeen string `json:"pin_seen"`
		}
		status, _ := h.try(r, "GET", "/v1/servers/"+p.id+"/bmc", nil, &b)
		return status == 200 && b.PinSeen == h.redfish.pin
	})
	h.must(r, "POST", "/v1/servers/"+p.id+"/bmc/pin", object{"sha256": h.redfish.pin}, nil)
}

func (h *house) order(p *place) {
	var id struct{ ID string }
	var tariffs struct {
		Items []struct{ ID, Name string }
	}
	h.must(h.replicas[0], "GET", "/v1/tariffs?all=true", nil, &tariffs)
	var images struct{ Items []struct{ ID string } }
	h.must(h.replicas[0], "GET", "/v1/images", nil, &images)
	for _, t := range tariffs.Items {
		if t.Name == p.name {
			id.ID = t.ID
		}
	}
	var o struct{ ID, Server, Service string }
	h.must(h.replicas[0], "POST", "/v1/orders", object{"tariff": id.ID, "image": images.Items[0].ID, "customer": "ann", "hostname": p.name + ".example.net"}, &o)
	eventually(h.t, "the order has a server", func() bool {
		status, _ := h.try(h.replicas[0], "GET", "/v1/orders/"+o.ID, nil, &o)
		return status == 200 && o.Server != ""
	})
	for _, q := range h.servers { // equal servers may change their places
		if q.id == o.Server {
			q.service = o.Service
		}
	}
}

// leader tells which replica leads, once one does.
func (h *house) leader() (leader, other *replica) {
	h.t.Helper()
	eventually(h.t, "one of the replicas leads", func() bool {
		leader, other = nil, nil
		for _, r := range h.replicas {
			if status, text := h.try(r, "GET", "/metrics", nil, nil); status == 200 && strings.Contains(text, "\nsteelyard_leader 1\n") {
				leader = r
			} else {
				other = r
			}
		}
		return leader != nil
	})
	return leader, other
}
