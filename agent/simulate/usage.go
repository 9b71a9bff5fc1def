package simulate

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/steelyard/steelyard/agent/hosting"
	"github.com/steelyard/steelyard/agent/link"
	"github.com/steelyard/steelyard/agent/meter/book"
	"github.com/steelyard/steelyard/agent/meter/report"
	"github.com/steelyard/steelyard/agent/simulate/profile"
	"github.com/steelyard/steelyard/pkg/hardware"
	"github.com/steelyard/steelyard/pkg/id"
	"github.com/steelyard/steelyard/protocol"
)

// portsUpTo is the largest fleet whose every server tells of its ports: it costs a goroutine and a few KB each.
const portsUpTo = 1000

// usage is what the accounts and the port of a simulated server used: figures that grow evenly from when they were first seen, each at its own pace, so that they can be
// computed for any time and nothing is counted. It outlives the starts of the machine. No account ever takes more than two thirds of its limit of disk space.
type usage struct {
	number int
	port   hardware.NIC // the first one of the machine
	id     string
	now    func() time.Time

	mu       sync.Mutex
	months   []book.Month
	born     time.Time
	accounts map[string]*grown
}

// grown is an account.
type grown struct {
	number      uint64
	since, gone time.Time // gone is zero while it is there
	limit       uint64    // bytes
}

func newUsage(number int, now func() time.Time) *usage {
	return &usage{number: number, id: id.New("book"), now: now, born: now(), accounts: map[string]*grown{}}
}

// meter lets the agent tell what was used. node is nil where it carries no accounts.
func (a *agent) meter(ctx context.Context, o *link.Options, node *hosting.Node) (end func()) {
	if node == nil && a.fleet.opt.Count > portsUpTo {
		return func() {}
	}
	if a.usage == nil {
		a.usage = newUsage(a.number, time.Now)
		if inv := profile.Generate(a.fleet.opt.Seed, a.number); len(inv.NICs) > 0 {
			a.usage.port = inv.NICs[0]
		}
	}
	from := report.Options{Ports: a.usage}
	if node != nil {
		from.Counts = a.usage
	}
	tell := report.New(from)
	o.Meter, o.Capabilities = tell, append(slices.Clone(o.Capabilities), protocol.CanMeter)
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() { a.usage.run(ctx, tell, node) })
	return func() {
		cancel()
		work.Wait()
	}
}

// run tells what is new each minute.
func (u *usage) run(ctx context.Context, tell *report.Reporter, node *hosting.Node) {
	ticker := time.NewTicker(report.Every)
	defer ticker.Stop()
	for {
		u.look(tell, node)
		select {
		case <-ctx.Done():
			return
		case <-tell.Wanted():
			_ = tell.Apply() // nothing of it can fail in memory
		case <-ticker.C:
		}
	}
}

// look learns which accounts there are, and tells their storage.
func (u *usage) look(tell *report.Reporter, node *hosting.Node) {
	if node == nil {
		return
	}
	now := u.now()
	there := map[string]uint64{}
	node.Each(func(d *protocol.HostedAccount) {
		if d.State != protocol.HostedGone {
			there[d.ID] = 500 << 20
			if d.DiskMiB != nil {
				there[d.ID] = *d.DiskMiB << 20
			}
		}
	})
	u.mu.Lock()
	for account, limit := range there {
		g := u.accounts[account]
		if g == nil {
			g = &grown{number: sum(account), since: now}
			u.accounts[account] = g
		}
		g.limit, g.gone = limit, time.Time{}
	}
	stored := map[string]protocol.Stored{}
	for account, g := range u.accounts {
		if _, ok := there[account]; !ok && g.gone.IsZero() {
			g.gone = now
			stored[account] = protocol.Stored{At: uint64(now.Unix())}
		} else if ok {
			stored[account] = g.stored(now)
		}
	}
	u.mu.Unlock()
	for account, s := range stored {
		tell.Stored(account, s, false)
	}
	tell.Looked(now, []protocol.UsageSource{{Name: "www", Until: now.Unix()}, {Name: "ftp", Until: now.Unix()}, {Name: "smtp", Until: now.Unix()}, {Name: "imap", Until: now.Unix()}})
}

