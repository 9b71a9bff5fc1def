package match_test

import (
	"errors"
	"testing"

	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
)

func memory(gib uint64) hardware.Configuration {
	return hardware.Configuration{Arch: "x86_64", MemoryBytes: gib << 30}
}

func TestB11_ExactInAnyModuleBeatsTheClosestInTheFirst(t *testing.T) {
	c := match.NewCatalogue()
	c.Put(match.Server{ID: "near", Location: "ams", Configuration: memory(32)})
	c.Put(match.Server{ID: "far", Location: "lon", Configuration: memory(8)})
	c.Put(match.Server{ID: "exact", Location: "fra", Configuration: memory(64)})
	modules := []match.Module{
		{ID: "third", Sort: 3, Wish: match.Wish{Location: "fra", Configuration: memory(64)}},
		{ID: "first", Sort: 1, CreatedAt: 2, Wish: match.Wish{Location: "lon", Configuration: memory(64)}},
		{ID: "second", Sort: 1, CreatedAt: 3, Wish: match.Wish{Location: "ams", Configuration: memory(64)}},
		{ID: "empty", Sort: 1, CreatedAt: 1, Wish: match.Wish{Location: "nowhere"}},
	}
	o, ok := c.ReserveOf(modules)
	if !ok || o.Module != "third" || o.Result.ServerID != "exact" {
		t.Fatalf("got %+v", o)
	}
	if o, ok = c.BestOf(modules); !ok || o.Module != "first" || o.Result.ServerID != "far" {
		t.Fatalf("without an exact one the first module that has any goes: got %+v", o)
	}
	if modules[0].ID != "third" {
		t.Fatal("the caller's modules were sorted")
	}
	c.Remove("near")
	c.Remove("far")
	if o, ok = c.BestOf(modules); ok {
		t.Fatalf("got %+v of nothing", o)
	}
}

func TestB11_ModulesAreAskedBySortThenCreationThenID(t *testing.T) {
	ms := []match.Module{{ID: "d", Sort: 2}, {ID: "c", Sort: 1, CreatedAt: 5}, {ID: "b", Sort: 1, CreatedAt: 4}, {ID: "a", Sort: 1, CreatedAt: 4}}
	match.SortModules(ms)
	if got := ms[0].ID + ms[1].ID + ms[2].ID + ms[3].ID; got != "abcd" {
		t.Fatalf("got %s", got)
	}
}

func TestB9_ByServerTypeThereIsNoSubstitute(t *testing.T) {
	c := match.NewCatalogue()
	c.Put(match.Server{ID: "a", Location: "ams", ServerType: "small", Configuration: memory(16)})
	c.Put(match.Server{ID: "b", Location: "ams", ServerType: "large", Configuration: memory(64)})
	large := match.Wish{Location: "ams", ServerType: "large", Configuration: memory(64)}
	if r, ok := c.Reserve(large); !ok || r.ServerID != "b" || !r.Exact {
		t.Fatalf("got %+v", r)
	}
	if r, ok := c.Reserve(large); ok {
		t.Fatalf("none of the type is left, and %s was given", r.ServerID)
	}
	large.ServerType = "" // the module's flag is off
	if r, ok := c.Reserve(large); !ok || r.ServerID != "a" || r.Exact || len(r.Changes) == 0 {
		t.Fatalf("got %+v, %v; want the most similar one with its parts list", r, ok)
	}
}

