package usage

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/steelyard/steelyard/controller/core/account"
	"github.com/steelyard/steelyard/controller/core/plan"
	"github.com/steelyard/steelyard/controller/core/subscription"
	core "github.com/steelyard/steelyard/controller/core/usage"
	"github.com/steelyard/steelyard/controller/store"
	"github.com/steelyard/steelyard/controller/store/kv"
	"github.com/steelyard/steelyard/controller/store/kv/memkv"
	"github.com/steelyard/steelyard/protocol"
)

// clock is at which the tests begin.
var clock = time.Date(2026, 11, 10, 12, 0, 0, 0, time.UTC)

// replica is a ledger over a state, as one controller has it. stop ends it as a kill would: nothing more is written.
type replica struct {
	*Ledger
	t      testing.TB
	store  *store.Store
	cancel context.CancelFunc
	mu     sync.Mutex
	now    time.Time
	acked  map[uint64]bool
	turned int
}

func start(t testing.TB, backend kv.KV, every time.Duration) *replica {
	t.Helper()
	r := &replica{t: t, store: store.New(backend, slog.New(slog.DiscardHandler)), now: clock, acked: map[uint64]bool{}}
	r.Ledger = New(Options{Store: r.store, Now: r.time, Every: every, Soon: time.Millisecond}, func() {
		r.mu.Lock()
		r.turned++
		r.mu.Unlock()
	})
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	var work sync.WaitGroup
	work.Go(func() { _ = r.store.Run(ctx) })
	work.Go(func() { _ = r.Run(ctx) })
	t.Cleanup(func() { cancel(); work.Wait() })
	limit, done := context.WithTimeout(ctx, 20*time.Second)
	defer done()
	if err := r.store.Ready(limit); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *replica) time() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *replica) ack(seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.acked[seq] = true
}

func (r *replica) hasAcked(seq uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.acked[seq]
}

func (r *replica) commit(f func(tx *store.Tx) error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if _, err := r.store.Change(ctx, f); err != nil {
		r.t.Fatal(err)
	}
}

// has makes an account with limits in MiB on a server.
func (r *replica) has(id, server string, disk, traffic uint64) {
	r.t.Helper()
	values := plan.Values{plan.DiskMiB: plan.Number(disk), plan.TrafficMiB: plan.Number(traffic), plan.Overuse: plan.Chosen(plan.Normal)}.Complete()
	r.commit(func(tx *store.Tx) error {
		return cmp.Or(
			store.Accounts.Put(tx, id, account.Account{ID: id, Domain: id + ".test", User: id, Server: server, Subscription: "sub-" + id, State: account.There}),
			store.Subscriptions.Put(tx, "sub-"+id, subscription.Subscription{ID: "sub-" + id, Name: id, Server: server, Values: values}))
	})
}

func (r *replica) report(server string, holder any, rep *protocol.UsageReport) {
	r.t.Helper()
	if err := r.Report(server, holder, rep, r.ack); err != nil {
		r.t.Fatal(err)
	}
}

func (r *replica) settle(server string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := r.Settle(ctx, server); err != nil {
		r.t.Fatal(err)
	}
}

func (r *replica) eventually(what string, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatal("never came to pass: " + what)
		}
	}
}

// bytes is the total of an account in a month.
func (r *replica) bytes(id, month string) uint64 {
	f, _ := r.Account(id)
	for _, m := range f.Months {
		if m.Month == month {
			return m.Total
		}
	}
	return 0
}

// says makes a report of one month: bytes of WWW that were sent, by account.
func says(seq uint64, book, month string, of map[string]uint64) *protocol.UsageReport {
	rep := &protocol.UsageReport{Seq: seq, Book: book, Zone: 1, Months: []string{month}, Counted: clock.Unix()}
	for id, n := range of {
		var u protocol.AccountUsage
		u.Months[0][protocol.UsageWWW].Out = n
		rep.Accounts = protocol.AppendUsage(rep.Accounts, id, &u)
	}
	return rep
}

