package gateway

import (
	"hash/maphash"

	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
	"github.com/steelyard/steelyard/protocol/session"
)

// usageCost is what a message about usage counts of those that an agent may send.
const usageCost = 4

// deliverMonths tells the agent of which months it is to make totals, when it was not told these yet. a.mu is held.
func (a *agent) deliverMonths() {
	if !a.meters {
		return
	}
	months := a.gate.opt.Usage.Calendar()
	if digest := monthsDigest(&months); digest != a.months && a.conn.Send(protocol.KindUsageMonths, &months) == nil {
		a.months = digest
	}
}

var seed = maphash.MakeSeed()

// monthsDigest tells months from others: their names and borders follow from the zone and the first of them.
func monthsDigest(u *protocol.UsageMonths) uint64 {
	type key struct {
		zone uint64
		name string
		from int64
	}
	k := key{zone: u.Zone}
	if len(u.Months) > 0 {
		k.name, k.from = u.Months[0].Name, u.Months[0].From
	}
	return maphash.Comparable(seed, k) | 1
}

func (a *agent) onUsageReport(m session.Message) error {
	var rep protocol.UsageReport
	if err := m.Decode(&rep); err != nil {
		return err
	}
	if err := a.mayMeter(); err != nil {
		return err
	}
	rep.Clean()
	return bad(a.gate.opt.Usage.Report(a.server, a, &rep, a.usageStored))
}

func (a *agent) onServerUsage(m session.Message) error {
	var rep protocol.ServerUsage
	if err := m.Decode(&rep); err != nil {
		return err
	}
	if err := a.mayMeter(); err != nil {
		return err
	}
	rep.Clean()
	return bad(a.gate.opt.Usage.ServerReport(a.server, a, &rep, a.usageStored))
}

func (a *agent) mayMeter() error {
	if !a.meters {
		return session.Bad(session.ReasonOutOfOrder, "an agent that did not say that it counts tells what was used")
	}
	return nil
}

// bad ends the session of an agent that sent what is no report.
func bad(err error) error {
	if fault.Is(err, fault.KindInvalid) {
		return session.Bad(session.ReasonDecode, "%v", err)
	}
	return err
}

// usageStored acknowledges a report. An error ends the session elsewhere.
func (a *agent) usageStored(seq uint64) {
	a.gate.spawn(func() { _ = a.conn.Send(protocol.KindUsageAck, &protocol.UsageAck{Seq: seq}) })
}
