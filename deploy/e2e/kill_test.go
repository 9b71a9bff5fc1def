package e2e

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestB42_KillNineOfTheControllerAtAnyMomentOfAnOrderGoesOn ends the only controller at another
// moment of each order, and starts it again on the same directory. The agents stay.
func TestB42_KillNineOfTheControllerAtAnyMomentOfAnOrderGoesOn(t *testing.T) {
	h := &house{t: t, flags: []string{"serve", "--data", t.TempDir(), "--http", freeAddress(t), "--agents", freeAddress(t)}}
	h.replicas = []*replica{h.serve()}
	h.furnish("slow=0.5")
	var orders []string
	for i := range 5 {
		r := h.replicas[0]
		orders = append(orders, r.place(fmt.Sprint("kind ", i), "small", fmt.Sprintf("cut%d.example.net", i)))
		pause := rand.N(1500 * time.Millisecond)
		time.Sleep(pause)
		r.kill()
		t.Logf("killed %v after order %d", pause, i)
		h.replicas[0] = h.serve()
	}
	h.oneServerEach(orders)
}

func (h *house) oneServerEach(orders []string) {
	c, owner := &h.replicas[0].client, map[string]string{}
	for _, id := range orders {
		o := c.untilFulfilled(id)
		if other := owner[o.Server]; other != "" {
			h.t.Errorf("orders %s and %s have one server", id, other)
		}
		owner[o.Server] = id
	}
	for _, s := range c.servers() {
		if (s.Claim.Kind != "none") != (owner[s.ID] != "") || owner[s.ID] != "" && s.Operation != "" {
			h.t.Errorf("order %q has server %s, whose claim is %+v and operation %q", owner[s.ID], s.ID, s.Claim, s.Operation)
		}
	}
}

// TestB42_APowerCutInTheMiddleOfAnInstallationGoesOn ends everything at once: controller, etcd and
// the agent that writes to the file that plays its disk.
func TestB42_APowerCutInTheMiddleOfAnInstallationGoesOn(t *testing.T) {
	f := startFleet(t, 2)
	real := f.available(t)
	f.tariffFor("this machine", real)
	id := f.place("this machine", "demo-linux", "cut.example.net")
	pause := rand.N(700 * time.Millisecond)
	time.Sleep(pause)
	f.kill()
	t.Logf("killed %v after the order", pause)
	f.start()
	if o := f.untilFulfilled(id); o.Server != real.ID {
		t.Errorf("the order is on %s, this machine is %s", o.Server, real.ID)
	}
}
