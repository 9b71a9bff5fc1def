package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
)

// turn is one commit's view of an operation.
type turn struct {
	r      *Reconciler
	tx     *store.Tx
	now    time.Time
	op     operation.Operation // as stored
	server fleet.Server
	key    string // of the current step's command
	cmd    *operation.Command
	asked  *task.Task // by which a person was asked to carry the command out
	result *protocol.Result
	ways   ways
	// replaced is the operation that this one stops, if there is one (rule B35).
	replaced *operation.Operation
}

// operation takes steps until the record waits for something.
func (r *Reconciler) operation(ctx context.Context, opID string) (next time.Time, err error) {
	for {
		var d operation.Decision
		now := r.now()
		err := r.change(ctx, func(tx *store.Tx) error {
			t := turn{r: r, tx: tx, now: now}
			found, err := t.read(opID)
			if err != nil || !found {
				d = operation.Decision{Verb: operation.None}
				return err
			}
			d = operation.Next(t.op, t.input(), now)
			return t.apply(d)
		})
		if err != nil || d.Verb == operation.None {
			return d.Until, err
		}
		if d.Verb == operation.Close {
			r.ended(d.Op)
		}
	}
}

func (r *Reconciler) ended(op operation.Operation) {
	r.observe.OperationFinished(op.Kind, op.State, op.FinishedAt.Sub(op.CreatedAt))
	if o, ok := store.Orders.View(r.store, op.Order); ok && o.State == order.Fulfilled {
		r.observe.OrderFulfilled(op.FinishedAt.Sub(o.PlacedAt))
	}
	r.log.Info("operation ended", "operation", op.ID, "kind", op.Kind, "server", op.Server, "state", op.State, "message", op.Message)
}

func (t *turn) read(opID string) (found bool, err error) {
	var ok bool
	if t.op, ok, err = store.Operations.Find(t.tx, opID); err != nil || !ok || operation.Final(t.op.State) {
		return false, err
	}
	if t.server, err = store.Servers.Get(t.tx, t.op.Server); err != nil {
		return false, err
	}
	if err := cmp.Or(t.readWays(), t.readReplaced()); err != nil {
		return false, err
	}
	if t.op.Current >= len(t.op.Steps) || t.op.Steps[t.op.Current].State != operation.StepSent {
		return true, nil
	}
	t.key = store.CommandKey(t.op.Server, t.op.Steps[t.op.Current].CommandID)
	if cmd, ok, err := store.Commands.Find(t.tx, t.key); err != nil {
		return false, err
	} else if ok {
		t.cmd = &cmd
	}
	if err := t.readAsked(); err != nil {
		return false, err
	}
	if res, ok, err := store.Results.Find(t.tx, t.key); err != nil {
		return false, err
	} else if ok {
		t.result = &res
	}
	return true, nil
}

func (t *turn) input() operation.Input {
	in := operation.Input{
		Connected: t.r.stock.Connected(t.op.Server), Ports: t.ways.ports(), Driver: t.ways.driver(),
		Asked: t.asked != nil && t.asked.State == task.Open, Awaited: t.r.awaited(t.op.Server),
	}
	boot := ""
	if p, ok := store.Presences.View(t.r.store, t.op.Server); ok && in.Connected {
		in.Environment, in.Since, boot = cmp.Or(p.Environment, t.server.Environment), p.Since, p.BootID
	}
	in.System = in.Connected && in.Environment == protocol.EnvInstalled && t.server.Installed == t.op.ID
	in.Off, in.Doubt, in.Free = t.off(), t.doubt(), !t.server.Claim.Owned()
	if t.replaced != nil {
		in.Replaced, in.StopAsked, in.Busy = t.replaced.State, t.replaced.CancelAsked != nil, operation.Outside(t.replaced)
	}
	if t.op.Current < len(t.op.Steps) && t.op.Steps[t.op.Current].State == operation.StepSent {
		in.Rebooted = in.Connected && boot != t.op.Steps[t.op.Current].BootID
	}
	if t.cmd != nil && t.cmd.Cancel != nil {
		in.RecalledAt = t.cmd.Cancel.At
	}
	if t.cmd != nil && t.cmd.Hand == operation.HandPerson && t.asked != nil && t.asked.State != task.Open {
		in.Result = &protocol.Result{Detail: "done by " + t.asked.ClosedBy + ": " + t.asked.CloseReason}
	}
	if t.result != nil {
		judged := *t.result
		judged.Fault = verdict(t.op, &judged)
		in.Result = &judged
	}
	return in
}

