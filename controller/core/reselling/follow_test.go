package reselling

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

func anyRoom(string) Limit { return NoLimit }

func TestP6_AResellerHasWhatHisPlanSaysUnlessItWasSetByHand(t *testing.T) {
	r := Reseller{ID: "a", Limits: Limits{Servers: AtMost(5)}}
	p := &Plan{ID: "p", Version: 3, Limits: Limits{Servers: AtMost(1), Disk: AtMost(100), Mailboxes: NoLimit}, Oversell: true}
	r = r.SignedUp(p.ID).Follow(p, anyRoom)
	if want := (Limits{Servers: AtMost(5), Disk: AtMost(100), Mailboxes: NoLimit}); !reflect.DeepEqual(r.Limits, want) || !r.Oversell || r.Version != 3 {
		t.Fatalf("%+v", r)
	}
	if own := r.Own(); !slices.Equal(own, []string{Servers}) {
		t.Errorf("own: %v", own)
	}
	byHand := r
	byHand.Limits = Limits{Servers: AtMost(5), Disk: AtMost(70), Mailboxes: NoLimit}
	r = byHand.ByHand(&r)
	p = &Plan{ID: "p", Version: 4, Limits: Limits{Servers: AtMost(1), Disk: AtMost(200), Databases: AtMost(3)}}
	r = r.Follow(p, anyRoom)
	if want := (Limits{Servers: AtMost(5), Disk: AtMost(70), Databases: AtMost(3)}); !reflect.DeepEqual(r.Limits, want) || r.Oversell {
		t.Fatalf("%+v", r)
	}
	if again := r.Follow(p, anyRoom); !reflect.DeepEqual(again, r) {
		t.Errorf("repeated: %+v", again)
	}
	if told := r.Told(time.Unix(1, 0)); told.Reached.Outcome != Synced || told.Reached.Message != "set by hand and kept: disk_mib, servers" {
		t.Errorf("%+v", told.Reached)
	}
	r = r.Unset([]string{Disk, Servers}).Follow(p, anyRoom)
	if want := (Limits{Servers: AtMost(1), Disk: AtMost(200), Databases: AtMost(3)}); !reflect.DeepEqual(r.Limits, want) || len(r.Own()) != 0 {
		t.Errorf("given back: %+v", r)
	}
}

func TestP9_APlanGivesNoMoreThanWhoIsAboveHas(t *testing.T) {
	room := func(string) Limit { return AtMost(30) }
	r := Reseller{ID: "a", Parent: "up", Path: "up/a"}.SignedUp("p")
	for _, c := range []struct {
		wanted, want uint64
		short        bool
	}{{20, 20, false}, {50, 30, true}, {25, 25, false}} {
		r = r.Follow(&Plan{ID: "p", Limits: Limits{Disk: AtMost(c.wanted)}}, room)
		if r.Limits[Disk] != AtMost(c.want) || (len(r.Short) > 0) != c.short {
			t.Errorf("%d: %+v", c.wanted, r)
		}
		if outcome := r.Told(time.Unix(1, 0)).Reached.Outcome; (outcome == Unsynced) != c.short {
			t.Errorf("%d: %s", c.wanted, outcome)
		}
	}
	r.Limits = Limits{Disk: AtMost(40)} // from a time when there was more
	if r = r.Follow(&Plan{ID: "p", Limits: Limits{Disk: AtMost(50)}}, room); r.Limits[Disk] != AtMost(40) {
		t.Errorf("what he has was taken for want of room: %+v", r.Limits)
	}
}

func TestP18_ALowerLimitLeavesWhatIsThereAndIsTold(t *testing.T) {
	r := Reseller{ID: "a", Limits: Limits{Disk: AtMost(10), Traffic: NoLimit}, Below: Sum{Disk: {Total: 11}}}
	if got := r.OverLimits(); !reflect.DeepEqual(got, []OverLimit{{Disk, AtMost(10), AtMost(11)}}) {
		t.Errorf("promised: %+v", got)
	}
	r.Oversell = true
	if got := r.OverLimits(); got != nil {
		t.Errorf("who oversells: %+v", got)
	}
}

// TestP12_ThePreviewOfAPlanIsWhatFollows whoever stands above whom.
func TestP12_ThePreviewOfAPlanIsWhatFollows(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 12))
	some := func() Limits {
		l := Limits{}
		for _, name := range Resources {
			switch rng.IntN(3) {
			case 0:
				l[name] = AtMost(rng.Uint64N(100))
			case 1:
				l[name] = NoLimit
			}
		}
		return l
	}
	for range 300 {
		world := map[string]Reseller{}
		var list []Reseller
		for _, path := range []string{"a", "b", "a/c", "a/c/d"} {
			r := Reseller{ID: Own(path), Path: path, Parent: Own(path[:max(len(path)-2, 0)]), Limits: some(), Oversell: rng.IntN(2) == 0}.SignedUp("p")
			if up, below := world[r.Parent]; below {
				up.Below = up.Below.Change(nil, r.Limits)
				world[up.ID] = up
			}
			world[r.ID] = r
		}
		for _, id := range []string{"d", "c", "a", "b"} {
			list = append(list, world[id])
		}
		books := func(id string) (Reseller, bool) { r, known := world[id]; return r, known }
		p := &Plan{ID: "p", Version: 2, Limits: some(), Oversell: rng.IntN(2) == 0}
		before := map[string]Reseller{}
		for id, r := range world {
			before[id] = r
		}
		told := Preview(list, p, books)
		for _, id := range []string{"a", "b", "c", "d"} {
			now := world[id]
			up, below := books(now.Parent)
			next := now.Follow(p, func(resource string) Limit {
				if !below {
					return NoLimit
				}
				return up.Room(&now, resource)
			})
			world[id] = next
			if below {
				up.Below = up.Below.Change(now.Limits, next.Limits)
				world[up.ID] = up
			}
		}
		var want PlanReport
		for _, id := range []string{"a", "b", "c", "d"} {
			b, a := before[id], world[id]
			want.add(Compare(&b, &a))
		}
		if told.Changed != want.Changed || told.OverLimit != want.OverLimit || told.Unsynced != want.Unsynced || len(told.Effects) != len(want.Effects) {
			t.Fatalf("told %+v, happened %+v", told, want)
		}
	}
}
