package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv"
)

func ipmi(address string) string {
	return fmt.Sprintf(`{"driver":"ipmi","address":%q,"username":"root","password":"calvin-hobbes"}`, address)
}

func redfish(address, system string) string {
	return fmt.Sprintf(`{"driver":"redfish","address":%q,"system":%q,"username":"root","password":"calvin-hobbes"}`, address, system)
}

func (h *house) putBMC(status int, server, body string) answer {
	h.t.Helper()
	return h.must(status, "PUT", "/v1/servers/"+server+"/bmc", body)
}

// addSwitch makes a switch of a location.
func (h *house) addSwitch(name, location, more string) string {
	h.t.Helper()
	return h.id(h.must(201, "POST", "/v1/switches", fmt.Sprintf(`{"name":%q,"location":%q%s}`, name, location, more)))
}

const manualSwitch = `,"driver":"manual"`

func (h *house) addLocation(name string) string {
	h.t.Helper()
	return h.id(h.must(201, "POST", "/v1/locations", fmt.Sprintf(`{"name":%q,"external_id":%q}`, name, name)))
}

func ports(list ...string) string { return `{"ports":[` + strings.Join(list, ",") + `]}` }

func port(sw, by, value string, vlan int) string {
	return fmt.Sprintf(`{"switch":%q,"by":%q,"value":%q,"vlan":%d}`, sw, by, value, vlan)
}

// dump is every byte in the store.
func (h *house) dump() string {
	h.t.Helper()
	p, err := h.kv.List(h.t.Context(), "", kv.ListOptions{From: "\x00"})
	if err != nil {
		h.t.Fatal(err)
	}
	var all strings.Builder
	for _, e := range p.Entries {
		fmt.Fprintf(&all, "%s=%s\n", e.Key, e.Value)
	}
	return all.String()
}

// events are all that were told since the API began.
func (h *house) events() []event {
	r := h.api.board.events
	list, _, _ := r.after(r.floor, 10_000)
	return list
}

