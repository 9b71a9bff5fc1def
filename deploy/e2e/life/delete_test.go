// Package life takes services through their ends with real programs: two controllers over three members
// of etcd, simulated agents, a Redfish service and SNMP switches that count what is done to them.
package life

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/store"
)

// op is how an operation is.
type op struct {
	State   string
	Message string
	Current int
	Steps   []struct {
		Name, State, Detail string
		FinishedAt          time.Time `json:"finished_at"`
	}
}

func (o op) at() string {
	if o.Current < len(o.Steps) {
		return o.Steps[o.Current].Name
	}
	return "end"
}

func (h *house) operation(r *replica, p *place) (o op) {
	h.t.Helper()
	eventually(h.t, "the operation is shown", func() bool {
		status, _ := h.try(r, "GET", "/v1/operations/"+p.operation, nil, &o)
		return status == 200
	})
	return o
}

// drop asks for the end of a service. What was counted before is forgotten.
func (h *house) drop(r *replica, p *place) {
	h.t.Helper()
	p.box.forget()
	p.port.forget()
	var s struct{ Operation string }
	h.must(r, "POST", "/v1/services/"+p.service+"/delete", object{"reason": "the end"}, &s)
	if p.operation = s.Operation; p.operation == "" {
		h.t.Fatal("the delete has no operation")
	}
}

// off lets a customer turn his server off.
func (h *house) off(r *replica, p *place) {
	h.t.Helper()
	p.wasOff = true
	h.must(r, "POST", "/v1/services/"+p.service+"/power", object{"action": "off"}, nil)
	eventually(h.t, "server "+p.name+" is off", func() bool {
		var s struct{ State, Operation string }
		status, _ := h.try(r, "GET", "/v1/services/"+p.service, nil, &s)
		var srv struct{ Operation string }
		h.must(r, "GET", "/v1/servers/"+p.id, nil, &srv)
		return status == 200 && p.box.Power() == "off" && srv.Operation == ""
	})
}

func (h *house) until(r *replica, p *place, step string) {
	h.t.Helper()
	eventually(h.t, p.name+" is at "+step, func() bool {
		o := h.operation(r, p)
		if o.State != "running" {
			h.t.Fatalf("%s is %s before %s: %s", p.name, o.State, step, o.Message)
		}
		return o.at() == step
	})
}

// TestB42_KillNineOfTheLeaderInTheMiddleOfEachStepOfADelete has servers at each step that takes time when
// the leader dies: those whose device did what it was told but did not answer yet, and those whose agent works. The other
// replica ends all, and nothing is done twice.
func TestB42_KillNineOfTheLeaderInTheMiddleOfEachStepOfADelete(t *testing.T) {
	h := newHouse(t, 8)
	leader, other := h.leader()
	portsOn, powerOn, await, erase, powerOff, portsOff := h.servers[0], h.servers[1], h.servers[2], h.servers[3], h.servers[4], h.servers[5]
	for _, p := range []*place{powerOn, await, h.servers[7]} {
		h.off(leader, p)
	}
	at := map[*place]*gate{powerOn: h.redfish.gate(powerOn.serial, "On"), powerOff: h.redfish.gate(powerOff.serial, "GracefulShutdown")}
	before := h.redfish.gate(portsOff.serial, "GracefulShutdown")
	at[portsOn], at[portsOff] = portsOn.gateAt("vlan 99"), portsOff.gateAt("down")
	at[portsOff].release() // its port goes down and up first
	await.box.late = true
	for _, p := range []*place{powerOff, portsOff, powerOn, await} {
		h.drop(leader, p)
	}
	eventually(t, "the deeds are done and not answered", func() bool { return at[powerOn].held() && at[powerOff].held() && before.held() })
	h.until(leader, await, "await-agent")
	h.drop(leader, erase)
	h.drop(leader, portsOn)
	at[portsOff].arm()
	before.release()
	eventually(t, "the switches did and do not answer", func() bool { return at[portsOn].held() && at[portsOff].held() })
	h.until(leader, erase, "erase")
	h.kill(leader, other, func() {
		for _, g := range at {
			g.release()
		}
		await.box.hurry()
	}, map[*place]string{portsOn: "ports-on", powerOn: "power-on", await: "await-agent", erase: "erase", powerOff: "power-off", portsOff: "ports-off"})

	h.replicas = []*replica{other, h.serve(leader.agents)}
	leader, other = h.leader()
	diagnose, commits := h.servers[6], h.servers[7]
	boot := h.redfish.gate(commits.serial, "On")
	h.drop(leader, commits)
	eventually(t, "the power is on and not answered", boot.held)
	h.drop(leader, diagnose)
	h.until(leader, diagnose, "diagnose")
	boot.release()
	time.Sleep(rand.N(100 * time.Millisecond)) // anywhere in the commits that follow: stop-running, addresses, owner
	h.kill(leader, other, func() {}, map[*place]string{diagnose: "", commits: ""})
}

