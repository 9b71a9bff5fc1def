package usage

import (
	"iter"
	"slices"
	"time"

	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/reselling"
	core "github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/controller/store"
)

var _ core.Reader = (*Ledger)(nil)

// Now implements core.Reader.
func (l *Ledger) Now() string { return l.calendar.Load().now }

// Zone implements core.Reader.
func (l *Ledger) Zone() string { return l.calendar.Load().zone.String() }

// Months implements core.Reader.
func (l *Ledger) Months() []string {
	now := l.Now()
	list := []string{now}
	snap := l.store.Snapshot()
	for next := ""; ; {
		month := ""
		for item := range store.Usage.From(snap, next) {
			month, _, _, _ = store.UsageOfKey(item.ID)
			break
		}
		if month == "" {
			break
		}
		list, next = append(list, month), month+"0" // behind all of the month: '0' follows '/'
	}
	l.each(func(n *node) {
		n.mu.Lock()
		defer n.mu.Unlock()
		for p, s := range n.sheets {
			if s.Len() > 0 {
				list = append(list, p.month)
			}
		}
	})
	slices.Sort(list)
	list = slices.Compact(list)
	slices.Reverse(list)
	return list
}

// Account implements core.Reader.
func (l *Ledger) Account(id string) (core.Figures, bool) {
	snap := l.store.Snapshot()
	var f core.Figures
	lim, ok := l.whose(snap, id, &f)
	if !ok {
		return f, false
	}
	var months []string
	for item := range store.Usage.Lookup(snap, store.UsageOn, f.Server) {
		month, _, _, _ := store.UsageOfKey(item.ID)
		months = append(months, month)
	}
	if n := l.find(f.Server); n != nil {
		n.mu.Lock()
		for p := range n.sheets {
			months = append(months, p.month)
		}
		f.Storage = n.storage(id, lim.disk)
		n.mu.Unlock()
	}
	slices.Sort(months)
	for _, month := range slices.Backward(slices.Compact(months)) {
		v := l.look(snap, month)
		if t := v.of(f.Server, id); t.had {
			f.Months = append(f.Months, core.Was(month, &t.traffic, lim.of(month), stamp(t.until), t.gap))
		}
	}
	return f, true
}

// Each implements core.Reader.
func (l *Ledger) Each(month string) iter.Seq[*core.Figures] {
	snap := l.store.Snapshot()
	return l.through(snap, month, store.Accounts.Items(snap), store.FormerAccounts.Items(snap))
}

// On implements core.Reader.
func (l *Ledger) On(server, month string) iter.Seq[*core.Figures] {
	snap := l.store.Snapshot()
	return l.through(snap, month, store.Accounts.Lookup(snap, store.AccountsOn, server), store.FormerAccounts.Lookup(snap, store.FormerOn, server))
}

func (l *Ledger) through(snap *store.Snapshot, month string, there iter.Seq[store.Item[account.Account]], former iter.Seq[store.Item[core.Former]]) iter.Seq[*core.Figures] {
	return func(yield func(*core.Figures) bool) {
		v := l.look(snap, month)
		var months [1]core.Month
		var f core.Figures
		for item := range there {
			if _, told := store.FormerAccounts.In(snap, item.ID); told {
				continue // comes with those
			}
			lim := l.live(snap, item.Value, &f)
			if v.fill(&f, &lim, months[:]) && !yield(&f) {
				return
			}
		}
		for item := range former {
			lim := past(item.ID, item.Value, &f)
			if v.fill(&f, &lim, months[:]) && !yield(&f) {
				return
			}
		}
	}
}

// limits are those of an account.
type limits struct {
	disk, traffic reselling.Limit
	past          []core.Past
}

func (l *limits) of(month string) reselling.Limit { return core.Valid(l.past, l.traffic, month) }

// whose fills in whose an account is.
func (l *Ledger) whose(snap *store.Snapshot, id string, f *core.Figures) (lim limits, ok bool) {
	if former, ok := store.FormerAccounts.In(snap, id); ok {
		return past(id, former, f), true
	}
	if a, ok := store.Accounts.In(snap, id); ok {
		return l.live(snap, a, f), true
	}
	return lim, false
}