// Whatever is done with a password, it is in no stored byte, answer, event or log line, and neither is
// anything that guesses could be tried against.
func TestX9_CredentialsAreWrittenAndNeverRead(t *testing.T) {
	h := newHouse(t)
	location := h.addLocation("fra")
	server := h.addServer("web1", nil)
	secrets := []string{"first-password-1", "second-password-2", "community-of-ours", "auth-of-ours-3", "priv-of-ours-4", "much-too-long-for-ipmi-20"}
	var told strings.Builder
	send := func(method, path, body string, headers ...string) answer {
		a := h.ask(access.RoleAdmin, method, path, body, headers...)
		told.Write(a.body)
		fmt.Fprint(&told, a.header)
		return a
	}
	bmc := "/v1/servers/" + server + "/bmc"
	send("PUT", bmc, `{"driver":"ipmi","address":"10.0.0.7","username":"root","password":"first-password-1"}`)
	send("PUT", bmc, `{"driver":"ipmi","address":"10.0.0.7","username":"root","password":"second-password-2","allow_weak":true}`)
	send("PUT", bmc, `{"driver":"ipmi","address":"10.0.0.7","username":"root","password":"much-too-long-for-ipmi-20"}`)
	send("PUT", bmc, `{"driver":"manual","password":"first-password-1"}`)
	send("PUT", bmc, `{"driver":"ipmi","password":["first-password-1"]}`)
	send("PUT", bmc, `{"driver":"ipmi","password":"first-password-1"`)
	v2 := fmt.Sprintf(`{"name":"sw1","location":%q,"driver":"snmp","address":"10.0.0.2","version":"2c","community":"community-of-ours"}`, location)
	made := send("POST", "/v1/switches", v2, "Idempotency-Key", "k1")
	if made.status != 201 {
		t.Fatalf("the switch was not made: %s", made.body)
	}
	if again := send("POST", "/v1/switches", v2, "Idempotency-Key", "k1"); string(again.body) != string(made.body) || again.status != 201 {
		t.Errorf("a repetition is answered %d %s, not %s", again.status, again.body, made.body)
	}
	edited := send("PATCH", "/v1/switches/"+h.id(made), `{"version":"3","username":"ops","auth":"SHA-256","priv":"AES","auth_password":"auth-of-ours-3","priv_password":"priv-of-ours-4"}`, "If-Match", "*")
	if edited.status != 200 || !strings.Contains(string(edited.body), `"auth_password_set":true`) || strings.Contains(string(edited.body), "community_set") {
		t.Errorf("edited: %d %s", edited.status, edited.body)
	}
	send("PATCH", "/v1/switches/"+h.id(made), `{"auth_password":12345678,"priv_password":"priv-of-ours-4"}`, "If-Match", "*")
	for _, path := range []string{"/v1/bmcs", bmc, "/v1/switches", "/v1/switches/" + h.id(made), "/v1/servers", "/v1/servers/" + server, "/v1/audit?all=true", "/v1/tasks", "/v1/secrets", "/v1/openapi.json"} {
		send("GET", path, "")
	}
	events := h.events()
	if len(events) < 5 {
		t.Errorf("only %d events were told", len(events))
	}
	told.Write(encodeAll(events, access.System))
	everywhere := h.dump() + told.String() + h.log.String()
	for _, s := range secrets {
		for _, form := range []string{s, base64.StdEncoding.EncodeToString([]byte(s))[:12], hex.EncodeToString([]byte(s))} {
			if strings.Contains(everywhere, form) {
				t.Errorf("%q is somewhere, as %q", s, form)
			}
		}
	}
	digest := sha256.Sum256([]byte("POST\x00/v1/switches\x00" + v2 + "\x00"))
	if strings.Contains(everywhere, hex.EncodeToString(digest[:])) {
		t.Error("a plain digest of a request with a secret is stored")
	}
	if strings.Contains(told.String(), `"box"`) {
		t.Error("a box is shown")
	}
	b, _ := store.BMCs.View(h.store, server)
	if got, err := seal.BMCPassword.Open(h.ring, server, b); err != nil || string(got) != "second-password-2" {
		t.Errorf("the password that is kept is %q, %v", string(got), err)
	}
	s, _ := store.Switches.View(h.store, h.id(made))
	if got, err := seal.SwitchPrivPassword.Open(h.ring, s.ID, s); err != nil || string(got) != "priv-of-ours-4" || !s.Community.IsZero() {
		t.Errorf("the secrets that are kept: %q, %v, community %v", string(got), err, s.Community)
	}
}

func TestX9_AStoredPasswordIsNotSentElsewhere(t *testing.T) {
	h := newHouse(t)
	server := h.addServer("web1", nil)
	if p := h.putBMC(422, server, `{"driver":"ipmi","address":"10.0.0.7","username":"root"}`).problem(t); !p.names("body.password") {
		t.Errorf("without a password: %+v", p)
	}
	h.putBMC(200, server, ipmi("10.0.0.7"))
	for name, body := range map[string]string{
		"another address":   `{"driver":"ipmi","address":"10.0.0.8","username":"root"}`,
		"another port":      `{"driver":"ipmi","address":"10.0.0.7:6230","username":"root"}`,
		"another user name": `{"driver":"ipmi","address":"10.0.0.7","username":"ann"}`,
		"another driver":    `{"driver":"redfish","address":"https://10.0.0.7","username":"root"}`,
	} {
		if p := h.putBMC(422, server, body).problem(t); !p.names("body.password") {
			t.Errorf("%s: %+v", name, p)
		}
	}
	var b BMC
	h.putBMC(200, server, `{"driver":"ipmi","address":"10.0.0.7:623","username":"root","allow_weak":true}`).json(t, &b)
	if !b.PasswordSet || !b.AllowWeak || b.Address != "10.0.0.7" {
		t.Errorf("the same place: %+v", b)
	}
	h.putBMC(200, server, `{"driver":"manual"}`).json(t, &b)
	if kept, _ := store.BMCs.View(h.store, server); b.PasswordSet || !kept.Password.IsZero() {
		t.Errorf("a password outlives its driver: %+v", b)
	}

	location := h.addLocation("fra")
	sw := h.addSwitch("sw1", location, `,"driver":"snmp","address":"10.0.0.2","version":"2c","community":"ours"`)
	path := "/v1/switches/" + sw
	if p := h.must(422, "PATCH", path, `{"address":"10.0.0.3"}`, "If-Match", "*").problem(t); !p.names("body.community") {
		t.Errorf("a switch elsewhere: %+v", p)
	}
	h.must(200, "PATCH", path, `{"quarantine_vlan":99}`, "If-Match", "*")
	h.must(200, "PATCH", path, `{"address":"10.0.0.3","community":"other"}`, "If-Match", "*")
	h.must(200, "PATCH", path, `{"driver":"manual","address":null,"version":null}`, "If-Match", "*")
	if s, _ := store.Switches.View(h.store, sw); !s.Community.IsZero() {
		t.Error("a community outlives its driver")
	}
}

