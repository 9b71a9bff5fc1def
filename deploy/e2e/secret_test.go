package e2e

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// secretsOf names each secret that the test knows.
type secretsOf map[string]string

func (s secretsOf) absentIn(t *testing.T, where string, text []byte) {
	t.Helper()
	h := newHaystack()
	for what, secret := range s {
		h.seek(what, secret)
	}
	h.in(where, text)
	for what, form := range h.found[where] {
		t.Errorf("%s is in %s, written as %s", what, where, form)
	}
}

// secrets looks for every secret in everything that the fleet wrote, in the command lines
// of its processes and in what it says.
func secrets(t *testing.T, f *fleet) {
	const password = "correct horse battery staple"
	known := secretsOf{"the administrator's token": f.Token, "a password": password, "the secret of a join token": strings.Split(f.joinToken(1), ".")[2]}
	f.must(201, "POST", "/v1/users", `{"name":"kim","role":"operations","password":"`+password+`"}`, nil)
	a := f.ask("POST", "/v1/login", `{"name":"kim","password":"`+password+`"}`)
	known["the token of a login"] = between(string(a.body), `"token":"`, `"`)
	var plan struct{ Password, Community string }
	if text, err := os.ReadFile(filepath.Join(f.dir, "data", "hall", "plan.json")); err != nil || json.Unmarshal(text, &plan) != nil {
		t.Fatalf("the plan of the simulated devices cannot be read: %v", err)
	}
	known["the password of the management controllers"], known["the community of the switches"] = plan.Password, plan.Community
	for what, secret := range known {
		if len(secret) < 16 {
			t.Fatalf("%s is %q: %s", what, secret, a.body)
		}
	}
	for _, path := range []string{"/v1/tokens?all=true", "/v1/users?all=true", "/v1/audit?all=true", "/v1/bmcs?all=true", "/v1/switches?all=true", "/metrics"} {
		known.absentIn(t, path, f.ask("GET", path, "").body)
	}
	for _, pid := range append(f.children(), f.cmd.Process.Pid) {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			t.Fatal(err)
		}
		known.absentIn(t, "the process list", line)
	}
	known.absentInFiles(t, filepath.Join(f.dir, "data"))
}

// kept are the files that this fleet, made to be tried on one machine, keeps for its user.
var kept = []string{"admin-token", "join-token", "plan.json", "lan.conf"}

func (s secretsOf) absentInFiles(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil // a log segment that was just put away
		}
		files++
		if slices.Contains(kept, e.Name()) {
			if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %v", path, info.Mode())
			}
			return err
		}
		s.absentIn(t, path, text)
		return err
	})
	if err != nil || files < 5 {
		t.Errorf("%d files were looked through: %v", files, err)
	}
}
