package reconcile

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/core/access"
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/order"
	"github.com/steelyard/steelyard/controller/core/reselling"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// ready gives the scene a server that is available.
func (r *roaming) ready() { r.t.Helper(); r.joined(fleet.StateAvailable) }

// joined is a server that comes to a state by itself.
func (r *roaming) joined(want string) {
	r.t.Helper()
	r.join(0)
	r.settled(want)
}

// settled lets everything come to rest, and expects the server there.
func (r *roaming) settled(want string) {
	r.t.Helper()
	r.h.settle()
	if got := r.ledger.where(r.id); got[:min(len(want), len(got))] != want {
		r.t.Errorf("the server is %s, want %s", got, want)
	}
}

// do what must not be refused.
func (r *roaming) do(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Error(err)
	}
	synctest.Wait()
}

func (r *roaming) is() fleet.Server { return r.server(r.id) }

func (r *roaming) start(kind string, p operation.Params) error {
	_, err := r.intake.RequestOperation(ctx, ann, intake.OperationWish{Server: r.id, Kind: kind, Params: p}, nil)
	return err
}

func (r *roaming) park() {
	r.t.Helper()
	r.do(r.start(operation.Power, operation.Params{Action: operation.PowerOff}))
	r.settled(fleet.StateParked)
}

// other is the machine with another network card.
func (r *roaming) other() { r.with("02:00:00:00:00:09") }

// itself is the machine with the card that it came with.
func (r *roaming) itself() { r.with("02:00:00:00:00:01") }

func (r *roaming) with(mac string) {
	r.t.Helper()
	r.inv.NICs, r.inv.Identity.MACs = slices.Clone(r.inv.NICs), []string{mac}
	r.inv.NICs[0].PermanentMAC = mac
	r.do(r.intake.Report(ctx, r.id, "v", protocol.Report{Inventory: r.inv}))
}

// active is a customer's server.
func (r *roaming) active() (service string) {
	r.t.Helper()
	r.ready()
	r.do(r.order("tar-1", "img-1"))
	r.settled(fleet.StateTaken)
	return r.is().Claim.Ref
}

// ask for something about the service, and let it be tried for a while.
func (r *roaming) ask(d time.Duration, _ order.Service, err error) {
	r.t.Helper()
	r.do(err)
	time.Sleep(d)
	synctest.Wait()
}

func (r *roaming) withdrawn() {
	r.t.Helper()
	_, err := r.intake.CancelOrder(ctx, ann, r.orders[len(r.orders)-1], "changed mind")
	r.do(err)
}

func (r *roaming) maintain() {
	r.do(second(r.intake.SetMaintenance(ctx, ann, r.id, "fan", time.Time{})))
}

func (r *roaming) doubt() { r.do(r.intake.Conflict(ctx, r.id, "two agents")) }

// during is a server of nobody that something happens to while an operation runs on it, which is canceled.
func during(kind string, f func(*roaming)) func(*roaming) {
	return func(r *roaming) {
		r.ready()
		r.behave("silent")
		r.h.breaks("off", errAway)
		r.do(r.start(kind, operation.Params{Image: "img-1", Action: operation.PowerOff}))
		r.h.settle()
		f(r)
		_, err := r.intake.CancelOperation(ctx, ann, r.is().Operation, "enough")
		r.do(err)
		r.h.settle()
	}
}

// cleanedUp is a delete that comes to a halt and is given up, or tried again.
func cleanedUp(breaks func(*roaming), again bool) func(*roaming) {
	return func(r *roaming) {
		svc := r.active()
		breaks(r)
		s, err := r.intake.DeleteService(ctx, ann, svc, "over")
		r.ask(long, s, err)
		r.behave("good")
		r.do(r.mend(r.is()))
		if again {
			_, err = r.intake.RetryOperation(ctx, ann, s.Operation, "mended")
		} else {
			_, err = r.intake.CancelOperation(ctx, ann, s.Operation, "not yet")
		}
		r.do(err)
		r.h.settle()
		if r.service(svc).State != order.ServiceDeleted {
			s, err = r.intake.DeleteService(ctx, ann, svc, "now")
			r.ask(long, s, err)
		}
	}
}