func TestClassifyNamesTheMostTellingType(t *testing.T) {
	types := []match.ServerType{
		{Name: "any", Configuration: hardware.Configuration{}},
		{Name: "z-64", Configuration: hardware.Configuration{MemoryBytes: 64 << 30}},
		{Name: "b-64", Configuration: memory(64)},
		{Name: "disks", Configuration: hardware.Configuration{MemoryBytes: 64 << 30, Disks: []hardware.DiskGroup{{Count: 2, Medium: "ssd", SizeBytes: 480e9}}}},
	}
	c := memory(64)
	if got := match.Classify(types, c); got != "b-64" {
		t.Errorf("got %q", got)
	}
	c.Disks = []hardware.DiskGroup{{Count: 2, Medium: "ssd", SizeBytes: 480e9}}
	if got := match.Classify(types, c); got != "disks" {
		t.Errorf("got %q", got)
	}
	if got := match.Classify(types, memory(32)); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestA2_WeightsAreAdjustablePerModule(t *testing.T) {
	servers := []match.Server{
		{ID: "less-memory", Configuration: hardware.Configuration{
			DIMMs: []hardware.DIMMGroup{{Count: 4, SizeBytes: 16 << 30, Type: "DDR4"}},
			Disks: []hardware.DiskGroup{{Count: 2, Medium: "ssd", SizeBytes: 480e9}},
		}},
		{ID: "less-disks", Configuration: hardware.Configuration{
			DIMMs: []hardware.DIMMGroup{{Count: 8, SizeBytes: 16 << 30, Type: "DDR4"}},
			Disks: []hardware.DiskGroup{{Count: 1, Medium: "ssd", SizeBytes: 480e9}},
		}},
	}
	c := filled(servers)
	w := match.Wish{Configuration: hardware.Configuration{DIMMs: servers[1].Configuration.DIMMs, Disks: servers[0].Configuration.Disks}}
	if r, _ := c.Best(w); r.ServerID != "less-disks" || r.Distance != 3 {
		t.Fatalf("got %+v", r)
	}
	weights := match.DefaultWeights()
	weights.DiskAdd = 100
	w.Weights = &weights
	if r, _ := c.Best(w); r.ServerID != "less-memory" || r.Distance != 16 {
		t.Fatalf("got %+v", r)
	}
}

func TestX13_AllWrongWeightsAreNamedAtOnce(t *testing.T) {
	w := match.DefaultWeights()
	if err := w.Validate(""); err != nil {
		t.Fatalf("the published weights: %v", err)
	}
	w.NICRemove, w.DiskAdd, w.DIMMSwap, w.GPURemove = 0, 0, -1, match.MaxWeight+1
	wantFields(t, w.Validate("parameters.weights"), "parameters.weights.dimm_swap", "parameters.weights.disk_add", "parameters.weights.gpu_remove")
}

func TestX13_AllThatIsWrongWithAWishIsNamedAtOnce(t *testing.T) {
	weights := match.DefaultWeights()
	weights.CPUAdd = 0
	w := match.Wish{Weights: &weights, Configuration: hardware.Configuration{
		Sockets: -1, MemoryBytes: 32 << 30,
		DIMMs: []hardware.DIMMGroup{{Count: 1, SizeBytes: 16 << 30}},
		Disks: []hardware.DiskGroup{{Count: 0, Medium: "ssd"}},
		NICs:  []hardware.NICGroup{{Count: 4000, SpeedMbps: -1}, {Count: 4000}},
		GPUs:  make([]hardware.GPUGroup, match.MaxGroups+1),
	}}
	wantFields(t, w.Validate("order"), "order.configuration.sockets", "order.configuration.nics", "order.configuration.disks",
		"order.configuration.nics", "order.configuration.gpus", "order.configuration.gpus", "order.configuration.memory_bytes", "order.weights.cpu_add")
	ok := match.Wish{Location: "ams", Configuration: memory(64)}
	if err := ok.Validate(""); err != nil {
		t.Fatal(err)
	}
}

func wantFields(t *testing.T, err error, names ...string) {
	t.Helper()
	var f *fault.Fault
	if !errors.As(err, &f) || f.Kind != fault.KindInvalid || len(f.Fields) != len(names) {
		t.Fatalf("got %v", err)
	}
	for i, name := range names {
		if f.Fields[i].Name != name || f.Fields[i].Message == "" {
			t.Errorf("field %d is %+v, want %s", i, f.Fields[i], name)
		}
	}
}

func TestNormaliseFoldsWhatPeopleWrite(t *testing.T) {
	w := match.Wish{Configuration: hardware.Configuration{CPUModel: "Intel(R) Xeon(R) CPU E5-2650 v4 @ 2.20GHz"}}
	s := match.Server{Configuration: hardware.Configuration{CPUModel: "Xeon E5-2650 v4", Sockets: 1, Cores: 12}}
	if !match.Fits(s, w.Normalise()) {
		t.Fatalf("%s does not fit", w.Normalise().Configuration)
	}
	w.Configuration.CPUModel = "XEON e5-2650 V4"
	if !match.Fits(s, w) {
		t.Fatal("upper and lower case are told apart")
	}
}
