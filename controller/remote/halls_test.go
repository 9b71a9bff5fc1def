package remote_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/api"
	"github.com/steelyard/steelyard/controller/authority"
	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/image"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/outofband"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/reconcile"
	"github.com/steelyard/steelyard/controller/remote"
	"github.com/steelyard/steelyard/controller/seal"
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

const password = "correct horse battery"

// hall is a whole controller but its listeners: store, stock, intake, reconcile, remotes and API, and
// hands that do at once what they are told.
type hall struct {
	t         *testing.T
	name      string
	kv        kv.KV
	store     *store.Store
	stock     *stock.Stock
	intake    *intake.Intake
	remotes   *remote.Remotes
	api       *api.API
	to        *wire // to the other hall
	stop      func()
	machines  int
	obedience func(protocol.Command) *fault.Fault
}

type authorityOf string

func (a authorityOf) Derive(label string, n int) ([]byte, error) {
	sum := sha256.Sum256([]byte(string(a) + label))
	return sum[:n], nil
}

type nobody struct{}

func (nobody) Matched(bool, bool, time.Duration)              {}
func (nobody) OperationFinished(_, _ string, _ time.Duration) {}
func (nobody) OrderFulfilled(time.Duration)                   {}
func (nobody) RemoteRequest(string)                           {}
func (nobody) Sign([]byte) []byte                             { return []byte("signed") }

// inHalls runs f with two fleets in a bubble with its own clock. near has a module of kind remote that
// far serves.
func inHalls(t *testing.T, f func(t *testing.T, near, far *hall, w *wire)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		far := &hall{t: t, name: "far", kv: memkv.New(memkv.Options{})}
		near := &hall{t: t, name: "near", kv: memkv.New(memkv.Options{}), to: w}
		far.start()
		w.set(far.api)
		near.start()
		far.furnish()
		near.furnish()
		if _, _, err := far.intake.CreateUser(context.Background(), access.System, intake.UserDraft{Name: "us@example.org", Role: access.RoleOperations, Password: password}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		f(t, near, far, w)
		near.stop()
		far.stop()
		w.cut()
		near.kv.Close()
		far.kv.Close()
		synctest.Wait()
	})
}

// start runs the hall on its store, as a process starts on its disk.
func (h *hall) start() {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	h.stop = func() { cancel(); running.Wait() }
	log := slog.New(slog.DiscardHandler)
	now := func() time.Time { return time.Now().UTC() }
	h.store = store.New(h.kv, log)
	h.stock = stock.New(h.store, now)
	h.intake = intake.New(h.store, log, now)
	ring, err := seal.Open(h.store, authorityOf(h.name))
	if err != nil {
		h.t.Fatal(err)
	}
	h.intake.SetRing(ring)
	h.remotes = remote.New(remote.Options{
		Store: h.store, Ring: ring, Fleet: h.name, Logger: log, Now: now, Observe: nobody{},
		Transport: func(order.Module) http.RoundTripper { return h.to },
	})
	h.intake.SetBackends(h.remotes)
	h.api = api.New(api.Options{Store: h.store, Intake: h.intake, Logger: log, Now: now, Fleet: h.name, Catalogue: h.stock.Catalogue, PerSecond: 1e6, Burst: 1e6})
	r := reconcile.New(h.store, h.stock, nobody{}, log, now, nobody{})
	r.SetRemotes(h.remotes)
	running.Go(func() { _ = h.store.Run(ctx) })
	if err := h.store.Ready(ctx); err != nil {
		h.t.Fatal(err)
	}
	running.Go(func() { _ = h.stock.Run(ctx) })
	running.Go(func() { _ = h.api.Run(ctx) })
	synctest.Wait()
	running.Go(func() { _ = r.Run(ctx, store.Fence{}) })
	running.Go(func() { _ = h.remotes.Run(ctx, store.Fence{}) })
	running.Go(func() { h.hands(ctx) })
	synctest.Wait()
}

// restart is a kill and a new start: nothing but the store is left.
func (h *hall) restart() {
	h.stop()
	h.start()
}