// Two servers with one management controller: power is switched on the wrong machine.
func TestX5_AManagementControllerIsOfOneServer(t *testing.T) {
	h := newHouse(t)
	one, two, three := h.addServer("one", nil), h.addServer("two", nil), h.addServer("three", nil)
	h.putBMC(200, one, ipmi("10.0.0.7"))
	refused := func(server, body, field, names string) {
		t.Helper()
		p := h.putBMC(422, server, body).problem(t)
		if !p.names("body." + field) {
			t.Errorf("%s is not refused for %s: %+v", body, field, p)
			return
		}
		for _, e := range p.Errors {
			if e.Location == "body."+field && !strings.Contains(e.Message, names) {
				t.Errorf("the refusal of %s does not name %s: %s", field, names, e.Message)
			}
		}
	}
	refused(two, ipmi("10.0.0.7:623"), "address", "one ("+one+")")
	refused(two, redfish("https://10.0.0.7", "1"), "address", "one ("+one+")")
	h.putBMC(200, one, redfish("https://10.0.0.7", "node1"))
	h.putBMC(200, two, redfish("https://10.0.0.7:443/", "node2"))
	refused(three, redfish("https://10.0.0.7", "NODE2"), "system", "two ("+two+")")
	refused(three, redfish("https://10.0.0.7", ""), "address", "one ("+one+")")
	refused(three, ipmi("10.0.0.7"), "address", "two ("+two+")")
	h.must(204, "DELETE", "/v1/servers/"+two+"/bmc", "")
	h.putBMC(200, three, redfish("https://10.0.0.7", "node2"))
	h.must(404, "GET", "/v1/servers/"+two+"/bmc", "")
	h.must(404, "DELETE", "/v1/servers/"+two+"/bmc", "")
	wol := `{"driver":"wol","address":"10.0.0.255","mac":"02-00-00-00-00-AA"}`
	h.putBMC(200, one, wol)
	refused(two, strings.ToLower(wol), "mac", "one ("+one+")")
	h.putBMC(200, three, `{"driver":"manual"}`)
	h.putBMC(200, two, ipmi("10.0.0.7"))
}

func TestX2_OfManyWhoClaimAManagementControllerOneGetsIt(t *testing.T) {
	h := newHouse(t)
	sw := h.addSwitch("sw1", h.addLocation("fra"), manualSwitch)
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[string]map[int]int{"bmc": {}, "ports": {}}
	for i := range 8 {
		server := h.addServer(fmt.Sprint("n", i), nil)
		for part, body := range map[string]string{"bmc": ipmi("10.0.0.9"), "ports": ports(port(sw, "name", "eth1", 0))} {
			wg.Go(func() {
				a := h.ask(access.RoleAdmin, "PUT", "/v1/servers/"+server+"/"+part, body)
				mu.Lock()
				defer mu.Unlock()
				statuses[part][a.status]++
			})
		}
	}
	wg.Wait()
	for part, n := range statuses {
		if n[200] != 1 || n[422] != 7 {
			t.Errorf("%s: %v", part, n)
		}
	}
}

