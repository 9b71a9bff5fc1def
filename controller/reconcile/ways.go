package reconcile

import (
	"fmt"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
)

// ways are those to a server that need no agent, as configured now.
type ways struct {
	bmc      outofband.BMC
	wiring   outofband.Wiring
	switches map[string]outofband.Switch
}

func (w ways) ports() int { return len(w.wiring.Ports) }

func (w ways) driver() string {
	if w.bmc.Driver == "" {
		return outofband.DriverAgent
	}
	return w.bmc.Driver
}

// byHand lists the ports whose switch is switched by a person.
func (w ways) byHand() (list []outofband.Port) {
	for _, p := range w.wiring.Ports {
		if w.switches[p.Switch].Driver == outofband.SwitchManual {
			list = append(list, p)
		}
	}
	return list
}

// readWays reads what the steps to come need; most operations need nothing.
func (t *turn) readWays() (err error) {
	if !t.outside() {
		return nil
	}
	if t.ways.bmc, _, err = store.BMCs.Find(t.tx, t.op.Server); err != nil {
		return err
	}
	if t.ways.wiring, _, err = store.Wirings.Find(t.tx, t.op.Server); err != nil {
		return err
	}
	t.ways.switches = map[string]outofband.Switch{}
	for _, p := range t.ways.wiring.Ports {
		if t.ways.switches[p.Switch], _, err = store.Switches.Find(t.tx, p.Switch); err != nil {
			return err
		}
	}
	return nil
}

func (t *turn) outside() bool {
	for _, s := range t.op.Steps[min(t.op.Current, len(t.op.Steps)):] {
		switch {
		case s.Hand == operation.HandPower, s.Hand == operation.HandPorts:
			return true
		case s.Command == operation.ActAwaitSystem, s.Hand == operation.HandAgent && s.State == operation.StepPending && s.Attempt > 0:
			return true // a server that does not report may be started again
		}
	}
	return false
}

func (t *turn) readReplaced() error {
	if t.op.Replaces == "" {
		return nil
	}
	op, ok, err := store.Operations.Find(t.tx, t.op.Replaces)
	if ok {
		t.replaced = &op
	}
	return err
}

// readAsked finds the task of a command that a person carries out; when it is closed, that is the answer.
func (t *turn) readAsked() error {
	if t.cmd == nil || t.cmd.Task == "" {
		return nil
	}
	k, ok, err := store.Tasks.Find(t.tx, t.cmd.Task)
	if err != nil || !ok {
		return err
	}
	t.asked = &k
	return nil
}

// choose decides who carries a command out: the hand of its step, the agent that stands in
// for a management controller, or a person.
func (t *turn) choose(cmd *operation.Command, op operation.Operation) (operation.Operation, error) {
	s := op.Steps[op.Current]
	cmd.Hand, cmd.Power, cmd.Ports = s.Hand, s.Power, s.Ports
	if p, ok := store.Presences.View(t.r.store, op.Server); ok {
		cmd.BootID = p.BootID
	}
	op.Steps[op.Current].BootID = cmd.BootID
	switch s.Hand {
	case operation.HandPower:
		cmd.Hand = operation.PowerHand(s.Command, t.ways.driver(), t.r.stock.Connected(op.Server))
	case operation.HandPorts:
		if manual := len(t.ways.byHand()); manual == t.ways.ports() {
			cmd.Hand = operation.HandPerson
		} else if manual == 0 {
			return op, nil
		}
	case operation.HandPerson:
	default:
		return op, nil
	}
	if s.Hand == operation.HandPower && cmd.Hand != operation.HandPerson {
		if cmd.Hand == operation.HandAgent && s.Command != operation.CommandPowerOff {
			cmd.Kind, cmd.Boot, cmd.Into = protocol.CommandReboot, cmd.BootID, s.Power.Boot
			cmd.Firmware = (s.Tries() == 1) != t.server.NetbootedAt.IsZero() // what led nowhere once is not tried first again
		}
		return op, nil
	}
	return t.askPerson(cmd, op)
}

// askPerson files the task by which a person does what no hand can.
func (t *turn) askPerson(cmd *operation.Command, op operation.Operation) (operation.Operation, error) {
	op = operation.ByPerson(op, t.now)
	cmd.Deadline = op.Steps[op.Current].Deadline
	department := op.Department
	if department == "" {
		department = "operations"
	}
	subject, body := t.deed(cmd), t.instruction(cmd)
	if cmd.Kind == operation.CommandCopy {
		var err error
		if subject, body, err = t.copying(cmd, &op); err != nil {
			return op, err
		}
	}
	k := task.New(id.At("tsk", t.now), department, task.Manual, "manual/"+cmd.ID, subject, body, t.now)
	k.Server, k.Operation, k.Order, k.Service = op.Server, op.ID, op.Order, op.Service
	cmd.Task = k.ID
	return op, intake.FileTask(t.tx, k)
}

// deed says in a few words what a person shall do.
func (t *turn) deed(cmd *operation.Command) string {
	where := " server " + t.server.Name
	if t.server.Rack != "" {
		where += " (" + t.server.Rack + ")"
	}
	switch cmd.Kind {
	case operation.CommandPowerOn:
		return "Turn on" + where
	case operation.CommandPowerOff:
		return "Turn off" + where
	case operation.CommandBootDisk:
		return "Start" + where + " from its disk"
	case operation.CommandPortsOn:
		return "Enable the switch ports of" + where
	}
	return "Shut the switch ports of" + where
}

func (t *turn) instruction(cmd *operation.Command) string {
	var b strings.Builder
	switch cmd.Kind {
	case operation.CommandPowerOn:
		b.WriteString("Nothing can turn this server on by itself.")
		if cmd.Power.Boot == operation.BootRAM {
			b.WriteString(" Let it boot once from the network, into the RAM environment: never from its disks, which hold the last customer's system.")
		}
	case operation.CommandPowerOff:
		b.WriteString("Nothing can turn this server off by itself.")
	case operation.CommandBootDisk:
		b.WriteString("A system was written to its disk, and nothing can restart this server by itself. Turn it off and on, and let it start from its disk, not from the network.")
	default:
		for _, p := range t.ways.byHand() {
			fmt.Fprintf(&b, "Switch %s, port with %s %s", t.ways.switches[p.Switch].Name, p.By, p.Value)
			if vlan := t.vlan(cmd, p); vlan != 0 && cmd.Kind == operation.CommandPortsOn {
				fmt.Fprintf(&b, ", untagged VLAN %d", vlan)
			}
			b.WriteString(". ")
		}
	}
	return strings.TrimSpace(b.String()) + " " + untilClosed(cmd)
}

func untilClosed(cmd *operation.Command) string {
	return "Close this task when it is done; operation " + cmd.Operation + " goes on then. It waits until " + cmd.Deadline.Format(time.RFC3339) + "."
}

func (t *turn) vlan(cmd *operation.Command, p outofband.Port) int {
	return outofband.VLAN(t.ways.switches[p.Switch], p, cmd.Ports != nil && cmd.Ports.Quarantine)
}
