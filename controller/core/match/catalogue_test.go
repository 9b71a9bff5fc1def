package match_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/steelyard/steelyard/controller/core/match"
	"github.com/steelyard/steelyard/controller/core/match/matchtest"
	"github.com/steelyard/steelyard/pkg/hardware"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// town is a fleet in three locations with server types.
func town(seed uint64, n, classes int) []match.Server {
	fleet := matchtest.Fleet(seed, n, classes)
	matchtest.Spread(fleet, "ams", "fra", "lon")
	types := []match.ServerType{
		{Name: "amd", Configuration: hardware.Configuration{CPUModel: "EPYC 7302P"}},
		{Name: "arm", Configuration: hardware.Configuration{CPUModel: "Neoverse-N1"}},
		{Name: "two", Configuration: hardware.Configuration{CPUModel: "Xeon Gold 6130", Sockets: 2}},
	}
	for i := range fleet {
		fleet[i].ServerType = match.Classify(types, fleet[i].Configuration)
	}
	return fleet
}

func sameAnswer(t *testing.T, w match.Wish, got match.Result, ok bool, want match.Result, wantOK bool) {
	t.Helper()
	if ok != wantOK || !reflect.DeepEqual(got, want) {
		t.Fatalf("wish %+v\ngot  %v %+v\nwant %v %+v", w, ok, got, wantOK, want)
	}
}

func TestB28a_CatalogueAnswersLikeBruteForce(t *testing.T) {
	for seed := range uint64(6) {
		fleet := town(seed, 400, 120)
		c := filled(fleet)
		exact, none := 0, 0
		for _, w := range matchtest.Mixed(seed, fleet, 400) {
			want, wantOK := matchtest.BruteForce(fleet, w)
			got, ok := c.Best(w)
			sameAnswer(t, w, got, ok, want, wantOK)
			first, found := c.Exact(w)
			sameAnswer(t, w, first, found, map[bool]match.Result{true: want}[want.Exact], want.Exact)
			if want.Exact {
				exact++
			}
			if !wantOK {
				none++
			}
		}
		if exact < 20 || none == 400 {
			t.Fatalf("seed %d: %d exact, %d without any: the wishes prove little", seed, exact, none)
		}
	}
}

// Puts, moves, changes, removals, takes and releases in any order leave the same
// catalogue as putting only what is free.
func TestB26_OnlyAvailableServersAreCompared(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	pool := town(8, 300, 60)
	wishes := matchtest.Mixed(8, pool, 300)
	c := match.NewCatalogue()
	present, taken := map[string]match.Server{}, map[string]bool{}
	for step, w := range wishes {
		for range 20 {
			randomStep(t, r, c, pool, present, taken)
		}
		var free []match.Server
		for id, s := range present {
			if !taken[id] {
				free = append(free, s)
			}
		}
		want, wantOK := matchtest.BruteForce(free, w)
		got, ok := c.Best(w)
		sameAnswer(t, w, got, ok, want, wantOK)
		if c.Free() != len(free) {
			t.Fatalf("step %d: %d free, want %d", step, c.Free(), len(free))
		}
	}
	for id := range present {
		c.Remove(id)
	}
	if n := len(c.Classes()); n != 0 || c.Free() != 0 {
		t.Fatalf("an empty catalogue has %d classes and %d free servers", n, c.Free())
	}
}

func randomStep(t *testing.T, r *rand.Rand, c *match.Catalogue, pool []match.Server, present map[string]match.Server, taken map[string]bool) {
	t.Helper()
	s := pool[r.IntN(len(pool))]
	_, there := present[s.ID]
	switch r.IntN(5) {
	case 0, 1: // also with other hardware, or in another place, than before
		other := pool[r.IntN(len(pool))]
		s.Configuration, s.Location, s.ServerType = other.Configuration, other.Location, other.ServerType
		c.Put(s)
		present[s.ID] = s
	case 2:
		if c.Remove(s.ID) != there {
			t.Fatalf("remove %s: it was there: %v", s.ID, there)
		}
		delete(present, s.ID)
		delete(taken, s.ID)
	case 3:
		if got := c.Take(s.ID); got != (there && !taken[s.ID]) {
			t.Fatalf("take %s said %v", s.ID, got)
		}
		if there {
			taken[s.ID] = true
		}
	case 4:
		c.Release(s.ID)
		delete(taken, s.ID)
	}
}