func TestX8_SettingUpIsAuditedWithoutSecretsAndSaysWhoseTheServerIs(t *testing.T) {
	h := newHouse(t)
	server := h.addServer("web1", func(s *fleet.Server) { s.Claim = fleet.Claim{Kind: fleet.ClaimClient, Ref: "svc-7"} })
	h.putBMC(200, server, ipmi("10.0.0.7"))
	h.putBMC(200, server, strings.Replace(ipmi("10.0.0.7"), "calvin", "susie", 1))
	h.putBMC(200, server, `{"driver":"ipmi","address":"10.0.0.7","username":"root"}`) // changes nothing
	sw := h.addSwitch("sw1", h.addLocation("fra"), manualSwitch)
	h.must(200, "PUT", "/v1/servers/"+server+"/ports", ports(port(sw, "name", "eth1", 0)))
	h.must(204, "DELETE", "/v1/servers/"+server+"/ports", "")
	h.must(204, "DELETE", "/v1/servers/"+server+"/bmc", "")
	var page struct{ Items []AuditLine }
	h.must(200, "GET", "/v1/audit?sort=at&object=bmcs/"+server+",wirings/"+server, "").json(t, &page)
	var actions []string
	for _, l := range page.Items {
		actions = append(actions, l.Action)
		if l.Actor.Name != "admin token" || !strings.Contains(l.Reason, "belongs to client svc-7") {
			t.Errorf("%s: by %s, because %q", l.Action, l.Actor.Name, l.Reason)
		}
	}
	if got := strings.Join(actions, " "); got != "bmc.set bmc.set ports.set ports.delete bmc.delete" {
		t.Fatalf("audited was %s", got)
	}
	for i, want := range []string{`"password":"set"`, `"password":"changed"`} {
		if !strings.Contains(string(page.Items[i].After), want) {
			t.Errorf("line %d tells %s, not %s", i, page.Items[i].After, want)
		}
	}
}

func TestX9_OnlyTheCertificateThatWasSeenIsAccepted(t *testing.T) {
	h := newHouse(t)
	server := h.addServer("web1", nil)
	h.putBMC(200, server, redfish("https://10.0.0.7", ""))
	pin := "/v1/servers/" + server + "/bmc/pin"
	seen, other := strings.Repeat("ab", 32), strings.Repeat("cd", 32)
	ask := func(status int, sha string) answer {
		t.Helper()
		return h.must(status, "POST", pin, fmt.Sprintf(`{"sha256":%q}`, sha))
	}
	if p := ask(422, "abc").problem(t); !p.names("body.sha256") {
		t.Errorf("no SHA-256: %+v", p)
	}
	ask(409, seen)
	saw := func(address, sha string) {
		t.Helper()
		if err := h.in.SawCertificate(t.Context(), server, address, sha); err != nil {
			t.Fatal(err)
		}
	}
	saw("https://10.0.0.66", other) // where the controller was before
	saw("https://10.0.0.7", seen)
	saw("https://10.0.0.7", seen)
	open := func() (n int) {
		for i := range store.Tasks.Items(h.store.Snapshot()) {
			if i.Value.State == task.Open && i.Value.Kind == task.Approval && strings.Contains(i.Value.Body, seen) {
				n++
			}
		}
		return n
	}
	if open() != 1 {
		t.Errorf("%d tasks are open", open())
	}
	if p := ask(409, other).problem(t); !strings.Contains(p.Detail, seen) {
		t.Errorf("another one is accepted: %+v", p)
	}
	var b BMC
	colons := strings.TrimSuffix(strings.Repeat("AB:", 32), ":")
	ask(200, colons).json(t, &b)
	if b.Pin != seen || b.PinSeen != "" || b.PinBy == nil || b.PinBy.Actor != "admin token" || open() != 0 {
		t.Errorf("accepted: %+v, %d tasks open", b, open())
	}
	ask(200, seen)
	if n := h.audited("bmc.approve_pin", "bmcs/"+server); n != 1 {
		t.Errorf("%d audit lines", n)
	}
	saw("https://10.0.0.7", other) // another certificate later
	b = BMC{}
	h.putBMC(200, server, redfish("https://10.0.0.8", "")).json(t, &b)
	if b.Pin != "" || b.PinSeen != "" || b.PinBy != nil {
		t.Errorf("another machine inherits what was accepted: %+v", b)
	}
	ask(409, other)
}

