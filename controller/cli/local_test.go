package cli

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/pkg/hardware"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const machines = `[{"id":"near","configuration":{"arch":"x86_64","cpu_model":"Xeon X","sockets":1,"cores":8,"memory_bytes":"32 GiB","dimms":[{"count":2,"size_bytes":"16 GiB","type":"DDR4"}],
 "disks":[{"count":1,"medium":"ssd","size_bytes":"480 GB"}]}},
 {"id":"fits","configuration":{"arch":"x86_64","cpu_model":"Xeon X","sockets":1,"cores":8,"memory_bytes":"64 GiB","dimms":[{"count":4,"size_bytes":"16 GiB","type":"DDR4"}],
 "disks":[{"count":1,"medium":"ssd","size_bytes":"480 GB"}]}}]`

func TestB26_MatchAnswersOffline(t *testing.T) {
	inventory := write(t, "inventory.json", machines)
	order := write(t, "order.json", `{"configuration":{"arch":"x86_64","memory_bytes":"64 GiB","dimms":[{"count":4,"size_bytes":"16 GiB"}]}}`)
	none := map[string]string{"STEELYARD_URL": "http://127.0.0.1:1"} // no controller is asked
	runWith(t, none, "", Hooks{}, "match", "--inventory", inventory, "--order", order).contains(t, done, "fits fits exactly", "")
	r := runWith(t, none, "", Hooks{}, "match", "--inventory", inventory, "--order", order, "-o", "json")
	var answer struct {
		Found, Exact bool
		Best         struct {
			ServerID string `json:"server_id"`
		}
	}
	if err := json.Unmarshal([]byte(r.out), &answer); err != nil || !answer.Exact || answer.Best.ServerID != "fits" {
		t.Errorf("%v: %s", err, r.out)
	}
}

func TestB27_MatchListsTheParts(t *testing.T) {
	r := runWith(t, nil, machines, Hooks{}, "match", "--inventory", "-", "--arch", "x86_64", "--dimm", "4x16GiB:DDR4", "--disk", "2x480GB:ssd")
	r.contains(t, done, "fits is the closest, at a distance of", "")
	r.contains(t, done, "  add 1 × 480 GB SSD", "")
	r.contains(t, done, "then near, at ", "")
	runWith(t, nil, machines, Hooks{}, "match", "--inventory", "-", "--arch", "aarch64").contains(t, failed, "not near: ", "could ever fit")
	runWith(t, nil, "{", Hooks{}, "match", "--inventory", "-", "--arch", "x86_64").contains(t, failed, "", "JSON")
}

func TestMatchAsksTheController(t *testing.T) {
	f := newFake(t).on("POST /v1/match", ok(`{"found":true,"server":"web1","result":{"server_id":"`+srv+`","exact":true}}`), ok(`{"found":false}`))
	f.steelyard(t, "match", "--location", loc, "--cores", "8").contains(t, done, "web1 fits exactly", "")
	f.steelyard(t, "match", "--tariff", "tar-0000000000000001").contains(t, failed, "", "no available server could ever fit")
	if got := f.got[1].body; got != `{"tariff":"tar-0000000000000001"}` {
		t.Errorf("sent %s", got)
	}
	sent := body(t, f.got[0].body)
	if sent["location"] != loc || !reflect.DeepEqual(sent["configuration"], map[string]any{"cores": 8.0}) {
		t.Errorf("sent %v", sent)
	}
}

func TestConfigurationIsReadFromFlags(t *testing.T) {
	f := newFake(t).on("POST /v1/tariffs", ok(`{"id":"tar-1"}`))
	f.steelyard(t, "tariff", "create", "--name", "small", "--modules", "mod-0000000000000001", "--cpu", "Intel(R) Xeon(R) CPU E5-2650 v4 @ 2.20GHz", "--sockets", "2", "--cores", "24",
		"--memory", "256GiB", "--dimm", "8x32GiB:ddr4", "--disk", "2x480GB:ssd", "--disk", "nothing", "--nic", "2x10G", "--gpu", "1xA100").
		want(t, misused, "", "steelyard: the configuration cannot be read\n  --disk \"nothing\": size \"nothing\" has no number; write for example 64GiB or 1.92TB\n")
	f.steelyard(t, "tariff", "create", "--name", "small", "--modules", "mod-0000000000000001", "--cpu", "Intel(R) Xeon(R) CPU E5-2650 v4 @ 2.20GHz", "--sockets", "2", "--cores", "24",
		"--memory", "256GiB", "--dimm", "8x32GiB:ddr4", "--disk", "2x480GB:ssd", "--nic", "2x10G", "--nic", "2.5G", "--gpu", "1xA100").contains(t, done, "created", "")
	var sent struct{ Configuration hardware.Configuration }
	if err := json.Unmarshal([]byte(f.got[0].body), &sent); err != nil {
		t.Fatal(err)
	}
	want := "2 × Xeon E5-2650 v4 (24 cores), 256 GiB (8 × 32 GiB DDR4), 2 × 480 GB SSD, 2 × 10 Gbit/s, 1 × 2.5 Gbit/s, 1 × A100"
	if got := sent.Configuration.String(); got != want {
		t.Errorf("sent %s", got)
	}
}

func TestWrongPartsAreToldAtOnce(t *testing.T) {
	w := wishFlags{memory: "much", dimms: []string{"0x1GiB"}, disks: []string{"1x1TB:tape"}, nics: []string{"fast"}}
	_, err := w.configuration()
	for _, flag := range []string{"--memory", "--dimm", "--disk", "--nic"} {
		if err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%v does not tell %s", err, flag)
		}
	}
}

func TestServeTakesItsSettings(t *testing.T) {
	var got ServeOptions
	hooks := allHooks()
	hooks.Serve = func(_ context.Context, o ServeOptions) error { got = o; return nil }
	env := map[string]string{
		"STEELYARD_DATA": "/d", "STEELYARD_ETCD_ENDPOINTS": "https://a:2379,https://b:2379", "STEELYARD_LOG_LEVEL": "debug", "STEELYARD_HTTP": ":1",
		"STEELYARD_NETBOOT": "eth1=dhcp:10.0.0.5-10.0.0.6,gateway=10.0.0.1 eth2=proxy",
	}
	r := runWith(t, env, "", hooks, "serve", "--http", ":2", "--advertise", "c.example.net", "--etcd-user", "u", "--etcd-password-file", "f")
	want := ServeOptions{
		Data: "/d", HTTP: ":2", Agents: ":8443", Advertise: []string{"c.example.net"}, EtcdEndpoints: []string{"https://a:2379", "https://b:2379"},
		EtcdUser: "u", EtcdPasswordFile: "f", LogLevel: slog.LevelDebug,
		Netboot: []string{"eth1=dhcp:10.0.0.5-10.0.0.6,gateway=10.0.0.1", "eth2=proxy"}, NetbootHTTP: ":8081",
	}
	if r.status != done || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\n got %+v\nwant %+v", r, got, want)
	}
	r = runWith(t, nil, "", hooks, "serve", "--tls-cert", "c", "--etcd-ca", "x", "--netboot", "eth1=proxy", "--netboot", "eth1=tftp")
	r.contains(t, misused, "", "is no way to serve interface eth1")
	r.contains(t, misused, "", "--tls-cert goes together with --tls-key")
	r.contains(t, misused, "", "--etcd-ca needs --etcd-endpoints")
	runWith(t, map[string]string{"STEELYARD_LOG_LEVEL": "loud"}, "", hooks, "serve").contains(t, misused, "", "debug, info, warn or error")
	hooks.Serve = func(context.Context, ServeOptions) error { return errors.New("the disk is full") }
	runWith(t, nil, "", hooks, "serve").want(t, failed, "", "steelyard: the disk is full\n")
}

func TestDevTakesItsSettings(t *testing.T) {
	var got DevOptions
	hooks := allHooks()
	hooks.Dev = func(_ context.Context, o DevOptions) error { got = o; return nil }
	r := runWith(t, map[string]string{"STEELYARD_SIMULATE": "7"}, "", hooks, "dev", "--data", "d", "--ready-file", "f", "--agent-binary", "a")
	want := DevOptions{Data: "d", HTTP: "127.0.0.1:8080", Agents: "127.0.0.1:8443", Simulate: 7, ReadyFile: "f", AgentBinary: "a"}
	if r.status != done || got != want {
		t.Errorf("%+v %+v", r, got)
	}
	runWith(t, nil, "", hooks, "dev", "--simulate", "-1", "--agent-binary", "a").contains(t, misused, "", "give 0 to 100000")
	runWith(t, nil, "", hooks, "dev").contains(t, failed, "", "make build")
	runWith(t, nil, "", Hooks{}, "dev").contains(t, misused, "", `no command "dev"`)
}

// shelf is a State of a few records.
type shelf map[string]string

func (s shelf) Get(_ context.Context, key string) ([]byte, int64, bool, error) {
	v, ok := s[key]
	return []byte(v), 5, ok, nil
}

func (s shelf) Keys(_ context.Context, prefix string, _ int) (keys []string, err error) {
	for k := range s {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

func (s shelf) Close() error { return nil }

func TestStateIsPrintedAsStored(t *testing.T) {
	var from StateSource
	hooks := Hooks{State: func(s StateSource) (State, error) { from = s; return shelf{"servers/a": `{"id":"a"}`}, nil }}
	runWith(t, map[string]string{"STEELYARD_DATA": "/d"}, "", hooks, "state", "get", "servers/a").want(t, done, "{\"id\":\"a\"}\n", "servers/a at revision 5\n")
	if from.Data != "/d" {
		t.Errorf("source %+v", from)
	}
	runWith(t, nil, "", hooks, "state", "keys", "servers/", "--data", "d").want(t, done, "servers/a\n", "")
	runWith(t, nil, "", hooks, "state", "get", "servers/b", "--data", "d").contains(t, failed, "", "there is no key")
	runWith(t, nil, "", hooks, "state", "get", "servers/b").contains(t, misused, "", "--data DIR or --etcd-endpoints")
}

// Every noun of the table can be listed and shown, and names only nouns that exist.
func TestNounsAreWhole(t *testing.T) {
	for i := range nouns {
		n := &nouns[i]
		f := newFake(t).on("GET "+n.path(), ok(`{"items":[{"id":"x"}],"next":"","total":1}`))
		if r := f.steelyard(t, n.name, "list"); r.status != done || strings.Count(r.out, "\n") != 2 {
			t.Errorf("%s list: %+v", n.name, r)
		}
		for _, c := range n.columns {
			if c.of != "" {
				find(c.of)
			}
		}
		for _, fd := range n.fields {
			if fd.of != "" {
				find(fd.of)
			}
		}
		for filter, of := range n.refs {
			find(of)
			if !strings.Contains(strings.Join(n.filters, " ")+" "+columnPaths(n), filter) {
				t.Errorf("%s resolves %q, which it does not filter by", n.name, filter)
			}
		}
	}
}

func columnPaths(n *noun) string {
	var paths []string
	for _, c := range n.columns {
		paths = append(paths, c.path)
	}
	return strings.Join(paths, " ")
}