func stored(seq uint64, id string, bytes uint64, at time.Time) *protocol.UsageReport {
	var u protocol.AccountUsage
	u.Stored = protocol.Stored{Home: bytes, At: uint64(at.Unix())}
	return &protocol.UsageReport{Seq: seq, Book: "book-1", Zone: 1, Accounts: protocol.AppendUsage(nil, id, &u)}
}

func TestU1_AReportIsStoredAcknowledgedAndReadOnEveryReplica(t *testing.T) {
	backend := memkv.New(memkv.Options{})
	a, b := start(t, backend, 20*time.Millisecond), start(t, backend, time.Hour)
	a.has("acc-1", "srv-1", 10, 10)
	a.report("srv-1", a, says(1, "book-1", "2026-11", map[string]uint64{"acc-1": 3 << 20}))
	a.report("srv-1", a, stored(2, "acc-1", 5<<20, clock))
	a.eventually("both are acknowledged", func() bool { return a.hasAcked(1) && a.hasAcked(2) })
	b.eventually("the other replica has it", func() bool { return b.bytes("acc-1", "2026-11") == 3<<20 })
	f, ok := b.Account("acc-1")
	if !ok || len(f.Months) != 1 || f.Months[0].Over || f.Months[0].WWW != 3<<20 || !f.Months[0].At.Equal(clock) || f.Storage.Total != 5<<20 || !f.Storage.At.Equal(clock) || f.Domain != "acc-1.test" {
		t.Errorf("%+v", f)
	}
	n := 0
	for f := range b.Each("2026-11") {
		if n++; f.Months[0].Total != 3<<20 || f.Storage.Home != 5<<20 {
			t.Errorf("%+v", f)
		}
	}
	if months := b.Months(); n != 1 || fmt.Sprint(months) != "[2026-11]" {
		t.Error(n, months)
	}
}

func TestU4_WhatIsNotStoredIsNotAcknowledged(t *testing.T) {
	backend := memkv.New(memkv.Options{})
	a := start(t, backend, time.Hour)
	a.has("acc-1", "srv-1", 10, 100)
	a.report("srv-1", a, says(1, "book-1", "2026-11", map[string]uint64{"acc-1": 5}))
	a.report("srv-1", a, says(2, "book-1", "2026-11", map[string]uint64{"acc-1": 5})) // the same again is no proof that it is stored
	if a.hasAcked(1) || a.hasAcked(2) || store.Usage.Len(a.store.Snapshot()) != 0 {
		t.Fatal("it was acknowledged before it was stored")
	}
	a.settle("srv-1")
	if !a.hasAcked(1) || !a.hasAcked(2) {
		t.Fatal("it was not acknowledged")
	}
	a.eventually("it is seen", func() bool { return store.Usage.Len(a.store.Snapshot()) == 1 })
	a.report("srv-1", a, says(3, "book-1", "2026-11", map[string]uint64{"acc-1": 4})) // late
	if !a.hasAcked(3) || a.bytes("acc-1", "2026-11") != 5 {
		t.Fatal("a report that is known is acknowledged at once")
	}
}

func TestC21_AnAccountThatIsGoneStaysInTheSums(t *testing.T) {
	a := start(t, memkv.New(memkv.Options{}), time.Hour)
	a.has("acc-1", "srv-1", 10, 10)
	a.has("acc-2", "srv-1", 10, 10)
	a.report("srv-1", a, says(1, "book-1", "2026-11", map[string]uint64{"acc-1": 11 << 20, "acc-2": 1 << 20}))
	a.settle("srv-1")
	a.commit(func(tx *store.Tx) error {
		return cmp.Or(store.Accounts.Delete(tx, "acc-1"), store.Subscriptions.Delete(tx, "sub-acc-1"),
			store.FormerAccounts.Put(tx, "acc-1", core.Former{Domain: "acc-1.test", Server: "srv-1", GoneAt: clock, Limit: plan.Number(10).Limit}))
	})
	a.report("srv-1", a, says(2, "book-1", "2026-11", map[string]uint64{"acc-1": 12 << 20})) // its last lines
	var sum core.Sum
	for f := range a.Each("2026-11") {
		sum.Add(f, "2026-11")
	}
	if sum.Accounts != 2 || sum.Traffic.Total() != 13<<20 || sum.OverTraffic != 1 {
		t.Errorf("%+v", sum)
	}
	sum = core.Sum{}
	for f := range a.On("srv-1", "2027-01") {
		sum.Add(f, "2027-01")
	}
	if sum.Accounts != 1 || sum.Traffic.Total() != 0 {
		t.Errorf("in January: %+v", sum)
	}
}

