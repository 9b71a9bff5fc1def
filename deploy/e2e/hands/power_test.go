package hands

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/agent/simulate"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/simulated"
	"github.com/steelyard/steelyard/protocol"
)

// switchable runs a simulated fleet whose machines can be switched.
func (c *controller) switchable(count int) simulated.Client {
	c.t.Helper()
	client := simulated.Client{Socket: filepath.Join(c.t.TempDir(), "control")}
	background(c.t, func(ctx context.Context) error {
		return simulate.Run(ctx, simulate.Options{
			Count: count, Seed: 5, Controllers: []string{c.address}, Join: c.token(), Version: "test", Control: client.Socket, BootTime: 50 * time.Millisecond,
		})
	})
	return client
}

// serial is the name under which the fleet knows a server.
func (c *controller) serial(server string) string {
	rep, _ := c.fleet.Reported(server)
	return rep.Inventory.Identity.SystemSerial
}

func (c *controller) machine(client simulated.Client, server string) simulated.Machine {
	c.t.Helper()
	m, err := client.Machine(c.t.Context(), c.serial(server))
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

func (c *controller) turn(client simulated.Client, server string, to simulated.Change) {
	c.t.Helper()
	if _, err := client.Power(c.t.Context(), c.serial(server), to); err != nil {
		c.t.Fatal(err)
	}
}

// sendBoot gives a command that is meant for one boot of the server.
func (c *controller) sendBoot(server, kind, boot string) string {
	cmd := protocol.Command{
		ID: fmt.Sprintf("cmd-%d", c.commands.Add(1)), Server: server, Operation: "op-1", Step: kind, Epoch: 1, Kind: kind, Deadline: time.Now().Add(5 * time.Minute),
	}
	c.fleet.PutCommand(operation.Command{Command: cmd, BootID: boot})
	return cmd.ID
}

// back waits until the server's agent is here in another boot than before.
func (c *controller) back(server, before string) {
	c.t.Helper()
	eventually(c.t, server+" is back in a new boot", func() bool {
		p, ok := c.fleet.Present()[server]
		return ok && p.BootID != before
	})
}

func (c *controller) gone(server string) {
	c.t.Helper()
	eventually(c.t, server+" is gone", func() bool {
		_, ok := c.fleet.Present()[server]
		return !ok
	})
}

// TestX4_AnAgentSwitchesItsOwnMachine reboots one and switches another one off, each once.
func TestX4_AnAgentSwitchesItsOwnMachine(t *testing.T) {
	t.Parallel()
	c := newController(t)
	client := c.switchable(2)
	servers := c.agents(2)
	reboots, goesOff := servers[0], servers[1]

	before := c.machine(client, reboots)
	if res := c.result(c.send(reboots, protocol.CommandReboot, nil)); res.Fault != nil || res.Detail == "" {
		t.Fatalf("reboot: %+v", res)
	}
	c.back(reboots, before.BootID)
	after := c.machine(client, reboots)
	if !strings.HasSuffix(before.BootID, "-1") || !strings.HasSuffix(after.BootID, "-2") || after.Power != simulated.On {
		t.Errorf("one reboot led from %+v to %+v", before, after)
	}

	boot := c.machine(client, goesOff).BootID
	if res := c.result(c.send(goesOff, protocol.CommandPowerOff, nil)); res.Fault != nil {
		t.Fatalf("power-off: %+v", res)
	}
	c.gone(goesOff)
	if m := c.machine(client, goesOff); m.Power != simulated.Off {
		t.Errorf("after power-off: %+v", m)
	}
	c.turn(client, goesOff, simulated.Change{On: true, Boot: simulated.BootNetwork})
	c.back(goesOff, boot)
	if m := c.machine(client, goesOff); m.Power != simulated.On || m.Boot != simulated.BootNetwork || m.BootID != c.fleet.Present()[goesOff].BootID {
		t.Errorf("after power-on: %+v, present as %+v", m, c.fleet.Present()[goesOff])
	}
	if res := c.result(c.send(goesOff, protocol.CommandDiagnose, nil)); res.Fault != nil {
		t.Errorf("work after it: %+v", res.Fault)
	}
}

// TestX5_ACommandForAnEarlierBootSwitchesNothing gives agents that remember nothing of it the commands that brought their
// machines down.
func TestX5_ACommandForAnEarlierBootSwitchesNothing(t *testing.T) {
	t.Parallel()
	c := newController(t)
	client := c.switchable(1)
	server := c.agents(1)[0]
	boot := c.machine(client, server).BootID
	c.turn(client, server, simulated.Change{})
	c.gone(server)
	reboot := c.sendBoot(server, protocol.CommandReboot, boot)
	off := c.sendBoot(server, protocol.CommandPowerOff, boot)
	c.turn(client, server, simulated.Change{On: true})
	if res := c.result(reboot); res.Fault != nil {
		t.Errorf("reboot: %+v", res.Fault)
	}
	if res := c.result(off); res.Fault == nil || res.Fault.Kind != fault.KindUnavailable {
		t.Errorf("power-off: %+v", res.Fault)
	}
	if m := c.machine(client, server); m.Power != simulated.On || !strings.HasSuffix(m.BootID, "-2") {
		t.Errorf("%+v", m)
	}
}

// TestB42_B45_ACutOfThePowerInTheMiddleOfAnErase is what the journal is for.
func TestB42_B45_ACutOfThePowerInTheMiddleOfAnErase(t *testing.T) {
	t.Parallel()
	c := newController(t)
	client := c.switchable(1)
	server := c.agents(1)[0]
	id := c.send(server, protocol.CommandErase, c.permit(server))
	eventually(t, "the erase is on its way", func() bool {
		p, ok := c.fleet.ProgressOf(id)
		return ok && p.Done > 0
	})
	boot := c.machine(client, server).BootID
	c.turn(client, server, simulated.Change{})
	c.gone(server)
	if res, ok := c.fleet.ResultOf(id); ok {
		t.Fatalf("the erase had an answer before the power was cut: %+v", res.Fault)
	}
	c.turn(client, server, simulated.Change{On: true})
	c.back(server, boot)
	res := c.result(id)
	if res.Fault != nil || len(res.Erasures) != len(c.disks(server)) {
		t.Fatalf("%+v", res)
	}
	for _, e := range res.Erasures {
		if !e.Proven {
			t.Errorf("%+v", e)
		}
	}
}

// TestB28_B29_AFleetThatIsSwitchedAllAtOnceComesBack cuts the power of a row of racks and gives it back.
func TestB28_B29_AFleetThatIsSwitchedAllAtOnceComesBack(t *testing.T) {
	t.Parallel()
	c := newController(t)
	const count = 200
	client := c.switchable(count)
	c.agents(count)
	before := c.fleet.Present()
	all := func(to simulated.Change) {
		for n := range count {
			if _, err := client.Power(t.Context(), fmt.Sprint(n), to); err != nil {
				t.Fatal(err)
			}
		}
	}
	all(simulated.Change{})
	eventually(t, "all are gone", func() bool { return len(c.fleet.Present()) == 0 })
	all(simulated.Change{On: true})
	eventually(t, "all are back", func() bool { return len(c.fleet.Present()) == count })
	for server, p := range c.fleet.Present() {
		if p.BootID == before[server].BootID {
			t.Errorf("%s came back in the boot that it left: %s", server, p.BootID)
		}
	}
	if conflicts := c.fleet.Conflicts(); len(conflicts) > 0 {
		t.Errorf("conflicts: %v", conflicts)
	}
}
