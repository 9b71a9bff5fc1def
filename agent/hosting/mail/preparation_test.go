package mail

import (
	"os"
	"strings"
	"testing"
)

// TestTheDocumentedConfigurationIsTheOneThatIsTested: docs/nodes.md holds each line of Prepare, for a Debian system.
func TestTheDocumentedConfigurationIsTheOneThatIsTested(t *testing.T) {
	text, err := os.ReadFile("../../../docs/nodes.md")
	if err != nil {
		t.Fatal(err)
	}
	p := Prepare(Options{})
	blocks := []string{strings.Join(p.Master, "\n"), p.Dovecot}
	for _, m := range append(p.Main, Scanning()) {
		blocks = append(blocks, "postconf -e '"+m.Name+" = "+m.Value+"'")
	}
	for _, b := range blocks {
		if !strings.Contains(string(text), "\n"+b) {
			t.Errorf("docs/nodes.md lacks\n%s", b)
		}
	}
}