func TestB28a_OrderOfInputDoesNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	fleet := town(4, 300, 80)
	first := filled(fleet)
	wishes := matchtest.Mixed(4, fleet, 200)
	for range 3 {
		r.Shuffle(len(fleet), func(i, j int) { fleet[i], fleet[j] = fleet[j], fleet[i] })
		again := filled(fleet)
		for _, w := range wishes {
			a, okA := first.Best(w)
			b, okB := again.Best(w)
			sameAnswer(t, w, b, okB, a, okA)
		}
		if !reflect.DeepEqual(first.Classes(), again.Classes()) {
			t.Fatal("the stock list depends on the order of input")
		}
	}
}

func TestB28a_AddingAFittingServerNeverWorsens(t *testing.T) {
	fleet := town(5, 300, 150)
	wishes := matchtest.Mixed(5, fleet, 40)
	c := match.NewCatalogue()
	best := make([]match.Result, len(wishes))
	for _, s := range fleet {
		c.Put(s)
		for i, w := range wishes {
			r, ok := c.Best(w)
			if best[i].ServerID != "" && (!ok || r.Score.Compare(best[i].Score) > 0) {
				t.Fatalf("putting %s made %+v of %+v", s.ID, r, best[i])
			}
			if ok {
				best[i] = r
			}
		}
	}
}

func TestB28a_TiesGoToTheLongestFreeThenTheFirstID(t *testing.T) {
	fleet := matchtest.Fleet(1, 6, 1)
	for i := range fleet {
		fleet[i].ID = string(rune('a' + i))
		fleet[i].FreeSince = []int64{30, 10, 20, 10, 40, 50}[i]
	}
	c := filled(fleet)
	w := match.Wish{Location: "ams", Configuration: fleet[0].Configuration}
	var order string
	for {
		r, ok := c.Reserve(w)
		if !ok {
			break
		}
		order += r.ServerID
	}
	if order != "bdcaef" {
		t.Fatalf("served in the order %s", order)
	}
	c.Release("c") // its place in the queue is as before
	c.Release("e")
	if r, _ := c.Best(w); r.ServerID != "c" {
		t.Fatalf("got %s", r.ServerID)
	}
}

func TestB28a_LessSurplusGoesFirst(t *testing.T) {
	plain := matchtest.Fleet(1, 1, 1)[0]
	plain.ID, plain.FreeSince = "z", 100
	plain.Configuration.GPUs = nil
	rich := plain
	rich.ID, rich.FreeSince = "a", 1
	rich.Configuration.GPUs = []hardware.GPUGroup{{Count: 8, Model: "NVIDIA H100"}}
	c := filled([]match.Server{plain, rich})
	for _, model := range []string{plain.Configuration.CPUModel, ""} { // by look-up, by scan
		w := match.Wish{Configuration: plain.Configuration}
		w.Configuration.CPUModel = model
		if r, _ := c.Best(w); r.ServerID != "z" || !r.Exact {
			t.Errorf("a server with GPUs that nobody asked for was given: %+v", r)
		}
	}
	c.Take("z")
	if r, _ := c.Exact(match.Wish{Configuration: plain.Configuration}); r.ServerID != "a" {
		t.Errorf("got %+v", r)
	}
}

func TestB28a_LocationAndArchitectureAreHard(t *testing.T) {
	s := match.Server{ID: "a", Location: "ams", Configuration: hardware.Configuration{Arch: "x86_64", MemoryBytes: 1 << 30}}
	c := filled([]match.Server{s})
	for _, w := range []match.Wish{
		{Location: "fra"},
		{Location: "ams", Configuration: hardware.Configuration{Arch: "aarch64"}},
		{Location: "ams", ServerType: "small"},
	} {
		if r, ok := c.Best(w); ok {
			t.Errorf("%+v got %+v", w, r)
		}
		if _, err := match.Compare(s, w); err == nil {
			t.Errorf("%+v: nothing says why the server is ruled out", w)
		}
	}
	if _, ok := c.Best(match.Wish{}); !ok {
		t.Error("any server would do, and none was found")
	}
}

