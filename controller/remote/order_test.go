package remote_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/seal"
	"github.com/steelyard/steelyard/controller/store"
)

func TestB6_ARemoteModuleServesAnOrderFromPlacingToDeletion(t *testing.T) {
	inHalls(t, func(t *testing.T, near, far *hall, _ *wire) {
		far.enrol(1)
		near.connect()
		o := near.place()
		near.settle(5 * time.Minute)
		o = near.order(o.ID)
		svc := near.service(o.Service)
		if o.State != order.Fulfilled || svc.State != order.ServiceActive || svc.ActiveAt.IsZero() {
			t.Fatalf("order %s %q, service %s %q", o.State, o.Message, svc.State, svc.Message)
		}
		there := far.orders()
		if len(there) != 1 || there[0].ID != o.Remote.Order || svc.Remote.Service != there[0].Service || there[0].Customer != "us@example.org" || there[0].InstallTimeout != 25 || there[0].DiagTimeout != 35 {
			t.Fatalf("there: %+v; here: %+v %+v", there, o.Remote, svc.Remote)
		}
		for _, step := range []struct {
			ask  func() error
			want string
		}{
			{func() error {
				_, err := near.intake.StopService(context.Background(), ann, svc.ID, "unpaid")
				return err
			}, order.ServiceStopped},
			{func() error { _, err := near.intake.ResumeService(context.Background(), ann, svc.ID, ""); return err }, order.ServiceActive},
			{func() error { _, err := near.intake.DeleteService(context.Background(), ann, svc.ID, ""); return err }, order.ServiceDeleted},
		} {
			if err := step.ask(); err != nil {
				t.Fatal(err)
			}
			near.settle(5 * time.Minute)
			if here, there := near.service(svc.ID), far.service(svc.Remote.Service); here.State != step.want || there.State != step.want || here.Remote.Wish != "" {
				t.Fatalf("want %s: here %s %q (wish %q), there %s %q", step.want, here.State, here.Message, here.Remote.Wish, there.State, there.Message)
			}
		}
		if open := near.tasks(); len(open) != 0 {
			t.Errorf("tasks are left: %v", open)
		}
	})
}

func TestX10_AnOrderWhoseAnswerIsLostIsNotPlacedTwice(t *testing.T) {
	inHalls(t, func(t *testing.T, near, far *hall, w *wire) {
		far.enrol(1)
		far.enrol(1)
		near.connect()
		n := 0
		w.fates(func(r *http.Request) fate {
			if r.Method == "POST" && r.URL.Path == "/v1/orders" {
				if n++; n <= 3 {
					return mute
				}
			}
			return arrives
		})
		o := near.place()
		near.restart()
		near.settle(10 * time.Minute)
		if got := near.order(o.ID); got.State != order.Fulfilled || len(far.orders()) != 1 {
			t.Fatalf("%s %q, and there are %d orders there", got.State, got.Message, len(far.orders()))
		}
	})
}

func TestB28b_AnOrderThatFindsNothingThereWaitsHereAndIsServedLater(t *testing.T) {
	inHalls(t, func(t *testing.T, near, far *hall, _ *wire) {
		near.connect()
		o := near.place()
		near.settle(time.Minute)
		if got := near.order(o.ID); got.State != order.Waiting || near.tasks()[order.BuildKey(o.ID)] == "" {
			t.Fatalf("%s %q, tasks %v", got.State, got.Message, near.tasks())
		}
		far.enrol(1)
		near.settle(5 * time.Minute)
		if got := near.order(o.ID); got.State != order.Fulfilled || got.Remote.Module == "" {
			t.Fatalf("%s %q", got.State, got.Message)
		}
	})
}

func TestB11_A14_AnExactServerThereBeatsAClosestOneHere(t *testing.T) {
	inHalls(t, func(t *testing.T, near, far *hall, _ *wire) {
		near.enrol(2)
		far.enrol(1)
		m := near.connect()
		o := near.place()
		near.settle(5 * time.Minute)
		if got := near.order(o.ID); got.Module != m.ID || got.State != order.Fulfilled {
			t.Fatalf("module %s, %s %q", got.Module, got.State, got.Message)
		}
		near.enrol(1)
		if got := near.order(near.place().ID); got.Module != "mod-1" || got.Distance != 0 {
			t.Errorf("an exact one in the first module: module %q", got.Module)
		}
	})
}

func TestB27_AClosestServerThereIsHeldThereAndTheOrderSaysWhatIsToDo(t *testing.T) {
	inHalls(t, func(t *testing.T, near, far *hall, _ *wire) {
		far.enrol(2)
		m := near.connect()
		o := near.place()
		near.settle(2 * time.Minute)
		got := near.order(o.ID)
		if got.State != order.Held || got.Module != m.ID || !strings.Contains(got.Message, "remove") || near.tasks()[order.BuildKey(o.ID)] == "" {
			t.Fatalf("%s %q, tasks %v", got.State, got.Message, near.tasks())
		}
		if _, err := near.intake.CancelOrder(context.Background(), ann, o.ID, "changed my mind"); err != nil {
			t.Fatal(err)
		}
		near.settle(2 * time.Minute)
		if there := far.orders()[0]; there.State != order.Canceled || near.order(o.ID).Remote.State != order.RemoteEnded || len(near.tasks()) != 0 {
			t.Errorf("there %s, here %+v, tasks %v", there.State, near.order(o.ID).Remote, near.tasks())
		}
	})
}

func TestB32_AStopThatIsRefusedThereLeavesTheServiceAsItWas(t *testing.T) {
	inHalls(t, func(t *testing.T, near, far *hall, _ *wire) {
		server := far.enrol(1)
		near.connect()
		o := near.place()
		near.settle(5 * time.Minute)
		far.change(func(tx *store.Tx) error { return store.Wirings.Delete(tx, server) })
		if _, err := near.intake.StopService(context.Background(), ann, o.Service, ""); err != nil {
			t.Fatal(err)
		}
		near.settle(time.Minute)
		svc := near.service(o.Service)
		if svc.State != order.ServiceActive || svc.Remote.Wish != "" || !strings.Contains(svc.Message, "no switch ports") {
			t.Errorf("%s %q, wish %q", svc.State, svc.Message, svc.Remote.Wish)
		}
	})
}

func TestB43_X9_UserDataReachesTheCounterpartSealedAndIsForgotten(t *testing.T) {
	inHalls(t, func(t *testing.T, near, far *hall, _ *wire) {
		far.enrol(1)
		near.connect()
		const secret = "#cloud-config\npassword: correct horse\n"
		o, err := near.intake.PlaceOrder(context.Background(), ann, intake.OrderWish{
			Tariff: "tar-1", Customer: "cus-1", Image: "img-near", Hostname: "web1.example.org", UserData: secret,
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		near.settle(time.Minute)
		ring, err := seal.Open(far.store, authorityOf(far.name))
		if err != nil {
			t.Fatal(err)
		}
		data, err := seal.UserDataOf(far.store, ring, near.order(o.ID).Remote.Order)
		if err != nil || data != secret {
			t.Fatalf("there is %q, %v", data, err)
		}
		near.scan([]string{"correct horse"})
		far.scan([]string{"correct horse"})
		near.settle(2 * time.Hour)
		for _, h := range []*hall{near, far} {
			for u := range store.UserData.Items(h.store.Snapshot()) {
				t.Errorf("%s keeps %+v after the order is over", h.name, u)
			}
		}
	})
}
