package profile

import (
	"reflect"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/pkg/hardware"
)

func TestX1_NoTwoServersShareAnIdentity(t *testing.T) {
	seen := map[string]int{}
	for i := range 5000 {
		inv := Generate(7, i)
		id := inv.Identity
		names := append([]string{id.UUID, id.SystemSerial, id.BoardSerial, id.ChassisSerial}, id.MACs...)
		for _, d := range inv.Disks {
			names = append(names, d.Serial, d.WWN)
		}
		for _, n := range names {
			if other, ok := seen[n]; ok || n == "" {
				t.Fatalf("servers %d and %d share %q", other, i, n)
			}
			seen[n] = i
		}
	}
}

func TestTheSameNumberIsTheSameServer(t *testing.T) {
	for i := range 50 {
		if a, b := Generate(7, i), Generate(7, i); !reflect.DeepEqual(a, b) || a.Digest() != b.Digest() {
			t.Fatalf("server %d differs from itself", i)
		}
	}
	a, b := Generate(7, 3), Generate(8, 3)
	if a.Identity.UUID == b.Identity.UUID || a.Identity.SystemSerial == b.Identity.SystemSerial || len(a.Identity.SharedMACs(b.Identity)) > 0 {
		t.Error("two fleets share a server")
	}
}

func TestB12_ServersArePlausibleAndVaried(t *testing.T) {
	keys, vendors := map[string]int{}, map[string]int{}
	for i := range 2000 {
		inv := Generate(1, i)
		if again := inv; again.Clean() {
			t.Fatalf("server %d does not survive cleaning: %+v", i, inv)
		}
		c := inv.Configuration()
		if c.Sockets < 1 || c.Sockets > 2 || c.Cores < 4 || c.MemoryBytes < 8<<30 || c.MemoryBytes > 2<<40 || len(c.Disks) == 0 || len(c.NICs) == 0 {
			t.Fatalf("server %d: %s", i, c)
		}
		if c.CPUModel == "" || strings.Contains(c.CPUModel, "@") {
			t.Fatalf("server %d has CPU %q", i, c.CPUModel)
		}
		for _, d := range inv.Disks {
			if hardware.NominalSize(d.SizeBytes)%1_000_000_000 != 0 || d.ReadOnly {
				t.Fatalf("server %d has a disk of %d bytes, sold as %d", i, d.SizeBytes, hardware.NominalSize(d.SizeBytes))
			}
		}
		if !inv.NICs[0].Link || !inv.Simulated {
			t.Fatalf("server %d has no link, or is not marked as simulated", i)
		}
		keys[c.Key()]++
		vendors[inv.System.Vendor]++
	}
	if len(keys) < 100 || len(keys) > 1900 || len(vendors) != len(makers) {
		t.Errorf("%d configurations, vendors %v", len(keys), vendors)
	}
	t.Logf("%d configurations of 2,000 servers; %v", len(keys), vendors)
}

func BenchmarkGenerate(b *testing.B) {
	b.ReportAllocs()
	for i := range b.N {
		Generate(1, i)
	}
}
