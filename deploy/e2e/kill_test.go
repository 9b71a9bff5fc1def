package e2e

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestB42_KillNineAtAnyMomentOfAnOrderGoesOn cuts the power of the whole fleet, controller and
// agents, at another moment of each order, and starts it again on the same directory.
func TestB42_KillNineAtAnyMomentOfAnOrderGoesOn(t *testing.T) {
	f := startFleet(t, 8)
	var orders []string
	for i := range 4 {
		s := f.free(t)
		tariff := fmt.Sprint("power cut ", i)
		f.tariffFor(tariff, s)
		id := f.place(tariff, "demo-linux", fmt.Sprintf("cut%d.example.net", i))
		pause := rand.N(800 * time.Millisecond)
		time.Sleep(pause)
		f.kill()
		t.Logf("killed %v after order %d", pause, i)
		f.start()
		orders = append(orders, id)
	}
	owner := map[string]string{}
	for _, id := range orders {
		o := f.untilFulfilled(id)
		if other := owner[o.Server]; other != "" {
			t.Errorf("orders %s and %s have one server", id, other)
		}
		owner[o.Server] = id
	}
	claimed := 0
	for _, s := range f.servers() {
		if s.Claim.Kind != "none" {
			claimed++
		}
	}
	if claimed != len(orders) {
		t.Errorf("%d servers are claimed by %d orders", claimed, len(orders))
	}
	eventually(t, "no operation is left running on them", func() bool {
		for _, s := range f.servers() {
			if owner[s.ID] != "" && s.Operation != "" {
				return false
			}
		}
		return true
	})
}

// free is an available simulated server.
func (f *fleet) free(t *testing.T) (found server) {
	t.Helper()
	eventually(t, "a server is free", func() bool {
		for _, s := range f.servers() {
			if s.Available && s.Environment == "simulated" {
				found = s
				return true
			}
		}
		return false
	})
	return found
}