func TestU1_ANodeTellsOfItsOwnAccountsAlone(t *testing.T) {
	a := start(t, memkv.New(memkv.Options{}), time.Hour)
	a.has("acc-1", "srv-1", 10, 10)
	a.report("srv-2", a, says(1, "book-1", "2026-11", map[string]uint64{"acc-1": 5, "acc-none": 7}))
	a.report("srv-1", a, says(2, "book-1", "2026-11", map[string]uint64{"acc-1": core.MaxTraffic + 1}))
	for _, month := range []string{"2026-01", "2031-01", "x", "2026-11/srv-9"} {
		a.report("srv-1", a, says(3, "book-1", month, map[string]uint64{"acc-1": 5}))
	}
	for i := range 3 * maxBooks {
		a.report("srv-1", a, says(4, fmt.Sprint("book-", i), "2026-10", map[string]uint64{"acc-1": 1}))
	}
	for _, book := range []string{"", "a/b", "\x00"} {
		if err := a.Report("srv-1", a, says(5, book, "2026-11", nil), a.ack); err == nil {
			t.Errorf("a book is called %q", book)
		}
	}
	a.settle("srv-1")
	a.settle("srv-2")
	f, _ := a.Account("acc-1")
	if len(f.Months) != 1 || f.Months[0].Total != maxBooks || a.Stats().Strangers != 2 {
		t.Errorf("%+v %+v", f, a.Stats())
	}
}

func TestP18_AnOveruseBeginsAndEndsWithTheFigures(t *testing.T) {
	a := start(t, memkv.New(memkv.Options{}), time.Hour)
	a.has("acc-1", "srv-1", 100, 1000)
	use := func(name string) (n uint64) {
		if u, ok := store.SubscriptionUses.View(a.store, "sub-acc-1"); ok {
			n = (*u)[name]
		}
		return n
	}
	told := func(what string, name string, want uint64) {
		t.Helper()
		a.eventually(what, func() bool { return use(name) == want })
	}
	at := clock
	takes := func(mib uint64) {
		t.Helper()
		at = at.Add(time.Second)
		a.report("srv-1", a, stored(uint64(at.Unix()), "acc-1", mib<<20, at))
	}
	takes(100)
	told("the limit is reached", plan.DiskMiB, 100)
	takes(101)
	told("it is exceeded", plan.DiskMiB, 101)
	takes(99)
	told("something was deleted", plan.DiskMiB, 99)
	before := a.store.Snapshot().Rev
	takes(98)
	takes(97)
	if got := a.store.Snapshot().Rev; got != before || use(plan.DiskMiB) != 99 {
		t.Errorf("a step that changes nothing was written: revision %d after %d", got, before)
	}
	a.report("srv-1", a, says(1, "book-1", "2026-11", map[string]uint64{"acc-1": 1000<<20 + 1}))
	told("the limit of traffic is exceeded by a byte", plan.TrafficMiB, 1001)
	// A raise below the stored figure, whose true value is within it.
	a.commit(func(tx *store.Tx) error {
		s, err := store.Subscriptions.Get(tx, "sub-acc-1")
		if err != nil {
			return err
		}
		s.Values[plan.DiskMiB] = plan.Number(98)
		return store.Subscriptions.Put(tx, s.ID, s)
	})
	told("the figure of now, for the limit of now", plan.DiskMiB, 97)
	// The month ends: so does the overuse.
	a.mu.Lock()
	a.now = time.Date(2026, 12, 1, 0, 0, 1, 0, time.UTC)
	a.mu.Unlock()
	a.recalendar()
	told("a month begins with nothing", plan.TrafficMiB, 0)
	if a.turned != 1 || a.Now() != "2026-12" {
		t.Error(a.turned, a.Now())
	}
}
