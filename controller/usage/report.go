package usage

import (
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/core/account"
	core "github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
	"github.com/steelyard/steelyard/protocol"
)

// maxAcks is how many reports of a node wait; one more and they are stored at once.
const maxAcks = 64

// maxBooks is how many books a server may have in one month: each is an installation of its agent.
const maxBooks = 16

// Report takes a report in, of the session that holder stands for. done is called when all that it says is stored, perhaps before Report returns; it must not block. Fault: invalid, for what is no
// report: nothing is acknowledged then.
func (l *Ledger) Report(server string, holder any, rep *protocol.UsageReport, done func(seq uint64)) error {
	n := l.node(server)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hold(holder)
	in, err := n.begin(rep)
	if err != nil {
		return err
	}
	if err := rep.Each(in.account); err != nil {
		return err
	}
	l.count.reports.Add(1)
	l.count.accounts.Add(uint64(in.accounts))
	if in.strange > 0 {
		l.count.strangers.Add(uint64(in.strange))
		l.log.Warn("a node tells the usage of accounts that it does not have", logging.KeyServer, server, "accounts", in.strange, "one", in.stranger)
	}
	if in.strange == 0 && rep.Zone <= in.knows { // else it is told again: this replica perhaps does not know of a new account, or another time zone, yet
		n.acks = append(n.acks, ack{rep.Seq, done})
	}
	switch {
	case n.flying && !n.dirty(): // what it says may be what is being stored
	case !n.dirty():
		n.answer()
	case rep.Final || len(n.acks) > maxAcks:
		n.schedule(0)
	default:
		n.schedule(n.next())
	}
	if n.urgent {
		n.schedule(0)
	}
	return nil
}

// Left says that a session is over: what it said is written soon.
func (l *Ledger) Left(server string, holder any) {
	n := l.find(server)
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.holder != holder {
		return
	}
	n.holder, n.guards, n.uses, n.urgent = nil, core.Sheet[guard]{}, nil, false
	n.acks, n.ports.acks = nil, nil // nobody hears them
	n.ports.wrote = time.Time{}
	if n.waits() {
		n.schedule(0)
	}
}

// incoming is one report on its way into the sheets. The node's mutex is held.
type incoming struct {
	n        *node
	snap     *store.Snapshot
	zone     uint32
	knows    uint64   // the latest time zone that this replica knows
	sheets   []*sheet // by place in the report; nil: not taken
	next     []int    // where each is looked at next
	space    int      // the same of disk space
	guard    int      // and of guards
	running  int      // place of the running month in the report; -1: it is not in it
	alone    bool     // no other book has a sheet of the running month
	accounts int
	strange  int
	stranger string
}

func (n *node) begin(rep *protocol.UsageReport) (*incoming, error) {
	c := n.l.calendar.Load()
	in := &incoming{n: n, snap: n.l.store.Snapshot(), zone: uint32(rep.Zone), knows: c.told.Zone, running: slices.Index(rep.Months, c.now)}
	in.next = make([]int, len(rep.Months))
	if len(rep.Months) > protocol.MaxUsageMonths {
		return nil, fault.Invalid("the report of usage is of %d months; %d are the most", len(rep.Months), protocol.MaxUsageMonths)
	}
	if rep.Book == "" || !plain(rep.Book) {
		return nil, fault.Invalid("the report of usage names no book")
	}
	n.heard(rep)
	for _, month := range rep.Months {
		var s *sheet
		// Months of another zone than now are of other hours: the node makes them anew when it hears of it, and tells them all.
		if rep.Zone == c.told.Zone && c.live(month) && n.room(month, rep.Book) {
			s = n.sheet(month, rep.Book)
			n.cover(c, s, month, rep)
		}
		in.sheets = append(in.sheets, s)
	}
	in.alone = n.books(c.now) <= 1
	return in, nil
}

// plain keeps books from being more than one segment of a key.
func plain(book string) bool {
	for _, r := range book {
		if r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return false
		}
	}
	return len(book) <= 64
}

// room reports whether a book has, or may get, a sheet of a month.
func (n *node) room(month, book string) bool {
	return n.sheets[page{month, book}] != nil || n.books(month) < maxBooks
}

// books is how many have a sheet of a month.
func (n *node) books(month string) (books int) {
	for p := range n.sheets {
		if p.month == month {
			books++
		}
	}
	return books
}

// account takes one account in.
func (in *incoming) account(id []byte, u *protocol.AccountUsage) {
	in.accounts++
	n := in.n
	known := false
	own := "" // the id, of an account that this node has
	news := false
	var running *core.Row
	for i, s := range in.sheets {
		t := (*core.Traffic)(&u.Months[i])
		if s == nil || !t.Plausible() {
			continue
		}
		var row *core.Row
		row, in.next[i] = s.FindBytes(id, in.next[i])
		if row == nil {
			if *t == (core.Traffic{}) {
				continue // a row that is there may have something of another time zone
			}
			if own, known = in.known(id, own, known); !known {
				in.refuse(id)
				return
			}
			row = s.Cell(own)
			in.next[i]++
		}
		if i == in.running {
			running = row
		}
		if row.Raise(&core.Row{Traffic: *t, Zone: in.zone}) {
			s.dirty, news = true, true
		}
	}
	var cell *core.Space
	cell, in.space = n.space.FindBytes(id, in.space)
	if space := core.Space(u.Stored); space.At != 0 && space.Plausible() {
		if cell == nil {
			if own, known = in.known(id, own, known); !known {
				in.refuse(id)
				return
			}
			if gone(in.snap, own) {
				return
			}
			cell = n.space.Cell(own)
			in.space++
		}
		// A figure that is merely newer is not worth a write: it is stored with the next that is another.
		before := *cell
		if cell.Raise(&space); before.Total() != cell.Total() || before.Home != cell.Home || before.WWW != cell.WWW || before.Mail != cell.Mail {
			n.spaceDirty, news = true, true
		}
	}
	if news {
		in.judge(id, running, cell)
	}
}

// known finds the id of an account that is or was on the node.
func (in *incoming) known(id []byte, own string, known bool) (string, bool) {
	if known {
		return own, true
	}
	if item, ok := store.Accounts.Item(in.snap, string(id)); ok {
		return item.ID, item.Value.Server == in.n.server
	}
	if item, ok := store.FormerAccounts.Item(in.snap, string(id)); ok {
		return item.ID, item.Value.Server == in.n.server
	}
	return "", false
}

func gone(snap *store.Snapshot, id string) bool {
	a, ok := store.Accounts.In(snap, id)
	return !ok || a.State == account.Gone
}

func (in *incoming) refuse(id []byte) {
	if in.strange++; in.strange == 1 {
		in.stranger = string(id[:min(len(id), 32)])
	}
}

// heard keeps what the node says of its logs.
func (n *node) heard(rep *protocol.UsageReport) {
	if rep.Sources != nil {
		n.sources = rep.Sources
	}
	n.deleted = rep.Deleted
}

// cover keeps until when a month was counted, and whether something of it was not.
func (n *node) cover(c *calendar, s *sheet, month string, rep *protocol.UsageReport) {
	from, to := c.span(month)
	now := n.l.opt.Now().Unix()
	until := max(s.until, min(rep.Counted, to, now))
	s.dirty = s.dirty || until == to && s.until < to && s.Len() > 0 // the month is whole
	s.until = until
	for _, source := range n.sources {
		for _, g := range source.Gaps {
			end := g.Before
			if end == 0 {
				end = now
			}
			if g.After < to && end > from && from <= now && !s.gap {
				s.gap, s.dirty = true, true
			}
		}
	}
}