func (h *hall) change(f func(tx *store.Tx) error) {
	h.t.Helper()
	if _, err := h.store.Change(context.Background(), f); err != nil {
		h.t.Fatal(err)
	}
	synctest.Wait()
}

// furnish puts in what is sold: one location, one local module, one tariff, one image.
func (h *hall) furnish() {
	sum := sha256.Sum256([]byte("sesame"))
	now := time.Now().UTC()
	h.change(func(tx *store.Tx) error {
		return cmp.Or(
			store.Tokens.Put(tx, "tok-0000000000000000", access.Token{ID: "tok-0000000000000000", Kind: access.TokenJoin, Digest: hex.EncodeToString(sum[:]), Location: "loc-1", AutoApprove: true}),
			store.Locations.Put(tx, "loc-1", fleet.Location{ID: "loc-1", Name: h.name, ExternalID: h.name, Generation: order.LocalGeneration}),
			store.Modules.Put(tx, "mod-1", order.Module{ID: "mod-1", Name: h.name + " hall", Kind: order.ModuleLocal, Location: "loc-1", Department: "dc", SortOrder: 5, DiagTimeout: 30, InstallTimeoutLinux: 20, InstallTimeoutWindows: 90, CreatedAt: now}),
			store.Tariffs.Put(tx, "tar-1", order.Tariff{ID: "tar-1", Name: "small", Revision: 3, Modules: []string{"mod-1"}, Configuration: small()}),
			store.Images.Put(tx, "img-"+h.name, image.Image{ImageManifest: protocol.ImageManifest{ID: "img-" + h.name, Name: "debian", OSFamily: "linux", RawBytes: 1 << 30, RawSHA256: "ab"}}),
		)
	})
}

func draft() intake.ModuleDraft {
	return intake.ModuleDraft{
		Name: "partner", Kind: order.ModuleRemote, Location: "loc-1", Department: "dc", SortOrder: 7, DiagTimeout: 35, InstallTimeoutLinux: 25, InstallTimeoutWindows: 90,
		URL: "https://far.example.net", Username: "us@example.org", Password: password,
	}
}

// connect makes the remote module and puts it on the tariff.
func (h *hall) connect() order.Module {
	h.t.Helper()
	m, _, err := h.intake.CreateModule(context.Background(), ann, draft())
	if err != nil {
		h.t.Fatal(err)
	}
	h.change(func(tx *store.Tx) error {
		t, err := store.Tariffs.Get(tx, "tar-1")
		if err != nil {
			return err
		}
		t.Modules = []string{"mod-1", m.ID}
		return store.Tariffs.Put(tx, "tar-1", t)
	})
	h.settle(time.Second)
	return m
}

func small() hardware.Configuration {
	inv := machine("", 0, 1)
	return inv.Configuration()
}

// machine has so many 16 GiB modules.
func machine(of string, n, dimms int) hardware.Inventory {
	inv := hardware.Inventory{Schema: 1}
	inv.Identity = hardware.Identity{UUID: fmt.Sprintf("uuid-%s-%d", of, n), SystemSerial: fmt.Sprintf("SN-%s-%d", of, n), MACs: []string{fmt.Sprintf("02:00:00:00:%02x:%02x", len(of), n)}}
	inv.CPUs = []hardware.CPU{{Socket: "0", Model: "Xeon E3-1270 v6", Arch: "x86_64", Cores: 4, Threads: 8}}
	for i := range dimms {
		inv.Memory.DIMMs = append(inv.Memory.DIMMs, hardware.DIMM{Slot: fmt.Sprint(i), SizeBytes: uint64(16 * unit.GiB), Type: "DDR4"})
		inv.Memory.TotalBytes += uint64(16 * unit.GiB)
	}
	inv.Disks = []hardware.Disk{{Name: "sda", Type: hardware.DiskSATA, Serial: fmt.Sprintf("D-%s-%d", of, n), SizeBytes: 480103981056}}
	inv.NICs = []hardware.NIC{{Name: "eth0", PermanentMAC: inv.Identity.MACs[0], MaxMbps: 1000, Link: true}}
	return inv
}