// sum is a number of a text, for share.
func sum(text string) (n uint64) {
	for _, c := range []byte(text) {
		n = n*1099511628211 + uint64(c)
	}
	return n
}

// stored is what an account takes of the disk: some at once, and more day by day.
func (g *grown) stored(now time.Time) protocol.Stored {
	grows := 1 - 1/(1+now.Sub(g.since).Hours()/24*share(g.number, 9))
	all := float64(g.limit) * (0.05 + 0.6*share(g.number, 8)*(0.4+0.6*grows))
	part := func(of float64, salt uint64) uint64 { return uint64(all*of*(0.5+0.5*share(g.number, salt))) &^ 4095 }
	return protocol.Stored{Home: part(0.15, 1), WWW: part(0.4, 2), Mail: part(0.3, 3), Databases: part(0.15, 4), At: uint64(now.Unix())}
}

// rate is the traffic of an account in bytes a second.
func (g *grown) rate(class int) protocol.Traffic {
	most := [protocol.UsageClasses]float64{12_000, 900, 1500}[class] * share(g.number, uint64(20+class))
	if share(g.number, uint64(30+class)) < 0.2 { // some have no use for it
		most = 0
	}
	in := [protocol.UsageClasses]float64{0.06, 0.8, 0.7}[class]
	return protocol.Traffic{In: uint64(most * in), Out: uint64(most * (1 - in))}
}

// seconds of the life of an account that lie in some quarter-hours. They are whole ones, so that quarter-hours add up to months.
func (g *grown) seconds(now time.Time, from, to book.Quarter) uint64 {
	end := now.Truncate(time.Minute)
	if !g.gone.IsZero() && g.gone.Before(end) {
		end = g.gone
	}
	first, last := max(g.since.Unix(), int64(from)*900), min(end.Unix(), int64(to)*900)
	return uint64(max(last-first, 0))
}

func (g *grown) totals(now time.Time, from, to book.Quarter) (t book.Totals) {
	n := g.seconds(now, from, to)
	for c := range t {
		r := g.rate(c)
		t[c] = book.Traffic{In: r.In * n, Out: r.Out * n}
	}
	return t
}

// ID implements report.Counts.
func (u *usage) ID() string { return u.id }

// Months implements report.Counts.
func (u *usage) Months() []book.Month {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.months)
}

// SetMonths implements report.Counts.
func (u *usage) SetMonths(months []book.Month) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.months = slices.Clone(months)
	return nil
}

// Changed implements report.Counts: everything has grown with each minute.
func (u *usage) Changed(since uint64) (list []book.Report, version uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := u.now()
	if version = uint64(now.Unix() / 60); version <= since {
		return nil, since
	}
	for account, g := range u.accounts {
		if !g.gone.IsZero() && g.gone.Unix()/60 < int64(since) {
			continue
		}
		r := book.Report{Account: account}
		for _, m := range u.months {
			r.Months = append(r.Months, g.totals(now, m.From, m.To))
		}
		list = append(list, r)
	}
	return list, version
}

// Quarters implements report.Counts.
func (u *usage) Quarters(account string, from, to book.Quarter) (list []book.Count, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	g, now := u.accounts[account], u.now()
	if g == nil {
		return nil, nil
	}
	for q := max(from, book.QuarterOf(g.since)); q < min(to, book.QuarterOf(now)+1); q++ {
		for c, t := range g.totals(now, q, q+1) {
			if t != (book.Traffic{}) {
				list = append(list, book.Count{Quarter: q, Class: book.Class(c), Traffic: t})
			}
		}
	}
	return list, nil
}
