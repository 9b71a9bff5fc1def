package reconcile

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/protocol"
)

// alone is a server that nobody but its own installed system can switch. told are the commands that its agent got; a minute after each of them the
// same system runs again, in another boot, and its connection was never seen to be gone.
func (h *hall) alone(known bool) (server string, told func() []protocol.Command) {
	w := h.w
	server = w.enrol(machine(1, 1, 1))
	h.stand(server)
	h.run(server, true, protocol.EnvInstalled)
	w.change(func(tx *store.Tx) error {
		s, err := store.Servers.Get(tx, server)
		if known {
			s.NetbootedAt = time.Now()
		}
		return cmp.Or(err, store.Servers.Put(tx, server, s))
	})
	h.settle()
	var mu sync.Mutex
	var list []protocol.Command
	w.obey(func(c protocol.Command) (protocol.Result, bool) {
		mu.Lock()
		defer mu.Unlock()
		list = append(list, c)
		time.AfterFunc(time.Minute, func() {
			h.mu.Lock()
			h.machines[server].boots++
			h.mu.Unlock()
			h.agent(server)
		})
		return w.obedient(c)
	})
	return server, func() []protocol.Command {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(list)
	}
}

// power asks for an act of power, and gives the operation two hours.
func (h *hall) power(server, action string) *operation.Operation {
	op, err := h.w.intake.RequestOperation(context.Background(), ann, intake.OperationWish{Server: server, Kind: operation.Power, Params: operation.Params{Action: action}}, nil)
	if err != nil {
		h.w.t.Error(err)
		return &op
	}
	time.Sleep(2 * time.Hour)
	h.settle()
	return h.w.op(op.ID)
}

// TestB34_WhatLedNowhereIsNotTheFirstWayOfTheSecondStart: the server comes back into its own system; the second start tries the other way
// first, and a person is asked then.
func TestB34_WhatLedNowhereIsNotTheFirstWayOfTheSecondStart(t *testing.T) {
	for name, known := range map[string]bool{"a firmware that led there before": true, "one of which nothing is known": false} {
		inHall(t, func(w *world, h *hall) {
			server, told := h.alone(known)
			op := h.power(server, operation.PowerBootRAM)
			var firmware []bool
			for _, c := range told() {
				if c.Kind != protocol.CommandReboot || c.Into != protocol.IntoRAM {
					t.Errorf("%s: the agent is told to %s into %q", name, c.Kind, c.Into)
				}
				firmware = append(firmware, c.Firmware)
			}
			if !slices.Equal(firmware, []bool{known, !known}) || op.State != operation.Failed || len(w.openTasks()) != 1 {
				t.Errorf("%s: the firmware was first: %v; the operation is %s: %s; tasks %v", name, firmware, op.State, op.Message, w.openTasks())
			}
		})
	}
}

// TestX4_ARestartIsDoneWhenAnotherBootIsSeen, however short the time was in which the agent was away; and it is asked for once.
func TestX4_ARestartIsDoneWhenAnotherBootIsSeen(t *testing.T) {
	inHall(t, func(w *world, h *hall) {
		server, told := h.alone(false)
		if op := h.power(server, operation.PowerCycle); op.State != operation.Done || len(told()) != 1 {
			t.Errorf("%s: %s, after %d commands", op.State, op.Message, len(told()))
		}
	})
}