// off reports whether the server was seen to be off since the current step began, while its agent is not connected.
func (t *turn) off() bool {
	since := t.since()
	seen, ok := store.Observations.View(t.r.store, t.op.Server)
	return ok && !since.IsZero() && seen.Power == outofband.Off && seen.PowerAt.After(since) && !t.r.stock.Connected(t.op.Server)
}

// doubt tells what came up about the machine since the current step began, while its agent is away: who comes back may be another one.
func (t *turn) doubt() string {
	since := t.since()
	q, p := t.server.Quarantine, t.server.PendingIdentity
	if since.IsZero() || t.r.stock.Connected(t.op.Server) || (q == nil || !q.At.After(since)) && (p == nil || !p.Seen.After(since)) {
		return ""
	}
	return t.server.Unsettled()
}

// since is when the current step began; zero when it did not.
func (t *turn) since() time.Time {
	if t.op.Current >= len(t.op.Steps) {
		return time.Time{}
	}
	return t.op.Steps[t.op.Current].StartedAt
}

// verdict does not take an agent's word for it: an erase is done when every disk
// of the permit is proven empty, an install when the image was read back (B44, B45).
func verdict(op operation.Operation, res *protocol.Result) *fault.Fault {
	if res.Fault != nil {
		return res.Fault
	}
	switch op.Steps[op.Current].Command {
	case protocol.CommandErase:
		for _, want := range op.Params.Disks {
			if !proven(want, res.Erasures) {
				return fault.Refused("disk %s (serial %s) is not proven erased", want.Name, want.Serial)
			}
		}
	case protocol.CommandImage, protocol.CommandConfirm:
		if w := res.Written; w == nil || !w.ReadBack {
			return fault.Internal("the agent did not read the image back from the disk")
		}
	case protocol.CommandDiagnose:
		if res.Diagnosis == nil || len(res.Diagnosis.Checks) == 0 {
			return fault.Internal("the agent sent diagnostics without a single check")
		}
	case protocol.CommandInspect:
		if res.Inspection == nil { // what it found is kept elsewhere: an empty one is left here
			return fault.Internal("the agent did not say what it found")
		}
	}
	return nil
}

func proven(want protocol.DiskRef, list []protocol.Erasure) bool {
	for _, e := range list {
		if e.Disk.Serial == want.Serial && e.Disk.WWN == want.WWN && e.Disk.SizeBytes == want.SizeBytes {
			return e.Proven
		}
	}
	return false
}

func (t *turn) apply(d operation.Decision) error {
	switch d.Verb {
	case operation.None:
		return nil
	case operation.Recall:
		return t.recall(d.Op)
	case operation.Oust:
		return t.oust(d.Op)
	}
	if err := cmp.Or(t.absorb(), t.clear(d.Op.Message)); err != nil {
		return err
	}
	switch d.Verb {
	case operation.Send:
		return t.send(d.Op)
	case operation.Act:
		return t.act(d.Op)
	case operation.Advance:
		return store.Operations.Put(t.tx, d.Op.ID, d.Op)
	case operation.Hold:
		return cmp.Or(store.Operations.Put(t.tx, d.Op.ID, d.Op), t.hold(d.Op))
	default:
		return t.finish(d.Op)
	}
}

// clear removes the command, its result and what a person was asked: whatever comes later is too late.
func (t *turn) clear(why string) error {
	if t.key == "" {
		return nil
	}
	var errs []error
	if t.cmd != nil {
		errs = append(errs, store.Commands.Delete(t.tx, t.key))
	}
	if t.result != nil {
		errs = append(errs, store.Results.Delete(t.tx, t.key))
	}
	if t.asked != nil && t.asked.State == task.Open {
		errs = append(errs, intake.CloseTask(t.tx, t.asked.DedupeKey, access.System.Name, "it is not waited for any more: "+why, t.now))
	}
	return cmp.Or(errs...)
}

func (t *turn) send(op operation.Operation) error {
	if err := t.raise(&op); err != nil {
		return err
	}
	s := op.Steps[op.Current]
	cmd := operation.Command{CreatedAt: t.now, Command: protocol.Command{
		ID: s.CommandID, Server: op.Server, Operation: op.ID, Step: s.Name, Epoch: op.Epoch, Kind: s.Command, Deadline: s.Deadline,
	}}
	err := t.fill(&cmd.Command, &op)
	if f := new(fault.Fault); errors.As(err, &f) && (f.Kind == fault.KindRefused || f.Kind == fault.KindNotFound) {
		return t.apply(operation.Refuse(op, f, t.now))
	}
	if err != nil {
		return err
	}
	if op, err = t.choose(&cmd, op); err != nil {
		return err
	}
	if s.Command == protocol.CommandImage {
		t.server = t.server.Soiled(t.now)
		if err := store.Servers.Put(t.tx, t.server.ID, t.server); err != nil {
			return err
		}
	}
	return cmp.Or(store.Commands.Create(t.tx, store.CommandKey(op.Server, cmd.ID), cmd), store.Operations.Put(t.tx, op.ID, op))
}

