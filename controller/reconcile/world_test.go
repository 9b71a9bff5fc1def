package reconcile

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/authority"
	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/image"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/stock"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/unit"
	"github.com/steelyard/steelyard/protocol"
)

var ann = access.Actor{Name: "ann", Role: access.RoleOperations}

// world is a controller without doors: store, stock, intake and reconcile over a backend,
// and agents that answer as answer says.
type world struct {
	t       *testing.T
	kv      kv.KV
	store   *store.Store
	stock   *stock.Stock
	intake  *intake.Intake
	mu      sync.Mutex
	answer  func(protocol.Command) (protocol.Result, bool) // false: no answer at all
	stop    context.CancelFunc
	servers int
}

func (w *world) Matched(bool, bool, time.Duration)              {}
func (w *world) OperationFinished(_, _ string, _ time.Duration) {}
func (w *world) OrderFulfilled(time.Duration)                   {}
func (w *world) Sign([]byte) []byte                             { return []byte("signed") }

// obey makes the agents answer so from now on.
func (w *world) obey(answer func(protocol.Command) (protocol.Result, bool)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = answer
}

func (w *world) ask(c protocol.Command) (protocol.Result, bool) {
	w.mu.Lock()
	answer := w.answer
	w.mu.Unlock()
	return answer(c)
}

// inWorld runs f in a bubble with its own clock.
func inWorld(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, kv: memkv.New(memkv.Options{})}
		w.obey(w.obedient)
		w.start(w.kv)
		w.seed()
		f(w)
		w.stop()
		w.kv.Close()
		synctest.Wait()
	})
}

func (w *world) start(backend kv.KV) {
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	log := slog.New(slog.DiscardHandler)
	w.store = store.New(backend, log)
	w.stock = stock.New(w.store, time.Now)
	w.intake = intake.New(w.store, log, time.Now)
	r := New(w.store, w.stock, w, log, time.Now, w)
	go func() { _ = w.store.Run(ctx) }()
	if err := w.store.Ready(ctx); err != nil && ctx.Err() == nil {
		w.t.Fatal(err)
	}
	go func() { _ = w.stock.Run(ctx) }()
	synctest.Wait()
	go func() { _ = r.Run(ctx, store.Fence{}) }()
	go w.agents(ctx)
	synctest.Wait()
}

func (w *world) change(f func(tx *store.Tx) error) {
	w.t.Helper()
	if _, err := w.store.Change(context.Background(), f); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
}

const secret = "sesame"

func (w *world) seed() {
	w.put()
	synctest.Wait()
}