func (p *place) gateAt(word string) *gate {
	g := newGate()
	p.port.mu.Lock()
	p.port.at[word] = g
	p.port.mu.Unlock()
	g.arm()
	return g
}

// kill ends the leader, and wants all deletes done by the other one. at is the step that each was at.
func (h *house) kill(leader, other *replica, after func(), at map[*place]string) {
	h.t.Helper()
	for p, step := range at {
		o := h.operation(other, p)
		if step != "" && o.at() != step {
			h.t.Errorf("%s is at %s, not at %s: %+v", p.name, o.at(), step, o)
		}
		h.t.Logf("%s is at %s", p.name, o.at())
	}
	leader.kill()
	killed := time.Now()
	after()
	h.replicas = []*replica{other}
	h.leader()
	led := time.Now()
	h.t.Logf("the other leads %v after the kill; the lease is %v", led.Sub(killed).Round(100*time.Millisecond), store.LeaderTTL)
	for p := range at {
		eventually(h.t, "the delete of "+p.name+" is done", func() bool {
			o := h.operation(other, p)
			if o.State == "held" || o.State == "failed" || o.State == "canceled" {
				h.t.Fatalf("%s is %s: %s", p.name, o.State, o.Message)
			}
			return o.State == "done"
		})
	}
	h.t.Logf("all are done %v after that", time.Since(led).Round(100*time.Millisecond))
	for p := range at {
		h.once(other, p)
	}
}

var order = []string{"ports-on", "power-on", "stop-running", "remove-addresses", "remove-owner", "await-agent", "erase", "diagnose", "power-off", "ports-off"}

// once checks that a delete did everything, in its order, and nothing twice.
func (h *house) once(r *replica, p *place) {
	h.t.Helper()
	o := h.operation(r, p)
	var names []string
	var last time.Time
	for _, s := range o.Steps {
		names = append(names, s.Name)
		if s.FinishedAt.Before(last) {
			h.t.Errorf("%s: step %s ended before the one before it", p.name, s.Name)
		}
		last = s.FinishedAt
	}
	if !slices.Equal(names, order) {
		h.t.Errorf("%s: the steps were %v", p.name, names)
	}
	var srv struct {
		Available   bool
		Reasons     any
		Cleanliness string
		Claim       struct{ Kind string }
	}
	h.must(r, "GET", "/v1/servers/"+p.id, nil, &srv)
	if !srv.Available || srv.Cleanliness != "clean" || srv.Claim.Kind != "none" {
		h.t.Errorf("%s: the server is %+v", p.name, srv)
	}
	if got := p.port.said(); got != "down, vlan 99, up, down" {
		h.t.Errorf("%s: its port was set %s", p.name, got)
	}
	p.box.mu.Lock()
	defer p.box.mu.Unlock()
	starts := strings.Join(p.box.starts, ", ")
	if want := map[bool]string{true: "network"}[p.wasOff]; p.box.stops != 1 || starts != want {
		h.t.Errorf("%s: it was stopped %d times and started from %q", p.name, p.box.stops, starts)
	}
}
