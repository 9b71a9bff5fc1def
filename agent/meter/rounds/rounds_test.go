package rounds

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/steelyard/steelyard/agent/meter"
	"github.com/steelyard/steelyard/agent/meter/book"
	"github.com/steelyard/steelyard/protocol"
)

type node struct {
	t    *testing.T
	dir  string
	docs []protocol.HostedAccount
	r    *Rounds
}

func (n *node) each(f func(*protocol.HostedAccount)) {
	for i := range n.docs {
		f(&n.docs[i])
	}
}

func (n *node) open() {
	r, err := Open(Options{Dir: filepath.Join(n.dir, "meter"), Logger: slog.New(slog.DiscardHandler), Logs: meter.Options{WWW: filepath.Join(n.dir, "traffic.log"), FTP: filepath.Join(n.dir, "ftp.log")}})
	if err != nil {
		n.t.Fatal(err)
	}
	n.r = r
}

func (n *node) visit(user string, out int) {
	f, err := os.OpenFile(filepath.Join(n.dir, "traffic.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintf(f, "%s %d.000 0 %d\n", user, time.Now().Unix(), out)
	}
	if err != nil || f.Close() != nil {
		n.t.Fatal(err)
	}
}

func (n *node) months() protocol.UsageMonths {
	now := int64(book.QuarterOf(time.Now()))
	return protocol.UsageMonths{Months: []protocol.UsageMonth{{Name: "now", From: now - 1000, To: now + 100000}}}
}

// told are the bytes of WWW by account that the reporter tells in a session.
func (n *node) told() map[string]uint64 {
	n.t.Helper()
	tell := n.r.Reporter()
	tell.Attach()
	tell.SetMonths(n.months())
	if err := tell.Apply(); err != nil {
		n.t.Fatal(err)
	}
	all := map[string]uint64{}
	now := time.Now()
	for range 10 {
		_, m, again := tell.Report(now)
		u, ok := m.(*protocol.UsageReport)
		if !ok {
			break
		}
		if err := u.Each(func(id []byte, a *protocol.AccountUsage) { all[string(id)] = a.Months[0][protocol.UsageWWW].Out }); err != nil {
			n.t.Fatal(err)
		}
		now = again
	}
	return all
}

func TestU2_LinesOfARemovedAccountAreItsOwnAndNeverTheNextOnes(t *testing.T) {
	n := &node{t: t, dir: t.TempDir()}
	n.open()
	one := protocol.HostedAccount{ID: "acc-1", User: "alice", State: protocol.HostedPresent}
	two := protocol.HostedAccount{ID: "acc-2", User: "alice", State: protocol.HostedPresent}
	n.r.Before(t.Context(), []protocol.HostedAccount{one})
	n.visit("alice", 100)
	one.State = protocol.HostedGone
	n.r.Before(t.Context(), []protocol.HostedAccount{one})
	if got := n.told(); got["acc-1"] != 100 {
		t.Fatalf("before the account goes %v is told", got)
	}
	n.visit("alice", 20) // a download that was on its way
	if err := n.r.Close(); err != nil {
		t.Fatal(err)
	}
	n.open() // the agent starts anew
	n.r.tidy(n.each)
	n.r.Before(t.Context(), []protocol.HostedAccount{two})
	n.visit("alice", 3)
	n.r.look(t.Context())
	if got := n.told(); got["acc-1"] != 120 || got["acc-2"] != 3 {
		t.Fatalf("%v", got)
	}
	if err := n.r.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestU2_EverythingIsCountedRoundAfterRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &node{t: t, dir: t.TempDir(), docs: []protocol.HostedAccount{{ID: "acc-1", User: "alice", State: protocol.HostedPresent}}}
		n.open()
		n.r.Reporter().Attach()
		n.r.Reporter().SetMonths(n.months())
		ctx, end := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); n.r.Run(ctx, n.each) }()
		for range 5 {
			n.visit("alice", 10)
			time.Sleep(Every)
		}
		time.Sleep(Every / 2) // behind the last round
		end()
		<-done
		if got := n.told(); got["acc-1"] != 50 {
			t.Errorf("%v", got)
		}
		if err := n.r.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// BenchmarkIdle is a round of a node with 5,000 accounts and no visitor.
func BenchmarkIdle(b *testing.B) {
	n := &node{dir: b.TempDir()}
	r, err := Open(Options{Dir: n.dir, Logger: slog.New(slog.DiscardHandler), Logs: meter.Options{WWW: filepath.Join(n.dir, "traffic.log"), FTP: filepath.Join(n.dir, "ftp.log")}})
	if err != nil {
		b.Fatal(err)
	}
	for i := range 5000 {
		n.docs = append(n.docs, protocol.HostedAccount{ID: fmt.Sprintf("acc-%016d", i), User: fmt.Sprintf("user%d", i), State: protocol.HostedPresent})
	}
	for i := range n.docs {
		r.owners.Map()[n.docs[i].User] = n.docs[i].ID
	}
	for _, path := range []string{"traffic.log", "ftp.log"} {
		if err := os.WriteFile(filepath.Join(n.dir, path), nil, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		r.look(b.Context())
	}
}
