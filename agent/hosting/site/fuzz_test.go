package site

import (
	"regexp"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

// plain is what each line for nginx may look like: texts without a meaning. Quotes and semicolons are ours only.
var plain = regexp.MustCompile(`^[a-z0-9.-]+ "(static|php) [a-z][a-z0-9]+ (htdocs|sub/[a-z0-9.-]+)";$|^[a-z0-9.-]+ "redirect [a-z][a-z0-9]+ htdocs [a-z0-9.-]+";$`)

// FuzzLines: whatever a document says, the file for nginx has lines of this form, and no others.
func FuzzLines(f *testing.F) {
	for _, s := range hostile {
		f.Add("alice", s, s, s, true, true)
		f.Add(s, "example.de", "b.de", "c.de", false, true)
		f.Add("alice", "example.de", s, "c.de", false, false)
	}
	f.Add("alice", "example.de", "b.de", "c.de", true, true)
	f.Add("alice", "example.de", "b.de", "c.de", false, false)
	o := Options{Listen: []string{"80"}, PHP: &PHP{Version: "8.2", Sockets: "/run/php"}}.filled()
	f.Fuzz(func(t *testing.T, user, domain, sub, forward string, redirect, php bool) {
		a := part.Account{UID: 61001, GID: 61001}
		a.State, a.User, a.Domain, a.Subdomains = protocol.HostedPresent, user, domain, []string{sub}
		a.Forwards = []protocol.HostedForward{{Domain: forward, Redirect: redirect}}
		n, err := check(&a)
		if err != nil {
			return
		}
		text := o.lines(&a, n, php)
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			if name, _, _ := strings.Cut(line, " "); name != "#" && (!plain.MatchString(line) || strings.Contains(line, "..")) || strings.ContainsAny(line, "\r\x00`$") {
				t.Errorf("%q in\n%s", line, text)
			}
		}
		for line := range strings.Lines(o.pool(&a)) {
			key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " = ")
			if !ok && !strings.HasPrefix(line, ";") && line != "[steelyard-"+user+"]\n" || ok && (key == "" || value == "" || strings.ContainsAny(value, "\"';${}\r")) {
				t.Errorf("%q", line)
			}
		}
	})
}
