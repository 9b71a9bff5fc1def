package gateway

import (
	"github.com/steelyard/steelyard/controller/core/fleet"
	"github.com/steelyard/steelyard/controller/core/operation"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
	"github.com/steelyard/steelyard/protocol"
)

// wake looks soon what there is to deliver. While a look is on its way others need
// not start one: it looks again.
func (a *agent) wake() {
	if a.waking.Add(1) > 1 {
		return
	}
	started := a.gate.spawn(func() {
		for {
			seen := a.waking.Load()
			a.deliver()
			if a.waking.CompareAndSwap(seen, 0) {
				return
			}
		}
	})
	if !started {
		a.waking.Store(0)
	}
}

// deliver brings the agent up to date with the records: whether it is welcome, what
// it shall do, what it shall stop.
func (a *agent) deliver() {
	a.mu.Lock()
	defer a.mu.Unlock()
	srv, d := a.gate.standing(a.server, a.serial, false)
	if d != nil {
		a.gate.count.refused.add(d.reason)
		a.conn.Dismiss(goodbye(d))
		return
	}
	if srv.ID != a.server {
		a.conn.Dismiss(goodbye(fault.Unavailable("this machine is server %s now; it comes back as that", srv.ID)))
		return
	}
	if a.ask.Swap(false) && a.conn.Send(protocol.KindWant, &protocol.Want{}) != nil {
		return
	}
	if srv.Approval == fleet.Approved {
		a.deliverMonths()
		if err := a.deliverHosted(srv.Unsettled() != ""); err != nil {
			a.gate.log.Warn("documents of accounts not sent", logging.KeyServer, a.server, logging.KeyError, err)
		}
		a.deliverCommands(a.gate.opt.Directory.Commands(a.server), srv.Unsettled() != "")
	}
}

// deliverCommands sends what this session has not sent yet, and forgets what has no
// record any more. What shall stop is not sent first: an erase would have begun. While it is unsure which
// machine this is, nothing is sent that writes to disks (rule X1).
func (a *agent) deliverCommands(records []operation.Command, unsettled bool) {
	known := make(map[string]bool, len(records))
	for i := range records {
		rec := &records[i]
		stopped, sent := a.sent[rec.ID]
		if !sent && rec.Cancel == nil {
			if unsettled && (rec.Kind == protocol.CommandErase || rec.Kind == protocol.CommandImage) {
				continue
			}
			cmd := rec.Command
			cmd.Boot = rec.BootID
			if err := a.conn.Send(protocol.KindCommand, &cmd); err != nil {
				a.gate.log.Warn("command not sent", logging.KeyServer, a.server, logging.KeyCommand, rec.ID, logging.KeyError, err)
				return
			}
			a.gate.count.commands.Add(1)
		}
		if rec.Cancel != nil && !stopped {
			if a.conn.Send(protocol.KindCancel, &protocol.Cancel{Command: rec.ID, Reason: rec.Cancel.Reason}) != nil {
				return
			}
			stopped = true
		}
		known[rec.ID] = stopped
	}
	a.sent = known
}