// whileCleaned is a delete that something happens to when its server is nobody's.
func whileCleaned(f func(*roaming)) func(*roaming) {
	return func(r *roaming) {
		svc := r.active()
		r.h.breaks("off", errAway)
		s, err := r.intake.DeleteService(ctx, ann, svc, "over")
		r.ask(time.Minute, s, err)
		r.settled(fleet.StateCleaning)
		f(r)
		_, err = r.intake.CancelOperation(ctx, ann, s.Operation, "enough")
		r.do(err)
		r.h.settle()
	}
}

// idle are ways to each state of a server that is nobody's and idle.
var idle = map[string]func(r *roaming){
	fleet.StatePending:     func(r *roaming) { r.join(1) },
	fleet.StateRejected:    func(r *roaming) { r.ready(); r.do(second(r.intake.RejectServer(ctx, ann, r.id, "odd"))) },
	fleet.StateQuarantined: func(r *roaming) { r.ready(); r.other() },
	fleet.StateDirty:       func(r *roaming) { r.ready(); r.maintain(); r.do(r.disk(r.is())) },
	fleet.StateUnavailable: func(r *roaming) { r.ready(); r.maintain() },
	fleet.StateAvailable:   (*roaming).ready,
	fleet.StateParked:      func(r *roaming) { r.ready(); r.park() },
}

// deeds are what may be done to such a server; not all of it is allowed in every state.
var deeds = map[string]func(r *roaming) error{
	"approved":  func(r *roaming) error { return second(r.intake.ApproveServer(ctx, ann, r.id, "", true)) },
	"rejected":  func(r *roaming) error { return second(r.intake.RejectServer(ctx, ann, r.id, "odd")) },
	"retired":   func(r *roaming) error { return r.retire(r.is()) },
	"anew":      func(r *roaming) error { return r.anew(r.is()) },
	"doubted":   func(r *roaming) error { r.doubt(); return nil },
	"settled":   func(r *roaming) error { return second(r.intake.EndQuarantine(ctx, ann, r.id, "the copy is found")) },
	"confirmed": func(r *roaming) error { return r.confirm(r.is()) },
	"itself":    func(r *roaming) error { r.itself(); return nil },
	"disowned":  func(r *roaming) error { return r.disown(r.is()) },
	"mended":    func(r *roaming) error { return second(r.intake.EndMaintenance(ctx, ann, r.id)) },
	"maintained": func(r *roaming) error {
		return second(r.intake.SetMaintenance(ctx, ann, r.id, "fan", time.Time{}))
	},
	"out of service": func(r *roaming) error { return second(r.intake.CommissionServer(ctx, ann, r.id, "", false)) },
	"overridden":     func(r *roaming) error { return second(r.intake.SetOverride(ctx, ann, r.id, "risk", time.Time{})) },
	"disk":           func(r *roaming) error { return r.disk(r.is()) },
	"rebuilt":        func(r *roaming) error { return r.rebuild(r.is()) },
	"away":           func(r *roaming) error { r.h.run(r.id, false, ""); return nil },
	"erased":         func(r *roaming) error { return r.start(operation.Erase, operation.Params{}) },
	"tested":         func(r *roaming) error { return r.start(operation.Diagnose, operation.Params{}) },
	"written":        func(r *roaming) error { return r.start(operation.Install, operation.Params{Image: "img-1"}) },
	"switched":       func(r *roaming) error { return r.start(operation.Power, operation.Params{Action: operation.PowerOff}) },
	"ordered":        func(r *roaming) error { return r.order("tar-1", "img-1") },
}

// grid is every deed in every idle state, and then what follows by itself and from giving in.
func grid(state, what string) func(r *roaming) {
	return func(r *roaming) {
		idle[state](r)
		r.settled(state)
		if fault.Is(deeds[what](r), fault.KindInternal) {
			r.t.Errorf("%s, %s: it broke", state, what)
		}
		r.h.settle()
		_ = deeds["mended"](r)
		r.h.settle()
	}
}

// heldAnd is a server that is held for an order, that something happens to, and that is let go.
func heldAnd(f func(*roaming)) func(*roaming) {
	return func(r *roaming) {
		r.ready()
		r.do(r.order("tar-2", "img-1"))
		r.settled(fleet.StateHeld)
		r.behave("silent")
		r.h.breaks("power", errAway)
		f(r)
		r.withdrawn()
	}
}

