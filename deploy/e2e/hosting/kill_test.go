package hosting

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
)

// post asks the API as a program does, with a key that makes a repetition harmless (rule X10).
func (w *world) post(path, key string, body map[string]any) (map[string]any, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(w.t.TempDir(), "curl")
	w.write(file, "header = \"Authorization: Bearer "+w.variable("STEELYARD_TOKEN")+"\"\n")
	out, err := exec.Command("curl", "-sS", "--max-time", "20", "--fail-with-body", "-K", file, "--cacert", w.variable("STEELYARD_CA"), "-H", "Content-Type: application/json", "-H", "Idempotency-Key: "+key,
		"-d", string(text), "https://127.0.0.1:8080"+path).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	answer := map[string]any{}
	return answer, json.Unmarshal(out, &answer)
}

func (w *world) variable(name string) string {
	for _, v := range w.env {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// killed does something while agent or controller dies without a word, starts it again, and repeats the request with its key until it is answered.
func (w *world) killed(round int, path string, body map[string]any) (answer map[string]any) {
	w.t.Helper()
	key := fmt.Sprintf("%s-%d-%d", filepath.Base(path), round, rand.Uint64())
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, _ = w.post(path, key, body) // the answer may be lost
	}()
	time.Sleep(rand.N(1500 * time.Millisecond)) // when it dies is left to chance
	if round%2 == 0 {
		w.agent.Kill()
		w.carry()
	} else {
		w.control.Kill()
		w.controller()
	}
	<-over
	w.until("the answer to the repeated request", func() (err error) {
		answer, err = w.post(path, key, body)
		return err
	})
	return answer
}

// TestC12_X10_WhoeverDiesThereIsOneWholeAccountOrNone: agent and controller are killed while an account is made, changed and removed; the same request with the same key is
// given again, and ends as if nothing had happened.
func TestC12_X10_WhoeverDiesThereIsOneWholeAccountOrNone(t *testing.T) {
	if hostingtest.Alone(t) {
		return
	}
	w := newWorld(t)
	w.offer()
	for round := range 3 {
		domain := fmt.Sprintf("killed%d.example", round)
		made := w.killed(round, "/v1/accounts", map[string]any{"domain": domain, "offer": w.id("offer", "Gold"), "server": w.node})
		id, _ := made["id"].(string)
		c := &customer{world: w, id: id, domain: domain}
		c.user, _ = made["user"].(string)
		c.password, _ = made["password"].(string)
		w.cli("account", "watch", domain, "--timeout", "60s")
		if n := strings.Count(w.cli("account", "list"), domain); n != 1 {
			t.Errorf("there are %d accounts of %s", n, domain)
		}
		if page, err := c.get(domain, "/"); err != nil || !strings.Contains(page, " 200 ") {
			t.Errorf("round %d: the site answers %q: %v", round, page, err)
		}
		if _, err := c.download(""); err != nil {
			t.Errorf("round %d: the password of the repeated answer does not let in: %v", round, err)
		}
		shop := w.killed(round+1, "/v1/accounts/"+id+"/databases", map[string]any{"name": "shop"})
		w.cli("account", "watch", domain, "--timeout", "60s")
		password, _ := shop["password"].(string)
		if out, err := c.sql(password, c.user+"_shop", "select 7"); err != nil || out != "7" {
			t.Errorf("round %d: the database answers %q: %v", round, out, err)
		}
		w.killed(round, "/v1/accounts/"+id+"/remove", map[string]any{"confirm": domain})
		w.until("nothing of it is left", func() error {
			if _, err := os.Stat("/srv/hosting/" + c.user); err == nil {
				return fmt.Errorf("its home is there")
			}
			if strings.Contains(w.run("cat", "/etc/passwd"), c.user+":") || strings.Contains(w.grants(), c.user) {
				return fmt.Errorf("its user is there")
			}
			if out := w.cli("account", "list"); strings.Contains(out, domain) {
				return fmt.Errorf("the controller has it: %s", out)
			}
			return nil
		})
	}
}

// id of something by its name.
func (w *world) id(noun, name string) string {
	var r struct{ ID string }
	w.json(&r, noun, "show", name)
	return r.ID
}
