package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/authority"
	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/protocol"
)

// roaming is one server, and people, agents and devices that do with it whatever comes to their
// minds. Most of it is refused; what is not makes the server, its operations, orders and
// services go every way that there is.
type roaming struct {
	*world
	h      *hall
	ledger *ledger
	chance *rand.Rand
	id     string
	inv    hardware.Inventory
	keys   int // new keys, cards and disks
	orders []string
	done   map[string]map[int]int // how often each deed was done in each state
}

var ctx = context.Background()

// alone runs f on a server of its own, and tells what was seen meanwhile.
func alone(t *testing.T, seed uint64, f func(r *roaming)) (l *ledger) {
	t.Helper()
	inHall(t, func(w *world, h *hall) {
		r := &roaming{world: w, h: h, ledger: newLedger(), chance: rand.New(rand.NewPCG(seed, 1)), inv: machine(1, 1, 1)}
		l = r.ledger
		ctx, cancel := context.WithCancel(ctx)
		read := make(chan struct{})
		go func() { defer close(read); _ = l.follow(ctx, w.kv) }()
		r.settings()
		r.behave("good")
		f(r)
		synctest.Wait()
		cancel()
		<-read
	})
	return l
}

// roam lets so many things happen.
func roam(t *testing.T, seed uint64, steps int, done map[string]map[int]int) *ledger {
	return alone(t, seed, func(r *roaming) {
		r.done = done
		r.join(r.roll(2))
		for range steps {
			r.anything()
			r.pass()
		}
	})
}

// settings: a bigger server is sold too, so that an order is held; an image is larger than any
// disk; and there is a token by which a machine has to be approved.
func (r *roaming) settings() {
	r.change(func(tx *store.Tx) error {
		big := machine(0, 2, 1)
		k, err := store.Tokens.Get(tx, "tok-0000000000000000")
		k.ID, k.AutoApprove = "tok-0000000000000001", false
		img, err2 := store.Images.Get(tx, "img-1")
		img.ID, img.RawBytes = "img-2", 1<<42
		return cmp.Or(err, err2, store.Tokens.Put(tx, k.ID, k), store.Images.Put(tx, img.ID, img),
			store.Tariffs.Put(tx, "tar-2", order.Tariff{ID: "tar-2", Name: "large", Modules: []string{"mod-1"}, Configuration: big.Configuration()}))
	})
}

func (r *roaming) roll(n int) int { return r.chance.IntN(n) }

// pass lets a moment go by, or the time that a person has to decide.
func (r *roaming) pass() {
	d := []time.Duration{0, 0, time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 4 * time.Minute, 25 * time.Minute}
	time.Sleep(d[r.roll(len(d))])
	synctest.Wait()
}

// days go by for what waits for a person or an agent. Nobody looks at the devices meanwhile: they have nothing
// to do with it, and it would take long.
func (r *roaming) days(s fleet.Server) error {
	if s.Claim.Kind != fleet.ClaimHeld && s.Operation == "" {
		return nil
	}
	r.change(func(tx *store.Tx) error { return cmp.Or(store.Wirings.Delete(tx, s.ID), store.BMCs.Delete(tx, s.ID)) })
	time.Sleep(80 * time.Hour)
	synctest.Wait()
	r.change(wired(s.ID))
	return nil
}

// tempers of an agent.
var tempers = []string{"good", "good", "shaken", "stubborn", "vain", "silent"}

// behave gives the agent a temper from now on.
func (r *roaming) behave(how string) {
	r.obey(func(c protocol.Command) (protocol.Result, bool) { return r.answer(how, c) })
}

// answer is how the agent goes about a command.
func (r *roaming) answer(how string, c protocol.Command) (protocol.Result, bool) {
	if m := r.h.chassis(c.Server); c.Epoch != r.server(c.Server).Epoch || !m.there() {
		return protocol.Result{}, false
	}
	res, ok := r.obedient(c)
	switch how {
	case "shaken":
		res.Fault, res.Written, res.Erasures, res.Diagnosis, res.Inspection = fault.Unavailable("something shook"), nil, nil, nil, nil
	case "stubborn":
		res.Fault, res.Written, res.Erasures, res.Diagnosis, res.Inspection = fault.Refused("it does not obey"), nil, nil, nil, nil
	case "vain":
		for i := range res.Erasures {
			res.Erasures[i].Proven = false
		}
	case "untidy":
		if c.Kind == protocol.CommandInspect {
			res.Inspection = looked("", "bob")
		}
	case "silent":
		return res, false
	}
	return res, ok
}

