package hardware

import (
	"math/rand/v2"
	"reflect"
	"testing"
)

// example is a small two-socket server with one part of each awkward kind.
func example() *Inventory {
	xeon := CPU{Model: "Intel(R) Xeon(R) CPU E5-2650 v4 @ 2.20GHz", Arch: "x86_64", Cores: 12, Threads: 24}
	inv := &Inventory{
		Schema:   1,
		Identity: Identity{UUID: "4c4c4544-0042-3510-8054-b7c04f4d3532", BoardSerial: "CN1234", MACs: []string{"00:25:90:aa:bb:01"}},
		CPUs:     []CPU{xeon, xeon},
		Memory:   Memory{TotalBytes: 256 << 30},
		Disks: []Disk{
			{Name: "sda", Type: DiskSATA, SizeBytes: 480103981056, Serial: "A"},
			{Name: "sdb", Type: DiskSATA, SizeBytes: 480103981056, Serial: "B"},
			{Name: "sdc", Type: DiskUSB, SizeBytes: 8e9},
			{Name: "sdd", Type: DiskSAS, SizeBytes: 4e12, ReadOnly: true},
		},
		NICs: []NIC{{Name: "eth0", MaxMbps: 10000, SpeedMbps: 1000}, {Name: "eth1", MaxMbps: 10000}, {Name: "eth2", SpeedMbps: 1000}},
		GPUs: []GPU{{Vendor: "NVIDIA", Model: "A100"}},
	}
	for range 8 {
		inv.Memory.DIMMs = append(inv.Memory.DIMMs, DIMM{SizeBytes: 32 << 30, Type: "DDR4"})
	}
	return inv
}

func TestB12_ConfigurationFollowsTheInventory(t *testing.T) {
	inv := example()
	const want = "2 × Xeon E5-2650 v4 (24 cores), 256 GiB (8 × 32 GiB DDR4), 2 × 480 GB SSD, " +
		"2 × 10 Gbit/s, 1 × 1 Gbit/s, 1 × NVIDIA A100"
	before := inv.Configuration()
	if got := before.String(); got != want {
		t.Errorf("configuration reads\n%s\nwant\n%s", got, want)
	}
	inv.Disks[0].Serial, inv.Disks[0].Name = "another", "sdz"
	if got := inv.Configuration(); got.Key() != before.Key() {
		t.Errorf("a disk of equal kind changed the configuration to %s", got)
	}
	inv.Memory.DIMMs = inv.Memory.DIMMs[:7]
	if got := inv.Configuration(); got.Key() == before.Key() || got.MemoryBytes != 224<<30 {
		t.Errorf("a module was taken out, the configuration stayed %s", got)
	}
}

func TestConfigurationEstimatesMemoryWithoutSMBIOS(t *testing.T) {
	inv := Inventory{Memory: Memory{TotalBytes: 32076 << 20, KernelBytes: 32076 << 20}}
	if got := inv.Configuration().MemoryBytes; got != 32<<30 {
		t.Errorf("memory %d; want 32 GiB", got)
	}
}

// A person writes disks in whatever unit is at hand; the server that has them must
// fit exactly.
func TestB26_DisksThatAPersonWroteAreThoseThatServersHave(t *testing.T) {
	for _, c := range []struct {
		medium         string
		written, found uint64
	}{
		{MediumSSD, 447 << 30, 480103981056},
		{MediumNVMe, 1920383410176, 1920383410176},
		{MediumVirtual, 256 << 30, 256 << 30},
		{MediumVirtual, 128 << 20, 128 << 20},
		{"", 0, 0},
	} {
		wish := Configuration{Disks: []DiskGroup{{Count: 1, Medium: c.medium, SizeBytes: c.written}}}
		disk := Disk{Type: DiskSATA, SizeBytes: c.found}
		switch c.medium {
		case MediumNVMe:
			disk.Type = DiskNVMe
		case MediumVirtual:
			disk.Type = DiskVirtual
		}
		inv := Inventory{Disks: []Disk{disk}}
		if got := wish.AsSold().Disks; c.found > 0 && got[0] != inv.Configuration().Disks[0] {
			t.Errorf("written %+v, found %+v", got, inv.Configuration().Disks)
		}
		if wish.Disks[0].SizeBytes != c.written || c.found == 0 && wish.AsSold().Disks[0].SizeBytes != 0 {
			t.Errorf("the receiver was changed, or an open size was closed: %+v", wish)
		}
	}
}

