package fleet

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// good is a server that fulfils every condition, with its surroundings.
func good() (Server, Surroundings) {
	s := Server{
		ID: "srv-1", Approval: Approved, Location: "loc-1", Cleanliness: Clean, InService: true,
		Claim:     Claim{Kind: ClaimNone},
		Diagnosis: &DiagnosisSummary{ID: "opn-1", At: t0, ConfigurationKey: "k", Checks: []protocol.Check{{Name: "cpu", Verdict: protocol.VerdictOK}}},
		Last:      &LastOperation{ID: "opn-1", Kind: "diagnose", State: "done", At: t0},
	}
	f := &Facts{Server: s.ID, At: t0, Key: "k"}
	f.Inventory.Identity.MACs = []string{"02:00:00:00:00:01"}
	return s, Surroundings{Facts: f, Connected: true}
}

func TestB17toB25_EachConditionAloneMakesAServerUnavailable(t *testing.T) {
	s, in := good()
	if r := Unavailable(&s, in); len(r) != 0 {
		t.Fatalf("a good server is unavailable: %+v", r)
	}
	for _, c := range []struct {
		rule, words string
		spoil       func(*Server, *Surroundings)
	}{
		{"B17", "client svc-1", func(s *Server, _ *Surroundings) { s.Claim = Claim{Kind: ClaimClient, Ref: "svc-1", Since: t0} }},
		{"B17", "held for order", func(s *Server, _ *Surroundings) { s.Claim = Claim{Kind: ClaimHeld, Ref: "ord-1", Since: t0} }},
		{"X3", "erase it", func(s *Server, _ *Surroundings) { s.Cleanliness = Dirty }},
		{"X1", "approve", func(s *Server, _ *Surroundings) { s.Approval = Pending }},
		{"X1", "quarantine", func(s *Server, _ *Surroundings) { s.Quarantine = &Note{Reason: "same serial"} }},
		{"X1", "retired by ann: sold", func(s *Server, _ *Surroundings) {
			s.Approval, s.ApprovedBy = Retired, &Note{Reason: "sold", Actor: "ann", At: t0}
		}},
		{"X1", "board serial B1 is now B2", func(s *Server, _ *Surroundings) {
			s.PendingIdentity = &PendingIdentity{Changes: []string{"board serial B1 is now B2"}, Seen: t0}
		}},
		{"X1", "were rejected", func(s *Server, _ *Surroundings) {
			s.PendingIdentity = &PendingIdentity{Changes: []string{"x"}, Seen: t0, Rejected: &Note{Reason: "not ours"}}
		}},
		{"B20", "should have ended at 2026-03-01 12:00 UTC", func(s *Server, _ *Surroundings) {
			s.Maintenance = &Maintenance{Note: Note{Reason: "fan", At: t0}, Until: t0, Overdue: true}
		}},
		{"B18", "never completed", func(s *Server, _ *Surroundings) { s.Diagnosis = nil }},
		{"B18", "warn about", func(s *Server, _ *Surroundings) { s.Diagnosis.Checks[0].Verdict = protocol.VerdictWarning }},
		{"B18", "changed after", func(_ *Server, in *Surroundings) { in.Facts.Key = "other" }},
		{"B18", "not known", func(_ *Server, in *Surroundings) { in.Facts = nil }},
		{"B19", "failed", func(s *Server, _ *Surroundings) { s.Last = &LastOperation{State: "failed", Kind: "erase", At: t0} }},
		{"B19", "is running", func(s *Server, _ *Surroundings) { s.Operation = "opn-2" }},
		{"X3", "something on it (2)", func(_ *Server, in *Surroundings) { in.Placements = 2 }},
		{"X3", "a hosting node", func(s *Server, _ *Surroundings) { s.Node = &Node{} }},
		{"B20", "maintenance", func(s *Server, _ *Surroundings) { s.Maintenance = &Maintenance{Note: Note{Reason: "fan", At: t0}} }},
		{"B21", "not in service", func(s *Server, _ *Surroundings) { s.InService = false }},
		{"B2", "location", func(s *Server, _ *Surroundings) { s.Location = "" }},
		{"B22", "no MAC", func(_ *Server, in *Surroundings) { in.Facts.Inventory.Identity.MACs = nil }},
		{"B22", "another server", func(_ *Server, in *Surroundings) { in.SharedMACs = []string{"02:00:00:00:00:01"} }},
		{"B23", "found an error", func(s *Server, _ *Surroundings) { s.Diagnosis.Checks[0].Verdict = protocol.VerdictError }},
		{"B23", "not connected", func(_ *Server, in *Surroundings) { in.Connected = false }},
	} {
		s, in := good()
		c.spoil(&s, &in)
		list := Unavailable(&s, in)
		if len(list) != 1 || list[0].Rule != c.rule || !strings.Contains(list[0].Message, c.words) || list[0].Fact == "" {
			t.Errorf("%s %q: got %+v", c.rule, c.words, list)
		}
		if Available(list) {
			t.Errorf("%s %q: still available", c.rule, c.words)
		}
	}
}

