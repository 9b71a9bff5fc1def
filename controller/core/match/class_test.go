package match

import (
	"testing"

	"github.com/steelyard/steelyard/pkg/hardware"
)

// A server type is a label: equal machines may carry different ones.
func TestB9_EqualConfigurationsOfTwoTypesAreTwoClasses(t *testing.T) {
	config := hardware.Configuration{Arch: "x86_64", CPUModel: "EPYC 7302P", Sockets: 1, Cores: 16}
	c := NewCatalogue()
	c.Put(Server{ID: "a", Location: "ams", ServerType: "old", FreeSince: 1, Configuration: config})
	c.Put(Server{ID: "b", Location: "ams", ServerType: "new", FreeSince: 2, Configuration: config})
	if n := len(c.Classes()); n != 2 {
		t.Fatalf("%d classes", n)
	}
	for serverType, id := range map[string]string{"old": "a", "new": "b", "": "a"} {
		if r, ok := c.Exact(Wish{Location: "ams", ServerType: serverType, Configuration: config}); !ok || r.ServerID != id {
			t.Errorf("%q: got %+v", serverType, r)
		}
	}
	if r, ok := c.Best(Wish{Location: "ams", ServerType: "none", Configuration: config}); ok {
		t.Errorf("got %+v", r)
	}
	c.Put(Server{ID: "a", Location: "ams", ServerType: "new", FreeSince: 1, Configuration: config})
	if n := len(c.Classes()); n != 1 {
		t.Errorf("%d classes after both are new", n)
	}
}

// Memory that firmware does not describe is not the same as one module whose
// generation is not known: modules can be added to that.
func TestUnseenMemoryIsAClassOfItsOwn(t *testing.T) {
	c := NewCatalogue()
	c.Put(Server{ID: "opaque", Configuration: hardware.Configuration{MemoryBytes: 32 * gib}})
	c.Put(Server{ID: "module", Configuration: hardware.Configuration{
		MemoryBytes: 32 * gib, DIMMs: []hardware.DIMMGroup{{Count: 1, SizeBytes: 32 * gib}},
	}})
	if n := len(c.Classes()); n != 2 {
		t.Fatalf("%d classes", n)
	}
	r, _ := c.Best(Wish{Configuration: hardware.Configuration{MemoryBytes: 64 * gib}})
	if r.ServerID != "module" || Parts(r.Changes) != "add 1 × 32 GiB DIMM" {
		t.Errorf("got %s: %s", r.ServerID, Parts(r.Changes))
	}
}

func TestNothingIsKeptOfServersThatAreGone(t *testing.T) {
	c := NewCatalogue()
	for round := range 50 {
		config := hardware.Configuration{CPUModel: string(rune('A' + round)), Sockets: 1, MemoryBytes: uint64(round) * gib}
		c.Put(Server{ID: "a", Location: "ams", Configuration: config})
		c.Put(Server{ID: "b", Location: "ams", Configuration: config})
		c.Remove("b")
	}
	for kind := range c.facets {
		if n := len(c.facets[kind].list); n > 3 {
			t.Errorf("attribute %d keeps %d values of two servers", kind, n)
		}
	}
	c.Remove("a")
	if len(c.classes) != 0 || len(c.servers) != 0 || len(c.locations["ams"].racks) != 0 || len(c.locations["ams"].byCPU) != 0 {
		t.Errorf("left behind: %d classes, %d servers", len(c.classes), len(c.servers))
	}
	for kind := range c.facets {
		if f := &c.facets[kind]; len(f.byHash) != 0 || len(f.unused) != len(f.list) {
			t.Errorf("attribute %d: %d values left", kind, len(f.byHash))
		}
	}
}
