package reconcile

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
)

// mostLeft is how many left-overs a sale names.
const mostLeft = 50

// revocation is one commit's view of a sale that is taken back.
type revocation struct {
	r      *Reconciler
	tx     *store.Tx
	now    time.Time
	before reselling.Sale // as stored
	sale   reselling.Sale
	server fleet.Server
}

// sale brings a revocation one step on (rules S8 to S10): each step is a commit, and the record of the next one is in it. What is waited for
// is an operation on the server: when it ends, the sale is looked at again.
func (r *Reconciler) sale(ctx context.Context, saleID string) error {
	now := r.now()
	return r.change(ctx, func(tx *store.Tx) error {
		sale, known, err := store.Sales.Find(tx, saleID)
		if err != nil || !known || sale.State != reselling.Revoking {
			return err
		}
		v := revocation{r: r, tx: tx, now: now, before: sale, sale: sale}
		if v.server, err = store.Servers.Get(tx, sale.Server); err != nil {
			return err
		}
		return v.step()
	})
}

func (v *revocation) step() error {
	load, _, err := store.Loads.Find(v.tx, v.sale.Server)
	switch {
	case err != nil:
		return err
	case load.Placements > 0: // counted again (rule S8)
		return v.put("sale.kept", v.sale.Kept("it stays the reseller's: "+intake.Occupied(v.r.store.Snapshot(), v.sale.Server, load), v.now))
	case v.server.Operation != "":
		return v.wait("operation " + v.server.Operation + " runs on the server; it is waited for")
	case v.sale.Accepted != nil, v.server.Node == nil:
		return v.release()
	case v.sale.Operation == "":
		return v.inspect()
	}
	return v.judge()
}

// wait tells what is waited for, once.
func (v *revocation) wait(message string) error {
	if v.sale.Message == message {
		return nil
	}
	return store.Sales.Put(v.tx, v.sale.ID, v.sale.Moved(reselling.Revoking, message, v.now))
}

func (v *revocation) put(action string, sale reselling.Sale) error {
	return cmp.Or(store.Sales.Put(v.tx, sale.ID, sale),
		intake.Audit(v.tx, access.System, action, "sales/"+sale.ID, v.before, sale, v.sale.Reason, v.now))
}

// inspect has the agent look at what is left on a hosting node.
func (v *revocation) inspect() error {
	if !v.r.stock.Connected(v.server.ID) {
		return v.ask("what is left on the server cannot be seen: its agent is not connected", nil)
	}
	before := v.server
	op, err := intake.Begin(v.tx, &v.server, id.At("opn", v.now), operation.Inspect, operation.Params{}, 0, v.now)
	if fault.Is(err, fault.KindRefused) {
		return v.ask("what is left on the server cannot be seen: "+err.Error(), nil)
	}
	if err != nil {
		return err
	}
	op.RequestedBy = access.System.Name
	v.sale.Operation = op.ID
	return cmp.Or(store.Servers.Put(v.tx, v.server.ID, v.server), store.Operations.Create(v.tx, op.ID, op),
		store.Sales.Put(v.tx, v.sale.ID, v.sale.Moved(reselling.Revoking, "operation "+op.ID+" looks at what is left on the server", v.now)),
		intake.Audit(v.tx, access.System, "operation."+op.Kind, "servers/"+v.server.ID, before, v.server, "sale "+v.sale.ID+" is revoked", v.now))
}

// judge reads how the inspection ended.
func (v *revocation) judge() error {
	op, known, err := store.Operations.Find(v.tx, v.sale.Operation)
	if err != nil {
		return err
	}
	if !known || op.State != operation.Done {
		return v.ask("what is left on the server cannot be seen: the inspection "+cmp.Or(op.State, "is gone")+" "+op.Message, nil)
	}
	seen, known, err := store.Inspections.Find(v.tx, v.server.ID)
	if err != nil {
		return err
	}
	if !known || seen.ID != op.ID {
		return v.ask("what is left on the server is not known: it was inspected again meanwhile. Cancel, and revoke it again", nil)
	}
	base, _, err := store.Baselines.Find(v.tx, v.server.ID)
	if err != nil {
		return err
	}
	left := seen.Beyond(&base)
	switch {
	case left.Clean():
		return v.release()
	case left.Count == 0:
		return v.ask("not everything on the server could be looked at", left.Lines(mostLeft))
	}
	return v.ask("something of the reseller's is left on the server", left.Lines(mostLeft))
}

