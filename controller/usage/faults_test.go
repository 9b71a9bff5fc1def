package usage

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/plan"
	core "github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/embedded/etcdtest"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
	"github.com/steelyard/steelyard/pkg/fault"
	"github.com/steelyard/steelyard/protocol"
)

// mortal is the state as a replica has it that can be killed: at once, or at one of its commits, before or after that has happened.
type mortal struct {
	kv.KV
	under   sync.RWMutex // commits are, while they happen
	dead    atomic.Bool
	left    atomic.Int64 // commits until it dies; 0: it does not
	after   bool         // the last one happens, and nobody hears of it
	commits atomic.Int64
}

func (m *mortal) Commit(ctx context.Context, t kv.Txn) (int64, bool, error) {
	gone := fault.Unavailable("this replica was killed")
	m.under.RLock()
	defer m.under.RUnlock()
	if m.dead.Load() {
		return 0, false, gone
	}
	if len(t.Ops) > 0 {
		m.commits.Add(1)
		if m.left.Load() > 0 && m.left.Add(-1) == 0 {
			m.dead.Store(true)
			if m.after {
				_, _, _ = m.KV.Commit(ctx, t)
			}
			return 0, false, gone
		}
	}
	return m.KV.Commit(ctx, t)
}

// kill returns when nothing of this replica is on its way any more.
func (m *mortal) kill() {
	m.under.Lock()
	m.dead.Store(true)
	m.under.Unlock()
}

// meterBook is what one node counted: the truth. Its reports are kept, so that they can come late and twice.
type meterBook struct {
	server, book string
	zone         uint64
	truth        map[string]*[2]core.Traffic // by account: October and November
	ports        [2]protocol.Traffic
	said         []*telling
}

// telling is one report, and what it said.
type telling struct {
	of    *meterBook
	zone  uint64
	rows  map[string][2]core.Traffic
	ports *[2]protocol.Traffic // instead of rows
	acked atomic.Bool
}

var tellMonths = []string{"2026-10", "2026-11"}

// says makes a report of some accounts, or of the ports.
func (b *meterBook) says(rnd *rand.Rand, all bool) *telling {
	t := &telling{of: b, zone: b.zone, rows: map[string][2]core.Traffic{}}
	if !all && rnd.IntN(4) == 0 {
		p := b.ports
		t.ports = &p
		b.said = append(b.said, t)
		return t
	}
	for _, id := range slices.Sorted(maps.Keys(b.truth)) {
		if all || rnd.IntN(2) == 0 {
			t.rows[id] = *b.truth[id]
		}
	}
	b.said = append(b.said, t)
	return t
}

// to tells it to a replica, now or again.
func (t *telling) to(r *replica, holder any) error {
	done := func(uint64) { t.acked.Store(true) }
	if t.ports != nil {
		rep := &protocol.ServerUsage{Seq: 1, Book: t.of.book, Zone: t.zone, At: clock.Unix()}
		for i, m := range tellMonths {
			n := t.ports[i]
			rep.Months = append(rep.Months, protocol.ServerMonth{Name: m, Total: n, Quarters: 1, Days: []protocol.Traffic{n}, In: []uint64{n.In}, Out: []uint64{n.Out}})
		}
		return r.ServerReport(t.of.server, holder, rep, done)
	}
	rep := &protocol.UsageReport{Seq: 1, Book: t.of.book, Zone: t.zone, Months: tellMonths, Counted: clock.Unix()}
	for _, id := range slices.Sorted(maps.Keys(t.rows)) {
		row := t.rows[id]
		var u protocol.AccountUsage
		for i := range row {
			u.Months[i] = row[i]
		}
		rep.Accounts = protocol.AppendUsage(rep.Accounts, id, &u)
	}
	return r.Report(t.of.server, holder, rep, done)
}

// faulty is a fleet of two replicas that die and come again.
type faulty struct {
	t       *testing.T
	rnd     *rand.Rand
	backend kv.KV
	admin   *replica // is told nothing and lives
	books   []*meterBook
	live    [2]*replica
	lives   [2]*mortal
}

