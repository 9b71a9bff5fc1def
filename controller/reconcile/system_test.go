package reconcile

import (
	"cmp"
	"context"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/protocol"
)

// metal is a real server in the hall, in the RAM environment, with an order that is being prepared; its
// agent makes a successor for each image that it writes.
func metal(w *world, h *hall) (server string, o order.Order) {
	w.t.Helper()
	w.obey(h.traced(func(c protocol.Command) (protocol.Result, bool) {
		if c.Kind == protocol.CommandImage {
			next := fleet.Successor{InstanceID: "ins-" + c.ID, Serial: "serial-" + c.ID, NotAfter: time.Now().Add(time.Hour)}
			if _, err := w.intake.Succeed(context.Background(), c.Server, next); err != nil {
				w.t.Error(err)
			}
		}
		return w.obedient(c)
	}))
	server = w.enrol(machine(1, 1, 1))
	h.wire(server)
	w.change(func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, server)
		if err != nil {
			return err
		}
		s.Environment = protocol.EnvRAM
		return store.Servers.Put(tx, server, s)
	})
	h.agent(server)
	h.settle()
	h.forget()
	return server, w.order(w.place())
}

// reports lets the written system report for the first time.
func (h *hall) reports(server string) {
	h.w.t.Helper()
	next := h.w.server(server).Successor
	if next == nil {
		h.w.t.Fatalf("server %s waits for no system", server)
	}
	if err := h.w.intake.Arrived(context.Background(), server, next.Serial); err != nil {
		h.w.t.Fatal(err)
	}
	h.run(server, true, protocol.EnvInstalled)
	h.settle()
}

func TestB1_B43_AServiceIsActiveWhenItsOwnSystemReports(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		id, o := metal(w, h)
		h.settle()
		if got, want := h.done(), "port up 666, image, port up 7, cut, on disk"; got != want {
			t.Fatalf("did %q, want %q", got, want)
		}
		o = w.order(o.ID)
		op := w.op(o.Operation)
		if at := op.Steps[op.Current]; at.Name != operation.ActAwaitSystem || w.service(o.Service).State != order.ServicePreparing || operation.WantsRAM(*op) {
			t.Fatalf("at %+v, the service is %s", at, w.service(o.Service).State)
		}
		h.run(id, true, protocol.EnvRAM) // started from the network by mistake: that is not the system
		h.settle()
		if s := w.service(o.Service); s.State != order.ServicePreparing {
			t.Fatalf("the RAM environment made it %s", s.State)
		}
		h.reports(id)
		if s := w.service(o.Service); s.State != order.ServiceActive {
			t.Fatalf("the service is %s: %s", s.State, s.Message)
		}
		if s := w.server(id); s.Environment != protocol.EnvInstalled || s.Installed != op.ID || s.Successor != nil || s.InstanceID == "" {
			t.Fatalf("%+v", s)
		}
		h.forget()
		w.delete(o.Service)
		h.settle()
		if got, want := h.done(), "port up 666, cut, on ram, erase, diagnose, off, port down"; got != want {
			t.Fatalf("did %q, want %q", got, want)
		}
	})
}

func TestB43_ASystemThatDoesNotReportHoldsTheInstallation(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		id, o := metal(w, h)
		time.Sleep(time.Hour)
		h.settle()
		o = w.order(o.ID)
		op := w.op(o.Operation)
		if op.State != operation.Held || w.service(o.Service).State != order.ServiceNeedsAttention || len(w.openTasks()) != 1 {
			t.Fatalf("operation %s %q, service %s, tasks %v", op.State, op.Message, w.service(o.Service).State, w.openTasks())
		}
		h.forget()
		if _, err := w.intake.RetryOperation(context.Background(), ann, op.ID, "the cable was loose"); err != nil {
			t.Fatal(err)
		}
		h.settle()
		if got, want := h.done(), "cut, on disk"; got != want {
			t.Fatalf("a retry did %q, want %q", got, want)
		}
		h.reports(id)
		if s := w.service(o.Service); s.State != order.ServiceActive || len(w.openTasks()) != 0 {
			t.Fatalf("the service is %s: %s, tasks %v", s.State, s.Message, w.openTasks())
		}
	})
}

func TestX5_ASuccessorIsMadeOnlyWhileItsSystemIsWritten(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		id, o := metal(w, h)
		h.settle()
		ctx := context.Background()
		late := fleet.Successor{InstanceID: "ins-late", Serial: "late"}
		if _, err := w.intake.Succeed(ctx, id, late); err == nil {
			t.Error("after the image was written another system got a certificate")
		}
		if err := w.intake.Arrived(ctx, id, "late"); err == nil {
			t.Error("a system that nobody knows arrived")
		}
		h.reports(id)
		if _, err := w.intake.Succeed(ctx, id, late); err == nil {
			t.Error("a server in use got a successor")
		}
		if s := w.service(w.order(o.ID).Service); s.State != order.ServiceActive {
			t.Errorf("the service is %s", s.State)
		}
	})
}

func TestB34_WhoSaysThatItIsTheRAMEnvironmentAfterADeleteBeganIsCutOff(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		id, o := metal(w, h)
		h.settle()
		h.reports(id)
		w.change(func(tx *store.Tx) error {
			s, err := store.Servers.Get(tx, id)
			if err != nil {
				return err
			}
			s.Environment, s.BootedAt = protocol.EnvRAM, time.Now().Add(time.Second) // the customer got a boot token
			p := h.chassis(id).presence(id)
			p.Environment = protocol.EnvRAM
			return cmp.Or(store.Servers.Put(tx, id, s), store.Presences.Put(tx, id, p))
		})
		h.forget()
		w.delete(w.order(o.ID).Service)
		h.settle()
		if got, want := h.done(), "port up 666, cut, on ram, erase, diagnose, off, port down"; got != want {
			t.Fatalf("did %q, want %q", got, want)
		}
	})
}
