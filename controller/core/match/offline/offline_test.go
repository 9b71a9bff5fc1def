package offline_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/controller/core/match/offline"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
)

func inventory(serial string, gib uint64) hardware.Inventory {
	return hardware.Inventory{
		Schema:   1,
		Identity: hardware.Identity{SystemSerial: serial},
		CPUs:     []hardware.CPU{{Model: "Intel(R) Xeon(R) CPU E5-2650 v4 @ 2.20GHz", Arch: "x86_64", Cores: 12}},
		Memory:   hardware.Memory{DIMMs: []hardware.DIMM{{SizeBytes: gib << 30, Type: "DDR4"}}},
		Disks:    []hardware.Disk{{Type: hardware.DiskNVMe, SizeBytes: 1920383410176}},
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestInventoriesComeInManyShapes(t *testing.T) {
	a, b := text(t, inventory("A", 32)), text(t, inventory("B", 64))
	cases := map[string]struct{ file, ids string }{
		"one inventory":       {a, "A"},
		"an array":            {"[" + a + ",\n" + b + "]", "A B"},
		"lines":               {a + "\n" + b + "\n", "A B"},
		"a page of a list":    {`{"items":[` + a + `,` + b + `],"next":"x"}`, "A B"},
		"named":               {`{"id":"s1","location":"ams","inventory":` + a + `}`, "s1"},
		"with configuration":  {`{"id":"s1","state":"available","configuration":{"memory_bytes":"64 GiB"},"inventory":` + a + `}`, "s1"},
		"a configuration":     {`{"memory_bytes":68719476736}`, "#1"},
		"one serial, twice":   {a + a, "A A #2"},
		"no name at all":      {`[{"cpus":[]},{"cpus":[]}]`, "#1 #2"},
		"nested in two forms": {`[{"id":"x","configuration":{}}]{"id":"y","configuration":{}}`, "x y"},
	}
	for name, c := range cases {
		servers, err := offline.Inventories([]byte(c.file))
		var ids []string
		for _, s := range servers {
			ids = append(ids, s.ID)
		}
		if got := strings.Join(ids, " "); err != nil || got != c.ids {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, c.ids)
		}
	}
	servers, _ := offline.Inventories([]byte(cases["with configuration"].file))
	if got := servers[0].Configuration.MemoryBytes; got != 64<<30 {
		t.Errorf("the configuration that is given does not win: %d bytes", got)
	}
}

func TestBadFilesAreRefusedNamingTheField(t *testing.T) {
	for file, want := range map[string]string{
		"":             "the inventory file is empty",
		"[]":           "lists no machine",
		"{\n\"id\": }": "line 2",
		`{"id":`:       "ends in the middle",
		`{"id":"x"}`:   "inventory[0] holds neither",
		`[{"configuration":{"disks":[{"count":"two"}]}}]`:               "inventory[0].configuration.disks.count is a string; give a whole number",
		`{"configuration":{"disks":{}}}`:                                "give a list",
		`{"configuration":{"memory_bytes":-1}}`:                         "inventory[0].configuration.memory_bytes",
		`{"configuration":{"memory_bytes":"12 parsecs"}}`:               "inventory[0].configuration.memory_bytes size",
		`{"configuration":null}`:                                        "inventory[0].configuration is null",
		`[{"id":"x","configuration":{}},{"id":"x","configuration":{}}]`: "inventory[1].id is \"x\", like an element before it",
		`["x"]`: "inventory[0] is a string; give an object",
		`7`:     "inventory[0]",
	} {
		_, err := offline.Inventories([]byte(file))
		if !fault.Is(err, fault.KindInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v; want %q", file, err, want)
		}
	}
	for file, want := range map[string]string{
		"":                               "the order file is empty",
		"[1]":                            "give an object",
		`{"configuration":{"dikss":[]}}`: "order.dikss is not a field that is known here",
		`{"memory":"64 GiB"}`:            "order.memory is not a field",
		`{"configuration":{"sockets":-1,"cores":-1}}`: "order.configuration.sockets is -1",
		`{"weights":{"disk_add":0}}`:                  "order.weights.disk_add is 0",
		`{"location":7}`:                              "order.location is a number; give a string",
		`{"location":"ams"} {}`:                       "more after the end",
	} {
		_, err := offline.Order([]byte(file))
		if !fault.Is(err, fault.KindInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v; want %q", file, err, want)
		}
	}
}

func TestOrdersAreNormalisedAndWeightsCompleted(t *testing.T) {
	w, err := offline.Order([]byte(`{"location":"ams","weights":{"disk_swap":9},"configuration":{
		"cpu_model":"Intel(R) Xeon(R) CPU E5-2650 v4 @ 2.20GHz","memory_bytes":"64GiB",
		"disks":[{"count":1,"medium":"nvme","size_bytes":"1.92 TB"},{"count":1,"medium":"nvme","size_bytes":1920000000000}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if w.Weights.DiskSwap != 9 || w.Weights.DiskAdd != match.DefaultWeights().DiskAdd {
		t.Errorf("weights %+v", w.Weights)
	}
	if got := w.Configuration.String(); got != "Xeon E5-2650 v4, 64 GiB, 2 × 1.92 TB NVMe" {
		t.Errorf("got %s", got)
	}
	bare, err := offline.Order([]byte(`{"memory_bytes":"64 GiB"}`))
	if err != nil || bare.Configuration.MemoryBytes != 64<<30 || bare.Weights != nil {
		t.Errorf("got %+v, %v", bare, err)
	}
}

func TestB27_OfflineAnswerNamesTheClosestAndItsParts(t *testing.T) {
	servers, err := offline.Inventories([]byte(text(t, []hardware.Inventory{inventory("A", 32), inventory("B", 64)})))
	if err != nil {
		t.Fatal(err)
	}
	servers = append(servers, match.Server{ID: "C", Location: "fra"})
	order := func(size string) match.Wish {
		w, err := offline.Order([]byte(`{"location":"ams","configuration":{"dimms":[{"count":1,"size_bytes":"` + size + `"}]}}`))
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	a := offline.Match(servers, order("64 GiB"))
	if !a.Found || !a.Exact || a.Best.ServerID != "B" || len(a.Others) != 1 || len(a.RuledOut) != 1 ||
		a.RuledOut[0].Reason != "server C is in fra; the order asks for location ams" {
		t.Errorf("got %+v", a)
	}
	a = offline.Match(servers, order("128 GiB"))
	if !a.Found || a.Exact || a.Best.ServerID != "A" || match.Parts(a.Best.Changes) != "swap 1 × 32 GiB DDR4 DIMM for 1 × 128 GiB DDR4 DIMM" {
		t.Errorf("got %+v", a.Best)
	}
	if a = offline.Match(servers[2:], order("1 GiB")); a.Found || a.Best != nil {
		t.Errorf("got %+v", a)
	}
}

func FuzzInventories(f *testing.F) {
	for _, s := range []string{
		`{"schema":1,"cpus":[{"model":"x","cores":-5}],"memory":{"dimms":[{"size_bytes":18446744073709551615}]}}`,
		`{"items":[{"id":"a","configuration":{"dimms":[{"count":9223372036854775807,"size_bytes":18446744073709551615}]}}]}`,
		`[{"configuration":{"memory_bytes":"9 TB","sockets":-1,"nics":[{"count":1,"speed_mbps":-1}]}}]`,
		`{"memory_bytes":"x"}`, `[[[[`, "{}\n{}",
	} {
		f.Add([]byte(s), []byte(`{"configuration":{"memory_bytes":"64 GiB","disks":[{"count":2,"medium":"","size_bytes":0}]}}`))
	}
	f.Fuzz(func(t *testing.T, inventories, order []byte) {
		servers, err := offline.Inventories(inventories)
		if err != nil && !fault.Is(err, fault.KindInvalid) {
			t.Fatalf("kind of %v", err)
		}
		w, err := offline.Order(order)
		if err != nil {
			if !fault.Is(err, fault.KindInvalid) {
				t.Fatalf("kind of %v", err)
			}
			return
		}
		if a := offline.Match(servers, w); a.Found {
			after := match.Server{
				ID: "x", Location: a.Best.Location, ServerType: a.Best.ServerType,
				Configuration: match.Apply(a.Best.Configuration, a.Best.Changes),
			}
			if !match.Fits(after, w) {
				t.Fatalf("parts %q of %+v do not fit %+v", match.Parts(a.Best.Changes), a.Best.Configuration, w)
			}
		}
	})
}