func newFaulty(t *testing.T, seed uint64, backend kv.KV) *faulty {
	t.Helper()
	f := &faulty{t: t, rnd: rand.New(rand.NewPCG(seed, 11)), backend: backend} //nolint:gosec // a test
	f.admin = start(t, backend, time.Hour)
	for s := range 2 {
		server := fmt.Sprint("srv-", s)
		for i := range 5 {
			f.admin.has(fmt.Sprintf("acc-%d-%d", s, i), server, 1<<30, 1<<30)
		}
		for i := range 2 { // a server that was installed anew
			b := &meterBook{server: server, book: fmt.Sprintf("book-%d-%d", s, i), zone: 1, truth: map[string]*[2]core.Traffic{}}
			for j := range 5 {
				b.truth[fmt.Sprintf("acc-%d-%d", s, j)] = &[2]core.Traffic{}
			}
			f.books = append(f.books, b)
		}
	}
	for i := range f.live {
		f.begins(i)
	}
	return f
}

func (f *faulty) begins(i int) {
	every := []time.Duration{time.Millisecond, 20 * time.Millisecond, time.Hour}[f.rnd.IntN(3)]
	f.lives[i] = &mortal{KV: f.backend, after: f.rnd.IntN(2) == 0}
	f.live[i] = start(f.t, f.lives[i], every)
}

func (f *faulty) dies(i int) {
	f.lives[i].kill()
	f.live[i].cancel()
}

func (f *faulty) book() *meterBook { return f.books[f.rnd.IntN(len(f.books))] }

// counts lets something happen on a node.
func (f *faulty) counts() {
	b := f.book()
	for _, id := range slices.Sorted(maps.Keys(b.truth)) {
		row := &b.truth[id][f.rnd.IntN(2)][f.rnd.IntN(protocol.UsageClasses)]
		row.In, row.Out = row.In+f.rnd.Uint64N(1e6), row.Out+f.rnd.Uint64N(1e9)
	}
	p := &b.ports[f.rnd.IntN(2)]
	p.In, p.Out = p.In+f.rnd.Uint64N(1e6), p.Out+1+f.rnd.Uint64N(1e9)
}

// does lets one thing happen. What a replica says to a report is of no interest: it may be dead.
func (f *faulty) does() {
	i := f.rnd.IntN(len(f.live))
	r := f.live[i]
	switch f.rnd.IntN(16) {
	case 0, 1, 2:
		f.counts()
	case 3, 4, 5, 6: // the newest, of which every third is lost
		if t := f.book().says(f.rnd, false); f.rnd.IntN(3) > 0 {
			_ = t.to(r, f.rnd.IntN(3))
		}
	case 7, 8, 9, 10: // an old one, perhaps again, perhaps to another replica
		if b := f.book(); len(b.said) > 0 {
			t := b.said[f.rnd.IntN(len(b.said))]
			for range 1 + f.rnd.IntN(2) {
				_ = t.to(r, f.rnd.IntN(3))
			}
		}
	case 11:
		r.Left(f.book().server, f.rnd.IntN(3))
	case 12, 13:
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		_ = r.Settle(ctx, f.book().server)
		cancel()
	case 14:
		f.lives[i].left.CompareAndSwap(0, 1+f.rnd.Int64N(4))
	case 15:
		f.dies(i)
		f.begins(i)
	}
}

// turns changes the time zone: what was counted is of other months from then on, and nodes tell it anew.
func (f *faulty) turns() {
	f.admin.commit(func(tx *store.Tx) error {
		return store.Settings.Put(tx, store.FleetSettings, store.FleetSetting{TimeZone: "Asia/Tokyo", TimeZoneChanges: 1})
	})
	for _, b := range f.books {
		b.zone = 2
		for _, row := range b.truth {
			for c := range row[0] {
				moved := row[0][c].Out / 3
				row[0][c].Out, row[1][c].Out = row[0][c].Out-moved, row[1][c].Out+moved
			}
		}
		b.ports[0].Out, b.ports[1].Out = b.ports[0].Out-b.ports[0].Out/3, b.ports[1].Out+b.ports[0].Out/3
	}
}