// enrol adds a server that can be handed out, with a management controller and a switch port.
func (h *hall) enrol(dimms int) string {
	h.t.Helper()
	h.machines++
	reply, err := h.intake.Enrol(context.Background(), "127.0.0.1", protocol.EnrolRequest{
		Token: "tok-0000000000000000.sesame", Environment: protocol.EnvSimulated, InstanceID: fmt.Sprintf("instance-%d", h.machines), Inventory: machine(h.name, h.machines, dimms),
	}, func(string) (authority.Issued, error) { return authority.Issued{Serial: "1"}, nil })
	if err != nil {
		h.t.Fatal(err)
	}
	id := reply.ServerID
	h.change(func(tx *store.Tx) error {
		return cmp.Or(store.Presences.Put(tx, id, fleet.Presence{Server: id, Environment: protocol.EnvSimulated}),
			store.BMCs.Put(tx, id, outofband.BMC{Server: id, Driver: outofband.DriverIPMI, Address: id}),
			store.Switches.Put(tx, "swi-1", outofband.Switch{ID: "swi-1", Name: "sw1", Driver: outofband.SwitchSNMP, QuarantineVLAN: 9}),
			store.Wirings.Put(tx, id, outofband.Wiring{Server: id, Ports: []outofband.Port{{Switch: "swi-1", By: outofband.ByName, Value: id, VLAN: 7}}}))
	})
	h.settle(time.Minute)
	return id
}

func (h *hall) settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (h *hall) place() order.Order {
	h.t.Helper()
	o, err := h.intake.PlaceOrder(context.Background(), ann, intake.OrderWish{Tariff: "tar-1", Customer: "cus-1", Image: "img-" + h.name, Hostname: "web1.example.org"}, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	synctest.Wait()
	return o
}

func (h *hall) order(id string) order.Order {
	h.t.Helper()
	o, ok := store.Orders.View(h.store, id)
	if !ok {
		h.t.Fatalf("order %s is gone", id)
	}
	return *o
}

func (h *hall) service(id string) order.Service {
	h.t.Helper()
	s, ok := store.Services.View(h.store, id)
	if !ok {
		h.t.Fatalf("service %s is gone", id)
	}
	return *s
}

func (h *hall) orders() (list []order.Order) {
	for i := range store.Orders.Items(h.store.Snapshot()) {
		list = append(list, *i.Value)
	}
	return list
}

func (h *hall) tasks() map[string]string {
	open := map[string]string{}
	for i := range store.Tasks.Items(h.store.Snapshot()) {
		if i.Value.State == "open" {
			open[i.Value.DedupeKey] = i.Value.Subject + "\n" + i.Value.Body
		}
	}
	return open
}

// hands answer every command in the outbox, well, unless obedience says otherwise.
func (h *hall) hands(ctx context.Context) {
	sub := h.store.Subscribe()
	defer sub.Close()
	for {
		for i := range store.Commands.Items(h.store.Snapshot()) {
			c := i.Value.Command
			res := protocol.Result{Command: c.ID, Operation: c.Operation, Step: c.Step, Epoch: c.Epoch, At: time.Now()}
			f, _ := store.Facts.View(h.store, c.Server)
			op, ok := store.Operations.View(h.store, c.Operation)
			if !ok || f == nil {
				continue
			}
			switch c.Kind {
			case protocol.CommandDiagnose:
				res.Diagnosis = &protocol.Diagnosis{Profile: "quick", Checks: []protocol.Check{{Name: "cpu", Verdict: protocol.VerdictOK}}, Inventory: f.Inventory}
			case protocol.CommandErase:
				for _, d := range op.Params.Disks {
					res.Erasures = append(res.Erasures, protocol.Erasure{Disk: d, Method: "overwrite zero", Proven: true})
				}
			case protocol.CommandImage, protocol.CommandConfirm:
				res.Written = &protocol.WrittenImage{ReadBack: true}
			}
			if h.obedience != nil {
				if res.Fault = h.obedience(c); res.Fault != nil {
					res.Written, res.Erasures, res.Diagnosis = nil, nil, nil
				}
			}
			_ = h.intake.Result(ctx, c.Server, res) // told again at the next change
		}
		if _, _, err := sub.Next(ctx); err != nil {
			return
		}
	}
}

// wire carries requests from near to far, or not.
type wire struct {
	mu   sync.Mutex
	far  http.Handler
	mood func(*http.Request) fate
	open map[*stream]bool
	log  []string
}

type fate int

const (
	arrives fate = iota
	lost         // the request never arrives
	mute         // the request arrives, its answer does not
	late         // the request arrives long after the connection broke
)

// lateness is how long a request may be on its way when nobody waits for it any more.
const lateness = 90 * time.Second

var errCut = errors.New("connection reset by peer")

func (w *wire) set(far http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.far = far
}

// fates decides what becomes of requests from now on; nil: all arrive.
func (w *wire) fates(mood func(*http.Request) fate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mood = mood
}

// cut ends the streams that are open.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := range w.open {
		s.pipe.CloseWithError(errCut)
	}
	w.open = nil
}