func TestX5_TheWayToAServerStaysUnderAnOperationThatUsesIt(t *testing.T) {
	h := newHouse(t)
	sw := h.addSwitch("sw1", h.addLocation("fra"), manualSwitch)
	server := h.addServer("web1", func(s *fleet.Server) { s.Operation = "opn-1" })
	runs := func(state string, hands ...string) {
		op := operation.Operation{ID: "opn-1", Kind: operation.Delete, Server: server, State: state}
		for _, hand := range hands {
			op.Steps = append(op.Steps, operation.Step{Hand: hand})
		}
		h.change(func(tx *store.Tx) error { return store.Operations.Put(tx, op.ID, op) })
	}
	runs(operation.Running, operation.HandAgent) // an erase does not care
	h.putBMC(200, server, ipmi("10.0.0.7"))
	h.must(200, "PUT", "/v1/servers/"+server+"/ports", ports(port(sw, "name", "eth1", 0)))
	runs(operation.Running, operation.HandPower, operation.HandPorts)
	for _, r := range [][3]string{
		{"PUT", "bmc", ipmi("10.0.0.8")},
		{"DELETE", "bmc", ""},
		{"PUT", "ports", ports(port(sw, "name", "eth2", 0))},
		{"DELETE", "ports", ""},
	} {
		if p := h.must(409, r[0], "/v1/servers/"+server+"/"+r[1], r[2]).problem(t); !strings.Contains(p.Detail, "opn-1") {
			t.Errorf("%s %s: %s", r[0], r[1], p.Detail)
		}
	}
	h.putBMC(200, server, strings.Replace(ipmi("10.0.0.7"), "calvin", "susie", 1)) // a wrong password is mended at any time
	runs(operation.Held, operation.HandPower, operation.HandPorts)
	h.putBMC(200, server, ipmi("10.0.0.8"))
	h.must(204, "DELETE", "/v1/servers/"+server+"/ports", "")
}

func TestX13_AllThatIsWrongWithASwitchOrPortsIsToldAtOnce(t *testing.T) {
	h := newHouse(t)
	p := h.must(422, "POST", "/v1/switches", `{"name":"","location":"loc-none","driver":"snmp","address":"http://x","version":"3","community":"x","username":"","auth":"MD5","priv":"DES","auth_password":"short","quarantine_vlan":5000}`).problem(t)
	for _, field := range []string{"name", "location", "address", "community", "username", "auth", "priv", "auth_password", "priv_password", "quarantine_vlan"} {
		if !p.names("body." + field) {
			t.Errorf("%s is not named in %+v", field, p.Errors)
		}
	}
	fra, ams := h.addLocation("fra"), h.addLocation("ams")
	one := h.addSwitch("sw1", fra, `,"driver":"snmp","address":"10.0.0.2","version":"2c","community":"ours","quarantine_vlan":99`)
	if p := h.must(422, "POST", "/v1/switches", fmt.Sprintf(`{"name":"SW1","location":%q,"driver":"snmp","address":"10.0.0.2:161","version":"2c","community":"x"}`, fra)).problem(t); !p.names("body.name") || !p.names("body.address") {
		t.Errorf("a switch twice: %+v", p)
	}
	far := h.addSwitch("far", ams, manualSwitch)
	server := h.addServer("web1", func(s *fleet.Server) { s.Location = fra })
	p = h.must(422, "PUT", "/v1/servers/"+server+"/ports", ports(
		port(one, "name", "eth1", 0), port(one, "name", "eth2", 99), port(far, "name", "eth1", 0), port("swi-none", "index", "x", 4095),
		port(one, "name", "eth9", 12), port(one, "name", "eth9", 12), port(one, "colour", "red", 12))).problem(t)
	for _, field := range []string{"ports[0].vlan", "ports[1].vlan", "ports[2].switch", "ports[3].switch", "ports[3].value", "ports[3].vlan", "ports[5]", "ports[6].by"} {
		if !p.names("body." + field) {
			t.Errorf("%s is not named in %+v", field, p.Errors)
		}
	}
	many := make([]string, outofband.MaxPorts+1)
	for i := range many {
		many[i] = port(one, "index", fmt.Sprint(i+1), 12)
	}
	if p := h.must(422, "PUT", "/v1/servers/"+server+"/ports", ports(many...)).problem(t); !p.names("body.ports") {
		t.Errorf("too many: %+v", p)
	}
	h.must(200, "PUT", "/v1/servers/"+server+"/ports", ports(many[1:]...))
}