// want is what all books counted of an account.
func (f *faulty) want(account string, month int) (sum core.Traffic) {
	for _, b := range f.books {
		if row := b.truth[account]; row != nil {
			sum.Add(&row[month])
		}
	}
	return sum
}

// is is what a replica shows of an account.
func is(r *replica, account string, month int) core.Traffic {
	f, _ := r.Account(account)
	for _, m := range f.Months {
		if m.Month == tellMonths[month] {
			return m.Traffic
		}
	}
	return core.Traffic{}
}

// kept checks that everything that was acknowledged is there, on a replica that begins after all others have died.
func (f *faulty) kept() {
	f.t.Helper()
	for i := range f.live {
		f.dies(i)
	}
	r := start(f.t, f.backend, time.Hour)
	for _, b := range f.books {
		most := map[string][2]core.Traffic{}
		for _, t := range b.said {
			if !t.acked.Load() || t.zone != b.zone {
				continue
			}
			for id, row := range t.rows {
				had := most[id]
				for m := range row {
					for c := range row[m] {
						had[m][c].In, had[m][c].Out = max(had[m][c].In, row[m][c].In), max(had[m][c].Out, row[m][c].Out)
					}
				}
				most[id] = had
			}
			if t.ports != nil && !b.portsAtLeast(r, t.ports) {
				f.t.Errorf("%s of %s acknowledged the ports' %v and has less", b.book, b.server, t.ports)
			}
		}
		for id, row := range most {
			for m := range row {
				rec := recorded(r, b, id, m)
				for c := range row[m] {
					if rec[c].In < row[m][c].In || rec[c].Out < row[m][c].Out {
						f.t.Errorf("%s of %s in %s: acknowledged %v, stored %v, zone %d", id, b.book, tellMonths[m], row[m], rec, b.zone)
					}
				}
			}
		}
	}
	for i := range f.live {
		f.begins(i)
	}
}

// recorded is what is stored of one book.
func recorded(r *replica, b *meterBook, account string, month int) core.Traffic {
	var s core.Sheet[core.Row]
	for item := range store.Usage.WithPrefix(r.store.Snapshot(), tellMonths[month]+"/"+b.server+"/"+b.book+"/") {
		_, _ = core.Read(item.Value.Rows, &s)
	}
	if row := s.Find(account); row != nil {
		return row.Traffic
	}
	return core.Traffic{}
}

func (b *meterBook) portsAtLeast(r *replica, want *[2]protocol.Traffic) bool {
	for m, month := range tellMonths {
		rec, ok := store.ServerUsage.View(r.store, store.ServerUsageKey(b.server, month))
		if !ok {
			return false
		}
		c := rec.Find(b.book)
		if c == nil || c.Zone == b.zone && c.In+c.Out < want[m].In+want[m].Out {
			return false
		}
	}
	return true
}

// ends lets all nodes tell everything, as they do when nothing was acknowledged, and checks each replica's figures to the byte.
func (f *faulty) ends() {
	f.t.Helper()
	for range 2 {
		for i, r := range f.live {
			f.lives[i].left.Store(0)
			if f.lives[i].dead.Load() {
				r.cancel()
				f.begins(i)
			}
		}
		for _, b := range f.books {
			r := f.live[f.rnd.IntN(len(f.live))]
			r.eventually("it heard of the time zone", func() bool { return r.Calendar().Zone == b.zone })
			p := b.ports
			for _, t := range []*telling{b.says(f.rnd, true), {of: b, zone: b.zone, ports: &p}} {
				if err := t.to(r, b); err != nil {
					f.t.Fatal(err)
				}
			}
			r.settle(b.server)
		}
	}
	for n, r := range []*replica{f.admin, f.live[0], f.live[1], start(f.t, f.backend, time.Hour)} {
		for s := range 2 {
			for i := range 5 {
				id := fmt.Sprintf("acc-%d-%d", s, i)
				for m := range tellMonths {
					r.eventually(fmt.Sprintf("replica %d has of %s in %s %v; it has %v", n, id, tellMonths[m], f.want(id, m), is(r, id, m)), func() bool { return is(r, id, m) == f.want(id, m) })
				}
			}
		}
		for m, month := range tellMonths {
			var out uint64
			for _, b := range f.books[:2] {
				out += b.ports[m].Out
			}
			r.eventually("it has the ports", func() bool { return r.out("srv-0", month) == out })
		}
	}
}

