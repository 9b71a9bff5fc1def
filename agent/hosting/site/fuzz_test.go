package site

import (
	"regexp"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/protocol"
)

// plain is what each line of a file for nginx may look like: our own words, and texts without a meaning. Quotes, semicolons, braces and variables are ours only.
var (
	nameLine = regexp.MustCompile(`^\tserver_name( [a-z0-9.-]+)+;$`)
	rootLine = regexp.MustCompile(`^\troot /srv/hosting/[a-z][a-z0-9]+/(htdocs|sub/[a-z0-9.-]+);$`)
	backLine = regexp.MustCompile(`^\treturn 301 http://[a-z0-9.-]+\$request_uri;$`)
)

// FuzzBlocks: whatever a document says, the file for nginx has the lines that it is made of, and no others.
func FuzzBlocks(f *testing.F) {
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
		text := o.blocks(&a, n, php)
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			word, _, _ := strings.Cut(strings.TrimPrefix(line, "\t"), " ")
			ok := map[string]bool{
				"server_name": nameLine.MatchString(line), "root": rootLine.MatchString(line), "return": backLine.MatchString(line),
				"#": true, "server": line == "server {", "}": line == "}", "listen": line == "\tlisten 80;", "index": true, "try_files": true,
				"access_log": line == "\taccess_log /var/log/steelyard-hosting/"+user+"/access.log steelyard;", "error_log": true,
				"disable_symlinks": strings.HasPrefix(line, "\tdisable_symlinks if_not_owner from=/srv/hosting/"+user+"/"), "location": true, "client_max_body_size": true,
			}[word]
			if !ok || strings.ContainsAny(line, "\r\x00`") {
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