func TestB31_APortIsOfOneServerAndASwitchWithPortsStays(t *testing.T) {
	h := newHouse(t)
	fra := h.addLocation("fra")
	sw := h.addSwitch("sw1", fra, manualSwitch)
	spare := h.addSwitch("sw2", fra, manualSwitch)
	one, two := h.addServer("one", nil), h.addServer("two", nil)
	var got Ports
	a := h.must(200, "GET", "/v1/servers/"+one+"/ports", "")
	if a.json(t, &got); got.Server != one || len(got.Ports) != 0 || !strings.Contains(string(a.body), `"ports":[]`) {
		t.Errorf("no ports: %s", a.body)
	}
	put := func(status int, server string, list ...string) answer {
		t.Helper()
		return h.must(status, "PUT", "/v1/servers/"+server+"/ports", ports(list...))
	}
	put(200, one, port(sw, "name", "Gi1/0/1", 12), port(sw, "mac", "02-00-00-00-00-0A", 12)).json(t, &got)
	if len(got.Ports) != 2 || got.Ports[1].Value != "02:00:00:00:00:0a" || got.Ports[0].SwitchName != "sw1" || got.Rev == 0 {
		t.Errorf("the ports are %+v", got)
	}
	for _, p := range []string{port(sw, "name", "gi1/0/1", 0), port(sw, "mac", "0200.0000.000a", 0)} {
		if e := put(422, two, p).problem(t); !strings.Contains(e.Detail, "one ("+one+")") {
			t.Errorf("%s is given twice: %+v", p, e)
		}
	}
	put(200, two, port(spare, "name", "Gi1/0/1", 0))
	put(200, one, port(sw, "name", "Gi1/0/2", 12))
	put(200, two, port(sw, "name", "Gi1/0/1", 12), port(sw, "mac", "02:00:00:00:00:0a", 12))
	h.must(204, "DELETE", "/v1/switches/"+spare, "", "If-Match", "*")
	p := h.must(409, "DELETE", "/v1/switches/"+sw, "", "If-Match", "*").problem(t)
	if !strings.Contains(p.Detail, "one ("+one+")") || !strings.Contains(p.Detail, "two ("+two+")") {
		t.Errorf("a switch with ports is deleted: %+v", p)
	}
	ams := h.addLocation("ams")
	if p := h.must(422, "PATCH", "/v1/switches/"+sw, fmt.Sprintf(`{"location":%q,"quarantine_vlan":12}`, ams), "If-Match", "*").problem(t); !p.names("body.location") || !p.names("body.quarantine_vlan") {
		t.Errorf("a switch with ports is moved: %+v", p)
	}
	h.must(200, "PATCH", "/v1/switches/"+sw, `{"quarantine_vlan":13,"name":"core"}`, "If-Match", "*")
	if p := h.must(409, "DELETE", "/v1/locations/"+fra, "", "If-Match", "*").problem(t); !strings.Contains(p.Detail, "switch core") {
		t.Errorf("a location with a switch is deleted: %+v", p)
	}
	stale := h.must(200, "GET", "/v1/servers/"+one+"/ports", "").header.Get("ETag")
	put(200, one, port(sw, "name", "Gi1/0/3", 12))
	if a := h.ask(access.RoleAdmin, "PUT", "/v1/servers/"+one+"/ports", ports(), "If-Match", stale); a.status != http.StatusPreconditionFailed {
		t.Errorf("a stale If-Match: %d %s", a.status, a.body)
	}
	put(200, one)
	h.must(204, "DELETE", "/v1/servers/"+two+"/ports", "")
	h.must(204, "DELETE", "/v1/switches/"+sw, "", "If-Match", "*")
	h.must(204, "DELETE", "/v1/locations/"+fra, "", "If-Match", "*")
	if all := h.dump(); strings.Contains(all, "switch-p") || strings.Contains(all, "wirings/srv") && strings.Contains(all, "\nwirings/") {
		t.Error("names of ports or switches are left")
	}
}

