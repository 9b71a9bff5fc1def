package usage

import (
	"context"
	"slices"
	"strings"
	"time"

	core "github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/controller/intake"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/pkg/logging"
	"github.com/steelyard/steelyard/protocol"
)

// seldom is how many times longer the figures of a server's interfaces wait than those of accounts: nothing is judged by them, and they change all the time everywhere.
const seldom = 3

// carried are the figures of a server's interfaces that are not stored yet.
type carried struct {
	months map[page]core.Carried
	acks   []ack
	wrote  time.Time
}

// ServerReport takes in what went through the interfaces of a server (rule U5), of the session that holder stands for. done is called when all that it says is stored, perhaps before it returns; it must
// not block. Fault: invalid, for what is no report.
func (l *Ledger) ServerReport(server string, holder any, rep *protocol.ServerUsage, done func(seq uint64)) error {
	if rep.Book == core.SwitchBook || !plain(rep.Book) {
		return fault.Invalid("the report of a server's interfaces names no book")
	}
	n := l.node(server)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hold(holder)
	c, snap := l.calendar.Load(), l.store.Snapshot()
	for i := range rep.Months {
		n.carries(c, snap, rep, &rep.Months[i])
	}
	l.count.servers.Add(1)
	if rep.Zone > c.told.Zone {
		return nil // told again, when this replica knows of the time zone too
	}
	if len(n.ports.months) == 0 {
		done(rep.Seq)
		return nil
	}
	n.ports.acks = append(n.ports.acks, ack{rep.Seq, done})
	n.ports.acks = n.ports.acks[max(0, len(n.ports.acks)-maxAcks):] // what is not acknowledged is told again
	n.schedule(n.nextPorts())
	return nil
}

// hold notes whose session this replica has. The mutex is held.
func (n *node) hold(holder any) {
	if n.holder != holder {
		n.holder = holder
		n.rejudge()
	}
}

// carries takes one month in. Months of another time zone are of other hours: the agent tells them anew when it hears of it.
func (n *node) carries(c *calendar, snap *store.Snapshot, rep *protocol.ServerUsage, m *protocol.ServerMonth) {
	if rep.Zone != c.told.Zone || !c.live(m.Name) || !core.PlausibleMonth(m) {
		return
	}
	from, to := c.span(m.Name)
	at := min(rep.At, to, n.l.opt.Now().Unix())
	gap := slices.ContainsFunc(rep.Gaps, func(g protocol.UsageGap) bool { return g.After < at && (g.Before == 0 || g.Before > from) })
	news := core.CarriedIn(rep.Book, rep.Zone, at, gap, m)
	key := page{m.Name, rep.Book}
	known, ok := n.ports.months[key]
	if !ok {
		if r, stored := store.ServerUsage.In(snap, store.ServerUsageKey(n.server, m.Name)); stored {
			if c := r.Find(rep.Book); c != nil {
				known, ok = *c, true
			}
		}
	}
	if !ok {
		known = core.Carried{Book: rep.Book, Zone: 0, At: -1}
	}
	if known.Raise(&news) {
		if n.ports.months == nil {
			n.ports.months = map[page]core.Carried{}
		}
		n.ports.months[key] = known
	}
}

// nextPorts is how long the figures of interfaces wait. The mutex is held.
func (n *node) nextPorts() time.Duration {
	if n.ports.wrote.IsZero() {
		return spread(n.l.opt.Every)
	}
	return max(0, seldom*n.l.opt.Every-time.Since(n.ports.wrote)) + spread(n.l.opt.Every/10)
}

// portsDue reports whether they are to be stored with what is stored now. The mutex is held.
func (n *node) portsDue() bool {
	return len(n.ports.months) > 0 && time.Since(n.ports.wrote) >= seldom*n.l.opt.Every
}

// storePorts commits them, month by month.
func (b *batch) storePorts(ctx context.Context, l *Ledger) error {
	c := l.calendar.Load()
	of := map[string][]core.Carried{}
	for p, m := range b.ports {
		of[p.month] = append(of[p.month], m)
	}
	for month, list := range of {
		refused := 0
		if _, err := l.store.Change(ctx, func(tx *store.Tx) (err error) {
			refused, err = intake.PutCarried(tx, b.n.server, month, c.told.Months, list...)
			return err
		}); err != nil {
			return err
		}
		l.count.written.Add(1)
		if refused > 0 {
			l.log.Error("the traffic of a server's interfaces is counted by more systems in one month than there is room for; what the last ones counted is not kept", logging.KeyServer, b.n.server, "month", month)
		}
	}
	return nil
}

// portsWritten forgets what is stored. The mutex is held.
func (n *node) portsWritten(b *batch) {
	for p, m := range b.ports {
		if now := n.ports.months[p]; now.At == m.At && now.Zone == m.Zone && now.In == m.In && now.Out == m.Out {
			delete(n.ports.months, p)
		}
	}
	n.ports.wrote = time.Now()
	for _, a := range b.portAcks {
		a.send(a.seq)
	}
}

// Server implements core.Reader.
func (l *Ledger) Server(id string) (f core.ServerFigures, ok bool) {
	snap := l.store.Snapshot()
	f.Server = id
	since := int64(0)
	for month, r := range l.records(snap, id) {
		if m, ok := r.Month(month); ok {
			f.Months = append(f.Months, m)
		}
		in, out, from, ok := r.Carried()
		f.In, f.Out = f.In+in, f.Out+out
		if ok && (since == 0 || from < since) {
			since = from
		}
	}
	slices.SortFunc(f.Months, func(a, b core.ServerMonth) int { return strings.Compare(b.Month, a.Month) })
	if t, wired := store.Traffic.In(snap, id); wired && (len(t.Ports) > 0 || since == 0) {
		f.Source, f.In, f.Out, f.Since, f.At = core.SourceSwitch, t.InBytes, t.OutBytes, t.Since, t.At
		return f, true
	}
	if since != 0 {
		f.Source, f.Since = core.SourceAgent, time.Unix(since, 0).UTC()
		f.At = f.Months[0].At
	}
	return f, len(f.Months) > 0
}

// records are those of a server by month, with what is not stored yet.
func (l *Ledger) records(snap *store.Snapshot, server string) map[string]core.ServerRecord {
	list := map[string]core.ServerRecord{}
	for item := range store.ServerUsage.WithPrefix(snap, store.ServerUsageKey(server, "")) {
		list[item.ID[len(server)+1:]] = *item.Value
	}
	n := l.find(server)
	if n == nil {
		return list
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for p, m := range n.ports.months {
		r := list[p.month]
		r.Books = slices.Clone(r.Books)
		r.Raise(&m)
		list[p.month] = r
	}
	return list
}
