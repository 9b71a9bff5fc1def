package notify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/notify"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
)

var ann = access.Actor{Name: "ann", Role: access.RoleSystems}

func TestX6_EachReceiverIsToldOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.hook("one", "two")
		w.open("t1")
		synctest.Wait()
		if got := w.arrived(); len(got) != 2 {
			t.Errorf("arrived %q", got)
		}
		if got := w.deliveries(); got[notify.Delivered] != 2 || len(got) != 1 || store.Outbox.Len(w.store.Snapshot()) != 0 {
			t.Errorf("deliveries %v, %d events are left", got, store.Outbox.Len(w.store.Snapshot()))
		}
		time.Sleep(time.Hour)
		w.expect()
	})
}

// States that passed while nobody led are told, each of them, in their order.
func TestX6_NothingIsLostWhileNobodyLeads(t *testing.T) {
	inWorld(t, func(w *world) {
		w.hook("one")
		w.stop()
		w.open("t1")
		w.shut("t1")
		w.open("t1")
		w.change(func(tx *store.Tx) error { return store.Tasks.Delete(tx, "t1") })
		w.lead(store.Fence{})
		w.expect("one task.opened t1", "one task.closed t1", "one task.opened t1")
	})
}

// The receiver answered, and we died before that was recorded: the same event comes again, and
// nothing else does.
func TestX6_CrashAfterTheAnswerRepeatsTheEvent(t *testing.T) {
	inWorld(t, func(w *world) {
		w.hook("one")
		var ids []string
		w.answers(func(ctx context.Context, d notify.Delivery) notify.Outcome {
			if ids = append(ids, d.Event.ID); len(ids) == 1 {
				<-ctx.Done() // the process dies here
			}
			return fine
		})
		w.open("t1")
		synctest.Wait()
		w.stop()
		if d := w.only(); d.State != notify.Pending || d.Attempts != 0 {
			t.Errorf("an attempt that was called off counts: %+v", d)
		}
		w.lead(store.Fence{})
		w.expect("one task.opened t1", "one task.opened t1")
		if len(ids) != 2 || ids[0] != ids[1] {
			t.Errorf("the ids are %v", ids)
		}
	})
}

// Handing out is one commit or several; after a crash between them each receiver still has one
// delivery of the event.
func TestX6_CrashWhileHandingOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memkv.New(memkv.Options{}))
		w.answers(takes)
		w.hook("one", "two", "three")
		w.open("t1")
		half := &Notifier{Options: Options{Store: w.store, Now: time.Now}}
		steps := half.plan(newLanes(func(*lane) {}))
		if len(steps) != 4 || steps[3].event == "" {
			t.Fatalf("planned %+v", steps)
		}
		w.change(func(tx *store.Tx) error { return commit(tx, steps[:2]) })
		w.lead(store.Fence{})
		if got := w.arrived(); len(got) != 3 {
			t.Errorf("arrived %q", got)
		}
		if got := w.deliveries(); got[notify.Delivered] != 3 || len(got) != 1 {
			t.Errorf("deliveries %v", got)
		}
		w.stop()
	})
}

func TestX6_SlowReceiverDelaysNobody(t *testing.T) {
	inWorld(t, func(w *world) {
		w.hook("fast", "slow")
		w.answers(func(ctx context.Context, d notify.Delivery) notify.Outcome {
			if d.Subscriber == "slow" {
				select {
				case <-time.After(10 * time.Second):
				case <-ctx.Done():
				}
			}
			return fine
		})
		start := time.Now()
		for i := range 50 {
			w.open(fmt.Sprint("t", i))
		}
		synctest.Wait()
		fast := 0
		for _, got := range w.arrived() {
			if strings.HasPrefix(got, "fast") {
				fast++
			}
		}
		if fast != 50 || time.Since(start) != 0 {
			t.Errorf("%d of 50 events arrived in %s", fast, time.Since(start))
		}
		time.Sleep(10 * time.Second * (50/workers + 1))
		time.Sleep(time.Second)
		if got := w.deliveries(); got[notify.Delivered] != 100 {
			t.Errorf("deliveries %v", got)
		}
	})
}

// A later event of an object waits for an earlier one that is tried again; other objects do
// not.
func TestX6_EventsOfAnObjectKeepTheirOrder(t *testing.T) {
	inWorld(t, func(w *world) {
		w.hook("one")
		var repaired atomic.Bool
		w.answers(func(ctx context.Context, d notify.Delivery) notify.Outcome {
			if d.Event.Data.ID == "t1" && !repaired.Load() {
				return away(ctx, d)
			}
			return fine
		})
		w.open("t1")
		w.shut("t1")
		w.expect("one task.opened t1")
		w.open("t2")
		w.expect("one task.opened t2")
		repaired.Store(true)
		time.Sleep(10 * time.Second)
		w.expect("one task.opened t1", "one task.closed t1")
	})
}