// fill gives a command what its kind needs.
func (t *turn) fill(c *protocol.Command, op *operation.Operation) error {
	switch c.Kind {
	case protocol.CommandDiagnose:
		c.Diagnose = &protocol.DiagnoseCommand{Profile: op.Params.Profile}
	case protocol.CommandErase:
		if err := t.disks(op); err != nil {
			return err
		}
		c.Deadline = time.Time{} // what gets on is not cut off by a clock: an erase ends when it is over, stuck or canceled
		if err := t.foreign(op.Params.Disks); err != nil {
			return err
		}
		permit := protocol.Permit{
			ID: c.ID, Server: op.Server, Operation: op.ID, Epoch: op.Epoch,
			Identity: t.server.Identity, Disks: op.Params.Disks, NotAfter: t.now.Add(operation.PermitAllowed(op.Params.Disks)),
		}
		signed, signature, err := protocol.Sign(permit, t.r.signer.Sign)
		if err != nil {
			return fmt.Errorf("sign the permit of %s: %w", op.ID, err)
		}
		c.Erase = &protocol.EraseCommand{SignedPermit: signed, Signature: signature}
	case protocol.CommandInspect:
		base, _, err := store.Baselines.Find(t.tx, op.Server)
		c.Inspect = &protocol.InspectCommand{Known: base.Keys()}
		return err
	case protocol.CommandRescue:
		network, err := intake.NetworkOf(t.tx, op.Server)
		if err != nil {
			return err
		}
		c.Rescue = &protocol.RescueCommand{SSHKeys: op.Params.SSHKeys, Network: network}
	case protocol.CommandImage, protocol.CommandConfirm:
		if err := t.foreign([]protocol.DiskRef{op.Params.Disk}); err != nil {
			return err
		}
		img, err := store.Images.Get(t.tx, op.Params.Image)
		if err != nil {
			return err
		}
		c.Image = &protocol.ImageCommand{
			SignedManifest: img.SignedManifest, Signature: img.Signature, Disk: op.Params.Disk,
			Hostname: op.Params.Hostname, SSHKeys: op.Params.SSHKeys,
		}
		if c.Image.Network, err = intake.NetworkOf(t.tx, op.Server); err != nil {
			return err
		}
		if c.Kind == protocol.CommandConfirm {
			c.Image = nil
			c.Confirm = &protocol.ConfirmCommand{Disk: op.Params.Disk, RawBytes: img.RawBytes, RawSHA256: img.RawSHA256}
		}
	}
	return nil
}

func (t *turn) recall(op operation.Operation) error {
	if t.cmd == nil { // it was never stored or is gone: nothing runs
		return store.Operations.Put(t.tx, op.ID, op)
	}
	ask := operation.Ask{Reason: op.Message, Actor: access.System.Name}
	if op.CancelAsked != nil {
		ask = *op.CancelAsked
	}
	ask.At = t.now
	t.cmd.Cancel = &ask
	return cmp.Or(store.Commands.Put(t.tx, t.key, *t.cmd), store.Operations.Put(t.tx, op.ID, op))
}

// absorb takes what a result says about the server, whether the step went well
// or not: what was measured is true.
func (t *turn) absorb() error {
	if t.result == nil {
		return nil
	}
	switch t.op.Steps[t.op.Current].Command {
	case protocol.CommandDiagnose:
		return t.diagnosed()
	case protocol.CommandErase:
		return t.erased()
	}
	return nil
}

func (t *turn) diagnosed() error {
	d := t.result.Diagnosis
	if d == nil || len(d.Checks) == 0 {
		return nil
	}
	c := d.Inventory.Configuration()
	t.server.Diagnosis = &fleet.DiagnosisSummary{ID: t.op.ID, At: t.now, Profile: d.Profile, Checks: d.Checks, ConfigurationKey: c.Key()}
	t.server.Override = nil // B24: void after the next diagnostics
	old, _, err := store.Facts.Find(t.tx, t.server.ID)
	if err != nil {
		return err
	}
	if _, err := intake.NewDisks(t.tx, &t.server, fleet.NewDisks(t.server.Environment, &old.Inventory, &d.Inventory), t.now); err != nil {
		return err
	}
	return cmp.Or(store.Servers.Put(t.tx, t.server.ID, t.server), store.Facts.Put(t.tx, t.server.ID, fleet.Facts{
		Server: t.server.ID, At: t.now, AgentVersion: old.AgentVersion, Digest: d.Inventory.Digest(),
		Inventory: d.Inventory, Configuration: c, Key: c.Key(),
	}))
}

