package fleet

import "github.com/steelyard/steelyard/controller/core/state"

// Servers is the life of a server, as [StateOf] tells it.
var Servers = state.Table{
	Noun:   "server",
	States: serverStates,
	Moves: []state.Move{
		// Joining and leaving
		{Part: joining, From: []string{StatePending, StateRejected}, To: settledStates, By: "approved"},
		{Part: joining, From: []string{StatePending, StateQuarantined, StateDirty, StateUnavailable, StateAvailable, StateParked}, To: []string{StateRejected}, By: "rejected"},
		{Part: joining, From: append([]string{StateRejected}, settledStates...), To: []string{StatePending}, By: "its agent comes with a new key"},
		{Part: joining, From: append([]string{StatePending, StateRejected}, settledStates...), To: []string{StateRetired}, By: "retired"},
		{Part: joining, From: []string{StateRetired}, To: []string{StateDirty}, By: "a machine that joins is adopted as it"},

		// Marks
		{Part: marks, From: []string{StateDirty, StateUnavailable, StateAvailable, StateParked}, To: []string{StateQuarantined}, By: "it is not sure which machine it is (X1)"},
		{Part: marks, From: []string{StateQuarantined}, To: []string{StateDirty}, By: "the quarantine is ended: it is erased again"},
		{Part: marks, From: []string{StateQuarantined}, To: []string{StateUnavailable, StateAvailable, StateParked}, By: "its parts are confirmed, or are its own again"},
		{Part: marks, From: []string{StateAvailable, StateParked}, To: []string{StateUnavailable}, By: "maintenance, out of service, other parts, agent lost"},
		{Part: marks, From: []string{StateUnavailable}, To: []string{StateAvailable, StateParked}, By: "no reason is left"},
		{Part: marks, From: []string{StateUnavailable, StateAvailable, StateParked}, To: []string{StateDirty}, By: "a disk came whose content nobody knows"},

		// Work on a server of nobody
		{Part: work, From: settledStates, To: []string{StateErasing, StateTesting, StateSwitching, StateInstalling}, By: "an operation begins"},
		{Part: work, From: []string{StateErasing}, To: ended, By: "the erase ends", Proof: true},
		{Part: work, From: []string{StateTesting, StateInstalling}, To: ended, By: "the operation ends"},
		{Part: work, From: []string{StateSwitching}, To: append([]string{StateParked}, ended...), By: "the operation ends"},

		// A customer's time
		{Part: custom, From: []string{StateAvailable, StateParked}, To: []string{StateHeld}, By: "it is the closest one to an order (B27)"},
		{Part: custom, From: []string{StateHeld}, To: []string{StateHeld}, By: "disks that came with the rebuild are erased", Proof: true},
		{Part: custom, From: []string{StateHeld}, To: append([]string{StateParked, StateErasing, StateTesting, StateSwitching}, ended...), By: "the hold ends"},
		{Part: custom, From: []string{StateAvailable, StateParked, StateHeld}, To: []string{StateReserved}, By: "it fits an order (B26)"},
		{Part: custom, From: []string{StateReserved}, To: []string{StatePending, StateQuarantined, StateUnavailable, StateAvailable}, By: "the order is canceled before anything is written"},
		{Part: custom, From: []string{StateReserved}, To: []string{StatePreparing}, By: "the image is sent"},
		{Part: custom, From: []string{StateReserved}, To: []string{StatePreparing, StateTaken, StateLeaving}, By: "a disk came whose content nobody knows"},
		{Part: custom, From: []string{StateReserved}, To: []string{StateCleaning}, By: "its service is deleted before anything is written"},
		{Part: custom, From: []string{StatePreparing}, To: []string{StateTaken}, By: "the installation ended, well or not"},
		{Part: custom, From: []string{StatePreparing, StateTaken}, To: []string{StatePending, StateQuarantined, StateDirty}, By: "the order is canceled before the service was active"},
		{Part: custom, From: []string{StatePreparing, StateTaken}, To: []string{StateLeaving}, By: "its service is deleted (B33)"},
		{Part: custom, From: []string{StateLeaving}, To: []string{StateTaken, StatePreparing}, By: "the delete was given up"},
		{Part: custom, From: []string{StateLeaving}, To: []string{StateCleaning}, By: "the owner is removed (B37)"},
		{Part: custom, From: []string{StateCleaning}, To: []string{StateCleaning}, By: "every disk is proven erased (B38)", Proof: true},
		{Part: custom, From: []string{StateCleaning}, To: append([]string{StateParked}, ended...), By: "the delete ended (B41)"},

		// A reseller's time
		{Part: resold, From: []string{StateDirty, StateUnavailable, StateAvailable, StateParked}, To: []string{StateAssigned}, By: "it is assigned to a plan (H8); one that is dirty or unavailable is a hosting node"},
		{Part: resold, From: []string{StateAssigned}, To: []string{StateResellers}, By: "who signs up takes it (H11)"},
		{Part: resold, From: []string{StateAssigned}, To: append([]string{StateParked}, ended...), By: "it is unassigned (H15)"},
		{Part: resold, From: []string{StateDirty, StateUnavailable, StateAvailable, StateParked}, To: []string{StateResellers}, By: "it is sold (S2); one that is dirty or unavailable is a hosting node"},
		{Part: resold, From: []string{StateResellers}, To: []string{StatePending, StateQuarantined, StateDirty, StateUnavailable}, By: "it is taken back (S8): unavailable is a hosting node"},
	},
}

