package cli

import (
	"context"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// hooks with every command.
func allHooks() Hooks {
	return Hooks{
		Serve: func(context.Context, ServeOptions) error { return nil },
		Dev:   func(context.Context, DevOptions) error { return nil },
		State: func(StateSource) (State, error) { return nil, nil },
	}
}

func walk(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		walk(sub, visit)
	}
}

// Command lines can be read by every user of a machine: no flag takes a secret.
func TestX9_NoFlagTakesASecret(t *testing.T) {
	p := &program{world: world{hooks: allHooks()}}
	n := 0
	walk(p.root(), func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			n++
			name := strings.ToLower(f.Name)
			secret := strings.Contains(name, "password") || strings.Contains(name, "token") || strings.Contains(name, "secret")
			if secret && !strings.HasSuffix(name, "-file") {
				t.Errorf("%s has the flag --%s", c.CommandPath(), f.Name)
			}
		})
	})
	if n < 100 {
		t.Errorf("only %d flags were looked at", n)
	}
}

func TestX9_NewTokenIsShownOnceAndAlone(t *testing.T) {
	f := newFake(t).on("POST /v1/tokens", ok(`{"id":"tok-0000000000000001","kind":"join","name":"rack7","secret":"syj1.x.y.z"}`)).
		on("GET /v1/tokens", ok(`{"items":[{"id":"tok-0000000000000001","kind":"join","name":"rack7","digest":"abc","secret":"syj1.x.y.z"}],"next":"","total":1}`))
	r := f.steelyard(t, "token", "create", "--join", "--name", "rack7", "--location", loc, "--max-uses", "2", "--expires", "24h")
	r.want(t, done, "syj1.x.y.z\n", "token rack7 (tok-0000000000000001) made; this is its secret, shown this once:\n")
	sent := body(t, f.got[0].body)
	if sent["kind"] != "join" || sent["expires_at"] != "2026-11-23T12:00:00Z" || sent["max_uses"] != 2.0 {
		t.Errorf("sent %v", sent)
	}
	if list := f.steelyard(t, "token", "list"); list.status != done || strings.Contains(list.out+list.err, "syj1") || strings.Contains(list.out, "abc") {
		t.Errorf("the list tells a secret: %+v", list)
	}
}

func TestX9_LoginKeepsTheSessionPrivate(t *testing.T) {
	f := newFake(t).on("POST /v1/login", ok(`{"token":"sess-secret","user":{"name":"ann"}}`)).on("GET /v1/whoami", ok(`{"name":"ann"}`)).
		on("POST /v1/logout", answer{status: 204})
	config := t.TempDir()
	env := map[string]string{"STEELYARD_URL": f.url, "config": config}
	r := runWith(t, env, "pass-word-123\n", Hooks{}, "login", "--name", "ann")
	r.want(t, done, "", "logged in to "+f.url+" as ann\n")
	if got := body(t, f.got[0].body); got["password"] != "pass-word-123" || got["name"] != "ann" {
		t.Errorf("sent %v", got)
	}
	file := filepath.Join(config, "steelyard", "session.json")
	st, err := os.Stat(file)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("session file: %v %v", st, err)
	}
	if text, _ := os.ReadFile(file); strings.Contains(string(text), "pass-word") {
		t.Error("the password was kept")
	}
	runWith(t, map[string]string{"config": config}, "", Hooks{}, "whoami").contains(t, done, "name:  ann", "")
	if got := f.requests("GET /v1/whoami")[0].header.Get("Authorization"); got != "Bearer sess-secret" {
		t.Errorf("authorization %q", got)
	}
	runWith(t, env, "", Hooks{}, "logout").contains(t, done, "", "logged out")
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the session is still there: %v", err)
	}
}

// A session goes only to the controller that gave it, and no token in clear text
// over a network.
func TestX9_TokensGoWhereTheyBelong(t *testing.T) {
	f := newFake(t).on("POST /v1/login", ok(`{"token":"sess-secret"}`))
	other := newFake(t).on("GET /v1/whoami", ok(`{}`))
	config := t.TempDir()
	runWith(t, map[string]string{"STEELYARD_URL": f.url, "config": config}, "x\n", Hooks{}, "login", "--name", "ann")
	runWith(t, map[string]string{"STEELYARD_URL": other.url, "config": config}, "", Hooks{}, "whoami")
	if got := other.got[0].header.Get("Authorization"); got != "" {
		t.Errorf("another controller was told %q", got)
	}
	r := runWith(t, map[string]string{"STEELYARD_URL": "http://192.0.2.1", "STEELYARD_TOKEN": "tok-secret"}, "", Hooks{}, "whoami")
	r.contains(t, failed, "", "clear text")
	away := newFake(t).on("GET /v1/whoami", answer{status: http.StatusFound, header: map[string]string{"Location": other.url + "/v1/whoami"}})
	before := len(other.got)
	if r := away.steelyard(t, "whoami"); r.status != failed || len(other.got) != before {
		t.Errorf("a redirect was followed: %+v", r)
	}
}

func TestX9_SecretFilesMustBePrivate(t *testing.T) {
	f := newFake(t).on("GET /v1/whoami", ok(`{}`))
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from-file\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"STEELYARD_URL": f.url}
	runWith(t, env, "", Hooks{}, "whoami", "--token-file", file).contains(t, failed, "", "chmod 600")
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	runWith(t, env, "", Hooks{}, "whoami", "--token-file", file).contains(t, done, "", "")
	if got := f.got[0].header.Get("Authorization"); got != "Bearer from-file" {
		t.Errorf("authorization %q", got)
	}
}

func TestX9_UserPasswordIsReadNotGiven(t *testing.T) {
	f := newFake(t).on("POST /v1/users", ok(`{"id":"usr-0000000000000001","name":"bob"}`)).on("PUT /v1/users/usr-0000000000000001/password", ok(`{}`))
	env := map[string]string{"STEELYARD_URL": f.url}
	r := runWith(t, env, "correct horse battery\n", Hooks{}, "user", "create", "--name", "bob", "--role", "systems")
	r.want(t, done, "user bob (usr-0000000000000001) created\n", "")
	if got := body(t, f.got[0].body)["password"]; got != "correct horse battery" {
		t.Errorf("password %q", got)
	}
	runWith(t, env, "", Hooks{}, "user", "password", "usr-0000000000000001").contains(t, failed, "", "--password-file")
	runWith(t, env, "another one\n", Hooks{}, "user", "password", "usr-0000000000000001").contains(t, done, "has a new password", "")
}

func TestCertificateOfTheControllerIsChecked(t *testing.T) {
	server := httptest.NewTLSServer(newFake(t).on("GET /v1/whoami", ok(`{"name":"ann"}`)))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer server.Close()
	env := map[string]string{"STEELYARD_URL": server.URL}
	runWith(t, env, "", Hooks{}, "whoami").contains(t, failed, "", "give its file in STEELYARD_CA")
	env["STEELYARD_CA"] = write(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	runWith(t, env, "", Hooks{}, "whoami").contains(t, done, "name:  ann", "")
	env["STEELYARD_CA"] = write(t, "ca.pem", "nonsense")
	runWith(t, env, "", Hooks{}, "whoami").contains(t, failed, "", "no certificate in PEM format")
}