// put stores what is sold, and a join token.
func (w *world) put() {
	w.t.Helper()
	sum := sha256.Sum256([]byte(secret))
	_, err := w.store.Change(context.Background(), func(tx *store.Tx) error {
		return cmp.Or(
			store.Tokens.Put(tx, "tok-0000000000000000", access.Token{ID: "tok-0000000000000000", Kind: access.TokenJoin, Digest: hex.EncodeToString(sum[:]), Location: "loc-1", AutoApprove: true}),
			store.Modules.Put(tx, "mod-1", order.Module{ID: "mod-1", Kind: order.ModuleLocal, Location: "loc-1", Department: "dc", DiagTimeout: 30, InstallTimeoutLinux: 20, InstallTimeoutWindows: 90}),
			store.Tariffs.Put(tx, "tar-1", order.Tariff{ID: "tar-1", Name: "small", Revision: 3, Modules: []string{"mod-1"}, Configuration: small()}),
			store.Resellers.Put(tx, acme, reselling.Reseller{ID: acme, Path: acme, Name: "acme", State: reselling.Active, Limits: reselling.Limits{reselling.Servers: reselling.NoLimit}}),
			store.Images.Put(tx, "img-1", image.Image{ImageManifest: protocol.ImageManifest{ID: "img-1", Name: "debian", OSFamily: "linux", RawBytes: 1 << 30}}),
		)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// small is what tariff tar-1 sells.
func small() hardware.Configuration {
	inv := machine(0, 1, 1)
	return inv.Configuration()
}

// machine makes an inventory: so many 16 GiB modules and 480 GB disks.
func machine(n, dimms, disks int) hardware.Inventory {
	inv := hardware.Inventory{Schema: 1}
	inv.Identity = hardware.Identity{UUID: fmt.Sprintf("uuid-%d", n), SystemSerial: fmt.Sprintf("SN%d", n), MACs: []string{fmt.Sprintf("02:00:00:00:00:%02x", n)}}
	inv.CPUs = []hardware.CPU{{Socket: "0", Model: "Xeon E3-1270 v6", Arch: "x86_64", Cores: 4, Threads: 8}}
	for i := range dimms {
		inv.Memory.DIMMs = append(inv.Memory.DIMMs, hardware.DIMM{Slot: fmt.Sprint(i), SizeBytes: uint64(16 * unit.GiB), Type: "DDR4"})
		inv.Memory.TotalBytes += uint64(16 * unit.GiB)
	}
	for i := range disks {
		inv.Disks = append(inv.Disks, hardware.Disk{Name: fmt.Sprintf("sd%c", 'a'+i), Type: hardware.DiskSATA, Serial: fmt.Sprintf("D%d-%d", n, i), SizeBytes: 480103981056})
	}
	inv.NICs = []hardware.NIC{{Name: "eth0", PermanentMAC: inv.Identity.MACs[0], MaxMbps: 1000, Link: true}}
	return inv
}

// enrol takes a machine in, connects its agent and lets things settle.
func (w *world) enrol(inv hardware.Inventory) string {
	w.t.Helper()
	w.servers++
	reply, err := w.intake.Enrol(context.Background(), "127.0.0.1", protocol.EnrolRequest{
		Token: "tok-0000000000000000." + secret, Environment: protocol.EnvSimulated, InstanceID: fmt.Sprintf("instance-%d", w.servers), Inventory: inv,
	}, func(string) (authority.Issued, error) { return authority.Issued{Serial: "1"}, nil })
	if err != nil {
		w.t.Fatal(err)
	}
	w.connect(reply.ServerID)
	return reply.ServerID
}

func (w *world) connect(server string) {
	w.change(func(tx *store.Tx) error { return store.Presences.Put(tx, server, fleet.Presence{Server: server}) })
}

func (w *world) place() string {
	w.t.Helper()
	o, err := w.intake.PlaceOrder(context.Background(), ann, intake.OrderWish{Tariff: "tar-1", Customer: "cus-1", Image: "img-1", Hostname: "web1.example.org"}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
	return o.ID
}

func (w *world) order(id string) order.Order {
	w.t.Helper()
	o, ok := store.Orders.View(w.store, id)
	if !ok {
		w.t.Fatalf("order %s is gone", id)
	}
	return *o
}

func (w *world) server(id string) fleet.Server {
	w.t.Helper()
	s, ok := store.Servers.View(w.store, id)
	if !ok {
		w.t.Fatalf("server %s is gone", id)
	}
	return *s
}

func (w *world) service(id string) order.Service {
	w.t.Helper()
	s, ok := store.Services.View(w.store, id)
	if !ok {
		w.t.Fatalf("service %s is gone", id)
	}
	return *s
}

func (w *world) openTasks() map[string]string {
	open := map[string]string{}
	for i := range store.Tasks.Items(w.store.Snapshot()) {
		if i.Value.State == "open" {
			open[i.Value.DedupeKey] = i.ID
		}
	}
	return open
}

// agents answers every command in the outbox, as agents do.
func (w *world) agents(ctx context.Context) {
	sub := w.store.Subscribe()
	defer sub.Close()
	answered := map[string]bool{}
	for {
		if _, _, err := sub.Next(ctx); err != nil {
			return
		}
		for i := range store.Commands.Items(w.store.Snapshot()) {
			if answered[i.ID] || i.Value.Hand != operation.HandAgent {
				continue
			}
			if res, ok := w.ask(i.Value.Command); ok {
				answered[i.ID] = true
				if err := w.intake.Result(ctx, i.Value.Server, res); err != nil && ctx.Err() == nil {
					answered[i.ID] = false
				}
			}
		}
	}
}

// obedient does what it is told, well.
func (w *world) obedient(c protocol.Command) (protocol.Result, bool) {
	res := protocol.Result{Command: c.ID, Operation: c.Operation, Step: c.Step, Epoch: c.Epoch, At: time.Now()}
	op, ok := store.Operations.View(w.store, c.Operation)
	if !ok {
		return res, false
	}
	switch c.Kind {
	case protocol.CommandDiagnose:
		f, _ := store.Facts.View(w.store, c.Server)
		res.Diagnosis = &protocol.Diagnosis{Profile: "quick", Checks: []protocol.Check{{Name: "cpu", Verdict: protocol.VerdictOK}}, Inventory: f.Inventory}
	case protocol.CommandErase:
		for _, d := range op.Params.Disks {
			res.Erasures = append(res.Erasures, protocol.Erasure{Disk: d, Method: "overwrite zero", Proven: true})
		}
	case protocol.CommandImage, protocol.CommandConfirm:
		res.Written = &protocol.WrittenImage{ReadBack: true}
	case protocol.CommandInspect:
		res.Inspection = looked("")
	}
	return res, true
}

// refusing fails commands of one kind.
func (w *world) refusing(kind string, f *fault.Fault) func(protocol.Command) (protocol.Result, bool) {
	return func(c protocol.Command) (protocol.Result, bool) {
		res, ok := w.obedient(c)
		if c.Kind == kind {
			res.Fault, res.Written, res.Erasures, res.Diagnosis, res.Inspection = f, nil, nil, nil, nil
		}
		return res, ok
	}
}

func (w *world) silentFor(kind string) func(protocol.Command) (protocol.Result, bool) {
	return func(c protocol.Command) (protocol.Result, bool) {
		if c.Kind == kind {
			return protocol.Result{}, false
		}
		return w.obedient(c)
	}
}

func (w *world) operationOf(server string) *operation.Operation {
	op, _ := store.Operations.View(w.store, w.server(server).Operation)
	return op
}
