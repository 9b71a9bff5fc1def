package remote_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/remote"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/pkg/fault"
)

// posing answers /v1/about as another one, and hands on the rest.
func posing(fleet, generation string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/about" {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(remote.About{Fleet: fleet, Generation: generation})
	})
}

func (h *hall) standing(module string) order.Remote {
	h.t.Helper()
	st, ok := store.Remotes.View(h.store, module)
	if !ok {
		h.t.Fatalf("module %s is not connected", module)
	}
	return *st
}

func TestB3_ABackendThatChangedItsGenerationGetsNoOrdersAndIsNotBelieved(t *testing.T) {
	for name, as := range map[string][2]string{"generation": {"far", "steelyard/9"}, "fleet": {"elsewhere", order.LocalGeneration}} {
		t.Run(name, func(t *testing.T) {
			inHalls(t, func(t *testing.T, near, far *hall, w *wire) {
				far.enrol(1)
				far.enrol(1)
				m := near.connect()
				first := near.place()
				near.settle(10 * time.Minute)
				w.set(posing(as[0], as[1], far.api))
				w.cut()
				near.settle(10 * time.Minute)
				if st := near.standing(m.ID); st.State != order.RemoteChanged || !strings.Contains(near.tasks()[order.RemoteTaskKey(m.ID)], "Nothing is asked") {
					t.Fatalf("%s %q, tasks %v", st.State, st.Message, near.tasks())
				}
				second := near.place()
				near.settle(10 * time.Minute)
				if got := near.order(second.ID); got.State != order.Waiting || len(far.orders()) != 1 {
					t.Errorf("a new order: %s %q, %d orders there", got.State, got.Message, len(far.orders()))
				}
				if svc := near.service(first.Service); svc.State != order.ServiceActive {
					t.Errorf("the service: %s %q", svc.State, svc.Message)
				}
				w.set(far.api)
				near.settle(10 * time.Minute)
				if st := near.standing(m.ID); st.State != order.RemoteConnected || len(near.tasks()) != 0 || near.order(second.ID).State != order.Fulfilled {
					t.Errorf("afterwards: %s, tasks %v, the order %s", st.State, near.tasks(), near.order(second.ID).State)
				}
			})
		})
	}
}

func TestB3_AModuleWhoseBackendIsOfAnotherGenerationIsRefused(t *testing.T) {
	inHalls(t, func(t *testing.T, near, far *hall, w *wire) {
		w.set(posing("far", "steelyard/9", far.api))
		_, _, err := near.intake.CreateModule(context.Background(), ann, draft())
		if f := fault.From(err); f.Kind != fault.KindInvalid || len(f.Fields) != 1 || f.Fields[0].Name != "location" || !strings.Contains(f.Fields[0].Message, "steelyard/9") {
			t.Fatalf("%v", err)
		}
		if n := w.asked("POST /v1/login"); n != 0 {
			t.Errorf("the password was sent to it %d times", n)
		}
	})
}

func TestB6_WhatIsUnreachableKeepsItsStateAndAPersonIsTold(t *testing.T) {
	inHalls(t, func(t *testing.T, near, far *hall, w *wire) {
		far.enrol(1)
		m := near.connect()
		o := near.place()
		near.settle(10 * time.Minute)
		w.fates(func(*http.Request) fate { return lost })
		w.cut()
		near.settle(2 * time.Minute)
		if st := near.standing(m.ID); st.State != order.RemoteUnreachable || len(near.tasks()) != 0 {
			t.Fatalf("after two minutes: %s, tasks %v", st.State, near.tasks())
		}
		if _, err := near.intake.StopService(context.Background(), ann, o.Service, "unpaid"); err != nil {
			t.Fatal(err)
		}
		near.settle(10 * time.Minute)
		svc := near.service(o.Service)
		if svc.State != order.ServiceStopping || svc.Remote.SeenAt.IsZero() || near.tasks()[order.RemoteTaskKey(m.ID)] == "" {
			t.Fatalf("service %s, seen %v, tasks %v", svc.State, svc.Remote.SeenAt, near.tasks())
		}
		w.fates(nil)
		near.settle(5 * time.Minute)
		if svc := near.service(o.Service); svc.State != order.ServiceStopped || len(near.tasks()) != 0 {
			t.Errorf("afterwards: %s %q, tasks %v", svc.State, svc.Message, near.tasks())
		}
	})
}

