package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/outofband"
	hands "github.com/steelyard/steelyard/controller/outofband"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// hall is what stands around the servers of a world: their management controllers and
// their switch, and what was done to them, in order.
type hall struct {
	w    *world                         // nil in a saga
	come func(server string, m chassis) // lets its agent come or go
	mu   sync.Mutex

	machines map[string]*chassis // by server
	ports    map[string]string   // by port name: "up 7", "down"
	trace    []string
	fault    map[string]error // by verb: "on", "off", "enable", "shut", "power", "switch"
	delay    time.Duration    // of each deed
	check    func(server, verb string)
}

// chassis is one machine.
type chassis struct {
	on     bool
	system string // what runs: "" nothing, else an environment of the agent, or "other"
	boots  int
}

const (
	quarantine = 666
	inService  = 7
)

// inHall is inWorld with hands, and with a server that has a management controller and a port.
func inHall(t *testing.T, f func(w *world, h *hall)) {
	t.Helper()
	inWorld(t, func(w *world) {
		h := newHall()
		h.w, h.come = w, func(server string, m chassis) {
			if err := w.presence(server, m); err != nil {
				t.Error(err)
			}
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = hands.New(w.store, w.stock, w.intake, h, slog.New(slog.DiscardHandler), time.Now).Run(ctx, store.Fence{})
		}()
		f(w, h)
		cancel()
		<-done
	})
}

func newHall() *hall {
	return &hall{machines: map[string]*chassis{}, ports: map[string]string{}, fault: map[string]error{}, delay: 3 * time.Second}
}

// wire gives a server a management controller and a port.
func (h *hall) wire(server string) {
	h.stand(server)
	h.w.change(wired(server))
}

// stand puts a machine into the hall.
func (h *hall) stand(server string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.machines[server] = &chassis{on: true, system: protocol.EnvRAM}
	h.ports["port-"+server] = fmt.Sprint("up ", inService)
}

// wired records how a server is reached.
func wired(server string) func(tx *store.Tx) error {
	return func(tx *store.Tx) error {
		return cmp.Or(
			store.BMCs.Put(tx, server, outofband.BMC{Server: server, Driver: outofband.DriverIPMI, Address: server}),
			store.Switches.Put(tx, "swi-1", outofband.Switch{ID: "swi-1", Name: "sw1", Driver: outofband.SwitchSNMP, QuarantineVLAN: quarantine}),
			store.Wirings.Put(tx, server, outofband.Wiring{Server: server, Ports: []outofband.Port{{Switch: "swi-1", By: outofband.ByName, Value: "port-" + server, VLAN: inService}}}),
		)
	}
}

// active gives the customer a service on a server with all of that.
func (h *hall) active() (svc order.Service, server string) {
	h.w.t.Helper()
	server = h.w.enrol(machine(len(h.machines)+1, 1, 1))
	h.wire(server)
	o := h.w.order(h.w.place())
	h.settle()
	svc = h.w.service(o.Service)
	if svc.State != order.ServiceActive {
		h.w.t.Fatalf("the service is %s: %s", svc.State, svc.Message)
	}
	h.forget()
	return svc, server
}

// settle lets a minute or two pass: enough for every deed, too little for any deadline.
func (h *hall) settle() {
	time.Sleep(2 * time.Minute)
	synctest.Wait()
}

func (h *hall) did(format string, args ...any) {
	h.trace = append(h.trace, fmt.Sprintf(format, args...))
}

func (h *hall) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trace = nil
}

func (h *hall) done() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.trace, ", ")
}

func (h *hall) breaks(verb string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fault[verb] = err
}

func (h *hall) chassis(server string) chassis {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m := h.machines[server]; m != nil {
		return *m
	}
	return chassis{on: true, system: protocol.EnvSimulated} // not wired yet
}

// run changes what runs on a machine, as somebody beside it could.
func (h *hall) run(server string, on bool, system string) {
	h.mu.Lock()
	m := h.machines[server]
	m.on, m.system = on, system
	h.mu.Unlock()
	h.agent(server)
}

// agent lets the agent of a machine come or go, as its power says.
func (h *hall) agent(server string) { h.come(server, h.chassis(server)) }

// there reports whether the agent of a machine runs.
func (m chassis) there() bool { return m.on && m.system != "other" }

func (m chassis) presence(server string) fleet.Presence {
	return fleet.Presence{Server: server, Environment: m.system, BootID: fmt.Sprint(m.boots)}
}