// ask lets a person decide (rule S9). The task stays open until he does.
func (v *revocation) ask(why string, left []string) error {
	to := v.sale.Moved(reselling.Asking, strings.TrimSpace(why), v.now)
	to.LeftOvers = left
	body := to.Message + ". Continue: the server is released, and nobody gets it before it is cleaned up (steelyard sale continue " + to.ID + " --reason '…'). Or cancel: it stays the reseller's (steelyard sale cancel " + to.ID + ")."
	if len(left) > 0 {
		body += "\n\n" + strings.Join(left, "\n")
	}
	k := task.New(id.At("tsk", v.now), "operations", task.Approval, intake.SaleKey(to.ID), "Server "+v.server.Name+" is taken back: continue or cancel?", body, v.now)
	k.Server, k.Operation = v.server.ID, to.Operation
	return cmp.Or(v.put("sale.ask", to), intake.FileTask(v.tx, k), intake.AskSeller(v.tx, to, v.server.Name, body, v.now))
}

// release ends the sale: the server is the provider's again (rules S9, S10). Nothing is erased here.
func (v *revocation) release() error {
	if v.sale.Under != "" {
		return v.handBack()
	}
	s, err := intake.Release(v.tx, access.System, "server.release", v.server, "sale "+v.sale.ID+" was revoked by "+v.sale.RevokedBy+": "+v.sale.Reason, v.now)
	if err != nil {
		return err
	}
	after, message := v.after(s)
	to := v.sale.Moved(reselling.Revoked, message, v.now)
	to.RevokedAt, to.Operation = v.now, ""
	return cmp.Or(store.Servers.Put(v.tx, s.ID, after), store.SalesOf.Delete(v.tx, s.ID), v.put("sale.revoked", to))
}

// handBack ends a sale that a reseller made: the server is his again. What is left on it keeps it from being sold on, not from him.
func (v *revocation) handBack() error {
	s, seller, err := intake.HandBack(v.tx, access.System, v.sale, v.server, "sale "+v.sale.ID+" was revoked by "+v.sale.RevokedBy+": "+v.sale.Reason, v.now)
	if err != nil {
		return err
	}
	message := "it is " + seller + "'s again; "
	switch {
	case s.Node == nil:
		message += "its disks are not erased, and it is sold on to nobody before the provider has it again"
	case v.sale.Accepted == nil:
		message += "nothing is left on it"
	default:
		s = v.unseen(s)
		message += "it is sold on to nobody before an inspection finds nothing"
	}
	to := v.sale.Moved(reselling.Revoked, message, v.now)
	to.RevokedAt, to.Operation = v.now, ""
	return cmp.Or(store.Servers.Put(v.tx, s.ID, s), v.put("sale.revoked", to))
}

// unseen is a server of which a person said that what is left does no harm: where nobody could look, everything may be.
func (v *revocation) unseen(s fleet.Server) fleet.Server {
	if s.LeftOvers == nil {
		s.LeftOvers = &fleet.LeftOvers{Unseen: len(protocol.InspectKinds), Since: v.now, At: v.now}
	}
	return s
}

// after is the released server, and what is told of it. A bare one is out of service until a person has it erased: its reseller may have
// written whatever he liked.
func (v *revocation) after(s fleet.Server) (fleet.Server, string) {
	switch {
	case s.Node == nil:
		if s.InService {
			s.InService, s.ServiceSince = false, v.now
		}
		return s, "taken back; its disks are not erased yet, and it is out of service: steelyard server commission " + s.Name + " erases them and puts it into service"
	case v.sale.Accepted == nil:
		return s, "taken back; nothing is left on it, it is free"
	}
	s = v.unseen(s)
	return s, "taken back; cleanup required: nobody gets it before an inspection finds nothing (steelyard server inspect " + s.Name + "), or an operator clears it with a reason"
}