func faults(t *testing.T, seed uint64, steps int, backend kv.KV) {
	t.Helper()
	f := newFaulty(t, seed, backend)
	for i := range steps {
		f.does()
		if i%(steps/5) == steps/5-1 {
			f.kept()
		}
		if i == steps*2/3 {
			f.turns()
		}
	}
	f.ends()
}

// TestU1_U4_U7_SumsAreExactWhateverIsDoubledLostLateOrKilled: random histories of two servers, each with two books, and of two replicas that die between and within their commits.
func TestU1_U4_U7_SumsAreExactWhateverIsDoubledLostLateOrKilled(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { faults(t, seed, 250, memkv.New(memkv.Options{})) })
	}
	t.Run("on etcd", func(t *testing.T) { faults(t, 100, 120, etcdtest.Single(t).KV()) })
}

// TestU1_U4_AReplicaDiesAtEachOfItsCommits: before it, or when it has happened and nobody hears of it. What was acknowledged is there, and what the next one is told makes the figures exact.
func TestU1_U4_AReplicaDiesAtEachOfItsCommits(t *testing.T) {
	life := func(t *testing.T, at int64, after bool) (commits int64) {
		f := newFaulty(t, 1, memkv.New(memkv.Options{}))
		m := &mortal{KV: f.backend, after: after}
		m.left.Store(at)
		r := start(t, m, time.Hour)
		for range 3 {
			for _, b := range f.books {
				f.counts()
				for range 3 {
					_ = b.says(f.rnd, false).to(r, b)
				}
			}
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			for _, server := range []string{"srv-0", "srv-1"} {
				_ = r.Settle(ctx, server)
			}
			cancel()
		}
		commits = m.commits.Load()
		m.kill()
		r.cancel()
		f.kept()
		f.ends()
		return commits
	}
	whole := life(t, 0, false)
	if whole < 12 {
		t.Fatalf("it is %d commits only", whole)
	}
	for at := int64(1); at <= whole; at++ {
		for _, after := range []bool{false, true} {
			life(t, at, after)
		}
	}
}

// TestP18_C23_MoreThanTheLimitIsStrictlyMore: a byte more is over it, and the limit itself is not; both ways within one report.
func TestP18_C23_MoreThanTheLimitIsStrictlyMore(t *testing.T) {
	a := start(t, memkv.New(memkv.Options{}), time.Hour)
	a.has("acc-1", "srv-1", 10, 10)
	for i, c := range []struct {
		bytes uint64
		over  bool
	}{{10 << 20, false}, {10<<20 + 1, true}, {10<<20 - 1, false}} {
		a.report("srv-1", a, stored(uint64(2*i+1), "acc-1", c.bytes, clock.Add(time.Duration(i)*time.Second)))
		if f, _ := a.Account("acc-1"); f.Storage.Over != c.over {
			t.Errorf("%d bytes of disk space: over is %v", c.bytes, f.Storage.Over)
		}
		want := core.MiB(c.bytes)
		a.eventually("it is judged so", func() bool {
			u, ok := store.SubscriptionUses.View(a.store, "sub-acc-1")
			return ok && ((*u)[plan.DiskMiB] > 10) == c.over && ((*u)[plan.DiskMiB] == want || !c.over)
		})
	}
	a.report("srv-1", a, says(9, "book-1", "2026-11", map[string]uint64{"acc-1": 10 << 20}))
	if f, _ := a.Account("acc-1"); f.Months[0].Over {
		t.Error("traffic at its limit is over it")
	}
	a.report("srv-1", a, says(10, "book-1", "2026-11", map[string]uint64{"acc-1": 10<<20 + 1}))
	if f, _ := a.Account("acc-1"); !f.Months[0].Over {
		t.Error("a byte more than the limit is not over it")
	}
}