func TestStringOfAWish(t *testing.T) {
	for want, c := range map[string]Configuration{
		"any server":                       {},
		"16 cores":                         {Cores: 16},
		"64 GiB":                           {MemoryBytes: 64 << 30},
		"Xeon E5-2650 v4":                  {CPUModel: "Xeon E5-2650 v4"},
		"2 × CPU, aarch64":                 {Sockets: 2, Arch: "aarch64"},
		"2 × 1.92 TB NVMe":                 {Disks: []DiskGroup{{2, MediumNVMe, 1920e9}}},
		"1 × 10 GiB virtual disk":          {Disks: []DiskGroup{{1, MediumVirtual, 10 << 30}}},
		"1 × 100 Mbit/s":                   {NICs: []NICGroup{{1, 100}}},
		"1.5 TiB (24 × 64 GiB)":            {MemoryBytes: 1536 << 30, DIMMs: []DIMMGroup{{24, 64 << 30, ""}}},
		"1 × Xeon E-2288G (1 core)":        {Sockets: 1, Cores: 1, CPUModel: "Xeon E-2288G"},
		"1 × 2.5 Gbit/s, 1 × network port": {NICs: []NICGroup{{1, 0}, {1, 2500}}},
	} {
		if got := c.String(); got != want {
			t.Errorf("got %q; want %q", got, want)
		}
	}
}

// random draws from few values, so that groups collide often.
func random(r *rand.Rand) Configuration {
	c := Configuration{
		Arch: []string{"", "x86_64"}[r.IntN(2)], CPUModel: []string{"A", `A"1`, "B"}[r.IntN(3)],
		Sockets: r.IntN(2), Cores: r.IntN(3), MemoryBytes: uint64(r.IntN(2)),
	}
	for range r.IntN(4) {
		c.DIMMs = append(c.DIMMs, DIMMGroup{r.IntN(3), uint64(r.IntN(2)), []string{"", "DDR4"}[r.IntN(2)]})
		c.Disks = append(c.Disks, DiskGroup{r.IntN(3), []string{MediumSSD, MediumHDD}[r.IntN(2)], uint64(r.IntN(2))})
		c.NICs = append(c.NICs, NICGroup{r.IntN(3), r.IntN(2)})
		c.GPUs = append(c.GPUs, GPUGroup{r.IntN(3), []string{"x", "y"}[r.IntN(2)]})
	}
	return c
}

func TestKeyIsEqualForEqualConfigurationsOnly(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	seen := map[string]Configuration{}
	same := 0
	for range 50_000 {
		c := random(r)
		n := c.Normalise()
		if other, ok := seen[c.Key()]; ok {
			same++
			if !reflect.DeepEqual(other, n) {
				t.Fatalf("one key %q for\n%+v and\n%+v", c.Key(), other, n)
			}
		}
		seen[c.Key()] = n
		if n.Key() != c.Key() || !reflect.DeepEqual(n, n.Normalise()) {
			t.Fatalf("normalising %+v is not settled: %+v", c, n)
		}
		shuffled := c
		shuffled.Disks = append([]DiskGroup(nil), c.Disks...)
		r.Shuffle(len(shuffled.Disks), func(i, j int) {
			shuffled.Disks[i], shuffled.Disks[j] = shuffled.Disks[j], shuffled.Disks[i]
		})
		if shuffled.Key() != c.Key() {
			t.Fatalf("the order of disks changes the key: %s", c.Key())
		}
	}
	if same == 0 {
		t.Error("no two configurations met: the test proves nothing")
	}
}

func TestNormaliseLeavesItsReceiver(t *testing.T) {
	c := Configuration{NICs: []NICGroup{{1, 1000}, {1, 1000}, {0, 5}}}
	_ = c.Normalise()
	if !reflect.DeepEqual(c.NICs, []NICGroup{{1, 1000}, {1, 1000}, {0, 5}}) {
		t.Errorf("the caller's groups became %v", c.NICs)
	}
}

func BenchmarkKey(b *testing.B) {
	c := example().Configuration()
	b.ReportAllocs()
	for b.Loop() {
		_ = c.Key()
	}
}