// unwritten is a server that is being prepared, that something happens to before its disks are
// touched, and whose order is canceled.
func unwritten(f func(*roaming)) func(*roaming) {
	return func(r *roaming) {
		r.ready()
		r.h.breaks("enable", errAway)
		r.do(r.order("tar-1", "img-1"))
		time.Sleep(soon)
		f(r)
		r.withdrawn()
		r.h.settle()
	}
}

// failedAnd is a server with a part of an image, that something happens to before its order is canceled.
func failedAnd(f func(*roaming)) func(*roaming) {
	return func(r *roaming) {
		r.ready()
		r.behave("silent")
		r.do(r.order("tar-1", "img-1"))
		time.Sleep(time.Hour)
		r.settled(fleet.StateTaken)
		f(r)
		r.withdrawn()
	}
}

// rescued is a customer's real server that is started from memory for him, as far as the agent lets it come.
func rescued(how string, f func(r *roaming, service string)) func(*roaming) {
	return func(r *roaming) {
		svc := r.active()
		r.rescuable(svc)
		r.behave(how)
		s, err := r.intake.RescueService(ctx, ann, svc, "it does not start")
		r.ask(long, s, err)
		r.behave("good")
		f(r, svc)
		r.h.settle()
	}
}

const (
	soon = 10 * time.Second
	long = 3 * time.Hour // every step that does not succeed is given up by then
)