// What a server shows of power and ports was stored before; nothing is asked.
func TestX11_AServerShowsPowerAndPortsAsTheyWereSeen(t *testing.T) {
	h := newHouse(t)
	sw := h.addSwitch("sw1", h.addLocation("fra"), manualSwitch+`,"simulator":"net-snmp"`)
	server := h.addServer("web1", nil)
	view := func() (v ServerDetail) {
		t.Helper()
		h.must(200, "GET", "/v1/servers/"+server, "").json(t, &v)
		return v
	}
	if v := view(); v.Power.Driver != "agent" || v.Power.State != "unknown" || v.BMC != nil || v.Ports != nil {
		t.Errorf("at first: %+v", v.Power)
	}
	h.connect(server)
	if v := view(); v.Power.State != "on" || v.Power.Since.IsZero() || v.Power.Driver != "agent" {
		t.Errorf("with its agent: %+v", v.Power)
	}
	h.putBMC(200, server, strings.Replace(ipmi("10.0.0.7"), "}", `,"simulator":"OpenIPMI"}`, 1))
	h.must(200, "PUT", "/v1/servers/"+server+"/ports", ports(port(sw, "name", "eth1", 12)))
	at := h.now()
	see := func(change func(o *outofband.Observation)) {
		h.change(func(tx *store.Tx) error {
			o := outofband.Observation{Server: server, Power: "off", PowerSince: at, PowerAt: at, PowerError: "timeout", Inventory: &outofband.Chassis{Serial: "CHS-1"}}
			o.Ports = []outofband.Seen{{Switch: sw, Port: "Ethernet1", Index: 7, Admin: "down", Oper: "down", VLAN: 99, At: at}}
			if change != nil {
				change(&o)
			}
			return store.Observations.Put(tx, server, o)
		})
	}
	see(nil)
	v := view()
	if v.Power.State != "off" || v.Power.Driver != "ipmi" || !v.Power.At.Equal(at) || v.Power.Error != "timeout" || v.Power.Simulated != "OpenIPMI" {
		t.Errorf("the power is %+v", v.Power)
	}
	if v.BMC == nil || v.BMC.Address != "10.0.0.7" || v.BMC.Simulated != "OpenIPMI" || v.Chassis == nil || v.Chassis.Serial != "CHS-1" {
		t.Errorf("the management controller is %+v", v.BMC)
	}
	if len(v.Ports) != 1 || v.Ports[0].Simulated != "net-snmp" || v.Ports[0].Admin != "down" || v.Ports[0].Port != "Ethernet1" || v.Ports[0].SeenVLAN != 99 || v.Ports[0].VLAN != 12 {
		t.Errorf("the ports are %+v", v.Ports)
	}
	var list struct {
		Items []Server
		Total int
	}
	h.must(200, "GET", "/v1/servers?power=off", "").json(t, &list)
	if list.Total != 1 || list.Items[0].Power.State != "off" {
		t.Errorf("the list is %+v", list)
	}
	etag := h.must(200, "GET", "/v1/servers/"+server, "").header.Get("ETag")
	h.must(200, "PATCH", "/v1/switches/"+sw, `{"name":"renamed"}`, "If-Match", "*")
	if a := h.ask(access.RoleAdmin, "GET", "/v1/servers/"+server, "", "If-None-Match", etag); a.status != 200 || !strings.Contains(string(a.body), "renamed") {
		t.Errorf("after a switch was renamed: %d", a.status)
	}
	// Nobody is woken because something was seen again.
	told := func() int { return len(h.events()) }
	n := told()
	see(func(o *outofband.Observation) { o.PowerAt, o.Ports[0].At = at.Add(time.Minute), at.Add(time.Minute) })
	if told() != n || !view().Power.At.Equal(at.Add(time.Minute)) {
		t.Errorf("%d events of nothing new; the power was seen %s", told()-n, view().Power.At)
	}
	see(func(o *outofband.Observation) { o.Power = "on" })
	if told() != n+1 {
		t.Errorf("%d events of a change", told()-n)
	}
	h.must(200, "PUT", "/v1/servers/"+server+"/ports", ports(port(sw, "name", "eth2", 12)))
	if v := view(); v.Ports[0].Port != "" {
		t.Errorf("another port shows what was seen of the one before: %+v", v.Ports[0])
	}
}