func TestX6_DeadLetterIsListedFiledAndSentAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		w.hook("one")
		w.answers(away)
		w.open("t1")
		time.Sleep(30 * time.Minute)
		if got := w.tasks(); len(got) != 1 || got[0] != "notify/one" {
			t.Fatalf("tasks %v", got)
		}
		time.Sleep(72 * time.Hour)
		if got := w.deliveries(); got[notify.Dead] != 2 || got[notify.Pending] != 0 { // t1, and the task about the receiver
			t.Errorf("deliveries %v", got)
		}
		tries := 0
		for _, got := range w.arrived() {
			if got == "one task.opened t1" {
				tries++
			}
		}
		if tries != notify.MaxAttempts {
			t.Errorf("it was tried %d times", tries)
		}
		w.answers(takes)
		for i := range store.Deliveries.Items(w.store.Snapshot()) {
			if i.Value.Event.Data.ID == "t1" {
				if _, err := w.intake.Redeliver(w.t.Context(), ann, i.ID, "repaired"); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := w.arrived(); len(got) != 2 || got[0] != "one task.opened t1" || !strings.HasPrefix(got[1], "one task.closed ") {
			t.Errorf("arrived %q", got)
		}
		if got := w.tasks(); len(got) != 0 {
			t.Errorf("the task is open: %v", got)
		}
	})
}

func TestX8_GoneReceiverIsDisabled(t *testing.T) {
	inWorld(t, func(w *world) {
		w.hook("one")
		w.answers(func(context.Context, notify.Delivery) notify.Outcome { return judge(410) })
		w.open("t1", "t2")
		synctest.Wait()
		hook, _ := store.Webhooks.View(w.store, "one")
		if !hook.Disabled || hook.DisabledReason == "" {
			t.Fatalf("the webhook is %+v", hook)
		}
		audited := 0
		for i := range store.Audit.Items(w.store.Snapshot()) {
			if i.Value.Action == "webhook.disable" && i.Value.Object == "webhooks/one" {
				audited++
			}
		}
		if audited != 1 || fmt.Sprint(w.tasks()) != "[notify/one/gone]" {
			t.Errorf("%d audit lines, tasks %v", audited, w.tasks())
		}
		w.arrived()
		w.open("t3")
		w.expect()
	})
}

// A replica that lost the office and does not know it records nothing.
func TestX5_DeposedLeaderRecordsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memkv.New(memkv.Options{}))
		w.answers(takes)
		w.hook("one")
		w.change(func(tx *store.Tx) error { return store.Leaders.Put(tx, "notify", store.Leader{Replica: "other"}) })
		ended := w.lead(store.Fence{Key: "leaders/notify", Rev: 1}) // of an earlier term
		w.open("t1")
		synctest.Wait()
		if err := <-ended; !errors.Is(err, store.ErrNotLeader) {
			t.Errorf("it ended with %v", err)
		}
		if got := w.deliveries(); len(got) != 0 || store.Outbox.Len(w.store.Snapshot()) != 1 {
			t.Errorf("deliveries %v, %d events", got, store.Outbox.Len(w.store.Snapshot()))
		}
		w.expect()
		w.stop()
	})
}

func TestX6_FullQueueIsBounded(t *testing.T) {
	inWorld(t, func(w *world) {
		w.hook("one", "two")
		const room = 3
		for from := 0; from < MaxPending-room; from += chunk {
			w.change(func(tx *store.Tx) error {
				for i := from; i < min(from+chunk, MaxPending-room); i++ {
					d := delivery(notify.ByWebhook, "one", "", notify.Event{ID: fmt.Sprint("evt-", i)})
					d.NextAt = time.Now().Add(time.Hour)
					if err := store.Deliveries.Put(tx, d.ID, d); err != nil {
						return err
					}
				}
				return nil
			})
		}
		synctest.Wait()
		w.answers(func(ctx context.Context, _ notify.Delivery) notify.Outcome {
			<-ctx.Done()
			return fine
		})
		for i := range room + 4 {
			w.open(fmt.Sprint("t", i))
			synctest.Wait()
		}
		full := map[string]int{}
		for i := range store.Deliveries.Items(w.store.Snapshot()) {
			if i.Value.State == notify.Dead {
				full[i.Value.Subscriber+": "+i.Value.Error]++
			}
		}
		if len(full) != 1 || full["one: the queue of this receiver is full"] != 4 {
			t.Errorf("given up: %v", full)
		}
	})
}

