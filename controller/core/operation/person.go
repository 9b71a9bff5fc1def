package operation

import (
	"time"

	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/protocol"
)

// PowerHand is who carries out a command of power on a server that is switched by a driver: its management controller, its
// agent, which stands in for one while it is connected, or a person.
func PowerHand(command, driver string, connected bool) string {
	switch {
	case outofband.Switched(driver), driver == outofband.DriverWOL && command == CommandPowerOn && !connected:
		return HandPower
	case driver != outofband.DriverManual && connected:
		return HandAgent
	}
	return HandPerson
}

// agentWould reports whether a person has to be asked for a step only because the agent is not connected.
func agentWould(s *Step, in Input) bool {
	return s.Hand == HandPower && !in.Connected && PowerHand(s.Command, in.Driver, false) == HandPerson &&
		(s.Command == CommandPowerOn || PowerHand(s.Command, in.Driver, true) == HandAgent)
}

// awaitBack gives the agent the time to come back before a person is asked.
func awaitBack(op Operation, in Input, now time.Time) Decision {
	const message = "the agent is not connected; it has a moment to come back before a person is asked"
	if op.Message != message {
		return say(op, Advance, message, now)
	}
	return Decision{Verb: None, Op: op, Until: earlier(in.Awaited, op.Deadline)}
}

// relieve goes on without the person who was asked to switch a server and has not said that it is done, when its agent is
// there: the deed is done already, or is the agent's. What is done already is not done twice.
func relieve(op Operation, in Input, now time.Time) (Decision, bool) {
	s := &op.Steps[op.Current]
	if !in.Asked || s.Hand != HandPower || !in.Connected || in.Result != nil {
		return Decision{}, false
	}
	switch {
	case s.Command == CommandBootDisk && in.Rebooted && in.Environment == protocol.EnvInstalled:
		s.State, s.FinishedAt, s.Fault, s.Detail = StepDone, now, nil, "it runs from its disk: its agent is connected"
	case needless(s, op, in) != "", PowerHand(s.Command, in.Driver, true) == HandAgent:
		s.State, s.StartedAt, s.Deadline = StepPending, time.Time{}, time.Time{}
		s.Relieved++
	default:
		return Decision{}, false
	}
	return say(op, Advance, "the agent is connected: no person is needed for "+s.Name, now), true
}

// Tries is how often a step was tried, without the attempts for which nobody was needed after all.
func (s Step) Tries() int { return s.Attempt - s.Relieved }
