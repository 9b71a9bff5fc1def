package usage

import "sync/atomic"

type counters struct{ reports, servers, accounts, strangers, written atomic.Uint64 }

// Stats is what was counted since the ledger was made.
type Stats struct {
	Reports   uint64
	Servers   uint64 // reports of interfaces
	Accounts  uint64 // figures of accounts in these
	Strangers uint64 // of accounts that the node that told them does not have
	Written   uint64 // records
}

// Stats is what was counted until now.
func (l *Ledger) Stats() Stats {
	c := &l.count
	return Stats{c.reports.Load(), c.servers.Load(), c.accounts.Load(), c.strangers.Load(), c.written.Load()}
}