func TestX6_OldDeliveriesAreForgotten(t *testing.T) {
	inWorld(t, func(w *world) {
		w.hook("one")
		w.open("t1")
		time.Sleep(notify.KeepDelivered - time.Minute)
		if got := w.deliveries(); got[notify.Delivered] != 1 {
			t.Errorf("deliveries %v", got)
		}
		time.Sleep(2 * sweepEvery)
		if got := w.deliveries(); len(got) != 0 {
			t.Errorf("deliveries %v", got)
		}
		for i := range notify.KeepMost + 5 {
			w.open(fmt.Sprint("x", i))
		}
		time.Sleep(2 * sweepEvery)
		if got := w.deliveries(); got[notify.Delivered] != notify.KeepMost {
			t.Errorf("deliveries %v", got)
		}
		w.change(func(tx *store.Tx) error { return store.Webhooks.Delete(tx, "one") })
		time.Sleep(2 * sweepEvery)
		if got := w.deliveries(); len(got) != 0 {
			t.Errorf("deliveries of a webhook that is gone: %v", got)
		}
	})
}

func TestX6_TestIsTriedOnceAndMakesNoTask(t *testing.T) {
	inWorld(t, func(w *world) {
		w.hook("one")
		w.answers(away)
		if _, _, err := w.intake.TestWebhook(w.t.Context(), ann, "one"); err != nil {
			t.Fatal(err)
		}
		if d := w.only(); d.State != notify.Dead || d.Attempts != 1 || d.Error == "" || len(w.tasks()) != 0 {
			t.Errorf("%+v, tasks %v", d, w.tasks())
		}
	})
}

func TestX7_MailGoesWhereItsRouteSays(t *testing.T) {
	inWorld(t, func(w *world) {
		put := func(r notify.Route) {
			w.change(func(tx *store.Tx) error { return store.MailRoutes.Put(tx, r.ID, r) })
		}
		user := func(name string, role access.Role, disabled bool) {
			w.change(func(tx *store.Tx) error {
				return store.Users.Put(tx, name, access.User{ID: name, Name: name, Role: role, Disabled: disabled})
			})
		}
		user("root@example.com", access.RoleSystems, false)
		user("gone@example.com", access.RoleSystems, true)
		user("operator", access.RoleSystems, false)
		put(notify.Route{ID: "a", Events: []string{"task.*"}, Department: "dc", To: []string{"dc@x.example"}})
		put(notify.Route{ID: "b", Events: []string{"task.opened"}, Department: "billing", To: []string{"billing@x.example"}})
		put(notify.Route{ID: "c", Events: []string{"task.closed"}, To: []string{"dc@x.example"}, Role: access.RoleSystems})
		put(notify.Route{ID: "d", Events: []string{"*"}, To: []string{"off@x.example"}, Disabled: true})
		w.open("before") // no mail server yet
		w.expect()
		w.change(func(tx *store.Tx) error {
			return store.MailServers.Put(tx, store.TheMailServer, notify.MailServer{Host: "mail"})
		})
		w.open("t1")
		w.expect("adc@x.example task.opened t1")
		w.shut("t1") // dc@x.example is told by one route only
		got := strings.Join(w.arrived(), ";")
		if strings.Count(got, ";") != 1 || !strings.Contains(got, "adc@x.example task.closed t1") || !strings.Contains(got, "croot@example.com task.closed t1") {
			t.Errorf("arrived %q", got)
		}
	})
}

// An address that refuses is a task of its own; other addresses go on.
func TestX6_AddressThatRefusesIsFiled(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(func(tx *store.Tx) error {
			return store.MailServers.Put(tx, store.TheMailServer, notify.MailServer{Host: "mail"})
		})
		w.change(func(tx *store.Tx) error {
			return store.MailRoutes.Put(tx, "a", notify.Route{ID: "a", Events: []string{"task.*"}, Department: "dc", To: []string{"bad@x.example", "good@x.example"}})
		})
		w.answers(func(_ context.Context, d notify.Delivery) notify.Outcome {
			if d.To == "bad@x.example" {
				return notify.Outcome{Permanent: true, Status: 550, Error: "550 no such user"}
			}
			return fine
		})
		w.open("t1", "t2")
		if got := w.tasks(); fmt.Sprint(got) != "[notify/a/bad@x.example]" {
			t.Errorf("tasks %v", got)
		}
		if got := w.deliveries(); got[notify.Dead] != 2 || got[notify.Delivered] != 2 {
			t.Errorf("deliveries %v", got)
		}
		s := w.n.Stats()
		if s.Attempts[Attempted{"mail", "dead"}] != 2 || s.Attempts[Attempted{"mail", "delivered"}] != 2 || s.Dead["mail"] != 2 || s.Pending["mail"] != 0 || s.Events != 0 {
			t.Errorf("figures %+v", s)
		}
	})
}