func TestX9_PasswordAndTokenAreNowhereInClearAndTheTokenIsRenewed(t *testing.T) {
	inHalls(t, func(t *testing.T, near, far *hall, w *wire) {
		far.enrol(1)
		var bearers []string
		w.fates(func(r *http.Request) fate {
			if b := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "); b != "" && !slices.Contains(bearers, b) {
				bearers = append(bearers, b)
			}
			return arrives
		})
		m := near.connect()
		first := near.standing(m.ID).TokenExpires
		near.place()
		for range 20 {
			near.settle(24 * time.Hour)
		}
		if st := near.standing(m.ID); !st.TokenExpires.After(first) || st.State != order.RemoteConnected {
			t.Errorf("after 20 days the token ends %v, at first %v; %s %q", st.TokenExpires, first, st.State, st.Message)
		}
		if len(bearers) != 3 { // the login, the first token, its successor
			t.Errorf("%d tokens were used", len(bearers))
		}
		open := 0
		for i := range store.Tokens.Items(far.store.Snapshot()) {
			if k := i.Value; k.Kind == access.TokenProgram && !k.Revoked {
				open++
			}
		}
		if open != 1 {
			t.Errorf("%d tokens are open there", open)
		}
		near.scan(append(bearers, password))
	})
}

// scan looks for secrets in every byte that is stored.
func (h *hall) scan(secrets []string) {
	h.t.Helper()
	for opt := (kv.ListOptions{From: "\x00", Limit: 1000}); ; {
		p, err := h.kv.List(context.Background(), "", opt)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, e := range p.Entries {
			for _, s := range secrets {
				if bytes.Contains(e.Value, []byte(s)) {
					h.t.Errorf("%s holds a secret in clear", e.Key)
				}
			}
		}
		if !p.More {
			return
		}
		opt.From, opt.Rev = p.Next, p.Rev
	}
}

func TestX9_ANewPasswordThereEndsTheTokenAndTheModuleAsksForIt(t *testing.T) {
	inHalls(t, func(t *testing.T, near, far *hall, _ *wire) {
		m := near.connect()
		user := ""
		for i := range store.Users.Items(far.store.Snapshot()) {
			user = i.ID
		}
		near.settle(time.Minute)
		if _, _, err := far.intake.SetPassword(context.Background(), ann, user, "another long password"); err != nil {
			t.Fatal(err)
		}
		near.settle(10 * time.Minute)
		if st := near.standing(m.ID); st.State != order.RemoteDenied || !strings.Contains(near.tasks()[order.RemoteTaskKey(m.ID)], "password") {
			t.Fatalf("%s %q, tasks %v", st.State, st.Message, near.tasks())
		}
		edit := func(with string) error {
			_, _, err := near.intake.EditModule(context.Background(), ann, m.ID, intake.AnyRevision, func(d intake.ModuleDraft) (intake.ModuleDraft, error) {
				d.Password = "another long password"
				d.Password = d.Password[:len(with)]
				return d, nil
			})
			return err
		}
		if f := fault.From(edit("another long pass")); f == nil || f.Fields[0].Name != "password" {
			t.Errorf("a wrong password: %v", f)
		}
		if err := edit("another long password"); err != nil {
			t.Fatal(err)
		}
		near.settle(time.Minute)
		if st := near.standing(m.ID); st.State != order.RemoteConnected || len(near.tasks()) != 0 {
			t.Errorf("afterwards: %s %q, tasks %v", st.State, st.Message, near.tasks())
		}
	})
}

