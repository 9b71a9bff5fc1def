package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/hosting"
	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/protocol"
)

// ledger reads every revision of the state, as an auditor who trusts nobody, and
// notes each one in which a law does not hold. It knows the stored records only.
type ledger struct {
	mu       sync.Mutex
	rev      int64
	servers  map[string]fleet.Server
	facts    map[string]fleet.Facts
	orders   map[string]order.Order
	services map[string]order.Service
	ops      map[string]operation.Operation
	tasks    map[string]task.Task
	sales    map[string]reselling.Sale
	saleOf   map[string]store.SaleOf // server → the sale that it is in
	sellers  map[string]reselling.Reseller
	loads    map[string]hosting.Load

	signUps map[string]reselling.SignUp
	plans   map[string]reselling.Allotment
	letters map[string][]string // address → subjects of what was posted to it, in order
	applied []string            // sign-ups of this revision
	placed  []string            // placements that came to a server in this revision

	placements map[string]hosting.Placement
	commands   map[string]operation.Command
	results    map[string]protocol.Result

	running map[string]map[string]bool // server → operations that are not over
	written map[string]int64           // server → revision of the last command that lets data onto a disk
	proof   map[string]proof           // server → last proven erase
	present map[string]bool            // servers whose agent is connected
	changed []string                   // operations of this revision
	traded  []string                   // sales of this revision
	lives   lives                      // which states were seen, and which moves
	audit   []access.Audit             // of this revision
	moved   map[string]bool            // servers whose claim changed in this revision
	led     []term
	broken  []string
}

// term is a time of office: from a revision on somebody leads, or nobody.
type term struct {
	rev     int64
	replica string
}

func leaderAt(terms []term, rev int64) (replica string) {
	for _, t := range terms {
		if t.rev < rev {
			replica = t.replica
		}
	}
	return replica
}

type proof struct {
	rev   int64
	disks map[string]bool
}

func newLedger() *ledger {
	return &ledger{
		servers: map[string]fleet.Server{}, facts: map[string]fleet.Facts{}, orders: map[string]order.Order{},
		services: map[string]order.Service{}, ops: map[string]operation.Operation{}, tasks: map[string]task.Task{},
		commands: map[string]operation.Command{}, results: map[string]protocol.Result{},
		running: map[string]map[string]bool{}, written: map[string]int64{}, proof: map[string]proof{}, moved: map[string]bool{},
		present: map[string]bool{}, lives: newLives(),
		sales: map[string]reselling.Sale{}, saleOf: map[string]store.SaleOf{}, sellers: map[string]reselling.Reseller{}, loads: map[string]hosting.Load{},
		placements: map[string]hosting.Placement{}, signUps: map[string]reselling.SignUp{}, plans: map[string]reselling.Allotment{}, letters: map[string][]string{},
	}
}

// follow reads until ctx ends.
func (l *ledger) follow(ctx context.Context, backend kv.KV) error {
	ch, err := backend.Watch(ctx, "", 1)
	if err != nil {
		return err
	}
	for b := range ch {
		if b.Err != nil {
			return b.Err
		}
		l.take(b.Events)
	}
	return nil
}

// take splits a batch into its revisions; what is one revision is seen together.
func (l *ledger) take(events []kv.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(events) > 0 {
		n := 1
		for n < len(events) && events[n].ModRev == events[0].ModRev {
			n++
		}
		l.revision(events[:n])
		events = events[n:]
	}
}

