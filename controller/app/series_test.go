package app

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/store"
)

// scraped is what one of the paths answers, with a token or without.
func scraped(t *testing.T, url, token string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // its certificate is another test's
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	a, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, string(body)
}

// accepted asks Prometheus' own tool about what is shown.
func accepted(t *testing.T, texts ...string) {
	t.Helper()
	tool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("promtool is missing: apt-get install prometheus")
		}
		return
	}
	for _, text := range texts {
		check := exec.Command(tool, "check", "metrics")
		check.Stdin = strings.NewReader(text)
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("promtool check metrics: %v\n%s", err, out)
		}
	}
}

// Servers and accounts are shown where their agent's session is, and by the leader where there is none; to nobody without a token.
func TestU10_AReplicaShowsTheServersWhoseSessionsItHolds(t *testing.T) {
	o := options(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	c, err := Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	var out lines
	var runs sync.WaitGroup
	runs.Go(func() { _ = c.Run(ctx) })
	defer c.Close()
	defer runs.Wait()
	defer cancel()
	if err := c.Store.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	await := func(what string, f func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !f(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("never: %s %s", what, out.String())
			}
		}
	}
	await("the API is ready", c.API.Ready)
	await("it leads", c.leads.Load)
	await("it is found", func() bool { return len(c.replicas()) == 1 })
	if err := c.FirstToken(ctx, "", &out); err != nil {
		t.Fatal(err)
	}
	_, token, _ := strings.Cut(out.String(), "STEELYARD_TOKEN=")
	token, _, _ = strings.Cut(token, "\n")
	_, err = c.Store.Change(ctx, func(tx *store.Tx) error {
		for _, id := range []string{"srv-mine", "srv-elsewhere", "srv-nobodys", "srv-old"} {
			s := fleet.Server{ID: id, Name: id, Approval: fleet.Approved, Claim: fleet.Claim{Kind: fleet.ClaimNone}}
			if id == "srv-old" {
				s.Approval = fleet.Retired
			}
			if err := store.Servers.Create(tx, id, s); err != nil {
				return err
			}
		}
		for _, of := range []string{"mine", "elsewhere", "nobodys"} {
			a := account.Account{ID: "acc-" + of, Domain: of + ".example", User: of, Server: "srv-" + of, State: account.There}
			if err := store.Accounts.Create(tx, a.ID, a); err != nil {
				return err
			}
		}
		for server, replica := range map[string]string{"srv-mine": c.replica, "srv-elsewhere": "rep-other"} {
			if err := store.Presences.Create(tx, server, fleet.Presence{Server: server, Replica: replica}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/metrics/servers", "/metrics/accounts", "/sd/prometheus"} {
		if code, _ := scraped(t, c.URL()+path, ""); code != http.StatusUnauthorized {
			t.Errorf("%s answers %d without a token", path, code)
		}
	}
	var text string
	await("the servers are shown", func() bool {
		_, text = scraped(t, c.URL()+"/metrics/servers", token)
		return strings.Contains(text, `steelyard_server_connected{server="srv-mine",name="srv-mine"} 1`)
	})
	if !strings.Contains(text, `steelyard_server_connected{server="srv-nobodys",name="srv-nobodys"} 0`) || strings.Contains(text, "srv-elsewhere") || strings.Contains(text, "srv-old") {
		t.Errorf("not exactly its own and nobody's are shown:\n%s", text)
	}
	_, accounts := scraped(t, c.URL()+"/metrics/accounts", token)
	for domain, shown := range map[string]bool{"mine": true, "nobodys": true, "elsewhere": false} {
		if got := strings.Contains(accounts, `steelyard_account_info{account="acc-`+domain+`",domain="`+domain+`.example"`); got != shown {
			t.Errorf("the account on srv-%s is shown: %v\n%s", domain, got, accounts)
		}
	}
	accepted(t, text, accounts)
	c.leads.Store(false)
	if _, text = scraped(t, c.URL()+"/metrics/servers", token); strings.Contains(text, "srv-nobodys") {
		t.Error("a replica that does not lead shows what nobody holds")
	}
	c.leads.Store(true)
	if code, text := scraped(t, c.URL()+"/sd/prometheus", token); code != http.StatusOK || !strings.Contains(text, strings.TrimPrefix(c.URL(), "https://")) || strings.Count(text, "/metrics") != 3 {
		t.Errorf("it is not found: %d %s", code, text)
	}
}
