package configure

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/protocol"
)

var update = flag.Bool("update", false, "renew the golden files")

// layered has its addresses on a VLAN, a bond, or both.
func layered(vlan int, mode string) Wish {
	w := wish()
	w.Network.VLAN = vlan
	if mode != "" {
		w.Network.Bond = &protocol.Bond{Mode: mode, Members: []string{"52:54:00:AA:00:01", "52:54:00:aa:00:02"}}
	}
	return w
}

// TestB43_WhatIsWrittenIntoASystem compares every file that a system can get with the golden ones.
func TestB43_WhatIsWrittenIntoASystem(t *testing.T) {
	bare := wish()
	bare.Network, bare.SSHKeys, bare.UserData = nil, nil, "#cloud-config\npackages: [nginx]\n"
	strange := wish()
	strange.SSHKeys = []string{"ssh-ed25519 CCCC \"quoted\": {yaml} # and more\nssh-ed25519 DDDD second line"}
	strange.Network = &protocol.Network{Addresses: []string{"198.51.100.7/32"}, Gateway4: "192.0.2.1"}
	strange.MAC = ""
	for name, w := range map[string]Wish{"full": wish(), "dhcp": bare, "strange": strange, "vlan": layered(40, ""), "bond": layered(0, "active-backup"), "bond-vlan": layered(40, "802.3ad")} {
		var b strings.Builder
		for _, f := range slices.Concat(w.seed(), w.networkd(), w.interfaces(), w.keyfile(), []file{w.hosts(""), {"network_data.json", 0o644, yaml(w.networkData())}}) {
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
