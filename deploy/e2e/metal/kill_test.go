package metal

import (
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/outofband/power/machine"
	"github.com/steelyard/steelyard/deploy/e2e/metal/qemu"
)

// phase is a moment in the life of a server.
type phase struct {
	name string
	now  func(l *life) bool
}

// phases in the order in which a life meets them. The last start from the network is that of the delete.
var phases = []phase{
	{"erase", atStep("erase", "erase")},
	{"diagnose", atStep("diagnose", "diagnose")},
	{"image", atStep("install", "image")},
	{"first boot", func(l *life) bool { return atStep("install", "await-system")(l) && l.server.screen() != "" }},
	{"netboot", func(l *life) bool {
		return atStep("delete", "await-agent")(l) && strings.Contains(l.server.screen(), "asking what this machine shall start")
	}},
	{"enrol", func(l *life) bool {
		return atStep("delete", "await-agent")(l) && strings.Contains(l.server.screen(), "connecting to "+agents)
	}},
	{"delete's erase", atStep("delete", "erase")},
}

// atStep tells whether an operation of the server is in a step, and a hand has it.
func atStep(kind, name string) func(*life) bool {
	return func(l *life) bool {
		var list struct{ Items []op }
		if status, _ := l.try("GET", "/v1/operations?all=true&state=running&kind="+kind+"&server="+l.id, nil, &list); status != 200 || len(list.Items) == 0 {
			return false
		}
		o := list.Items[0]
		if o.Current >= len(o.Steps) || o.Steps[o.Current].Name != name {
			return false
		}
		s := o.Steps[o.Current]
		return s.State == "sent" || strings.HasPrefix(name, "await-")
	}
}

// kills are what can happen at any moment.
var kills = map[string]func(l *life){
	"controller": func(l *life) {
		l.controller.kill()
		l.serve()
	},
	"machine": func(l *life) { // its emulator dies, and somebody starts it again
		l.server.Stop(false)
		l.server.Start(machine.Network)
	},
	"power": func(l *life) { l.server.Stop(false) }, // behind the controller's back; nobody starts it again
}

// blow is a kill at a phase.
type blow struct{ phase, kill string }

// strikes deals the blows while the life goes on, and returns what tells whether all of them met their phase.
func (l *life) strikes(blows []blow) (met func()) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for len(blows) > 0 {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
			for _, p := range phases {
				if p.name == blows[0].phase && p.now(l) {
					l.t.Logf("at %s: kill the %s", blows[0].phase, blows[0].kill)
					kills[blows[0].kill](l)
					blows = blows[1:]
					break
				}
			}
		}
	})
	end := sync.OnceFunc(func() {
		close(stop)
		wg.Wait()
	})
	l.t.Cleanup(end)
	return func() {
		end()
		if len(blows) > 0 {
			l.t.Errorf("these phases were not met: %v", blows)
		}
	}
}

// TestB42_KilledAtAnyPhaseALifeComesToTheSameEnd kills controller, machine or power in the middle of what they do: the customer
// gets his server, and nothing of his is left on it when he is gone. Each is killed once in one life; with STEELYARD_METAL=all each
// has a life of its own and is killed in every phase of it.
func TestB42_KilledAtAnyPhaseALifeComesToTheSameEnd(t *testing.T) {
	lives := map[string][]blow{"each once": {{"erase", "machine"}, {"image", "controller"}, {"delete's erase", "power"}}}
	if os.Getenv("STEELYARD_METAL") == "all" {
		lives = map[string][]blow{}
		for kill := range kills {
			for _, p := range phases {
				lives[kill] = append(lives[kill], blow{p.name, kill})
			}
		}
	}
	for name, blows := range lives {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			// Slow enough to be killed in the middle, and a disk that can only be overwritten.
			disk := qemu.NewDisk(t, "virtio", "DISK-1", 512<<20)
			disk.Options = "throttling.bps-write=67108864"
			l := &life{house: h, t: t, disk: disk, last: time.Now(), server: newServer(t, h.rack, 1, qemu.Machine{Memory: 768, Disks: []qemu.Disk{disk}, Identity: acme("1", 1)})}
			l.survives(blows)
			t.Logf("started from %v; %s", l.server.startedFrom(), strings.Join(l.phases, ", "))
		})
	}
}

func (l *life) survives(blows []blow) {
	l.t.Helper()
	l.server.Start(machine.Network)
	l.id = l.approve(l.server)
	met := l.strikes(blows)
	l.known = l.ready(l.id)
	l.over("commissioned")
	l.used()
	l.takenBack()
	met()
}