func TestB6_AModuleInUseIsNotDeletedNorLedToAnotherFleet(t *testing.T) {
	inHalls(t, func(t *testing.T, near, far *hall, w *wire) {
		far.enrol(1)
		m := near.connect()
		near.place()
		near.settle(5 * time.Minute)
		near.change(func(tx *store.Tx) error { return store.Tariffs.Delete(tx, "tar-1") })
		if _, err := near.intake.DeleteModule(context.Background(), ann, m.ID, intake.AnyRevision); !fault.Is(err, fault.KindRefused) {
			t.Errorf("deleting: %v", err)
		}
		w.set(posing("elsewhere", order.LocalGeneration, far.api))
		_, _, err := near.intake.EditModule(context.Background(), ann, m.ID, intake.AnyRevision, func(d intake.ModuleDraft) (intake.ModuleDraft, error) {
			d.URL, d.Password = "https://elsewhere.example.net", password
			return d, nil
		})
		if f := fault.From(err); f == nil || len(f.Fields) != 1 || f.Fields[0].Name != "url" {
			t.Errorf("leading it elsewhere: %v", err)
		}
	})
}

func TestB43_AnImageThatIsNotThereLetsTheOrderWaitWithATask(t *testing.T) {
	inHalls(t, func(t *testing.T, near, far *hall, _ *wire) {
		far.enrol(1)
		far.change(func(tx *store.Tx) error { return store.Images.Delete(tx, "img-far") })
		near.connect()
		o := near.place()
		near.settle(2 * time.Minute)
		if got := near.order(o.ID); got.State != order.Waiting || !strings.Contains(near.tasks()[order.BuildKey(o.ID)], "no image debian") {
			t.Errorf("%s, tasks %v", got.State, near.tasks())
		}
	})
}

func TestA17_PowerIsSwitchedThereOnceForEachWish(t *testing.T) {
	inHalls(t, func(t *testing.T, near, far *hall, w *wire) {
		far.enrol(1)
		near.connect()
		o := near.place()
		near.settle(5 * time.Minute)
		muted := 0
		w.fates(func(r *http.Request) fate {
			if strings.HasSuffix(r.URL.Path, "/power") && muted == 0 {
				muted++
				return mute
			}
			return arrives
		})
		for i, action := range []string{"cycle", "off", "on"} {
			muted = 0
			if _, err := near.intake.PowerService(context.Background(), ann, o.Service, action, ""); err != nil {
				t.Fatal(err)
			}
			near.settle(3 * time.Minute)
			svc, there := near.service(o.Service), far.service(near.order(o.ID).Remote.Service)
			if svc.Remote.Wish != "" || svc.PowerOff != (action == "off") || there.PowerOff != svc.PowerOff {
				t.Errorf("%s: wish %q, off here %v, there %v", action, svc.Remote.Wish, svc.PowerOff, there.PowerOff)
			}
			if n := w.asked("POST /v1/services/" + svc.Remote.Service + "/power"); n != i+1 {
				t.Errorf("%s: it was told %d times in all", action, n)
			}
		}
	})
}

// TestX4_NothingIsDoubledOrForgottenWhateverBreaks lets orders come and go while the wire loses requests
// and answers and the controller here is killed; at the end both sides agree.
func TestX4_NothingIsDoubledOrForgottenWhateverBreaks(t *testing.T) {
	seeds := 12
	if testing.Short() {
		seeds = 3
	}
	for seed := range uint64(seeds) {
		inHalls(t, func(t *testing.T, near, far *hall, w *wire) {
			dice := rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // a repeatable walk
			for range 4 {
				far.enrol(1)
			}
			near.connect()
			w.fates(func(r *http.Request) fate { // under the wire's lock
				switch n := dice.IntN(10); {
				case n < 2:
					return lost
				case n < 4:
					return mute
				case n == 4 && r.Method == http.MethodPost:
					return late
				}
				return arrives
			})
			walk(near, dice, w)
			w.fates(nil)
			near.settle(2 * time.Hour)
			agree(t, seed, near, far)
		})
	}
}

