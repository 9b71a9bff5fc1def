package storage

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/steelyard/steelyard/agent/hosting/part"
	"github.com/steelyard/steelyard/agent/hosting/quota"
	"github.com/steelyard/steelyard/protocol"
)

// node is a tree of homes, mail and databases, and what the measurer told of it.
type node struct {
	t       testing.TB
	layout  part.Layout
	data    string
	list    []Account
	now     time.Time
	told    map[string]protocol.Stored
	urgent  []string
	deleted uint64
	used    func(string, int) (quota.Use, bool, error)
	m       *Measurer
}

func newNode(t testing.TB) *node {
	dir := t.TempDir()
	n := &node{t: t, layout: part.Layout{Homes: filepath.Join(dir, "homes"), Mail: filepath.Join(dir, "mail")}, data: filepath.Join(dir, "mysql"), now: time.Unix(1763928000, 0), told: map[string]protocol.Stored{}}
	n.m = New(Options{
		Layout: n.layout, Databases: n.data, Now: func() time.Time { return n.now }, Logger: slog.New(slog.DiscardHandler),
		Accounts: func() []Account { return n.list },
		Used: func(path string, uid int) (quota.Use, bool, error) {
			if n.used == nil {
				return quota.Use{}, false, nil
			}
			return n.used(path, uid)
		},
		Stored: func(id string, s protocol.Stored, urgent bool) {
			if n.told[id] = s; urgent {
				n.urgent = append(n.urgent, id)
			}
		},
		Deleted: func(b uint64) { n.deleted = b },
	})
	return n
}

func (n *node) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) file(size int, path ...string) string {
	n.t.Helper()
	name := filepath.Join(path...)
	n.must(os.MkdirAll(filepath.Dir(name), 0o755))
	n.must(os.WriteFile(name, make([]byte, size), 0o644))
	return name
}

// account makes one with something in each class.
func (n *node) account(i int, limit uint64) Account {
	user, domain := fmt.Sprintf("user%d", i), fmt.Sprintf("%d.example", i)
	a := Account{ID: fmt.Sprint("acc-", i), User: user, Domains: []string{domain}, Limit: limit}
	n.file(10_000, n.layout.Htdocs(user), "index.html")
	n.file(20_000, n.layout.Subdomain(user, "sub"), "a", "b")
	n.file(30_000, n.layout.Private(user), "notes")
	if os.Geteuid() == 0 {
		n.must(os.Chown(n.layout.Private(user), 54321, 54321))
	}
	n.file(40_000, n.layout.Mail, domain, "info", "Maildir", "cur", "1")
	n.file(50_000, n.data, user+"_shop", "t.ibd")
	n.list = append(n.list, a)
	return a
}

// tick lets time pass and the measurer look.
func (n *node) tick(d time.Duration) {
	n.now = n.now.Add(d)
	n.m.tick(n.t.Context())
}

