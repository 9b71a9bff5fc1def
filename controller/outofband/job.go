package outofband

import (
	"cmp"
	"context"
	"errors"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// job carries out one command.
type job struct {
	hands  *Hands
	key    string
	server string
	number int
	after  <-chan struct{} // the end of the job before, on the same server; nil none
	ended  chan struct{}
	cancel context.CancelFunc
	cmd    operation.Command
	seen   func(*outofband.Observation) // what was seen on the way; nil nothing
}

// errGone says that a command is not to be carried out (any more).
var errGone = errors.New("the command is gone")

// run takes the command, does it, and answers. lead ends with leadership; life also with the
// command's deadline or recall.
func (j *job) run(lead, life context.Context) {
	h := j.hands
	if j.after != nil {
		select {
		case <-j.after:
		case <-lead.Done():
			return
		}
	}
	if err := h.patiently(lead, j.take); err != nil {
		if !errors.Is(err, errGone) && lead.Err() == nil {
			h.log.Error("a command cannot be taken", "command", j.key, "error", err)
		}
		return
	}
	detail, err := j.deed(life)
	if lead.Err() != nil {
		return // whoever leads now makes it true
	}
	if errors.Is(err, context.Canceled) {
		err = fault.Unavailable("it was recalled")
	}
	res := answer(&j.cmd, detail, err, h.now())
	if err := h.patiently(lead, func(tx *store.Tx) error { return j.settle(tx, res) }); err != nil && lead.Err() == nil {
		h.log.Error("a result cannot be stored", "command", j.key, "error", err)
	}
}

// take makes sure, as the leader, that the command is in its time: of the server's present epoch and
// the current step of its operation (rule X5).
func (j *job) take(tx *store.Tx) error {
	cmd, ok, err := store.Commands.Find(tx, j.key)
	if err != nil || !ok {
		return cmp.Or(err, errGone)
	}
	s, err := store.Servers.Get(tx, cmd.Server)
	if err != nil {
		return err
	}
	op, ok, err := store.Operations.Find(tx, cmd.Operation)
	if err != nil {
		return err
	}
	current := ok && !operation.Final(op.State) && op.Current < len(op.Steps) && op.Steps[op.Current].CommandID == cmd.ID
	if !current || s.Epoch != cmd.Epoch || s.Operation != op.ID {
		return errGone
	}
	j.cmd = cmd
	if cmd.Mark != "" {
		return nil
	}
	j.cmd.Mark = markTaken
	return store.Commands.Put(tx, j.key, j.cmd)
}

// Marks of a command, in their order.
const (
	markTaken = "taken"
	markCut   = "cut"  // the power is being taken away from the wrong system
	markBoot  = "boot" // it is off, or was started into the right system since
)

// mark commits how far the deed is, before it goes on.
func (j *job) mark(ctx context.Context, mark string) error {
	if j.cmd.Mark == mark {
		return nil
	}
	return j.hands.patiently(ctx, func(tx *store.Tx) error {
		cmd, ok, err := store.Commands.Find(tx, j.key)
		if err != nil || !ok {
			return cmp.Or(err, errGone)
		}
		cmd.Mark = mark
		j.cmd.Mark = mark
		return store.Commands.Put(tx, j.key, cmd)
	})
}

// settle stores result and observation, once: while the command waits for them.
func (j *job) settle(tx *store.Tx, res protocol.Result) error {
	cmd, ok, err := store.Commands.Find(tx, j.key)
	if err != nil || !ok || cmd.Epoch != res.Epoch {
		return err
	}
	if j.seen != nil {
		if err := observe(tx, cmd.Server, j.hands.decided(cmd.Server), j.seen); err != nil {
			return err
		}
	}
	return cmp.Or(store.Commands.Delete(tx, j.key), store.Results.Put(tx, j.key, res))
}

func (j *job) deed(ctx context.Context) (detail string, err error) {
	switch j.cmd.Kind {
	case operation.CommandPowerOn, operation.CommandPowerOff, operation.CommandBootDisk:
		return j.power(ctx)
	case operation.CommandPortsOn, operation.CommandPortsOff:
		return j.ports(ctx)
	}
	return "", fault.Refused("command %q is not known to the hands; update the controllers", j.cmd.Kind)
}

// say shows a person what is waited for, now and then.
func (j *job) say(ctx context.Context) func(string) {
	return func(note string) {
		p := protocol.Progress{Command: j.cmd.ID, Note: note}
		if err := j.hands.intake.Progress(ctx, j.cmd.Server, p); err != nil && ctx.Err() == nil {
			j.hands.log.Warn("progress cannot be shown", "command", j.cmd.ID, "error", err)
		}
	}
}

// power makes the server's power what the command says.
func (j *job) power(ctx context.Context) (detail string, err error) {
	bmc, ok := store.BMCs.View(j.hands.store, j.cmd.Server)
	if !ok {
		return "", fault.Refused("server %s has no management controller any more; retry, and a person is asked", j.cmd.Server)
	}
	p, err := j.hands.reach.Power(ctx, *bmc)
	if err != nil {
		return "", err
	}
	defer func() { err = cmp.Or(err, p.Close()) }()
	if j.cmd.Kind == operation.CommandPowerOff {
		changed, err := p.TurnOff(ctx, j.cmd.Power != nil && j.cmd.Power.Hard, j.say(ctx))
		return j.done(outofband.Off, changed, err)
	}
	boot := operation.BootDisk
	if j.cmd.Power != nil && j.cmd.Power.Boot != "" {
		boot = j.cmd.Power.Boot
	}
	if bmc.Driver == outofband.DriverWOL {
		_, err := p.TurnOn(ctx, operation.BootDisk, j.say(ctx)) // what it boots is its own to choose
		return "a magic packet was sent", err
	}
	if boot == operation.BootRAM {
		return j.restart(ctx, p, operation.BootRAM, j.capable)
	}
	if j.cmd.Kind == operation.CommandBootDisk {
		return j.restart(ctx, p, operation.BootDisk, j.reported)
	}
	changed, err := p.TurnOn(ctx, boot, j.say(ctx))
	return j.done(outofband.On, changed, err)
}

func (j *job) done(state string, changed bool, err error) (string, error) {
	if err != nil {
		return "", err
	}
	now := j.hands.now()
	j.seen = func(o *outofband.Observation) { powerSeen(o, state, now) }
	if !changed {
		return "it was " + state + " already", nil
	}
	return "it is " + state, nil
}

// restart turns a server on into the RAM environment (rule B34), or into the system that was written to its disk. One that is on with
// any other system is cut off first: the old tenant's system never runs on.
func (j *job) restart(ctx context.Context, p Power, boot string, there func() bool) (string, error) {
	state, err := p.Status(ctx)
	if err != nil {
		return "", err
	}
	if state == outofband.On && (there() || j.cmd.Mark == markBoot) {
		return j.done(outofband.On, false, nil)
	}
	if state != outofband.Off {
		if err := j.mark(ctx, markCut); err != nil {
			return "", err
		}
		if _, err := p.TurnOff(ctx, true, j.say(ctx)); err != nil {
			return "", err
		}
	}
	if err := j.mark(ctx, markBoot); err != nil {
		return "", err
	}
	_, err = p.TurnOn(ctx, boot, j.say(ctx))
	return j.done(outofband.On, true, err)
}

// capable reports whether the agent that is connected is in memory as the operation wants it: one that may erase and install, or one for a rescue. Of a customer's server it is believed only when
// it was let in before the operation: from then on the customer's own system, which still runs, could get a boot token by
// asking as a machine that starts, and answer for an erase that never was.
func (j *job) capable() bool {
	p, ok := store.Presences.View(j.hands.store, j.cmd.Server)
	if !ok {
		return false
	}
	environment, kind := p.Environment, ""
	if s, known := store.Servers.View(j.hands.store, j.cmd.Server); known {
		environment = cmp.Or(environment, s.Environment)
		op, ok := store.Operations.View(j.hands.store, j.cmd.Operation)
		if ok {
			kind = op.Kind
		}
		if s.Claim.Kind == fleet.ClaimClient && ok && s.BootedAt.After(op.CreatedAt) {
			return false
		}
	}
	return operation.Entered(kind, environment)
}

// reported tells whether the system that the operation wrote runs already.
func (j *job) reported() bool {
	p, ok := store.Presences.View(j.hands.store, j.cmd.Server)
	s, known := store.Servers.View(j.hands.store, j.cmd.Server)
	return ok && known && p.Environment == protocol.EnvInstalled && s.Installed == j.cmd.Operation
}

// ports makes every port of the server that a switch can be told about what the command says. The first
// that fails ends it; those before stay as they are now.
func (j *job) ports(ctx context.Context) (string, error) {
	wiring, ok := store.Wirings.View(j.hands.store, j.cmd.Server)
	if !ok || len(wiring.Ports) == 0 {
		return "", fault.Refused("server %s has no switch ports any more; retry, and the step is left out", j.cmd.Server)
	}
	changed, told := 0, 0
	seen := make([]outofband.Seen, len(wiring.Ports))
	for i, port := range wiring.Ports {
		sw, ok := store.Switches.View(j.hands.store, port.Switch)
		if !ok {
			return "", fault.Refused("switch %s of server %s does not exist any more; correct its ports", port.Switch, j.cmd.Server)
		}
		if sw.Driver == outofband.SwitchManual {
			continue
		}
		told++
		c, err := j.port(ctx, *sw, port, &seen[i])
		if again := j.hands.remembered(j.server, i, port); again != port && fault.Is(err, fault.KindNotFound) {
			c, err = j.port(ctx, *sw, again, &seen[i])
		}
		if err != nil {
			return "", err
		}
		if c {
			changed++
		}
	}
	now := j.hands.now()
	j.seen = func(o *outofband.Observation) { portsSeen(o, seen, now) }
	return portsDetail(j.cmd.Kind, told, changed), nil
}

func (j *job) port(ctx context.Context, sw outofband.Switch, port outofband.Port, seen *outofband.Seen) (changed bool, err error) {
	s, err := j.hands.reach.Switch(ctx, sw)
	if err != nil {
		return false, err
	}
	defer func() { err = cmp.Or(err, s.Close()) }()
	if j.cmd.Kind == operation.CommandPortsOff {
		*seen, changed, err = s.Shut(ctx, port, j.say(ctx))
	} else {
		vlan := outofband.VLAN(sw, port, j.cmd.Ports != nil && j.cmd.Ports.Quarantine)
		*seen, changed, err = s.Enable(ctx, port, vlan, j.say(ctx))
	}
	seen.Switch, seen.At = port.Switch, j.hands.now()
	return changed, err
}