// Parts of the drawing.
const (
	joining = "Joining and leaving"
	marks   = "What is said of a server that is idle and nobody's"
	work    = "Operations on a server that is nobody's"
	custom  = "A customer's time"
	resold  = "A reseller's time"
)

// settledStates are those of a server that was approved, is nobody's, and idle.
var settledStates = []string{StateQuarantined, StateDirty, StateUnavailable, StateAvailable, StateParked}

// ended are the states that a server may be in when nothing runs on it any more. Only what switches it
// off on purpose leaves it parked.
var ended = []string{StatePending, StateQuarantined, StateDirty, StateUnavailable, StateAvailable}

var serverStates = []state.State{
	{
		Name: StatePending, Begin: true, Means: "it asks to join, or came back with a new key; it gets no command", Owner: "systems, by a task",
		Until: "a person decides; the task stays open", Out: "steelyard server approve, reject, adopt, retire",
	},
	{Name: StateRejected, Rests: true, Means: "its certificate is refused", Out: "steelyard server approve, retire"},
	{Name: StateRetired, Rests: true, Means: "it left the fleet; its history stays", Out: "enrol the machine again; steelyard server adopt"},
	{
		Name: StateQuarantined, Begin: true, Means: "it is not sure which machine it is; nothing is written to its disks", Owner: "systems, by a task",
		Until: "a person decides; the task stays open", Out: "steelyard server identity confirm, end-quarantine, reject, retire",
	},
	{
		Name: StateDirty, Disks: state.Dirty, Begin: true, Means: "its disks are not proven clean", Owner: "the leading controller, while it is in service and may be erased; else operations",
		Until: "its erase begins: at once in service, not again by itself after one that failed", Out: "steelyard server commission, erase, retire",
	},
	{
		Name: StateUnavailable, Disks: state.Clean, Means: "its disks are clean, and something else is in the way", Owner: "the leading controller tests it again; else operations",
		Until: "the reason is gone; steelyard server why tells it, and since when", Out: "steelyard server diagnose, commission, end-maintenance, override",
	},
	{Name: StateAvailable, Rests: true, Disks: state.Clean, Means: "an order may get it (B17 to B23)", Out: "steelyard server maintenance, decommission, retire"},
	{Name: StateParked, Rests: true, Disks: state.Clean, Means: "available, and switched off on purpose", Out: "steelyard server power, maintenance, decommission, retire"},
	running(StateErasing, "an erase runs on it", retry),
	running(StateTesting, "diagnostics or an inspection run on it", ""),
	running(StateSwitching, "it is being switched on or off", ""),
	running(StateInstalling, "an operator has an image written to it", retryOrSkip),
	{
		Name: StateHeld, Means: "it is held for an order, to be rebuilt; it is erased and tested meanwhile if need be", Owner: "the department of the module, by the build task",
		Until: "72 hours without work on the task (B27)", Out: "close the build task; steelyard order cancel",
	},
	{
		Name: StateReserved, Disks: state.Clean, Means: "it is a customer's, and nothing of him is on its disks yet", Owner: "the install operation; after it failed, the department in the task",
		Until: "the operation ends; after that a person decides, and the task stays open", Out: "steelyard order cancel, service delete",
	},
	dirty(running(StatePreparing, "a customer's system is being installed", retryOrSkip)),
	{Name: StateTaken, Rests: true, Disks: state.Dirty, Means: "it is a customer's, with his data", Out: "steelyard service delete; order cancel when it was never active"},
	dirty(running(StateLeaving, "it is being taken back, and is still the customer's (B33 to B36)", retryOrSkip)),
	{Name: StateAssigned, Rests: true, Means: "it waits in a plan for who signs up (H8)", Out: "steelyard reseller-plan unassign"},
	{Name: StateResellers, Rests: true, Means: "it is a reseller's, by sale or by plan", Out: "steelyard sale revoke"},
	running(StateCleaning, "it is nobody's, and is being erased, tested and switched off (B38 to B40)", retryOrSkip),
}

// running is a state that lasts as long as an operation does; held tells what a person can do when that waits for him.
func running(name, means, held string) state.State {
	return state.State{
		Name: name, Means: means, Owner: "the operation", Until: "the operation ends; it has a deadline", Out: "steelyard operation cancel" + held,
	}
}

const (
	retry       = "; retry when it is held"
	retryOrSkip = "; retry or skip when it is held"
)

func dirty(s state.State) state.State {
	s.Disks = state.Dirty
	return s
}