func (w *world) presence(server string, m chassis) error {
	_, err := w.store.Change(context.Background(), func(tx *store.Tx) error {
		if !m.there() {
			return store.Presences.Delete(tx, server)
		}
		if m.system != protocol.EnvRescue && m.system != protocol.EnvInstalled {
			return store.Presences.Put(tx, server, m.presence(server))
		}
		s, err := store.Servers.Get(tx, server) // it enrols as that
		s.Environment = m.system
		return cmp.Or(err, store.Servers.Put(tx, server, s), store.Presences.Put(tx, server, m.presence(server)))
	})
	return err
}

// Power opens a machine's management controller.
func (h *hall) Power(ctx context.Context, bmc outofband.BMC) (hands.Power, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.fault["power"]; err != nil {
		return nil, err
	}
	return powerOf{h, bmc.Server}, ctx.Err()
}

type powerOf struct {
	h      *hall
	server string
}

func (p powerOf) Status(context.Context) (string, error) {
	if p.h.chassis(p.server).on {
		return outofband.On, nil
	}
	return outofband.Off, nil
}

func (p powerOf) TurnOn(ctx context.Context, boot string, _ func(string)) (bool, error) {
	if p.h.chassis(p.server).on {
		return false, nil
	}
	return true, p.h.deed(ctx, "on", p.server, func(m *chassis) {
		m.on, m.boots, m.system = true, m.boots+1, "other"
		if boot == operation.BootRAM {
			m.system = p.h.fromNetwork(p.server)
		}
		p.h.did("on %s", boot)
	})
}

// fromNetwork is the environment that a machine gets which starts from the network, as the boot server decides it.
func (h *hall) fromNetwork(server string) string {
	if h.w != nil {
		if op := h.w.operationOf(server); op != nil && op.Kind == operation.Rescue {
			return protocol.EnvRescue
		}
	}
	return protocol.EnvRAM
}

func (p powerOf) TurnOff(ctx context.Context, hard bool, _ func(string)) (bool, error) {
	if !p.h.chassis(p.server).on {
		return false, nil
	}
	return true, p.h.deed(ctx, "off", p.server, func(m *chassis) {
		m.on, m.system = false, ""
		p.h.did("%s", map[bool]string{true: "cut", false: "off"}[hard])
	})
}

func (p powerOf) Inventory(context.Context) (outofband.Chassis, error) {
	return outofband.Chassis{Firmware: "1.0"}, nil
}

func (p powerOf) Close() error { return nil }

func (h *hall) deed(ctx context.Context, verb, server string, f func(*chassis)) error {
	if err := sleep(ctx, h.delay); err != nil {
		return err
	}
	if h.check != nil {
		h.check(server, "power-")
	}
	h.mu.Lock()
	err := h.fault[verb]
	if err == nil {
		f(h.machines[server])
	}
	h.mu.Unlock()
	if err == nil {
		h.agent(server)
	}
	return err
}

// Switch opens the switch.
func (h *hall) Switch(ctx context.Context, _ outofband.Switch) (hands.Switch, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.fault["switch"]; err != nil {
		return nil, err
	}
	return switchOf{h}, ctx.Err()
}

type switchOf struct{ h *hall }

func (s switchOf) Enable(ctx context.Context, p outofband.Port, vlan int, _ func(string)) (outofband.Seen, bool, error) {
	return s.set(ctx, "enable", p, fmt.Sprint("up ", vlan))
}

func (s switchOf) Shut(ctx context.Context, p outofband.Port, _ func(string)) (outofband.Seen, bool, error) {
	return s.set(ctx, "shut", p, "down")
}

func (s switchOf) set(ctx context.Context, verb string, p outofband.Port, state string) (outofband.Seen, bool, error) {
	if err := sleep(ctx, s.h.delay); err != nil {
		return outofband.Seen{}, false, err
	}
	if s.h.check != nil {
		s.h.check(strings.TrimPrefix(p.Value, "port-"), "ports-")
	}
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	if err := s.h.fault[verb]; err != nil {
		return outofband.Seen{}, false, err
	}
	changed := s.h.ports[p.Value] != state
	if changed {
		s.h.ports[p.Value] = state
		s.h.did("port %s", state)
	}
	return s.seen(p), changed, nil
}

func (s switchOf) seen(p outofband.Port) outofband.Seen {
	admin, _, _ := strings.Cut(s.h.ports[p.Value], " ")
	return outofband.Seen{Port: p.Value, Admin: admin, Oper: admin}
}

func (s switchOf) Look(_ context.Context, p outofband.Port) (outofband.Seen, outofband.Counters, error) {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	return s.seen(p), outofband.Counters{}, nil
}

func (s switchOf) Close() error { return nil }

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

var errAway = fault.Unavailable("it does not answer")