// scenes are what a walk comes to seldom.
var scenes = map[string]func(r *roaming){
	"rescued, and back": rescued("good", func(r *roaming, svc string) {
		s, err := r.intake.EndRescue(ctx, ann, svc, "repaired")
		r.ask(long, s, err)
	}),
	"rescued, and started by its customer": rescued("good", func(r *roaming, _ string) { r.h.run(r.id, true, protocol.EnvInstalled) }),
	"rescued, and stopped": rescued("good", func(r *roaming, svc string) {
		s, err := r.intake.StopService(ctx, ann, svc, "unpaid")
		r.ask(long, s, err)
	}),
	"rescued, and deleted": rescued("good", func(r *roaming, svc string) {
		s, err := r.intake.DeleteService(ctx, ann, svc, "over")
		r.ask(long, s, err)
	}),
	"deleted while it is being rescued": func(r *roaming) {
		svc := r.active()
		r.rescuable(svc)
		s, err := r.intake.RescueService(ctx, ann, svc, "it does not start")
		r.ask(time.Second, s, err)
		s, err = r.intake.DeleteService(ctx, ann, svc, "over")
		r.ask(long, s, err)
	},
	"a rescue that is held, and tried again": rescued("stubborn", func(r *roaming, _ string) {
		_, err := r.intake.RetryOperation(ctx, ann, r.is().Operation, "again")
		r.do(err)
	}),
	"a rejected one comes again": func(r *roaming) {
		r.ready()
		r.do(second(r.intake.RejectServer(ctx, ann, r.id, "odd")))
		r.do(r.anew(r.is()))
		r.settled(fleet.StatePending)
	},
	"an available one comes again": func(r *roaming) {
		r.ready()
		r.do(r.anew(r.is()))
		r.settled(fleet.StatePending)
	},
	"a parked one comes again, is approved and retired": func(r *roaming) {
		r.ready()
		r.park()
		r.do(r.anew(r.is()))
		r.h.run(r.id, false, "")
		r.settled(fleet.StatePending)
		r.do(second(r.intake.ApproveServer(ctx, ann, r.id, "", true)))
		r.settled(fleet.StateParked)
		r.do(r.retire(r.is()))
	},
	"another card, and its own again": func(r *roaming) {
		r.ready()
		r.park()
		r.other()
		r.settled(fleet.StateQuarantined)
		r.itself()
		r.settled(fleet.StateParked)
	},
	"a new one is rejected": func(r *roaming) {
		r.join(1)
		r.do(second(r.intake.RejectServer(ctx, ann, r.id, "whose is it")))
	},
	"an available one comes again, at an operator's risk": func(r *roaming) {
		r.ready()
		r.do(second(r.intake.SetOverride(ctx, ann, r.id, "its agent is away now and then", time.Time{})))
		r.do(r.anew(r.is()))
		r.settled(fleet.StatePending)
	},
	"one in quarantine comes again": func(r *roaming) {
		r.ready()
		r.doubt()
		r.do(r.anew(r.is()))
		r.settled(fleet.StatePending)
	},
	"in quarantine during maintenance": func(r *roaming) {
		r.ready()
		r.maintain()
		r.doubt()
		r.settled(fleet.StateQuarantined)
	},
	"in quarantine, and settled": func(r *roaming) {
		r.ready()
		r.doubt()
		r.settled(fleet.StateQuarantined)
		r.do(second(r.intake.EndQuarantine(ctx, ann, r.id, "the copy is found")))
		r.settled(fleet.StateAvailable)
	},
	"in quarantine when it is approved again": func(r *roaming) {
		r.ready()
		r.doubt()
		r.do(r.anew(r.is()))
		r.do(second(r.intake.ApproveServer(ctx, ann, r.id, "", true)))
		r.settled(fleet.StateQuarantined)
	},
	"in maintenance when it is approved again": func(r *roaming) {
		r.ready()
		r.maintain()
		r.do(r.anew(r.is()))
		r.do(second(r.intake.ApproveServer(ctx, ann, r.id, "", true)))
		r.settled(fleet.StateUnavailable)
	},
	"maintenance of one that is parked": func(r *roaming) {
		r.ready()
		r.park()
		r.maintain()
		r.settled(fleet.StateUnavailable)
	},
	"a new key while it is tested":     during(operation.Diagnose, func(r *roaming) { r.do(r.anew(r.is())) }),
	"a doubt while it is tested":       during(operation.Diagnose, (*roaming).doubt),
	"maintenance while it is tested":   during(operation.Diagnose, (*roaming).maintain),
	"a new disk while it is tested":    during(operation.Diagnose, func(r *roaming) { r.do(r.disk(r.is())) }),
	"nothing while it is tested":       during(operation.Diagnose, func(*roaming) {}),
	"a new key while it is erased":     during(operation.Erase, func(r *roaming) { r.do(r.anew(r.is())) }),
	"a doubt while it is erased":       during(operation.Erase, (*roaming).doubt),
	"maintenance while it is erased":   during(operation.Erase, (*roaming).maintain),
	"a new disk while it is erased":    during(operation.Erase, func(r *roaming) { r.do(r.disk(r.is())) }),
	"nothing while it is erased":       during(operation.Erase, func(*roaming) {}),
	"an image of an operator":          during(operation.Install, func(*roaming) {}),
	"a doubt while it is switched":     during(operation.Power, (*roaming).doubt),
	"maintenance while it is switched": during(operation.Power, (*roaming).maintain),
	"a new disk while it is switched":  during(operation.Power, func(r *roaming) { r.do(r.disk(r.is())) }),
	"nothing while it is switched":     during(operation.Power, func(*roaming) {}),
	"marked while it is switched": func(r *roaming) {
		r.ready()
		r.h.breaks("off", errAway)
		r.do(r.start(operation.Power, operation.Params{Action: operation.PowerOff}))
		r.do(r.anew(r.is()))
		r.do(r.mend(r.is()))
		r.settled(fleet.StatePending)
	},
	"held, and canceled while it is tested": heldAnd(func(r *roaming) { r.do(r.start(operation.Diagnose, operation.Params{})) }),
	"held, and canceled while it is switched": heldAnd(func(r *roaming) {
		r.do(r.start(operation.Power, operation.Params{Action: operation.PowerBootRAM}))
	}),
	"held, and canceled while it is erased":        heldAnd(func(r *roaming) { r.do(r.disk(r.is())) }),
	"held, and canceled when it has a new key":     heldAnd(func(r *roaming) { r.do(r.anew(r.is())) }),
	"held, and canceled when nobody knows it":      heldAnd((*roaming).doubt),
	"held, and canceled when it is in maintenance": heldAnd((*roaming).maintain),
	"held, and canceled when there is a new disk":  heldAnd(func(r *roaming) { r.maintain(); r.do(r.disk(r.is())) }),
	"held while it is parked": func(r *roaming) {
		r.ready()
		r.park()
		r.do(r.order("tar-2", "img-1"))
		r.settled(fleet.StateHeld)
		r.withdrawn()
		r.settled(fleet.StateParked)
	},
	"held, with disks of its own, and installed": func(r *roaming) {
		r.ready()
		r.do(r.order("tar-2", "img-1"))
		r.settled(fleet.StateHeld)
		r.do(r.disk(r.is()))
		r.h.settle()
		r.do(r.rebuild(r.is()))
		r.settled(fleet.StateTaken)
	},
	"canceled before anything was written": unwritten(func(*roaming) {}),
	"deleted before anything was written": unwritten(func(r *roaming) {
		s, err := r.intake.DeleteService(ctx, ann, r.is().Claim.Ref, "over")
		r.do(r.mend(r.is()))
		r.ask(time.Minute, s, err)
	}),
	"a new disk before anything was written": unwritten(func(r *roaming) { r.do(r.disk(r.is())) }),
	"a new disk when nothing was written": unwritten(func(r *roaming) {
		_, err := r.intake.CancelOperation(ctx, ann, r.is().Operation, "enough")
		r.do(err)
		r.settled(fleet.StateReserved)
		r.do(r.disk(r.is()))
	}),
	"a new disk when it is deleted and nothing was written": unwritten(func(r *roaming) {
		s, err := r.intake.DeleteService(ctx, ann, r.is().Claim.Ref, "over")
		r.ask(soon, s, err)
		r.do(r.disk(r.is()))
	}),
	"canceled, unwritten, in maintenance":        unwritten((*roaming).maintain),
	"canceled, unwritten, when nobody knows it":  unwritten((*roaming).doubt),
	"canceled, unwritten, when it has a new key": unwritten(func(r *roaming) { r.do(r.anew(r.is())) }),
	"canceled after something was written": func(r *roaming) {
		r.ready()
		r.behave("silent")
		r.do(r.order("tar-1", "img-1"))
		r.settled(fleet.StatePreparing)
		r.withdrawn()
		r.settled(fleet.StateErasing)
	},
	"failed, and canceled":                       failedAnd(func(*roaming) {}),
	"failed, and canceled when it has a new key": failedAnd(func(r *roaming) { r.do(r.anew(r.is())) }),
	"failed, and canceled when nobody knows it":  failedAnd((*roaming).doubt),
	"held up, and installed after all": func(r *roaming) {
		r.ready()
		r.behave("stubborn")
		r.do(r.order("tar-1", "img-1"))
		r.settled(fleet.StatePreparing)
		r.behave("good")
		_, err := r.intake.RetryOperation(ctx, ann, r.is().Operation, "again")
		r.do(err)
		r.settled(fleet.StateTaken)
	},
	"deleted while it is installed, and that is given up": func(r *roaming) {
		r.ready()
		r.behave("silent")
		r.do(r.order("tar-1", "img-1"))
		r.settled(fleet.StatePreparing)
		r.h.breaks("enable", errAway)
		svc, err := r.intake.DeleteService(ctx, ann, r.is().Claim.Ref, "over")
		r.ask(soon, svc, err)
		_, err = r.intake.CancelOperation(ctx, ann, svc.Operation, "not yet")
		r.do(err)
		r.settled(fleet.StateErasing)
	},
	"deleted, and not switched off":              cleanedUp(func(r *roaming) { r.h.breaks("off", errAway) }, false),
	"deleted, and not erased":                    cleanedUp(func(r *roaming) { r.behave("vain") }, false),
	"deleted, with ports that are not enabled":   cleanedUp(func(r *roaming) { r.h.breaks("enable", errAway) }, false),
	"deleted, with ports that are enabled later": cleanedUp(func(r *roaming) { r.h.breaks("enable", errAway) }, true),
	"it can never be installed": func(r *roaming) {
		r.do(r.order("tar-1", "img-2"))
		r.ready()
		r.withdrawn()
		r.do(r.order("tar-1", "img-2"))
		r.do(r.order("tar-2", "img-2"))
		r.settled(fleet.StateHeld)
		r.do(r.rebuild(r.is()))
		r.settled(fleet.StateAvailable)
	},
	"stopped and resumed with a switch that fails": func(r *roaming) {
		svc := r.active()
		for _, again := range []bool{true, false} { // ask again, or try the operation again
			for _, wish := range []struct {
				verb string
				f    func(string) (order.Service, error)
			}{
				{"shut", func(id string) (order.Service, error) { return r.intake.StopService(ctx, ann, id, "unpaid") }},
				{"enable", func(id string) (order.Service, error) { return r.intake.ResumeService(ctx, ann, id, "paid") }},
			} {
				r.h.breaks(wish.verb, errAway)
				s, err := wish.f(svc)
				r.ask(long, s, err)
				r.do(r.mend(r.is()))
				if !again {
					_, err = r.intake.RetryOperation(ctx, ann, s.Operation, "mended")
					r.do(err)
					r.h.settle()
					continue
				}
				_, err = r.intake.CancelOperation(ctx, ann, s.Operation, "anew")
				r.do(err)
				s, err = wish.f(svc)
				r.ask(long, s, err)
			}
		}
		r.settled(fleet.StateTaken)
	},
	"deleted while it is stopped": func(r *roaming) {
		svc := r.active()
		r.h.breaks("shut", errAway)
		s, err := r.intake.StopService(ctx, ann, svc, "unpaid")
		r.ask(soon, s, err)
		s, err = r.intake.DeleteService(ctx, ann, svc, "over")
		r.ask(soon, s, err)
	},
	"deleted while it is resumed": func(r *roaming) {
		svc := r.active()
		s, err := r.intake.StopService(ctx, ann, svc, "unpaid")
		r.ask(time.Minute, s, err)
		r.h.breaks("enable", errAway)
		s, err = r.intake.ResumeService(ctx, ann, svc, "paid")
		r.ask(soon, s, err)
		s, err = r.intake.DeleteService(ctx, ann, svc, "over")
		r.ask(soon, s, err)
	},
	"a new key while it is cleaned":   whileCleaned(func(r *roaming) { r.do(r.anew(r.is())) }),
	"a doubt while it is cleaned":     whileCleaned((*roaming).doubt),
	"maintenance while it is cleaned": whileCleaned((*roaming).maintain),
	"deleted when it is stopped": func(r *roaming) {
		svc := r.active()
		s, err := r.intake.StopService(ctx, ann, svc, "unpaid")
		r.ask(time.Minute, s, err)
		s, err = r.intake.DeleteService(ctx, ann, svc, "over")
		r.ask(long, s, err)
		r.settled(fleet.StateParked)
		r.do(r.order("tar-1", "img-1"))
		r.settled(fleet.StateTaken)
	},
	"ordered before there is a server": func(r *roaming) {
		r.do(r.order("tar-1", "img-1"))
		r.withdrawn()
		r.do(r.order("tar-1", "img-1"))
		r.joined(fleet.StateTaken)
	},
	"ordered before there is a server that could be rebuilt": func(r *roaming) {
		r.do(r.order("tar-2", "img-1"))
		r.joined(fleet.StateHeld)
		r.do(r.days(r.is()))
		r.settled(fleet.StateAvailable)
	},
	"nobody decides": func(r *roaming) {
		r.ready()
		r.behave("stubborn")
		r.do(r.start(operation.Erase, operation.Params{}))
		r.settled(fleet.StateErasing)
		r.do(r.days(r.is()))
		r.settled(fleet.StateUnavailable)
	},
	"sold, and taken back":                                  taken(func(*roaming) {}),
	"sold while it is parked, and taken back":               func(r *roaming) { r.ready(); r.park(); r.trade() },
	"sold, and taken back with a new key":                   taken(func(r *roaming) { r.do(r.anew(r.is())) }),
	"sold, and taken back when nobody knows it":             taken((*roaming).doubt),
	"a node is sold, and taken back":                        func(r *roaming) { r.node(false); r.trade() },
	"a node on disks with a system is sold, and taken back": func(r *roaming) { r.node(true); r.trade() },
	"a node with left-overs is sold, kept, looked at again, and taken back": func(r *roaming) {
		r.node(false)
		r.behave("untidy")
		sale := r.sold()
		for _, decide := range []func(context.Context, access.Actor, string, string) (reselling.Sale, int64, error){
			r.intake.Revoke, r.intake.CancelRevoke, r.intake.Revoke, r.intake.Revoke, r.intake.ContinueRevoke,
		} {
			_, _, err := decide(ctx, ann, sale, "because")
			r.do(err)
			r.h.settle()
		}
	},
	"a revocation is canceled while it is looked at": func(r *roaming) {
		r.node(false)
		r.behave("silent")
		sale := r.sold()
		_, _, err := r.intake.Revoke(ctx, ann, sale, "unpaid")
		r.do(err)
		_, _, err = r.intake.CancelRevoke(ctx, ann, sale, "paid")
		r.do(err)
	},
	"assigned, and unassigned":                                 assigned(func(*roaming) {}),
	"assigned, and unassigned with a new key":                  assigned(func(r *roaming) { r.do(r.anew(r.is())) }),
	"assigned, and unassigned when nobody knows it":            assigned((*roaming).doubt),
	"assigned, and unassigned in maintenance":                  assigned((*roaming).maintain),
	"assigned while it is parked, and unassigned":              func(r *roaming) { r.ready(); r.park(); r.assign(); r.unassign() },
	"a node is assigned, and unassigned":                       func(r *roaming) { r.node(false); r.assign(); r.unassign() },
	"a node on disks with a system is assigned, and taken out": func(r *roaming) { r.node(true); r.assign(); r.unassign() },
	"assigned, and signed up for": func(r *roaming) {
		r.ready()
		r.assign()
		r.signUp()
		r.settled(fleet.StateResellers)
	},
	"signed up before a server is assigned": func(r *roaming) {
		r.ready()
		r.assign()
		r.unassign()
		r.signUp()
		r.assign()
		r.settled(fleet.StateResellers)
	},
	"signed up, held, and refused or canceled": func(r *roaming) {
		r.ready()
		r.assign()
		r.unassign()
		r.rules(r.intake.RefuseSignUp)
		r.rules(r.intake.CancelSignUp)
	},
	"signed up, and refused or canceled while nobody looks": func(r *roaming) {
		r.ready()
		r.assign()
		r.stop()
		synctest.Wait()
		r.rules(r.intake.RefuseSignUp)
		r.rules(r.intake.CancelSignUp)
	},
	"ordered and canceled while nobody looks": func(r *roaming) {
		r.stop()
		synctest.Wait()
		r.do(r.order("tar-1", "img-1"))
		r.withdrawn()
	},
}