func past(id string, a *core.Former, f *core.Figures) limits {
	*f = core.Figures{Account: id, Domain: a.Domain, User: a.User, Reseller: a.Reseller, Customer: a.Customer, Owner: a.Owner, Server: a.Server, GoneAt: a.GoneAt}
	return limits{traffic: a.Limit, past: a.Past}
}

func (l *Ledger) live(snap *store.Snapshot, a *account.Account, f *core.Figures) limits {
	*f = core.Figures{Account: a.ID, Domain: a.Domain, User: a.User, Reseller: a.Reseller, Customer: a.Customer, Owner: a.Owner, Server: a.Server}
	if a.State == account.Gone {
		f.GoneAt = a.ChangedAt
	}
	sub, ok := store.Subscriptions.In(snap, a.Subscription)
	if !ok {
		return limits{disk: reselling.NoLimit, traffic: reselling.NoLimit}
	}
	return limits{disk: sub.Values.Of(plan.DiskMiB).Limit, traffic: sub.Values.Of(plan.TrafficMiB).Limit, past: sub.PastTraffic}
}

// storage is what an account takes. The mutex is held.
func (n *node) storage(account string, limit reselling.Limit) core.Storage {
	if c := n.space.Find(account); c != nil {
		return core.Takes(c, limit)
	}
	return core.Storage{Limit: limit}
}

// transferred is what an account had in a month.
type transferred struct {
	traffic core.Traffic
	until   int64
	gap     bool
	had     bool
}

// glance is a look at one month of all servers.
type glance struct {
	l     *Ledger
	snap  *store.Snapshot
	month string
	from  time.Time
	to    time.Time
	old   map[string][]*sheet // by server, of a month that is not in memory
}

func (l *Ledger) look(snap *store.Snapshot, month string) *glance {
	c := l.calendar.Load()
	g := &glance{l: l, snap: snap, month: month}
	if begin, err := time.ParseInLocation("2006-01", month, c.zone); err == nil {
		g.from, g.to = begin, begin.AddDate(0, 1, 0)
	}
	if !c.live(month) {
		g.old = map[string][]*sheet{}
	}
	return g
}

// of is what an account had.
func (g *glance) of(server, account string) (t transferred) {
	if g.old == nil {
		n := g.l.find(server)
		if n == nil {
			return t
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		for p, s := range n.sheets {
			if p.month == g.month {
				t.add(s, account)
			}
		}
		return t
	}
	for _, s := range g.stored(server) {
		t.add(s, account)
	}
	return t
}

func (t *transferred) add(s *sheet, account string) {
	t.until, t.gap = max(t.until, s.until), t.gap || s.gap
	if r := s.Find(account); r != nil {
		t.traffic.Add(&r.Traffic)
		t.had = true
	}
}

// stored are the sheets of a server's records; pages of one book are one sheet.
func (g *glance) stored(server string) []*sheet {
	list, ok := g.old[server]
	if ok {
		return list
	}
	books := map[string]*sheet{}
	for item := range store.Usage.WithPrefix(g.snap, g.month+"/"+server+"/") {
		_, _, book, _ := store.UsageOfKey(item.ID)
		s := books[book]
		if s == nil {
			s = &sheet{}
			books[book] = s
			list = append(list, s)
		}
		_, _ = core.Read(item.Value.Rows, &s.Sheet) // what cannot be read is told when it is loaded
		s.until, s.gap = max(s.until, item.Value.Until), s.gap || item.Value.Gap
	}
	g.old[server] = list
	return list
}

// fill fills in the month and the disk space. false: the account is gone and has nothing to do with the month.
func (g *glance) fill(f *core.Figures, lim *limits, months []core.Month) bool {
	t := g.of(f.Server, f.Account)
	if !f.GoneAt.IsZero() && !t.had && (f.GoneAt.Before(g.from) || !f.GoneAt.Before(g.to)) {
		return false
	}
	months[0] = core.Was(g.month, &t.traffic, lim.of(g.month), stamp(t.until), t.gap)
	f.Months = months[:1]
	if !f.GoneAt.IsZero() {
		return true
	}
	f.Storage.Limit = lim.disk
	if n := g.l.find(f.Server); n != nil {
		n.mu.Lock()
		f.Storage = n.storage(f.Account, lim.disk)
		n.mu.Unlock()
	}
	return true
}

func stamp(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