func TestX7_MarketingSeesPowerButNotHowAServerIsReached(t *testing.T) {
	h := newHouse(t)
	server := h.addServer("web1", nil)
	h.putBMC(200, server, ipmi("10.0.0.7"))
	for _, role := range []access.Role{access.RoleMarketing, access.RoleDepartment} {
		a := h.ask(role, "GET", "/v1/servers/"+server, "")
		if a.status != 200 || strings.Contains(string(a.body), "10.0.0.7") || !strings.Contains(string(a.body), `"power":{"driver":"ipmi"`) {
			t.Errorf("%s sees %s", role, a.body)
		}
		if a := h.ask(role, "GET", "/v1/servers/"+server+"/bmc", ""); a.status != http.StatusForbidden {
			t.Errorf("%s reads the management controller: %d", role, a.status)
		}
	}
	if a := h.ask(access.RoleOperations, "GET", "/v1/servers/"+server, ""); !strings.Contains(string(a.body), "10.0.0.7") {
		t.Error("operations does not see how a server is reached")
	}
}

func TestX9_KeysAreRotatedByAnAdminAndNoSecretIsShown(t *testing.T) {
	h := newHouse(t)
	server := h.addServer("web1", nil)
	h.putBMC(200, server, ipmi("10.0.0.7"))
	if a := h.ask(access.RoleSystems, "POST", "/v1/secrets/rotate", ""); a.status != http.StatusForbidden {
		t.Errorf("systems rotates: %d", a.status)
	}
	var keys SecretKeys
	h.must(202, "POST", "/v1/secrets/rotate", "").json(t, &keys)
	if !keys.Rotating || len(keys.Keys) != 2 || keys.Keys[0].State != "retiring" || keys.Keys[0].Secrets != 1 || keys.Keys[1].State != "current" || keys.Keys[1].CreatedBy != "admin token" {
		t.Fatalf("the keys are %+v", keys)
	}
	h.must(202, "POST", "/v1/secrets/rotate", "")
	if err := h.ring.Finish(t.Context(), func(*store.Tx, seal.Key) error { return nil }); err != nil {
		t.Fatal(err)
	}
	h.must(200, "GET", "/v1/secrets", "").json(t, &keys)
	if keys.Rotating || len(keys.Keys) != 1 || keys.Keys[0].Secrets != 1 || !keys.Keys[0].Readable {
		t.Errorf("afterwards: %+v", keys)
	}
	if h.audited("secret.rotate", "seal-keys/"+keys.Keys[0].ID) != 1 {
		t.Error("the rotation is not audited")
	}
	h.putBMC(200, server, `{"driver":"ipmi","address":"10.0.0.7","username":"root"}`)
	b, _ := store.BMCs.View(h.store, server)
	if got, err := seal.BMCPassword.Open(h.ring, server, b); err != nil || string(got) != "calvin-hobbes" {
		t.Errorf("the password is %q, %v", string(got), err)
	}
}