// TestX3_SellableIsAvailableButForHostingNodes: what is clean on a node is what an inspection says, and what is not on one its erase.
func TestX3_SellableIsAvailableButForHostingNodes(t *testing.T) {
	for _, c := range []struct {
		what     string
		is       func(*Server, *Surroundings)
		sellable bool
		words    string
	}{
		{"bare", func(*Server, *Surroundings) {}, true, ""},
		{"bare and dirty", func(s *Server, _ *Surroundings) { s.Cleanliness = Dirty }, false, "erase it"},
		{"a node", func(s *Server, _ *Surroundings) { s.Node = &Node{} }, true, ""},
		{"a node whose disks were never erased", func(s *Server, _ *Surroundings) { s.Node, s.Cleanliness = &Node{}, Dirty }, true, ""},
		{"a node with left-overs", func(s *Server, _ *Surroundings) { s.Node, s.LeftOvers = &Node{}, &LeftOvers{Count: 3} }, false, "former owner left 3 things"},
		{"a node in use", func(s *Server, in *Surroundings) { s.Node, in.Placements = &Node{}, 1 }, false, "customers have something on it (1)"},
		{"a node in maintenance", func(s *Server, _ *Surroundings) { s.Node, s.Maintenance = &Node{}, &Maintenance{} }, false, "maintenance"},
		{"sold", func(s *Server, _ *Surroundings) { s.Claim = Claim{Kind: ClaimReseller, Ref: "rsl-1"} }, false, "belongs to reseller"},
	} {
		s, in := good()
		c.is(&s, &in)
		list := Unsellable(&s, in)
		if Available(list) != c.sellable || !c.sellable && !strings.Contains(list[0].Message, c.words) {
			t.Errorf("%s: %+v", c.what, list)
		}
		if s.Node != nil && Available(Unavailable(&s, in)) {
			t.Errorf("%s: an order would get it", c.what)
		}
	}
}

func TestB19_ACanceledOperationIsNoObstacle(t *testing.T) {
	s, in := good()
	s.Last.State = "canceled"
	if r := Unavailable(&s, in); len(r) != 0 {
		t.Fatalf("got %+v", r)
	}
}

func TestB24_OverrideWaivesChecksAndErrorsOnly(t *testing.T) {
	s, in := good()
	s.Diagnosis.Checks = append(s.Diagnosis.Checks,
		protocol.Check{Name: "disk sda", Verdict: protocol.VerdictError},
		protocol.Check{Name: "nic eth1", Verdict: protocol.VerdictWarning})
	s.Override = &Override{Note: Note{Reason: "spare parts ordered", Actor: "ann"}, DiagnosisID: s.Diagnosis.ID}
	list := Unavailable(&s, in)
	if len(list) != 2 || !Available(list) {
		t.Fatalf("got %+v", list)
	}
	s.Maintenance = &Maintenance{Note: Note{Reason: "x"}}
	if Available(Unavailable(&s, in)) {
		t.Fatal("an override waived maintenance")
	}
	s.Maintenance = nil
	s.Diagnosis.ID = "opn-9"
	if Available(Unavailable(&s, in)) {
		t.Fatal("an override outlived the diagnostics that it was given for")
	}
}

func TestB25_IndexEqualsBruteForce(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		x := NewIndex()
		servers, facts, connected, placed := map[string]*Server{}, map[string]*Facts{}, map[string]bool{}, map[string]uint64{}
		for range 400 {
			id := fmt.Sprintf("srv-%d", rng.IntN(12))
			switch rng.IntN(7) {
			case 0:
				delete(servers, id)
				x.PutServer(id, nil)
			case 1, 2:
				s, _ := good()
				s.ID, s.InService = id, rng.IntN(4) > 0
				servers[id] = &s
				x.PutServer(id, &s)
			case 3:
				delete(facts, id)
				x.PutFacts(id, nil)
			case 4:
				f := &Facts{Server: id, Key: "k"}
				for range rng.IntN(3) {
					f.Inventory.Identity.MACs = append(f.Inventory.Identity.MACs, fmt.Sprintf("02:00:00:00:00:%02x", rng.IntN(10)))
				}
				facts[id] = f
				x.PutFacts(id, f)
			case 5:
				connected[id] = rng.IntN(3) > 0
				x.SetConnected(id, connected[id], time.Time{})
			case 6:
				placed[id] = uint64(rng.IntN(2))
				x.PutLoad(id, placed[id])
			}
			free := 0
			for id, s := range servers {
				around := brute(id, servers, facts, connected)
				around.Placements = placed[id]
				want := Unavailable(s, around)
				if got := x.Reasons(id); !reflect.DeepEqual(got, want) {
					t.Fatalf("seed %d, %s:\ngot  %+v\nwant %+v", seed, id, got, want)
				}
				if Available(want) != x.Available(id) {
					t.Fatalf("seed %d, %s: availability", seed, id)
				}
				if Available(want) {
					free++
				}
			}
			if x.Count() != free {
				t.Fatalf("seed %d: count %d, want %d", seed, x.Count(), free)
			}
		}
	}
}

func brute(id string, servers map[string]*Server, facts map[string]*Facts, connected map[string]bool) Surroundings {
	in := Surroundings{Facts: facts[id], Connected: connected[id]}
	if in.Facts == nil {
		return in
	}
	var own []string
	for _, m := range MACs(&in.Facts.Inventory) {
		shared := false
		for other, f := range facts {
			if other == id || servers[other] == nil {
				continue
			}
			for _, n := range MACs(&f.Inventory) {
				shared = shared || n == m
			}
		}
		if shared {
			own = append(own, m)
		}
	}
	// the index names a MAC once, in order
	seen := map[string]bool{}
	for m := 0; m < 10; m++ {
		mac := fmt.Sprintf("02:00:00:00:00:%02x", m)
		for _, o := range own {
			if o == mac && !seen[mac] {
				seen[mac] = true
				in.SharedMACs = append(in.SharedMACs, mac)
			}
		}
	}
	return in
}

func TestMACsFallBackToCurrentAddresses(t *testing.T) {
	inv := hardware.Inventory{NICs: []hardware.NIC{{PermanentMAC: "a", MAC: "b"}, {MAC: "c"}, {}}}
	if got := MACs(&inv); !reflect.DeepEqual(got, []string{"a", "c"}) {
		t.Fatalf("got %v", got)
	}
}
