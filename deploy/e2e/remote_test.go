package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// abroad is two operators: near sells servers that it does not have, far has them. What they say to
// each other goes over a wire that can be cut.
type abroad struct {
	t     *testing.T
	near  *house
	far   *fleet
	wire  *border
	place string // the location of near
}

const (
	farUser     = "us@example.net"
	farPassword = "correct horse battery staple"
)

func goAbroad(t *testing.T) *abroad {
	t.Helper()
	a := &abroad{t: t, far: startFleet(t, 3)}
	a.near = &house{t: t, flags: []string{"serve", "--data", t.TempDir(), "--http", freeAddress(t), "--agents", freeAddress(t)}}
	a.near.replicas = []*replica{a.near.serve()}
	a.wire = newBorder(t, a.far)
	a.far.must(201, "POST", "/v1/users", `{"name":"`+farUser+`","role":"operations","password":"`+farPassword+`"}`, nil)
	var location struct{ ID string }
	a.here().must(201, "POST", "/v1/locations", `{"name":"Abroad","external_id":"abroad"}`, &location)
	a.place = location.ID
	image := filepath.Join(t.TempDir(), "demo.raw")
	if err := os.WriteFile(image, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	a.here().mustCLI("image", "import", image, "--name", "demo-linux")
	return a
}

// tell shows both sides of what went wrong.
func (a *abroad) tell() {
	for _, path := range []string{"/v1/remotes?all=true", "/v1/orders?all=true", "/v1/services?all=true", "/v1/tasks?state=open"} {
		got, err := a.here().try("GET", path, "")
		a.t.Logf("near %s: %v %.3000s", path, err, got.body)
	}
	for _, path := range []string{"/v1/services?all=true", "/v1/operations?all=true&state=running,held", "/v1/tasks?state=open"} {
		got, err := a.far.try("GET", path, "")
		a.t.Logf("far %s: %v %.3000s", path, err, got.body)
	}
}

func (a *abroad) here() *replica { return a.near.replicas[0] }

// killNear is kill -9 of near's controller while the wire is cut.
func (a *abroad) killNear() {
	a.wire.set(true)
	a.here().kill()
}

// mend starts near's controller again and mends the wire.
func (a *abroad) mend() {
	a.wire.set(false)
	a.near.replicas[0] = a.near.serve()
}

func (a *abroad) until(what string, happened <-chan struct{}) {
	a.t.Helper()
	select {
	case <-happened:
	case <-time.After(patience):
		a.t.Fatalf("not within %v: %s", patience, what)
	}
}

// simulated is a server of far that can be ordered.
func (a *abroad) simulated() (found server) {
	a.t.Helper()
	eventually(a.t, "a simulated server is available there", func() bool {
		for _, s := range a.far.servers() {
			if s.Available && s.Environment == "simulated" {
				found = s
			}
		}
		return found.ID != ""
	})
	return found
}

// module is what is asked of near to connect far.
func (a *abroad) module(change func(m map[string]any)) string {
	m := map[string]any{
		"name": "partner", "kind": "remote", "location": a.place, "department": "hall", "diagtimeout": 30, "installtimeout_linux": 30, "installtimeout_windows": 60,
		"url": a.wire.server.URL, "username": farUser, "password": farPassword, "ca": a.wire.CA(),
	}
	if change != nil {
		change(m)
	}
	body, err := json.Marshal(m)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(body)
}

// connect makes the module, after trying in all ways that do not go.
func (a *abroad) connect() {
	t := a.t
	t.Helper()
	refused := func(what, field string, change func(m map[string]any)) {
		t.Helper()
		got := a.here().ask("POST", "/v1/modules", a.module(change))
		var p problem
		if json.Unmarshal(got.body, &p) != nil || got.status != 422 || len(p.Errors) != 1 || p.Errors[0].Location != "body."+field {
			t.Errorf("%s: %d, want 422 that names %s: %s", what, got.status, field, got.body)
		}
		if bytes.Contains(got.body, []byte(farPassword)) {
			t.Errorf("%s: the answer shows the password", what)
		}
	}
	refused("a loopback address, which is not allowed", "url", nil)
	a.here().mustCLI("settings", "--remote-private-targets")
	refused("a wrong password", "password", func(m map[string]any) { m["password"] = "something else" })
	refused("an authority that is not known", "ca", func(m map[string]any) { delete(m, "ca") })
	refused("nobody there", "url", func(m map[string]any) { m["url"] = "https://" + freeAddress(t) })
	refused("no TLS", "url", func(m map[string]any) { m["url"] = strings.Replace(a.wire.server.URL, "https", "http", 1) })
	refused("a module that is not there", "remote_module", func(m map[string]any) { m["remote_module"] = "cellar" })
	var module struct{ ID string }
	a.here().must(201, "POST", "/v1/modules", a.module(nil), &module)
	s := a.simulated()
	tariff, err := json.Marshal(map[string]any{"name": "elsewhere", "configuration": s.Configuration, "modules": []string{module.ID}})
	if err != nil {
		t.Fatal(err)
	}
	a.here().must(201, "POST", "/v1/tariffs", string(tariff), nil)
}

// farOrder and farService are what is looked at of far's records, and of near's.
type (
	farOrder struct {
		ID, State, Service, Reference string
		Remote                        struct{ State, Order string }
	}
	farService struct {
		ID, State, Message string
		Remote             struct{ Service, Wish string }
	}
)

func (a *abroad) farOrders(of string) (found []farOrder) {
	a.t.Helper()
	for _, o := range list[farOrder](&a.far.client, "/v1/orders?all=true") {
		if strings.HasPrefix(o.Reference, of+".") {
			found = append(found, o)
		}
	}
	return found
}

func (a *abroad) nearService(id string) (s farService) {
	answer, err := a.here().try("GET", "/v1/services/"+id, "")
	if err == nil {
		_ = json.Unmarshal(answer.body, &s)
	}
	return s
}

func (a *abroad) farService(id string) (s farService) {
	a.t.Helper()
	a.far.must(200, "GET", "/v1/services/"+id, "", &s)
	return s
}

// TestB6_X4_OrderAndDeleteAtAnotherOperatorOverACutWireAndAKilledController is the life of a service at another
// operator: each time the request arrives, the answer does not, the connection is cut, and the controller that
// asked is killed.
func TestB6_X4_OrderAndDeleteAtAnotherOperatorOverACutWireAndAKilledController(t *testing.T) {
	a := goAbroad(t)
	defer func() { // while both are there
		if t.Failed() {
			a.tell()
		}
	}()
	a.connect()

	cut := a.wire.cutAt("POST /v1/orders")
	id := a.here().client.place("elsewhere", "demo-linux", "web1.example.net")
	a.until("the order arrived there, and its answer did not", cut)
	a.killNear()
	a.mend()
	o := a.here().untilFulfilled(id)
	there := a.farOrders(id)
	if len(there) != 1 || there[0].State != "fulfilled" {
		t.Fatalf("there are %+v", there)
	}
	service := there[0].Service

	a.here().mustCLI("service", "stop", o.Service, "--reason", "unpaid")
	eventually(t, "the service is stopped on both sides", func() bool {
		return a.nearService(o.Service).State == "stopped" && a.farService(service).State == "stopped"
	})

	cut = a.wire.cutAt("POST /delete")
	a.here().mustCLI("service", "delete", o.Service, "--yes")
	a.until("the delete arrived there, and its answer did not", cut)
	a.killNear()
	a.mend()
	eventually(t, "the service is deleted on both sides", func() bool {
		near := a.nearService(o.Service)
		return near.State == "deleted" && near.Remote.Wish == "" && a.farService(service).State == "deleted"
	})

	second := a.here().client.place("elsewhere", "demo-linux", "web2.example.net")
	eventually(t, "the second order arrived there", func() bool { return len(a.farOrders(second)) == 1 }) // one that did not may still arrive: that is waited for longer than here
	a.killNear()
	a.mend()
	a.here().mustCLI("order", "cancel", second, "--reason", "no")
	eventually(t, "nothing is left of the canceled order", func() bool {
		var o farOrder
		got, err := a.here().try("GET", "/v1/orders/"+second, "")
		if err != nil || json.Unmarshal(got.body, &o) != nil {
			return false
		}
		for _, f := range a.farOrders(second) {
			if f.State != "canceled" && a.farService(f.Service).State != "deleted" {
				return false
			}
		}
		return o.State == "canceled" && (o.Remote.State == "ended" || o.Remote.State == "")
	})
	if n := len(a.farOrders(id)); n != 1 {
		t.Errorf("the first order was placed %d times", n)
	}
	a.nothingInClear()
}

// nothingInClear looks for the password in every file of near, and in what it said (rule X9).
func (a *abroad) nothingInClear() {
	a.t.Helper()
	known := secretsOf{"the password at the other operator": farPassword}
	known.absentIn(a.t, "the log", []byte(a.here().out.String()))
	known.absentInFiles(a.t, a.near.flags[2])
}
