package operation

import (
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/protocol"
)

// What the steps outside of the agent may take. A management controller answers in
// seconds, but a server's self test takes minutes, and an orderly shutdown waits for services.
const (
	portsAllowed   = 10 * time.Minute
	powerAllowed   = 20 * time.Minute
	awaitAllowed   = 30 * time.Minute
	rescueAllowed  = 10 * time.Minute
	PersonAllowed  = 72 * time.Hour // when a person has to do it by hand
	uninterrupted  = 48 * time.Hour // a drive that erases itself is waited for (A11)
	outsideRetries = 6
)

// Recipe lists the steps of a kind, each with the time that it may take; allowed is that of
// what the agent does.
func Recipe(kind string, allowed time.Duration, p Params) []Step {
	switch kind {
	case Diagnose:
		return append(wake(p), agent("diagnose", protocol.CommandDiagnose, allowed, 1))
	case Erase:
		return append(wake(p), agent("erase", protocol.CommandErase, allowed, 2))
	case Install:
		return installSteps(allowed, p)
	case Power:
		return powerSteps(p)
	case Stop:
		return []Step{ports("ports-off", CommandPortsOff, nil)}
	case Resume:
		return resumeSteps(p)
	case Rescue:
		return append(enter(), agent("rescue", protocol.CommandRescue, rescueAllowed, 2), ports("ports-service", CommandPortsOn, &PortsAct{}))
	case Delete:
		return deleteSteps(allowed)
	case Inspect:
		return []Step{agent("inspect", protocol.CommandInspect, allowed, 1)}
	case MoveContent:
		return moveSteps()
	}
	return nil
}

// installSteps write an image and, on a real machine, let the written system start and report (rule B43). It starts
// behind the ports that its addresses belong to, as it will run.
func installSteps(allowed time.Duration, p Params) []Step {
	list := append(enter(), agent("image", protocol.CommandImage, allowed, 2))
	service := ports("ports-service", CommandPortsOn, &PortsAct{})
	if p.Virtual {
		return append(list, agent("confirm", protocol.CommandConfirm, allowed, 2), service)
	}
	return append(list, service, bootDisk(), act(ActAwaitSystem))
}

// resumeSteps open the ports and turn the server on. What runs from memory is no customer's system: it is left for the disk.
func resumeSteps(p Params) []Step {
	on := power("power-on", CommandPowerOn, &PowerAct{Boot: BootDisk})
	if p.FromDisk {
		on = bootDisk()
	}
	return []Step{ports("ports-on", CommandPortsOn, &PortsAct{}), on}
}

// moveSteps let a person copy, and then confirm it: the records follow.
func moveSteps() []Step {
	confirm := act(ActMovePlacements)
	confirm.Name = "confirm"
	return []Step{{Name: "copy", Command: CommandCopy, Hand: HandPerson, Allowed: PersonAllowed, State: StepPending}, confirm}
}

func bootDisk() Step { return power("boot-disk", CommandBootDisk, &PowerAct{Boot: BootDisk}) }

// deleteSteps are in exactly the order of rules B33 to B40.
func deleteSteps(allowed time.Duration) []Step {
	stop := act(ActStopRunning)
	stop.Allowed = uninterrupted
	return []Step{
		ports("ports-on", CommandPortsOn, &PortsAct{Quarantine: true}),
		power("power-on", CommandPowerOn, &PowerAct{Boot: BootRAM}),
		stop,
		act(ActRemoveAddresses),
		act(ActRemoveOwner),
		act(ActAwaitAgent),
		agent("erase", protocol.CommandErase, allowed, 2),
		agent("diagnose", protocol.CommandDiagnose, DiagnoseAllowed, 1),
		power("power-off", CommandPowerOff, &PowerAct{}),
		ports("ports-off", CommandPortsOff, nil),
	}
}

// enter leads a server into the RAM environment, with its ports in quarantine.
func enter() []Step {
	return []Step{
		ports("ports-on", CommandPortsOn, &PortsAct{Quarantine: true}),
		power("power-on", CommandPowerOn, &PowerAct{Boot: BootRAM}),
		act(ActAwaitAgent),
	}
}