func (l *ledger) revision(events []kv.Event) {
	l.rev, l.audit, l.changed, l.traded, l.applied, l.placed = events[0].ModRev, nil, nil, nil, nil, nil
	clear(l.moved)
	touched, loaded := map[string]bool{}, map[string]bool{} // servers and orders; servers that something came to or went from
	for _, e := range events {
		table, id, _ := strings.Cut(e.Key, "/")
		switch table {
		case "servers":
			before := l.servers[id].Claim
			record(l.servers, id, e)
			if now := l.servers[id].Claim; before.Kind != "" && (now.Kind != before.Kind || now.Ref != before.Ref) {
				l.moved[id] = true
			}
			touched[id] = true
		case "facts":
			record(l.facts, id, e)
			touched[id] = true
		case "orders":
			record(l.orders, id, e)
			touched[id] = true
		case "services":
			record(l.services, id, e)
			touched[l.services[id].Order] = true
		case "operations":
			l.operation(id, e)
			l.changed = append(l.changed, id)
			for _, server := range runsOn(l.ops[id]) {
				touched[server] = true
			}
		case "presence":
			l.present[id] = !e.Deleted
			touched[id] = true
		case "tasks":
			record(l.tasks, id, e)
		case "sales":
			record(l.sales, id, e)
			l.traded = append(l.traded, id)
			touched[l.sales[id].Server] = true
		case "sale-of":
			record(l.saleOf, id, e)
			touched[id] = true
		case "signups":
			record(l.signUps, id, e)
			l.applied = append(l.applied, id)
			touched[l.signUps[id].Server] = true
		case "allotments":
			record(l.plans, id, e)
		case "deliveries":
			l.posted(e)
		case "resellers":
			record(l.sellers, id, e)
		case "loads":
			record(l.loads, id, e)
			loaded[id] = true
		case "placements":
			before := l.placements[id].Server
			record(l.placements, id, e)
			loaded[before], loaded[l.placements[id].Server] = true, true
			if !e.Deleted && l.placements[id].Server != before {
				l.placed = append(l.placed, id)
			}
		case "leaders":
			var who store.Leader
			if !e.Deleted {
				must(json.Unmarshal(e.Value, &who))
			}
			l.led = append(l.led, term{l.rev, who.Replica})
		case "commands":
			l.command(id, e)
		case "results":
			l.result(id, e)
		case "audit":
			var a access.Audit
			must(json.Unmarshal(e.Value, &a))
			l.audit = append(l.audit, a)
		}
	}
	for id := range touched {
		l.judge(id)
	}
	for id := range loaded {
		l.weighed(id)
	}
	for _, id := range l.placed {
		l.settledOn(l.placements[id])
	}
	l.lived(touched)
}

// posted notes a letter when it is new.
func (l *ledger) posted(e kv.Event) {
	if e.Deleted || e.CreateRev != e.ModRev {
		return
	}
	var d notify.Delivery
	must(json.Unmarshal(e.Value, &d))
	if d.To != "" {
		l.letters[d.To] = append(l.letters[d.To], d.Event.Data.Subject)
	}
}

// runsOn are the servers that an operation runs on (rule X4): a content move on two (H6).
func runsOn(op operation.Operation) []string {
	if op.Params.To != "" {
		return []string{op.Server, op.Params.To}
	}
	return []string{op.Server}
}

// settledOn: nothing comes to a server that is being taken back, or that was and is not clean yet (rule S8).
func (l *ledger) settledOn(p hosting.Placement) {
	s := l.servers[p.Server]
	if sale := l.sales[l.saleOf[p.Server].Sale]; sale.TakingBack() {
		l.fault("S8: placement %s came to server %s, whose sale %s is %s", p.ID, s.ID, sale.ID, sale.State)
	}
	if s.Claim.Kind == fleet.ClaimNone && !s.IsClean() {
		l.fault("S8: placement %s came to server %s, which is nobody's and not clean", p.ID, s.ID)
	}
}

// weighed: at every revision a server's load is the sum of what is placed on it (rules H5, S7).
func (l *ledger) weighed(server string) {
	var sum hosting.Load
	for _, p := range l.placements {
		if p.Server == server {
			sum = sum.Change(&p, 1)
		}
	}
	if sum != l.loads[server] {
		l.fault("H5: server %q has %+v, and by its load %+v", server, sum, l.loads[server])
	}
}

