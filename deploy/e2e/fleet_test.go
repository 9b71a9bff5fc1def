package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// fleet is `steelyard dev` on one directory.
type fleet struct {
	client
	*process
	dir      string
	simulate int
}

func startFleet(t *testing.T, simulate int) *fleet {
	t.Helper()
	f := &fleet{dir: t.TempDir(), simulate: simulate}
	f.client.t = t
	f.start()
	return f
}

// start runs the fleet on its directory until it says that it is up.
func (f *fleet) start() {
	t := f.client.t
	t.Helper()
	ready := filepath.Join(f.dir, "ready")
	_ = os.Remove(ready)
	f.process = launch(t, "steelyard", nil, "dev", "--data", filepath.Join(f.dir, "data"), "--http", "127.0.0.1:0", "--agents", "127.0.0.1:0",
		"--simulate", strconv.Itoa(f.simulate), "--ready-file", ready)
	var said struct{ URL, Token, CA string }
	eventually(t, "the fleet is up", func() bool {
		if f.over() {
			t.Fatalf("the fleet ended: %v", f.err)
		}
		data, err := os.ReadFile(ready)
		return err == nil && json.Unmarshal(data, &said) == nil
	})
	if said.URL == "" || said.Token == "" || said.CA == "" {
		t.Fatalf("the ready file says %+v", said)
	}
	if info, err := os.Stat(ready); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the ready file holds a token and has mode %v, %v", info.Mode(), err)
	}
	f.URL, f.Token, f.CA = said.URL, said.Token, said.CA
}

// real is the server of this machine.
func (f *fleet) real() server {
	f.client.t.Helper()
	var found []server
	for _, s := range f.servers() {
		if s.Environment == "sandbox" {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		f.client.t.Fatalf("%d servers are this machine", len(found))
	}
	return found[0]
}

// tariffFor sells exactly what a server is.
func (f *fleet) tariffFor(name string, s server) {
	t := f.client.t
	t.Helper()
	modules := list[struct {
		ID string `json:"id"`
	}](&f.client, "/v1/modules")
	body, err := json.Marshal(map[string]any{"name": name, "configuration": s.Configuration, "modules": []string{modules[0].ID}})
	if err != nil {
		t.Fatal(err)
	}
	f.must(201, "POST", "/v1/tariffs", string(body), nil)
}

func (f *fleet) stopsCleanly() {
	t := f.client.t
	t.Helper()
	children := f.children()
	if want := 2 + f.ipmi(); len(children) != want {
		t.Errorf("the fleet has %d processes, %d agents and management controllers were expected: %v", len(children), want, children)
	}
	f.stop()
	time.Sleep(100 * time.Millisecond)
	for _, id := range children {
		if _, err := os.Stat("/proc/" + strconv.Itoa(id)); err == nil {
			t.Errorf("process %d goes on after its fleet", id)
		}
	}
}

// ipmi is how many management controllers are processes of their own.
func (f *fleet) ipmi() int {
	f.client.t.Helper()
	n := 0
	for _, b := range list[struct{ Driver string }](&f.client, "/v1/bmcs?all=true") {
		if b.Driver == "ipmi" {
			n++
		}
	}
	return n
}
