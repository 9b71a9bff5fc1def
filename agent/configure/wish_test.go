package configure

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/protocol"
)

var update = flag.Bool("update", false, "renew the golden files")

// TestB43_WhatIsWrittenIntoASystem compares every file that a system can get with the golden ones.
func TestB43_WhatIsWrittenIntoASystem(t *testing.T) {
	bare := wish()
	bare.Network, bare.SSHKeys, bare.UserData = nil, nil, "#cloud-config\npackages: [nginx]\n"
	strange := wish()
	strange.SSHKeys = []string{"ssh-ed25519 CCCC \"quoted\": {yaml} # and more\nssh-ed25519 DDDD second line"}
	strange.Network = &protocol.Network{Addresses: []string{"198.51.100.7/32"}, Gateway4: "192.0.2.1"}
	strange.MAC = ""
	for name, w := range map[string]Wish{"full": wish(), "dhcp": bare, "strange": strange} {
		var b strings.Builder
		for _, f := range append(w.seed(), w.networkd(), w.interfaces(), w.keyfile(), w.hosts("")) {
			fmt.Fprintf(&b, "--- /%s %o\n%s", f.name, f.mode, f.text)
		}
		path := filepath.Join("testdata", name+".golden")
		if *update {
			ok(t, os.MkdirAll("testdata", 0o755))
			ok(t, os.WriteFile(path, []byte(b.String()), 0o644))
		}
		want, err := os.ReadFile(path)
		ok(t, err)
		if b.String() != string(want) {
			t.Errorf("%s differs from %s; look at the difference and run the test with -update:\n%s", name, path, b.String())
		}
	}
}