// anything is one thing that happens: what was done least in the state that the server is in, or
// what good people do.
func (r *roaming) anything() {
	s := r.server(r.id)
	if r.roll(4) == 0 {
		r.calm(s)
		return
	}
	where := r.ledger.where(r.id)
	deeds := slices.Concat(r.people(), r.operators(), r.customers(), r.machines())
	first, best := r.roll(len(deeds)), 0
	for i := range deeds {
		n := (first + i) % len(deeds)
		if i == 0 || r.done[where][n] < r.done[where][best] {
			best = n
		}
	}
	if r.done[where] == nil {
		r.done[where] = map[int]int{}
	}
	r.done[where][best]++
	_ = deeds[best](s)
	synctest.Wait()
}

// where a server is, with all that it is in the middle of.
func (l *ledger) where(server string) string {
	return read(l, func(l *ledger) string {
		s := l.servers[server]
		return l.lives.states[fleet.Servers.Noun][server] + " " + l.ops[s.Operation].State + " " + l.services[s.Claim.Ref].State
	})
}

// calm ends all that keeps the server from being available, as good people do.
func (r *roaming) calm(s fleet.Server) {
	for i := range store.Servers.Items(r.store.Snapshot()) {
		if i.ID != s.ID && i.Value.Approval == fleet.Pending {
			_, _, _ = r.intake.RetireServer(ctx, ann, i.ID, "a double", true)
		}
	}
	_ = r.mend(s)
	r.behave([]string{"good", "good", "silent"}[r.roll(3)])
	if s.Operation == "" && r.roll(3) > 0 { // else it ends with what was said of it meanwhile
		_ = r.confirm(s)
		_, _, _ = r.intake.ApproveServer(ctx, ann, s.ID, "", true)
		_, _, _ = r.intake.EndQuarantine(ctx, ann, s.ID, "settled")
		_, _, _ = r.intake.EndMaintenance(ctx, ann, s.ID)
	}
	if s.ParkedAt.IsZero() {
		r.h.run(s.ID, true, protocol.EnvRAM)
	}
	_, _ = r.intake.RetryOperation(ctx, ann, s.Operation, "again")
	synctest.Wait()
}

func second(_ fleet.Server, _ int64, err error) error { return err }

// people decide about the server.
func (r *roaming) people() []func(fleet.Server) error {
	in := r.intake
	return []func(fleet.Server) error{
		func(s fleet.Server) error { return second(in.ApproveServer(ctx, ann, s.ID, "", r.roll(2) == 0)) },
		func(s fleet.Server) error { return second(in.ApproveServer(ctx, ann, s.ID, "", true)) },
		func(s fleet.Server) error { return second(in.RejectServer(ctx, ann, s.ID, "looks odd")) },
		func(s fleet.Server) error { return second(in.CommissionServer(ctx, ann, s.ID, "", true)) },
		func(s fleet.Server) error { return second(in.CommissionServer(ctx, ann, s.ID, "", true)) },
		func(s fleet.Server) error { return second(in.CommissionServer(ctx, ann, s.ID, "", false)) },
		func(s fleet.Server) error { return second(in.SetMaintenance(ctx, ann, s.ID, "fan", time.Time{})) },
		func(s fleet.Server) error { return second(in.EndMaintenance(ctx, ann, s.ID)) },
		func(s fleet.Server) error { return second(in.EndMaintenance(ctx, ann, s.ID)) },
		func(s fleet.Server) error { return second(in.SetOverride(ctx, ann, s.ID, "risk", time.Time{})) },
		func(s fleet.Server) error { return in.Conflict(ctx, s.ID, "two agents") },
		func(s fleet.Server) error { return second(in.EndQuarantine(ctx, ann, s.ID, "found the copy")) },
		func(s fleet.Server) error { return second(in.EndQuarantine(ctx, ann, s.ID, "found the copy")) },
		r.confirm, r.confirm, r.disown, r.retire,
	}
}

