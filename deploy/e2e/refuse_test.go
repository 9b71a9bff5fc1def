package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// nonsense: each bad request has its status, a problem that says what is wrong, and leaves
// nothing behind.
func nonsense(t *testing.T, f *fleet) {
	before := len(list[order](&f.client, "/v1/orders"))
	anonymous, stranger := f.client, f.client
	anonymous.Token, stranger.Token = "", "sty_"+strings.Repeat("x", 40)
	wish := `{"tariff":"standard","image":"demo-linux","customer":"ann","hostname":"a.example.net"}`
	for _, c := range []struct {
		who                *client
		status             int
		method, path, body string
		header             []string
	}{
		{&anonymous, 401, "GET", "/v1/servers", "", nil},
		{&stranger, 401, "GET", "/v1/servers", "", nil},
		{&f.client, 404, "GET", "/v1/nothing", "", nil},
		{&f.client, 404, "GET", "/v1/orders/ord-0000000000000000", "", nil},
		{&f.client, 405, "PATCH", "/v1/audit", "{}", nil},
		{&f.client, 400, "POST", "/v1/orders", `{"tariff":`, nil},
		{&f.client, 400, "POST", "/v1/orders", strings.Repeat(`{"tariff":`, 2000), nil},
		{&f.client, 413, "POST", "/v1/orders", `{"tariff":"` + strings.Repeat("x", 8<<20) + `"}`, nil},
		{&f.client, 422, "POST", "/v1/orders", `{"tariff":7,"image":true}`, nil},
		{&f.client, 422, "POST", "/v1/orders", `{"tariff":"no such","image":"none","customer":"","hostname":"-bad-"}`, nil},
		{&f.client, 422, "POST", "/v1/orders", `{"surprise":1}`, nil},
		{&f.client, 422, "GET", "/v1/servers?limit=100000000", "", nil},
		{&f.client, 422, "GET", "/v1/servers?limit=-1&sort=color&cursor=%00", "", nil},
		{&f.client, 415, "POST", "/v1/orders", wish, []string{"Content-Type", "text/plain"}},
	} {
		a := c.who.ask(c.method, c.path, c.body, c.header...)
		var p problem
		if a.status != c.status || json.Unmarshal(a.body, &p) != nil || p.Status != a.status || p.Detail == "" {
			t.Errorf("%s %s %.60s: %d, want %d: %.300s", c.method, c.path, c.body, a.status, c.status, a.body)
		}
	}
	idempotent(t, f)
	if after := len(list[order](&f.client, "/v1/orders")); after != before {
		t.Errorf("%d orders were made by refused requests", after-before)
	}
	if a := f.ask("GET", "/healthz", ""); a.status != 200 {
		t.Errorf("afterwards it is not healthy: %s", a.body)
	}
}

// idempotent is rule X10 on a record that does not matter.
func idempotent(t *testing.T, f *fleet) {
	var ids []string
	for range 2 {
		a := f.ask("POST", "/v1/locations", `{"name":"Second hall","external_id":"second"}`, "Idempotency-Key", "once")
		var l struct{ ID string }
		if a.status != 201 || json.Unmarshal(a.body, &l) != nil {
			t.Fatalf("%d %s", a.status, a.body)
		}
		ids = append(ids, l.ID)
	}
	if ids[0] != ids[1] {
		t.Errorf("one request made %v", ids)
	}
	if a := f.ask("POST", "/v1/locations", `{"name":"Third hall","external_id":"third"}`, "Idempotency-Key", "once"); a.status != 422 {
		t.Errorf("another request under the same key: %d", a.status)
	}
}

// joinTokens: two machines with a token for one, and one with a secret that is wrong.
func joinTokens(t *testing.T, f *fleet) {
	before := len(f.servers())
	join := f.joinToken(1)
	once := f.simulated(t, "once", join, 2, 777)
	eventually(t, "one of two machines is in, the other is told why not", func() bool {
		return len(f.servers()) == before+1 && strings.Contains(once.out.String(), "no more are allowed")
	})
	once.kill()
	parts := strings.Split(f.joinToken(5), ".")
	parts[2] = strings.Repeat("0", len(parts[2]))
	wrong := f.simulated(t, "wrong", strings.Join(parts, "."), 1, 778)
	eventually(t, "a wrong secret is refused", func() bool {
		return strings.Contains(wrong.out.String(), "not known here")
	})
	if n := len(f.servers()); n != before+1 {
		t.Errorf("%d servers, want %d", n, before+1)
	}
}

func (f *fleet) joinToken(uses int) string {
	f.client.t.Helper()
	var token struct{ Secret string }
	f.must(201, "POST", "/v1/tokens", fmt.Sprintf(`{"kind":"join","name":"e2e","max_uses":%d,"auto_approve":true,"location":%q}`, uses, f.real().Location), &token)
	return token.Secret
}

// simulated starts agents of their own beside those of the fleet.
func (f *fleet) simulated(t *testing.T, name, join string, count, seed int) *process {
	t.Helper()
	return launch(t, "steelyard-agent", []string{"STEELYARD_JOIN=" + join}, "simulate", "--controller", f.agents(), "--count", fmt.Sprint(count),
		"--seed", fmt.Sprint(seed), "--state", filepath.Join(f.dir, name))
}

// agents is the address that the fleet tells agents to connect to.
func (f *fleet) agents() string {
	f.client.t.Helper()
	_, after, ok := strings.Cut(f.out.String(), "Agents connect to ")
	address, _, _ := strings.Cut(after, "\n")
	if !ok {
		f.client.t.Fatalf("the fleet does not say where agents connect: %s", f.out.String())
	}
	return strings.TrimSpace(address)
}