// sights are the moves of each noun that were seen.
type sights map[string]map[[2]string]int

// take adds what was seen, and tells what was against a law or a table.
func (seen sights) take(t *testing.T, what string, l *ledger) {
	t.Helper()
	for _, b := range l.broken {
		t.Errorf("%s: %s", what, b)
	}
	for noun, moves := range l.lives.moves {
		if seen[noun] == nil {
			seen[noun] = map[[2]string]int{}
		}
		for m, n := range moves {
			seen[noun][m] += n
		}
	}
}

// TestX4_B41_TheTablesSayWhatHappens: no move is made that is not in the tables, and every one that is in them is
// made: each state on its left side is left by it, each on its right side is reached.
func TestX4_B41_TheTablesSayWhatHappens(t *testing.T) {
	seen := sights{}
	for name, f := range scenes {
		seen.take(t, name, alone(t, 1, f))
	}
	for from := range idle {
		for what := range deeds {
			seen.take(t, from+" and "+what, alone(t, 1, grid(from, what)))
		}
	}
	for _, table := range tables {
		has := func(from, to string) bool { return seen[table.Noun][[2]string{from, to}] > 0 }
		for _, m := range table.Moves {
			for _, from := range m.From {
				if !slices.ContainsFunc(m.To, func(to string) bool { return has(from, to) }) {
					t.Errorf("no %s was seen that goes from %q on because %s", table.Noun, from, m.By)
				}
			}
			for _, to := range m.To {
				if !slices.ContainsFunc(m.From, func(from string) bool { return has(from, to) }) {
					t.Errorf("no %s was seen that comes to %q because %s", table.Noun, to, m.By)
				}
			}
		}
	}
}

// TestX4_B41_AWalkStaysInTheTables: whatever people, agents and devices do, in any order.
func TestX4_B41_AWalkStaysInTheTables(t *testing.T) {
	seen, done := sights{}, map[string]map[int]int{}
	for seed := range uint64(4) {
		seen.take(t, fmt.Sprint("walk ", seed), roam(t, seed, 250, done))
	}
	for _, table := range tables {
		if n := len(seen[table.Noun]); n < len(table.States) && table != &reselling.Sales && table != &reselling.SignUps { // nobody sells or signs up in it; the scenes do
			t.Errorf("the walk has seen %d moves of %ss only", n, table.Noun)
		}
	}
}
