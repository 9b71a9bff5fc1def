package match_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/controller/core/match/matchtest"
	"github.com/steelyard/steelyard/pkg/hardware/smbios"
	"github.com/steelyard/steelyard/pkg/hardware/smbios/dumps"
	"github.com/steelyard/steelyard/pkg/testdata"
)

// realFleet is every machine of the collected firmware dumps. They know no disks
// and no ports; processors and memory are as messy as the world is.
func realFleet(t *testing.T) []match.Server {
	t.Helper()
	var fleet []match.Server
	err := dumps.Each(testdata.Shared(t, "server-dumps", "dmidecode", "linuxhw-dmi-servers.tar.bz2"), func(name string, data []byte) error {
		if strings.HasSuffix(name, ".md") {
			return nil
		}
		table, err := smbios.Text(bytes.NewReader(data))
		if err != nil {
			return err
		}
		inv, _ := table.Inventory()
		fleet = append(fleet, match.Server{ID: name, Location: "ams", FreeSince: int64(len(fleet) % 7), Configuration: inv.Configuration()})
		return nil
	})
	if err != nil || len(fleet) < 1300 {
		t.Fatalf("%d machines: %v", len(fleet), err)
	}
	return fleet
}

func TestB28a_RealMachinesAreMatchedLikeBruteForce(t *testing.T) {
	fleet := realFleet(t)
	c := filled(fleet[:len(fleet)/2])
	exact := 0
	for i, s := range fleet { // the second half is not on stock: mostly only close
		w := match.Wish{Location: "ams", Configuration: s.Configuration}
		if i%2 == 0 {
			w.Configuration.DIMMs = nil // ordered by the total
		}
		r, ok := c.Best(w)
		if !ok {
			t.Fatalf("none for %s", s.Configuration)
		}
		if i%8 == 0 { // brute force is slow
			want, _ := matchtest.BruteForce(fleet[:len(fleet)/2], w)
			sameAnswer(t, w, r, ok, want, true)
		}
		if r.Exact {
			exact++
			continue
		}
		after := match.Server{Location: "ams", Configuration: match.Apply(r.Configuration, r.Changes)}
		if !match.Fits(after, w) {
			t.Fatalf("%s\ninto %s\nby %s\ngives %s", r.Configuration, s.Configuration, match.Parts(r.Changes), after.Configuration)
		}
	}
	if exact < len(fleet)/2 || exact == len(fleet) {
		t.Fatalf("%d of %d are exact; at least the half on stock must be, and not all", exact, len(fleet))
	}
	t.Logf("%d machines, %d classes on stock, %d exact", len(fleet), len(c.Classes()), exact)
}