func (t *turn) erased() error {
	if len(t.result.Erasures) == 0 {
		return nil
	}
	f, known, err := store.Facts.Find(t.tx, t.server.ID)
	if err != nil {
		return err
	}
	if fleet.Regain(&f.Inventory, t.result.Erasures) && known {
		f.At, f.Digest, f.Configuration = t.now, f.Inventory.Digest(), f.Inventory.Configuration()
		f.Key = f.Configuration.Key()
		if err := store.Facts.Put(t.tx, t.server.ID, f); err != nil {
			return err
		}
	}
	// A disk that came after the permit was signed is erased by the next one. What could not be
	// proven now is not clean, whatever was proven before (rule B41).
	if verdict(t.op, t.result) == nil && fleet.Covers(t.op.Params.Disks, t.server.Environment, &f.Inventory) {
		t.server.Cleanliness, t.server.CleanSince = fleet.Clean, t.now
	} else {
		t.server = t.server.Soiled(t.now)
	}
	if err := store.Servers.Put(t.tx, t.server.ID, t.server); err != nil {
		return err
	}
	return t.certify(&f)
}

// hold asks a person to decide (rule X4).
func (t *turn) hold(op operation.Operation) error {
	return t.trouble(op, "Operation "+op.ID+" on server "+t.server.Name+" is held",
		op.Message+". Decide: retry, skip the step with a reason, or cancel. It waits until "+op.Deadline.Format(time.RFC3339)+".")
}

// trouble files the task of a failed or held operation and marks its service.
func (t *turn) trouble(op operation.Operation, subject, body string) error {
	department := op.Department
	if department == "" {
		department = "operations"
	}
	k := task.New(id.At("tsk", t.now), department, task.Failure, troubleKey(op), subject, body, t.now)
	k.Server, k.Operation, k.Order, k.Service = op.Server, op.ID, op.Order, op.Service
	if err := intake.FileTask(t.tx, k); err != nil {
		return err
	}
	return t.needsAttention(op)
}

func (t *turn) finish(op operation.Operation) error {
	before := t.server
	if t.server.Operation == op.ID {
		t.server.Operation = ""
		if op.Kind != operation.Inspect && op.Kind != operation.MoveContent { // which do nothing to the server: what was done before still counts (rule B19)
			t.server.Last = &fleet.LastOperation{ID: op.ID, Kind: op.Kind, State: op.State, Message: op.Message, At: t.now}
		}
		if op.State != operation.Done {
			t.server.Epoch++ // an agent that is away may still hold a command of it (rule X5)
		}
		t.park(op)
		if err := t.outcome(op); err != nil {
			return err
		}
	} // else another operation replaced it, and says what becomes of the server
	if err := cmp.Or(t.endMove(op), t.handBack(op)); err != nil {
		return err
	}
	err := cmp.Or(store.Servers.Put(t.tx, t.server.ID, t.server), store.Operations.Put(t.tx, op.ID, op),
		intake.Audit(t.tx, access.System, "operation."+op.State, "operations/"+op.ID, before, t.server, op.Message, t.now))
	if err != nil || op.State == operation.Failed {
		return err
	}
	return intake.CloseTask(t.tx, troubleKey(op), access.System.Name, "the operation is "+op.State, t.now)
}

// outcome is what the end of an operation means beyond itself.
func (t *turn) outcome(op operation.Operation) error {
	switch {
	case op.Kind == operation.Inspect: // whoever asked reads how it ended
		return nil
	case op.Kind == operation.MoveContent:
		return t.moved(op)
	case op.Kind == operation.Install && op.Order != "":
		return t.installed(op)
	case op.Service != "":
		return t.served(op)
	case op.State == operation.Failed:
		return t.failed(op)
	}
	return nil
}

func (t *turn) failed(op operation.Operation) error {
	return t.trouble(op, "Operation "+op.ID+" on server "+t.server.Name+" failed", op.Message+
		". The server is not available until an operation on it ends well.")
}

func troubleKey(op operation.Operation) string { return "failure/" + op.ID }
