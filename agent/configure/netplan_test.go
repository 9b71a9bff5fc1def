package configure

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestB43_NetplanReadsTheSeedAsItWasMeant: the program that reads cloud-init's version 2 in real systems makes of it what
// is meant, each setting in the one file where it belongs.
func TestB43_NetplanReadsTheSeedAsItWasMeant(t *testing.T) {
	const first, second = "PermanentMACAddress=52:54:00:aa:00:01", "PermanentMACAddress=52:54:00:aa:00:02"
	plain := func() Wish { return layered(0, "") }
	for name, c := range map[string]struct {
		w    Wish
		want []string // lines that stand together in one file, in this order
	}{
		"one card": {plain(), []string{first + " Address=192.0.2.7/24"}},
		"a VLAN":   {layered(40, ""), []string{first + " VLAN=vlan40", "Name=vlan40 Kind=vlan Id=40", "Name=vlan40 Address=192.0.2.7/24 Gateway=192.0.2.1"}},
		"a bond": {layered(0, "active-backup"), []string{
			first + " Bond=bond0", second + " Bond=bond0", "Name=bond0 Kind=bond Mode=active-backup MIIMonitorSec=100ms", "Name=bond0 Address=192.0.2.7/24",
		}},
		"a VLAN on a bond": {layered(4094, "802.3ad"), []string{
			first + " Bond=bond0", second + " Bond=bond0", "Name=bond0 Kind=bond Mode=802.3ad", "Name=bond0 VLAN=vlan4094", "Name=vlan4094 Kind=vlan Id=4094", "Name=vlan4094 Address=2001:db8:0:7::5/64",
		}},
	} {
		root := t.TempDir()
		path := filepath.Join(root, "etc/netplan/50-cloud-init.yaml")
		ok(t, os.MkdirAll(filepath.Dir(path), 0o755))
		ok(t, os.WriteFile(path, fmt.Appendf(nil, "network: %s", yaml(c.w.netplan())), 0o600))
		run(t, "", "netplan", "generate", "--root-dir", root)
		files := generated(t, filepath.Join(root, "run/systemd/network"))
		for _, want := range c.want {
			if !hasLines(files, strings.Fields(want)) {
				t.Errorf("%s: no file has %q in\n%s", name, want, strings.Join(files, "\n---\n"))
			}
		}
	}
}

func generated(t *testing.T, dir string) (files []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	ok(t, err)
	for _, p := range paths {
		text, err := os.ReadFile(p)
		ok(t, err)
		files = append(files, string(text))
	}
	return files
}

// hasLines tells whether one of the files has all the lines, in their order.
func hasLines(files, want []string) bool {
	for _, text := range files {
		left := want
		for line := range strings.Lines(text) {
			if len(left) > 0 && strings.TrimSpace(line) == left[0] {
				left = left[1:]
			}
		}
		if len(left) == 0 {
			return true
		}
	}
	return false
}

// TestTheProgramForIfupdownIsOne: a shell reads all of it.
func TestTheProgramForIfupdownIsOne(t *testing.T) {
	for _, w := range []Wish{layered(40, ""), layered(0, "balance-rr"), layered(40, "802.3ad")} {
		run(t, w.ifupdownLayers()[0].text, "sh", "-n")
	}
}