// du is what du says of these.
func du(t testing.TB, args ...string) (sum uint64) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "du", append([]string{"-s", "-x", "--block-size=1"}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		v, err := strconv.ParseUint(strings.Fields(line)[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += v
	}
	return sum
}

func TestC20_TheFourClassesAreDisjointAndWhatDuSays(t *testing.T) {
	n := newNode(t)
	a := n.account(1, NoLimit)
	n.account(2, NoLimit)
	home := n.layout.Home(a.User)
	first := n.file(100_000, home, "private", "one")
	n.must(os.Link(first, filepath.Join(home, "private", "two")))
	n.must(os.Symlink("/etc", filepath.Join(home, "private", "etc")))
	n.must(os.Symlink(n.layout.Homes, filepath.Join(home, "all")))
	n.must(os.Truncate(n.file(1, home, "private", "sparse"), 1<<40))
	n.must(unix.Mkfifo(filepath.Join(home, "private", "pipe"), 0o600))
	n.file(60_000, n.data, "ibdata1")
	n.file(60_000, n.data, "mysql", "user.ibd")
	n.tick(0)
	got := n.told[a.ID]
	www := du(t, n.layout.Htdocs(a.User), filepath.Join(home, "sub"))
	want := protocol.Stored{WWW: www, Home: du(t, home) - www, Mail: du(t, filepath.Join(n.layout.Mail, a.Domains[0])), Databases: du(t, filepath.Join(n.data, a.User+"_shop")), At: uint64(n.now.Unix())}
	if got != want {
		t.Errorf("%+v, du says %+v", got, want)
	}
	if len(n.told) != 2 {
		t.Errorf("%d accounts", len(n.told))
	}
}

func TestC20_ACustomerCannotMakeAWalkLongDeepOrGoElsewhere(t *testing.T) {
	n := newNode(t)
	a := n.account(1, NoLimit)
	dir, err := unix.Open(n.layout.Private(a.User), unix.O_DIRECTORY, 0)
	n.must(err)
	for range MaxDepth + 50 {
		n.must(unix.Mkdirat(dir, "d", 0o755))
		next, err := unix.Openat(dir, "d", unix.O_DIRECTORY, 0)
		n.must(err)
		n.must(unix.Close(dir))
		dir = next
	}
	n.must(unix.Close(dir))
	n.list[0].Domains = append(n.list[0].Domains, "..", "../homes", "/etc", ".")
	n.tick(0)
	if s := n.told[a.ID]; s.Mail != du(t, filepath.Join(n.layout.Mail, "1.example")) || s.Home == 0 {
		t.Errorf("%+v", s)
	}
	w := newWalk(t.Context(), 0)
	w.links = map[inode]struct{}{}
	for i := range MaxLinks {
		w.links[inode{1, uint64(i)}] = struct{}{}
	}
	if got := w.once(&unix.Stat_t{Nlink: 4, Blocks: 8, Ino: 1 << 40}); got != 1024 || len(w.links) != MaxLinks {
		t.Errorf("%d, %d names are remembered", got, len(w.links))
	}
}

func TestC20_WhatIsDeletedShowsWithinSecondsOfAnAccountOverItsLimit(t *testing.T) {
	for _, kernel := range []bool{true, false} {
		n := newNode(t)
		a := n.account(1, 400_000)
		if kernel {
			n.used = func(path string, _ int) (quota.Use, bool, error) { return quota.Use{Bytes: du(t, path)}, true, nil }
		}
		n.tick(0)
		if len(n.urgent) > 0 {
			t.Fatal("not over, and urgent")
		}
		big := n.file(500_000, n.layout.Htdocs(a.User), "big")
		for range 500 { // the kernel's count says it at once, a round in its time
			if n.tick(LookEvery); len(n.urgent) > 0 {
				break
			}
		}
		if len(n.urgent) != 1 {
			t.Fatalf("kernel %t: over its limit, and nobody is told: %+v", kernel, n.told[a.ID])
		}
		n.must(os.Remove(big))
		for range 20 {
			n.tick(NearEvery)
		}
		if s := n.told[a.ID]; len(n.urgent) != 2 || total(&s) > 400_000 {
			t.Fatalf("kernel %t: %+v is told after a deletion", kernel, s)
		}
		n.file(300_000, n.layout.Private(a.User), "x")
		n.tick(RoundLeast)
		n.tick(RoundLeast)
		n.urgent = nil
		n.list[0].Limit = NoLimit
		if n.tick(NearEvery); len(n.urgent) != 1 {
			t.Errorf("kernel %t: a raised limit is told as %q", kernel, n.urgent)
		}
	}
}

func TestU6_EachFigureHasItsTimeAndAnAccountThatIsGoneHasNothing(t *testing.T) {
	n := newNode(t)
	a := n.account(1, NoLimit)
	b := n.account(2, NoLimit)
	n.tick(0)
	first := n.told[a.ID].At
	for range 40 {
		n.tick(LookEvery)
	}
	if at := n.told[a.ID].At; at < first+uint64(RoundLeast/time.Second) {
		t.Errorf("measured at %d, and not again since %d", at, first)
	}
	n.list = n.list[:1]
	n.tick(LookEvery)
	if s := n.told[b.ID]; total(&s) != 0 || s.At != uint64(n.now.Unix()) {
		t.Errorf("%+v", s)
	}
}

func TestC20_DeletedFilesThatAreHeldOpenAreToldOfTheNode(t *testing.T) {
	n := newNode(t)
	n.account(1, NoLimit)
	n.used = func(path string, _ int) (quota.Use, bool, error) {
		return quota.Use{Bytes: du(t, path) + 123<<20}, true, nil
	}
	n.tick(0)
	if n.deleted != 123<<20 {
		t.Errorf("%d bytes", n.deleted)
	}
}

func TestAWalkEndsWithItsContext(t *testing.T) {
	n := newNode(t)
	a := n.account(1, NoLimit)
	ctx, end := context.WithCancel(t.Context())
	end()
	n.m.tick(ctx)
	if _, told := n.told[a.ID]; told {
		t.Error("half a walk is told")
	}
}

// BenchmarkIdle is two minutes of a node with 5,000 accounts that nothing happens on; cpu-% is the share of a core.
func BenchmarkIdle(b *testing.B) {
	n := newNode(b)
	for i := range 5000 {
		user := fmt.Sprintf("user%d", i)
		n.must(os.MkdirAll(n.layout.Private(user), 0o755))
		n.file(5000, n.layout.Htdocs(user), "index.html")
		n.list = append(n.list, Account{ID: fmt.Sprintf("acc-%016d", i), User: user, Limit: 1 << 40})
	}
	p := quota.New(quota.Options{Layout: n.layout})
	n.used = p.Used
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n.tick(0)
	runtime.GC()
	runtime.ReadMemStats(&after)
	start := cpu()
	ticks := 0
	for b.Loop() {
		n.tick(LookEvery)
		ticks++
	}
	b.ReportMetric(100*float64(cpu()-start)/float64(time.Duration(ticks)*LookEvery), "cpu-%")
	b.ReportMetric(float64(max(after.HeapAlloc, before.HeapAlloc)-before.HeapAlloc)/1e6, "MB")
}

// cpu is the processor time of the process.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestC20_AllNamesOfAnAccountAreLookedForInTheMail(t *testing.T) {
	mib := uint64(3)
	a := Of(&protocol.HostedAccount{
		ID: "acc-1", User: "alice", DiskMiB: &mib, Domain: "a.example", Subdomains: []string{"s.a.example"}, Forwards: []protocol.HostedForward{{Domain: "b.example"}},
		Mailboxes: []protocol.HostedMailbox{{Address: "x@a.example"}, {Address: "y@c.example"}},
	})
	if a.Limit != 3<<20 || strings.Join(a.Domains, " ") != "a.example s.a.example b.example c.example" {
		t.Errorf("%+v", a)
	}
	if got := Of(&protocol.HostedAccount{WatchMiB: &mib}).Limit; got != 3<<20 {
		t.Errorf("a limit that is only watched is %d", got)
	}
	if Of(&protocol.HostedAccount{}).Limit != NoLimit {
		t.Error("no limit is one")
	}
}