func TestX4_AnOrderThatIsCanceledWhileItIsBeingPlacedLeavesNothingThere(t *testing.T) {
	for name, what := range map[string]fate{"answer lost": mute, "on its way": late, "request lost": lost} {
		t.Run(name, func(t *testing.T) {
			inHalls(t, func(t *testing.T, near, far *hall, w *wire) {
				server := far.enrol(1)
				near.connect()
				posted := false
				w.fates(func(r *http.Request) fate {
					if r.Method == http.MethodPost && r.URL.Path == "/v1/orders" {
						posted = true
						return what
					}
					if posted && r.URL.Path == "/v1/orders" { // nor is it found again
						return lost
					}
					return arrives
				})
				o := near.place()
				near.settle(time.Second)
				if _, err := near.intake.CancelOrder(context.Background(), ann, o.ID, "changed my mind"); err != nil {
					t.Fatal(err)
				}
				near.restart()
				w.fates(nil)
				near.settle(time.Hour)
				if got := near.order(o.ID); got.State != order.Canceled || got.Remote.State != order.RemoteEnded {
					t.Errorf("here: %s %+v", got.State, got.Remote)
				}
				for _, there := range far.orders() {
					if there.State != order.Canceled && far.service(there.Service).State != order.ServiceDeleted {
						t.Errorf("there: %s %q", there.State, there.Message)
					}
				}
				if s, _ := store.Servers.View(far.store, server); s.Claim.Kind != "none" {
					t.Errorf("the server there is still %s", s.Claim.Kind)
				}
			})
		})
	}
}

func walk(near *hall, dice *rand.Rand, w *wire) {
	roll := func(n int) int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return dice.IntN(n)
	}
	ctx := context.Background()
	var placed []order.Order
	for range 30 {
		switch n := roll(8); {
		case n < 2 && len(placed) < 6:
			o := near.place()
			placed = append(placed, o)
			if roll(3) == 0 {
				_, _ = near.intake.CancelOrder(ctx, ann, o.ID, "at once")
			}
		case n == 2:
			near.stop()
			near.start()
		case n == 3:
			w.cut()
		case len(placed) > 0:
			o := placed[roll(len(placed))]
			switch roll(4) { // refusals are part of the walk
			case 0:
				_, _ = near.intake.CancelOrder(ctx, ann, o.ID, "no")
			case 1:
				_, _ = near.intake.StopService(ctx, ann, o.Service, "")
			case 2:
				_, _ = near.intake.ResumeService(ctx, ann, o.Service, "")
			case 3:
				_, _ = near.intake.DeleteService(ctx, ann, o.Service, "")
			}
		}
		near.settle(time.Duration(roll([]int{500, 5_000, 60_000}[roll(3)])) * time.Millisecond)
	}
}

func agree(t *testing.T, seed uint64, near, far *hall) {
	t.Helper()
	known := map[string]order.Order{}
	for _, o := range near.orders() {
		svc := near.service(o.Service)
		if svc.Remote.Wish != "" || o.Remote.State == order.RemotePlacing || o.Remote.State == order.RemoteWithdrawing {
			t.Errorf("seed %d: order %s %s (%+v), service %s %+v is not settled", seed, o.ID, o.State, o.Remote, svc.State, svc.Remote)
		}
		if o.Remote.Order != "" {
			known[o.Remote.Order] = o
		}
	}
	references := map[string]int{}
	for _, there := range far.orders() {
		if references[there.Reference]++; references[there.Reference] > 1 {
			t.Errorf("seed %d: order %s was placed twice", seed, there.Reference)
		}
		svc := far.service(there.Service)
		o, ours := known[there.ID]
		switch gone := there.State == order.Canceled || svc.State == order.ServiceDeleted; {
		case gone && (!ours || o.State == order.Canceled || near.service(o.Service).State == order.ServiceDeleted):
		case !ours:
			t.Errorf("seed %d: order %s (%s) there is nobody's here", seed, there.ID, there.State)
		case near.service(o.Service).State != svc.State:
			t.Errorf("seed %d: service %s is %s here and %s there", seed, svc.ID, near.service(o.Service).State, svc.State)
		}
	}
}
