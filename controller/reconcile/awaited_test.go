package reconcile

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/core/task"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/protocol"
)

// away ends the session of a server's agent.
func (w *world) away(server string) {
	w.t.Helper()
	w.change(func(tx *store.Tx) error { return store.Presences.Delete(tx, server) })
}

// switched asks for an act of power on a server that only its agent or a person can switch.
func (w *world) switched(server, action string) string {
	w.t.Helper()
	op, err := w.intake.RequestOperation(context.Background(), ann, intake.OperationWish{Server: server, Kind: operation.Power, Params: operation.Params{Action: action}}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
	return op.ID
}

// pass lets time go by.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// manual lists all tasks by which a person was ever asked to do something with his hands.
func (w *world) manual() (list []task.Task) {
	for i := range store.Tasks.Items(w.store.Snapshot()) {
		if strings.HasPrefix(i.Value.DedupeKey, "manual/") {
			list = append(list, *i.Value)
		}
	}
	return list
}

// succeeded begins the term of another leader, which has seen no agent yet.
func (w *world) succeeded() {
	w.stop()
	synctest.Wait()
	w.start(w.kv)
}

func TestX4_ALeaderNewInOfficeAwaitsAgentsBeforeItAsksAPerson(t *testing.T) {
	inWorld(t, func(w *world) {
		server := w.enrol(machine(1, 1, 1))
		pass(time.Hour)
		w.away(server)
		op := w.switched(server, operation.PowerBootRAM)
		pass(agentsBack / 2)
		w.succeeded()
		pass(agentsBack - time.Second) // much later than the agent was lost
		if got := w.op(op); len(w.manual()) != 0 || !strings.Contains(got.Message, "to come back") {
			t.Fatalf("a leader of a minute says %q and filed %+v", got.Message, w.manual())
		}
		w.connect(server)
		if got := w.op(op); got.State != operation.Done || len(w.manual()) != 0 {
			t.Fatalf("the agent is back, and the operation is %s: %s; tasks %+v", got.State, got.Message, w.manual())
		}
	})
}

func TestX4_AnAgentThatWasJustLostIsAwaitedByAnOldLeaderToo(t *testing.T) {
	inWorld(t, func(w *world) {
		server := w.enrol(machine(1, 1, 1))
		pass(time.Hour)
		w.away(server)
		pass(agentsBack / 2)
		op := w.switched(server, operation.PowerBootRAM)
		pass(agentsBack/2 - time.Second)
		if len(w.manual()) != 0 {
			t.Fatalf("asked at once: %+v", w.manual())
		}
		pass(time.Second)
		if got := w.op(op); len(w.manual()) != 1 || got.State != operation.Running {
			t.Fatalf("the agent did not come back, the operation is %s: %s; tasks %+v", got.State, got.Message, w.manual())
		}
	})
}

func TestX4_TheTaskOfAPersonEndsByItselfWhenTheAgentIsBack(t *testing.T) {
	inWorld(t, func(w *world) {
		server := w.enrol(machine(1, 1, 1))
		pass(time.Hour)
		w.away(server)
		op := w.switched(server, operation.PowerBootRAM)
		pass(agentsBack)
		if len(w.manual()) != 1 {
			t.Fatalf("tasks %+v", w.manual())
		}
		w.succeeded() // whoever leads
		pass(time.Hour)
		if asked := w.manual(); len(asked) != 1 || asked[0].State != task.Open {
			t.Fatalf("tasks %+v", asked)
		}
		w.connect(server)
		asked, got := w.manual(), w.op(op)
		if got.State != operation.Done || len(asked) != 1 || asked[0].State != task.Closed || !strings.Contains(asked[0].CloseReason, "agent is connected") {
			t.Fatalf("the operation is %s: %s; tasks %+v", got.State, got.Message, asked)
		}
	})
}

// TestX4_WhatAPersonWasAskedForIsDoneOnceByTheAgentThatIsBack: the agent turns its server off, once, and nobody else has to.
func TestX4_WhatAPersonWasAskedForIsDoneOnceByTheAgentThatIsBack(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		server := w.enrol(machine(1, 1, 1))
		h.stand(server)
		h.settle()
		var told []string
		w.obey(func(c protocol.Command) (protocol.Result, bool) {
			told = append(told, c.Kind)
			time.AfterFunc(5*time.Second, func() { h.run(server, false, "") }) // it answers before the deed
			return w.obedient(c)
		})
		w.away(server) // it is on, and cannot be reached
		op := w.switched(server, operation.PowerOff)
		pass(agentsBack)
		if len(w.manual()) != 1 || len(told) != 0 {
			t.Fatalf("tasks %+v, the agent was told %v", w.manual(), told)
		}
		h.agent(server)
		h.settle()
		if got := w.op(op); got.State != operation.Done || len(told) != 1 || told[0] != operation.CommandPowerOff || len(w.openTasks()) != 0 || len(w.manual()) != 1 {
			t.Fatalf("the operation is %s: %s; the agent was told %v; tasks %+v", got.State, got.Message, told, w.manual())
		}
	})
}