func (w *wire) asked(what string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.log {
		if strings.HasPrefix(l, what) {
			n++
		}
	}
	return n
}

// RoundTrip carries one request.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	far, what := w.far, arrives
	if w.mood != nil {
		what = w.mood(r)
	}
	w.log = append(w.log, r.Method+" "+r.URL.Path)
	w.mu.Unlock()
	if what != arrives && r.Method == http.MethodGet { // a question changes nothing there
		what = lost
	}
	if what == lost || far == nil {
		return nil, errCut
	}
	s := newStream(r, what != arrives)
	w.mu.Lock()
	if w.open == nil {
		w.open = map[*stream]bool{}
	}
	w.open[s] = true
	w.mu.Unlock()
	in := r.Clone(r.Context())
	in.RemoteAddr, in.RequestURI = "192.0.2.7:4711", r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	if what == mute || what == late { // even when nobody waits for it any more
		in = in.WithContext(context.WithoutCancel(r.Context()))
	}
	go func() {
		if what == late {
			time.Sleep(lateness)
		}
		far.ServeHTTP(s, in)
		s.WriteHeader(http.StatusOK)
		s.pipe.Close()
		w.mu.Lock()
		delete(w.open, s)
		w.mu.Unlock()
	}()
	if what == mute {
		go func() { _, _ = io.Copy(io.Discard, s.body) }()
		<-s.begun
		return nil, errCut
	}
	if what == late {
		go func() { _, _ = io.Copy(io.Discard, s.body) }()
		return nil, errCut
	}
	select {
	case <-s.begun:
		return &http.Response{StatusCode: s.status, Header: s.sent, Body: s.body, Request: r, ProtoMajor: 1}, nil
	case <-r.Context().Done():
		s.pipe.CloseWithError(r.Context().Err())
		return nil, r.Context().Err()
	}
}

// stream is an answer on its way.
type stream struct {
	head, sent http.Header
	status     int
	begun      chan struct{}
	body       *io.PipeReader
	pipe       *io.PipeWriter
	unheard    bool
}

func newStream(r *http.Request, unheard bool) *stream {
	s := &stream{head: http.Header{}, begun: make(chan struct{}), unheard: unheard}
	s.body, s.pipe = io.Pipe()
	if !unheard { // else it is read to its end all the same
		context.AfterFunc(r.Context(), func() { s.pipe.CloseWithError(r.Context().Err()) })
	}
	return s
}

func (s *stream) Header() http.Header { return s.head }
func (s *stream) Flush()              {}

func (s *stream) WriteHeader(status int) {
	if s.status == 0 {
		s.status, s.sent = status, s.head.Clone()
		close(s.begun)
	}
}

func (s *stream) Write(b []byte) (int, error) {
	s.WriteHeader(http.StatusOK)
	return s.pipe.Write(b)
}