func TestB2_ServersComeOnlyFromTheOrderedLocation(t *testing.T) {
	fleet := town(2, 90, 30)
	c := filled(fleet)
	for _, w := range matchtest.Mixed(2, fleet, 200) {
		if r, ok := c.Best(w); ok && w.Location != "" && r.Location != w.Location {
			t.Fatalf("ordered in %s, got %s in %s", w.Location, r.ServerID, r.Location)
		}
	}
}

func TestB28b_ParallelOrdersNeverGetTheSameServer(t *testing.T) {
	const servers, orders = 200, 1000
	fleet := matchtest.Fleet(12, servers, 20)
	c := filled(fleet)
	wishes := matchtest.Close(12, fleet, orders)
	var mu sync.Mutex
	var none atomic.Int32
	winners := map[string]int{}
	var wg sync.WaitGroup
	for i := range wishes {
		wishes[i].Configuration.Arch = "" // so that every server can serve every order
		wg.Go(func() {
			r, ok := c.Reserve(wishes[i])
			if !ok {
				none.Add(1)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			winners[r.ServerID]++
		})
	}
	wg.Wait()
	if len(winners) != servers || none.Load() != orders-servers || c.Free() != 0 {
		t.Fatalf("%d winners, %d without, %d still free; want %d, %d, 0", len(winners), none.Load(), c.Free(), servers, orders-servers)
	}
	for id, n := range winners {
		if n != 1 {
			t.Fatalf("%s was given %d times", id, n)
		}
	}
}

// While some orders come and go and servers change, whatever is told is true.
func TestB28b_ReadersAndWritersAtOnce(t *testing.T) {
	fleet := town(13, 120, 30)
	wishes := matchtest.Mixed(13, fleet, 200)
	c := filled(fleet)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(13, uint64(g)))
			for i := range 300 {
				s := fleet[r.IntN(len(fleet))]
				switch i % 4 {
				case 0:
					c.Put(s)
				case 1:
					c.Remove(s.ID)
				default:
					if got, ok := c.Reserve(wishes[r.IntN(len(wishes))]); ok {
						c.Release(got.ServerID)
					}
					c.Classes()
				}
			}
		})
	}
	wg.Wait()
	for _, s := range fleet {
		c.Put(s)
	}
	if c.Free() != len(fleet) {
		t.Fatalf("%d of %d free at the end", c.Free(), len(fleet))
	}
}

func TestB12_CatalogueFollowsTheInventory(t *testing.T) {
	c := match.NewCatalogue()
	small := hardware.Configuration{Arch: "x86_64", MemoryBytes: 16 << 30}
	large := hardware.Configuration{Arch: "x86_64", MemoryBytes: 64 << 30}
	for i := range 3 {
		c.Put(match.Server{ID: fmt.Sprint(i), Location: "ams", Configuration: small})
	}
	c.Put(match.Server{ID: "2", Location: "ams", Configuration: large}) // re-inventory found more memory
	c.Put(match.Server{ID: "2", Location: "ams", Configuration: large}) // telling it twice changes nothing
	c.Take("0")
	want := []match.Class{
		{Location: "ams", Configuration: small, Free: 1, Taken: 1},
		{Location: "ams", Configuration: large, Free: 1},
	}
	if got := c.Classes(); !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v", got)
	}
	c.Put(match.Server{ID: "0", Location: "ams", Configuration: large}) // stays taken
	c.Remove("1")
	if got := c.Classes(); !reflect.DeepEqual(got, []match.Class{{Location: "ams", Configuration: large, Free: 1, Taken: 1}}) {
		t.Fatalf("got %+v", got)
	}
}

func TestExactAgreesWithItsDefinition(t *testing.T) {
	fleet := town(14, 200, 60)
	c := filled(fleet)
	for _, w := range matchtest.Exact(14, fleet, 200) {
		r, ok := c.Exact(w)
		if !ok || !r.Exact || !slices.ContainsFunc(fleet, func(s match.Server) bool { return s.ID == r.ServerID && match.Fits(s, w) }) {
			t.Fatalf("%+v: %v %+v", w, ok, r)
		}
	}
}