// wake is enter for a server whose agent is not there.
func wake(p Params) []Step {
	if p.Capable {
		return nil
	}
	return enter()
}

func powerSteps(p Params) []Step {
	on := power("power-on", CommandPowerOn, &PowerAct{Boot: BootDisk})
	off := power("power-off", CommandPowerOff, &PowerAct{Hard: p.Action == PowerHardOff})
	switch {
	case p.Action == PowerOn:
		return []Step{on}
	case p.Action == PowerBootRAM:
		on.Power.Boot = BootRAM
		return []Step{on, act(ActAwaitAgent)}
	case p.Action == PowerCycle && !outofband.Switched(p.Driver):
		return []Step{agent("reboot", protocol.CommandReboot, powerAllowed, 1)}
	case p.Action == PowerCycle:
		return []Step{off, on}
	}
	return []Step{off}
}

func agent(name, command string, allowed time.Duration, retries int) Step {
	return Step{Name: name, Command: command, Allowed: allowed, Retries: retries, State: StepPending}
}

func power(name, command string, p *PowerAct) Step {
	return Step{Name: name, Command: command, Hand: HandPower, Power: p, Allowed: powerAllowed, Retries: outsideRetries, State: StepPending}
}

func ports(name, command string, p *PortsAct) Step {
	return Step{Name: name, Command: command, Hand: HandPorts, Ports: p, Allowed: portsAllowed, Retries: outsideRetries, State: StepPending}
}

func act(name string) Step {
	return Step{Name: name, Command: name, Hand: HandController, Allowed: awaitAllowed, State: StepPending}
}

// Taking is op, which takes its server over from the operation that runs there: that is stopped first. A delete does so in
// its own place (rule B35).
func Taking(op Operation, replaces string) Operation {
	op.Replaces = replaces
	if op.Kind == Delete {
		return op
	}
	stop := act(ActStopRunning)
	stop.Allowed = powerAllowed
	op.Steps = append([]Step{stop}, op.Steps...)
	op.Allowed += stop.Allowed
	op.Deadline = op.Deadline.Add(stop.Allowed)
	return op
}

// Wakes reports whether an operation may turn its server on.
func Wakes(op Operation) bool {
	return slices.ContainsFunc(op.Steps, func(s Step) bool {
		return s.Command == CommandPowerOn || s.Command == CommandBootDisk || s.Command == protocol.CommandReboot
	})
}

// WantsRAM reports whether a machine that starts from the network now shall get the RAM environment for the sake of op: a step
// from here on is done there, or leads there.
func WantsRAM(op Operation) bool {
	if Final(op.State) {
		return false
	}
	enters := slices.ContainsFunc(op.Steps, func(s Step) bool { return s.Command == ActAwaitAgent })
	return slices.ContainsFunc(op.Steps[min(op.Current, len(op.Steps)):], func(s Step) bool {
		switch s.Command {
		case CommandPowerOn:
			return s.Power != nil && s.Power.Boot == BootRAM
		case ActAwaitAgent, protocol.CommandErase, protocol.CommandImage, protocol.CommandRescue:
			return true
		case protocol.CommandDiagnose:
			return enters
		}
		return false
	})
}

// Bound is op with another time for the steps of a command (rules B13, B16).
func Bound(op Operation, command string, allowed time.Duration) Operation {
	op.Steps = slices.Clone(op.Steps)
	for i := range op.Steps {
		if op.Steps[i].Command == command {
			op.Steps[i].Allowed = allowed
		}
	}
	op.Allowed = whole(op.Kind, op.Allowed, op.Steps)
	op.Deadline = op.CreatedAt.Add(op.Allowed)
	return op
}

// Outside is the step that a hand other than the agent is at for an operation; "" none.
func Outside(op *Operation) string {
	if Final(op.State) || op.Current >= len(op.Steps) {
		return ""
	}
	if s := op.Steps[op.Current]; s.State == StepSent && s.Hand != HandAgent {
		return s.Name
	}
	return ""
}