func (r *roaming) confirm(s fleet.Server) error {
	if s.PendingIdentity == nil {
		return nil
	}
	return second(r.intake.ConfirmIdentity(ctx, ann, s.ID, s.PendingIdentity.ID, "replaced"))
}

func (r *roaming) disown(s fleet.Server) error {
	if s.PendingIdentity == nil {
		return nil
	}
	return second(r.intake.RejectIdentity(ctx, ann, s.ID, s.PendingIdentity.ID, "it is another one"))
}

// retire, and adopt the machine again, or leave it for a while.
func (r *roaming) retire(s fleet.Server) error {
	if s.Claim.Kind != fleet.ClaimNone || s.Operation != "" {
		return nil
	}
	r.change(func(tx *store.Tx) error {
		return cmp.Or(store.Wirings.Delete(tx, s.ID), store.BMCs.Delete(tx, s.ID))
	})
	if err := second(r.intake.RetireServer(ctx, ann, s.ID, "sold", true)); err != nil {
		r.change(wired(s.ID))
		return err
	}
	synctest.Wait()
	if r.roll(3) == 0 {
		r.join(r.roll(2)) // as another server
		return nil
	}
	r.change(func(tx *store.Tx) error { return store.Presences.Delete(tx, s.ID) })
	reply, err := r.enrol("tok-0000000000000001")
	if err != nil {
		return err
	}
	if err := second(r.intake.AdoptServer(ctx, ann, reply.ServerID, s.ID, "bought back")); err != nil {
		return err
	}
	r.h.run(s.ID, true, protocol.EnvRAM)
	r.change(wired(s.ID))
	return nil
}

// enrol is the machine with a new key.
func (r *roaming) enrol(token string) (protocol.EnrolReply, error) {
	r.keys++
	return r.intake.Enrol(ctx, "127.0.0.1", protocol.EnrolRequest{
		Token: token + "." + secret, Environment: protocol.EnvSimulated, InstanceID: fmt.Sprint("instance-", r.keys), Inventory: r.inv,
	}, func(string) (authority.Issued, error) { return authority.Issued{Serial: fmt.Sprint(r.keys)}, nil })
}

// join is a server that was never there, by the token that approves it (0) or by the other one.
func (r *roaming) join(token int) {
	if r.id != "" {
		r.h.run(r.id, false, "")
	}
	reply, err := r.enrol(fmt.Sprint("tok-000000000000000", token))
	if err != nil {
		r.t.Fatal(err)
	}
	r.id = reply.ServerID
	r.h.stand(r.id)
	r.change(wired(r.id))
	r.h.agent(r.id)
	synctest.Wait()
}

// operators do something to the server, or decide about what is being done.
func (r *roaming) operators() []func(fleet.Server) error {
	ask := func(kind string, p operation.Params) func(fleet.Server) error {
		return func(s fleet.Server) error {
			_, err := r.intake.RequestOperation(ctx, ann, intake.OperationWish{Server: s.ID, Kind: kind, Params: p}, nil)
			return err
		}
	}
	decide := func(f func(context.Context, access.Actor, string, string) (operation.Operation, error)) func(fleet.Server) error {
		return func(s fleet.Server) error { _, err := f(ctx, ann, s.Operation, "because"); return err }
	}
	return []func(fleet.Server) error{
		ask(operation.Erase, operation.Params{}), ask(operation.Diagnose, operation.Params{}), ask(operation.Install, operation.Params{Image: "img-1"}),
		ask(operation.Power, operation.Params{Action: operation.PowerOn}), ask(operation.Power, operation.Params{Action: operation.PowerOff}),
		ask(operation.Power, operation.Params{Action: operation.PowerBootRAM}),
		decide(r.intake.CancelOperation), decide(r.intake.RetryOperation), decide(r.intake.RetryOperation), decide(r.intake.SkipStep),
	}
}