func record[T any](into map[string]T, id string, e kv.Event) {
	if e.Deleted {
		delete(into, id)
		return
	}
	var v T
	must(json.Unmarshal(e.Value, &v))
	into[id] = v
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func (l *ledger) operation(id string, e kv.Event) {
	record(l.ops, id, e)
	op := l.ops[id]
	l.inOrder(op)
	for _, server := range runsOn(op) {
		if l.running[server] == nil {
			l.running[server] = map[string]bool{}
		}
		if operation.Final(op.State) {
			delete(l.running[server], id)
		} else {
			l.running[server][id] = true
		}
	}
}

func (l *ledger) command(id string, e kv.Event) {
	record(l.commands, id, e)
	c, ok := l.commands[id]
	if !ok {
		return
	}
	if c.Kind == protocol.CommandImage {
		l.written[c.Server] = l.rev
	}
	if op, known := l.ops[c.Operation]; known && op.Epoch != c.Epoch && op.Epoch != 0 && c.Cancel == nil { // 0: it gets its epoch with this command; one that is recalled does nothing
		l.fault("X5: command %s has epoch %d, its operation %d", id, c.Epoch, op.Epoch)
	}
}

func (l *ledger) result(id string, e kv.Event) {
	record(l.results, id, e)
	r, ok := l.results[id]
	if !ok || len(r.Erasures) == 0 || r.Fault != nil {
		return
	}
	p := proof{rev: l.rev, disks: map[string]bool{}}
	for _, d := range r.Erasures {
		if d.Proven {
			p.disks[d.Disk.Serial+d.Disk.WWN] = true
		}
	}
	server, _, _ := strings.Cut(id, "/")
	l.proof[server] = p
}

func (l *ledger) fault(format string, args ...any) {
	if len(l.broken) < 20 {
		l.broken = append(l.broken, fmt.Sprintf("revision %d: ", l.rev)+fmt.Sprintf(format, args...))
	}
}

// judge holds the laws against one server or order that changed.
func (l *ledger) judge(id string) {
	if s, ok := l.servers[id]; ok {
		l.oneOperation(s)
		l.claimed(s)
		l.erased(s)
	}
	if o, ok := l.orders[id]; ok {
		l.ordered(o)
	}
}

// oneOperation is rules X4 and H6: no content move is on a server but the operation that runs there.
func (l *ledger) oneOperation(s fleet.Server) {
	if op := l.ops[s.Operation]; (op.Kind == operation.MoveContent) != (s.ContentMove != "") || s.ContentMove != "" && s.ContentMove != s.Operation {
		l.fault("H6: server %s takes part in content move %q, and operation %q (%s) runs on it", s.ID, s.ContentMove, s.Operation, op.Kind)
	}
	switch n := len(l.running[s.ID]); {
	case n == 2 && l.replacing(s):
	case n > 1:
		l.fault("X4: %d operations run on server %s", n, s.ID)
	case n == 1 && !l.running[s.ID][s.Operation], n == 0 && s.Operation != "":
		l.fault("X4: server %s names operation %q; running are %v", s.ID, s.Operation, l.running[s.ID])
	}
}

// replacing: of two operations one is being replaced by the one that the server names (rule B35).
func (l *ledger) replacing(s fleet.Server) bool {
	for id := range l.running[s.ID] {
		if id != s.Operation {
			return l.ops[id].ReplacedBy == s.Operation && l.running[s.ID][s.Operation]
		}
	}
	return false
}

// inOrder is rules B33 to B40: no step is begun before the one before it is confirmed.
func (l *ledger) inOrder(op operation.Operation) {
	ended := func(s operation.Step) bool {
		return s.State == operation.StepDone || s.State == operation.StepSkipped || s.State == operation.StepNothing
	}
	for i := 1; i < len(op.Steps); i++ {
		if op.Steps[i].State != operation.StepPending && !ended(op.Steps[i-1]) {
			l.fault("B33–B40: step %s of %s is %s while %s is %s", op.Steps[i].Name, op.ID, op.Steps[i].State, op.Steps[i-1].Name, op.Steps[i-1].State)
		}
	}
}

// claimed is rule X2 from the server's side: whose it is knows of it, and a change of
// claim has its audit line in the same revision.
func (l *ledger) claimed(s fleet.Server) {
	switch s.Claim.Kind {
	case fleet.ClaimHeld:
		if o := l.orders[s.Claim.Ref]; o.State != order.Held || o.Server != s.ID {
			l.fault("X2: server %s is held for order %s, which is %s on %q", s.ID, s.Claim.Ref, o.State, o.Server)
		}
	case fleet.ClaimPlan:
		if !slices.Contains(l.plans[s.Claim.Ref].Available, s.ID) {
			l.fault("X2, H8: server %s is assigned to plan %s, which has %v", s.ID, s.Claim.Ref, l.plans[s.Claim.Ref].Available)
		}
	case fleet.ClaimReseller:
		if s.Claim.Via == fleet.ViaPlan {
			l.byPlan(s)
			break
		}
		if sale := l.sales[l.saleOf[s.ID].Sale]; sale.Server != s.ID || sale.Reseller != s.Claim.Ref || sale.State == reselling.Revoked {
			l.fault("X2, S2: server %s is %s's, by a sale of %s to %s that is %s", s.ID, s.Claim.Ref, sale.Server, sale.Reseller, sale.State)
		}
	case fleet.ClaimClient:
		if l.moved[s.ID] {
			l.proven(s, "given to "+s.Claim.Ref)
		}
		svc := l.services[s.Claim.Ref]
		o := l.orders[svc.Order]
		owns := o.State == order.Preparing || o.State == order.Fulfilled || o.State == order.Failed || o.State == order.Canceled && (l.running[s.ID][o.Operation] || svc.State == order.ServiceDeleting || svc.State == order.ServiceNeedsAttention)
		if svc.Server != s.ID || o.Server != s.ID || !owns {
			l.fault("X2: server %s belongs to service %s of order %s, which is %s on %q", s.ID, svc.ID, o.ID, o.State, o.Server)
		}
	}
	if _, sold := l.saleOf[s.ID]; sold && s.Claim.Kind != fleet.ClaimReseller {
		l.fault("X2, S2: server %s is in a sale, and belongs to %s %s", s.ID, s.Claim.Kind, s.Claim.Ref)
	}
	if l.moved[s.ID] && s.Claim.Kind == fleet.ClaimNone && l.loads[s.ID].Placements > 0 {
		l.fault("S8: server %s is nobody's, and customers have %d things on it", s.ID, l.loads[s.ID].Placements)
	}
	if l.moved[s.ID] {
		l.counted()
	}
	if l.moved[s.ID] && !slices.ContainsFunc(l.audit, func(a access.Audit) bool { return tells(a, s) }) {
		l.fault("X2, X8: the claim of server %s became %s %s without an audit line", s.ID, s.Claim.Kind, s.Claim.Ref)
	}
}

// byPlan: a server that a reseller has by plan is that of one active sign-up of his, and taken from the plan (rules H8, H11).
func (l *ledger) byPlan(s fleet.Server) {
	n := 0
	for _, su := range l.signUps {
		if su.Server == s.ID && su.Plan == s.Claim.Plan && su.Reseller == s.Claim.Ref && su.State == reselling.SignUpActive {
			n++
		}
	}
	if has := l.plans[s.Claim.Plan]; n != 1 || slices.Contains(has.Available, s.ID) || !slices.Contains(has.Taken, s.ID) {
		l.fault("X2, H11: server %s is %s's by plan %s, by %d sign-ups; the plan has %+v", s.ID, s.Claim.Ref, s.Claim.Plan, n, has)
	}
}

// counted: each reseller has as many servers as he is said to have.
func (l *ledger) counted() {
	has := map[string]uint64{}
	for _, s := range l.servers {
		if s.Claim.Kind == fleet.ClaimReseller {
			has[s.Claim.Ref]++
		}
	}
	for id, r := range l.sellers {
		if r.Servers != has[id] {
			l.fault("X2: reseller %s has %d servers, and %d by his record", id, has[id], r.Servers)
		}
	}
}

// tells: the line shows the new claim.
func tells(a access.Audit, s fleet.Server) bool {
	var after struct {
		Claim *fleet.Claim `json:"claim"`
	}
	_ = json.Unmarshal(a.After, &after)
	return after.Claim != nil && after.Claim.Kind == s.Claim.Kind && after.Claim.Ref == s.Claim.Ref && (a.Object == "servers/"+s.ID || strings.HasPrefix(a.Object, "operations/"))
}

// erased is rules B41 and B45: nothing is available that was not proven erased, every
// disk of it, after the last time that data could reach it.
func (l *ledger) erased(s fleet.Server) {
	f, known := l.facts[s.ID]
	if !known || !fleet.Available(fleet.Unavailable(&s, fleet.Surroundings{Facts: &f, Connected: true})) {
		return
	}
	l.proven(s, "available")
}

func (l *ledger) proven(s fleet.Server, is string) {
	p, f := l.proof[s.ID], l.facts[s.ID]
	if p.rev == 0 || p.rev < l.written[s.ID] {
		l.fault("B41: server %s is %s; erased at %d, written at %d", s.ID, is, p.rev, l.written[s.ID])
	}
	for _, d := range fleet.Targets(s.Environment, &f.Inventory) {
		if !p.disks[d.Serial+d.WWN] {
			l.fault("B45: server %s is %s although disk %s was never proven erased", s.ID, is, d.Serial)
		}
	}
}

// ordered is rule X2 from the order's side.
func (l *ledger) ordered(o order.Order) {
	s, svc := l.servers[o.Server], l.services[o.Service]
	held := s.Claim.Kind == fleet.ClaimHeld && s.Claim.Ref == o.ID
	owned := s.Claim.Kind == fleet.ClaimClient && s.Claim.Ref == o.Service
	ok := true
	switch o.State {
	case order.Preparing:
		ok = owned && svc.Server == s.ID && l.running[s.ID][o.Operation]
	case order.Held:
		_, filed := l.tasks[o.Task]
		ok = held && filed
	case order.Fulfilled:
		ok = svc.State == order.ServiceDeleted || owned && svc.State != order.ServiceOrdered && svc.State != order.ServicePreparing && svc.Server == s.ID
	case order.New, order.Waiting:
		ok = o.Server == "" && svc.Server == ""
	}
	if !ok {
		l.fault("X2: order %s is %s on server %q (claim %s %s, service %s on %q, running %v)", o.ID, o.State, o.Server, s.Claim.Kind, s.Claim.Ref, svc.State, svc.Server, l.running[s.ID])
	}
}

// read asks about the state as the ledger has seen it last.
func read[T any](l *ledger, f func(l *ledger) T) T {
	l.mu.Lock()
	defer l.mu.Unlock()
	return f(l)
}
