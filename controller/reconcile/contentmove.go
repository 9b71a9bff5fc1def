package reconcile

import (
	"cmp"
	"fmt"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
)

// atOnce is how many placements one commit moves: each is read and written, and an etcd takes 128 of either.
const atOnce = 50

// movedPlacements is what the audit log keeps of one commit of a content move.
type movedPlacements struct {
	From       string   `json:"from"`
	To         string   `json:"to"`
	Placements []string `json:"placements"`
}

// copying says what a person shall copy, with how much that is now.
func (t *turn) copying(cmd *operation.Command, op *operation.Operation) (subject, body string, err error) {
	to, err := store.Servers.Get(t.tx, op.Params.To)
	if err != nil {
		return "", "", err
	}
	load, _, err := store.Loads.Find(t.tx, op.Server)
	if err != nil {
		return "", "", err
	}
	body = fmt.Sprintf("Copy all that customers have on server %s to server %s: %s. Why: %s. The list: steelyard placement list --server %s. "+
		"When this task is closed, all of it is recorded on %s; should it stay where it is, cancel the operation. ",
		t.server.Name, to.Name, amount(&load), op.Params.Reason, t.server.Name, to.Name)
	return "Copy what is on server " + t.server.Name + " to server " + to.Name, body + untilClosed(cmd), nil
}

func amount(l *hosting.Load) string {
	return fmt.Sprintf("%d for web, %d for mail, %d for mysql, with %d MiB promised", l.Web, l.Mail, l.MySQL, l.PromisedMiB)
}

// movePlacements records some of what was copied on its new server. The step is done when nothing is left on the old one.
func (t *turn) movePlacements(op operation.Operation) error {
	moved, left, err := intake.MovePlacements(t.tx, op.Server, op.Params.To, atOnce, t.now)
	if err != nil {
		return err
	}
	if len(moved) == 0 && left > 0 {
		return fault.Unavailable("server %s has %d placements that this replica does not see yet", op.Server, left)
	}
	s := &op.Steps[op.Current]
	s.Detail = fmt.Sprintf("%d placements are left", left)
	if left == 0 {
		s.State, s.FinishedAt, s.Detail = operation.StepDone, t.now, "all placements are recorded on server "+op.Params.To
	}
	op.Message, op.MessageAt = s.Detail, t.now
	err = store.Operations.Put(t.tx, op.ID, op)
	if err != nil || len(moved) == 0 {
		return err
	}
	return intake.Audit(t.tx, access.System, "placement.move", "operations/"+op.ID, nil, movedPlacements{op.Server, op.Params.To, moved}, op.Params.Reason, t.now)
}

// endMove gives both servers free again, however a content move ended (rule H6). The caller stores the first one.
func (t *turn) endMove(op operation.Operation) error {
	if op.Kind != operation.MoveContent {
		return nil
	}
	t.server.ContentMove = ""
	to, err := store.Servers.Get(t.tx, op.Params.To)
	if err != nil {
		return err
	}
	before := to
	to.ContentMove, to.Operation = "", ""
	return cmp.Or(store.Servers.Put(t.tx, to.ID, to),
		intake.Audit(t.tx, access.System, "operation."+op.State, "servers/"+to.ID, before, to, op.Message, t.now))
}

// moved tells somebody that a content move did not come to its end.
func (t *turn) moved(op operation.Operation) error {
	if op.State != operation.Failed {
		return nil
	}
	return t.trouble(op, "Content of server "+t.server.Name+" was not moved: operation "+op.ID+" failed", op.Message+
		". Each placement is recorded where it is: steelyard placement list --server "+t.server.Name+". Move what is left there once more, or leave it.")
}