// customers order, and do what they may with what they have.
func (r *roaming) customers() []func(fleet.Server) error {
	place := func(tariff, image string) func(fleet.Server) error {
		return func(fleet.Server) error { return r.order(tariff, image) }
	}
	wish := func(f func(context.Context, access.Actor, string, string) (order.Service, error)) func(fleet.Server) error {
		return func(s fleet.Server) error { _, err := f(ctx, ann, s.Claim.Ref, "wanted"); return err }
	}
	return []func(fleet.Server) error{
		place("tar-1", "img-1"), place("tar-1", "img-1"), place("tar-2", "img-1"), place("tar-2", "img-2"), r.withdraw, r.withdraw,
		wish(r.intake.StopService), wish(r.intake.ResumeService), wish(r.intake.DeleteService), wish(r.intake.DeleteService),
		func(s fleet.Server) error {
			_, err := r.intake.PowerService(ctx, ann, s.Claim.Ref, []string{operation.PowerOn, operation.PowerOff, operation.PowerCycle}[r.roll(3)], "")
			return err
		},
	}
}

func (r *roaming) order(tariff, image string) error {
	o, err := r.intake.PlaceOrder(ctx, ann, intake.OrderWish{Tariff: tariff, Customer: "cus", Image: image, Hostname: "web1.example.org"}, nil)
	r.orders = append(r.orders, o.ID)
	return err
}

// withdraw the order of the server, or the last one.
func (r *roaming) withdraw(s fleet.Server) error {
	if len(r.orders) == 0 {
		return nil
	}
	id := r.orders[len(r.orders)-1-r.roll(min(3, len(r.orders)))]
	_, err := r.intake.CancelOrder(ctx, ann, id, "changed mind")
	return err
}

// machines change, break, come and go.
func (r *roaming) machines() []func(fleet.Server) error {
	return []func(fleet.Server) error{
		func(s fleet.Server) error { r.h.run(s.ID, true, protocol.EnvRAM); return nil },
		func(s fleet.Server) error { r.h.run(s.ID, true, protocol.EnvRAM); return nil },
		func(s fleet.Server) error { r.h.run(s.ID, true, "other"); return nil },
		func(s fleet.Server) error { r.h.run(s.ID, false, ""); return nil },
		func(fleet.Server) error { r.h.breaks(verbs[r.roll(len(verbs))], errAway); return nil },
		func(fleet.Server) error { r.behave(tempers[r.roll(len(tempers))]); return nil },
		func(fleet.Server) error { r.behave("vain"); return nil },
		func(fleet.Server) error { r.behave("silent"); return nil },
		func(fleet.Server) error { r.behave("stubborn"); return nil },
		r.mend, r.days,
		r.rebuild, r.rebuild, r.card, r.disk, r.anew,
		func(s fleet.Server) error { return r.intake.Report(ctx, s.ID, "v", protocol.Report{Inventory: r.inv}) },
	}
}

func (r *roaming) mend(fleet.Server) error {
	for _, v := range verbs {
		r.h.breaks(v, nil)
	}
	return nil
}

// rebuild adds a memory module, or takes it out again.
func (r *roaming) rebuild(s fleet.Server) error {
	other := machine(1, 3-len(r.inv.Memory.DIMMs), 1)
	r.inv.Memory = other.Memory
	return r.intake.Report(ctx, s.ID, "v", protocol.Report{Inventory: r.inv})
}

// card is another network card, or the old one again.
func (r *roaming) card(fleet.Server) error {
	r.with([]string{"02:00:00:00:00:01", "02:00:00:00:00:09"}[r.roll(2)])
	return nil
}

func (r *roaming) disk(s fleet.Server) error {
	r.keys++
	r.inv.Disks = slices.Clone(r.inv.Disks)
	r.inv.Disks[0].Serial = fmt.Sprint("spare ", r.keys)
	return r.intake.Report(ctx, s.ID, "v", protocol.Report{Inventory: r.inv})
}

// anew is the same machine whose agent was installed anew.
func (r *roaming) anew(s fleet.Server) error {
	on := r.h.chassis(s.ID)
	r.h.run(s.ID, false, "")
	synctest.Wait()
	_, err := r.enrol("tok-0000000000000001")
	r.h.run(s.ID, on.on, on.system)
	return err
}
