package mysql

import (
	"strings"
	"testing"

	"github.com/steelyard/steelyard/agent/hosting/hostingtest"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// TestX13_AHostileDocumentIsRefusedByName: nothing of it reaches the server.
func TestX13_AHostileDocumentIsRefusedByName(t *testing.T) {
	s := start(t)
	before := s.state()
	for field, change := range map[string]func(a *partAccount){
		"user":              func(a *partAccount) { a.User = "bob'@'%" },
		"user ":             func(a *partAccount) { a.User, a.Databases = "performance", []string{"performance_schema"} },
		"user  ":            func(a *partAccount) { a.User, a.Databases = "information", []string{"information_schema"} },
		"user   ":           func(a *partAccount) { a.User, a.Databases = "root", []string{"root_a"} },
		"databases[0]":      func(a *partAccount) { a.Databases = []string{"mysql"} },
		"databases[0] ":     func(a *partAccount) { a.Databases = []string{"bob_a`; DROP DATABASE mysql; --"} },
		"databases[1]":      func(a *partAccount) { a.Databases = []string{"bob_a", "bob_%"} },
		"databases[0]  ":    func(a *partAccount) { a.Databases = []string{"bob_" + strings.Repeat("a", 65)} },
		"databases[0]   ":   func(a *partAccount) { a.Databases = []string{"bob_../mysql"} },
		"databases_gone[0]": func(a *partAccount) { a.DatabasesGone = []string{"alice_a"} },
		"databases[0]    ":  func(a *partAccount) { a.DatabasesGone = []string{"bob_a"} },
		"database_password": func(a *partAccount) { a.DatabasePassword = "*" + strings.Repeat("A", 39) + "'" },
		"state":             func(a *partAccount) { a.State = protocol.HostedGone },
	} {
		a := hosted("bob", "bob_a")
		change(a)
		err := s.part.Ensure(t.Context(), a)
		if !fault.Is(err, fault.KindInvalid) || !strings.Contains(err.Error(), strings.TrimSpace(field)+" ") {
			t.Errorf("%s: %v", field, err)
		}
		if a.DatabasePassword != "" && strings.Contains(err.Error(), a.DatabasePassword) {
			t.Errorf("%s: the digest is told: %v", field, err)
		}
	}
	if _, err := s.part.Remove(t.Context(), hosted("../x")); err == nil {
		t.Error("../x was removed")
	}
	hostingtest.Same(t, before, s.state())
}

// FuzzNames: what passes the check is a plain word of this user, and quoting changes nothing of it.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"bob_a", "bob_", "alice_a", "bob_a`", "bob_a\n", "bob_%", "bob_ä"} {
		f.Add(s, "*"+strings.Repeat("A", 40))
	}
	f.Fuzz(func(t *testing.T, name, digest string) {
		a := hosted("bob", name)
		a.DatabasePassword = digest
		if check(&a.HostedAccount) != nil {
			return
		}
		if !strings.HasPrefix(name, "bob_") || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || quoted(name) != "`"+name+"`" || literal(name) != "'"+name+"'" {
			t.Errorf("%q passed", name)
		}
		if digest != "" && (len(digest) != 41 || literal(digest) != "'"+digest+"'") {
			t.Errorf("%q passed", digest)
		}
	})
}
